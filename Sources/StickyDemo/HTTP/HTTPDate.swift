#if NIO
import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The Date field (RFC 9110 section 5.6.7), formatted once a second.
struct HTTPDate {
    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    /// How often the text has changed.
    private(set) var changes = 0
    private var current = ""
    private var validUntil: NIODeadline?

    /// The text for now.
    mutating func text(_ now: NIODeadline) -> String {
        refresh(now)
        return current
    }

    /// Brings the text up to date.
    mutating func refresh(_ now: NIODeadline) {
        if let validUntil, now < validUntil { return }
        var time = timespec()
        clock_gettime(CLOCK_REALTIME, &time)
        validUntil = now + .nanoseconds(Int64(1_000_000_000 - time.tv_nsec))
        current = Self.format(time.tv_sec)
        changes += 1
    }

    static func format(_ seconds: time_t) -> String {
        var seconds = seconds
        var parts = tm()
        gmtime_r(&seconds, &parts)
        func two(_ number: CInt) -> String { number < 10 ? "0\(number)" : "\(number)" }
        let day = days[Int(parts.tm_wday)]
        let month = months[Int(parts.tm_mon)]
        let time = "\(two(parts.tm_hour)):\(two(parts.tm_min)):\(two(parts.tm_sec))"
        return "\(day), \(two(parts.tm_mday)) \(month) \(parts.tm_year + 1900) \(time) GMT"
    }
}
#endif
