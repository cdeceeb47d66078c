#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Whole lines, unbuffered.
enum Output {
    static func line(_ text: String) {
        _ = (text + "\n").withCString { write(1, $0, strlen($0)) }
    }

    /// What a worker tells the test: on standard error, with its pid.
    static func note(_ text: String) {
        _ = "note \(getpid()) \(text)\n".withCString { write(2, $0, strlen($0)) }
    }
}
