#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The times that the rules of sessions need, so that tests can set them.
struct TLSClock: Sendable {
    /// Seconds since 1970.
    var wall: @Sendable () -> Int64
    /// Nanoseconds since some moment, never going back.
    var monotonic: @Sendable () -> Int64

    static let system = TLSClock(
        wall: { Int64(time(nil)) },
        monotonic: {
            var now = timespec()
            clock_gettime(CLOCK_MONOTONIC, &now)
            return Int64(now.tv_sec) * 1_000_000_000 + Int64(now.tv_nsec)
        }
    )
}
