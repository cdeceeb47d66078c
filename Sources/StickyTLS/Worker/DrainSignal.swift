import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Wakes all threads that poll a descriptor, once and for good: the end of a pipe whose other end is closed.
final class DrainSignal: Sendable {
    /// Readable once the signal is given; -1 when the system had no pipe, and then nobody is woken.
    let descriptor: CInt
    private let other: Mutex<CInt>

    init() {
        var ends: [CInt] = [-1, -1]
        if pipe(&ends) == 0 {
            for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        } else {
            ends = [-1, -1]
        }
        descriptor = ends[0]
        other = Mutex(ends[1])
    }

    deinit {
        give()
        if descriptor >= 0 { close(descriptor) }
    }

    func give() {
        other.withLock { end in
            if end >= 0 { close(end) }
            end = -1
        }
    }
}
