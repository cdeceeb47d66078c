#if Hummingbird
internal import StickyServer
internal import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The Date field (RFC 9110 section 5.6.7), formatted once a second.
package final class HTTPDate: Sendable {
    private struct Moment: Sendable {
        var second: Int
        var text: String
    }

    private static let days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"]
    private static let months = [
        "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec",
    ]

    private let moment = Mutex(Moment(second: .min, text: ""))

    package init() {}

    /// The text for now.
    package var now: String {
        let second = time(nil)
        return moment.withLock { moment in
            if moment.second != second { moment = Moment(second: second, text: Self.format(second)) }
            return moment.text
        }
    }

    package static func format(_ seconds: Int) -> String {
        var seconds = time_t(seconds)
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
