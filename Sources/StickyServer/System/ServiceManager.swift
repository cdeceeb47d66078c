internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a service manager is told and what it hands over: the notification socket of sd_notify(3) and the listeners of
/// sd_listen_fds(3). Without one (the variables are unset) every call does nothing.
struct ServiceManager: Sendable {
    /// The path of the notification socket; an abstract one begins with `@`.
    private let notifyPath: String?
    /// How often the manager wants a sign of life; nil when it wants none.
    let watchdogInterval: Duration?

    /// Reads the variables of this process. `pid` is compared with the one that they were meant for.
    init(read: (String) -> String?, pid: pid_t) {
        notifyPath = read("NOTIFY_SOCKET")
        let isMeant = read("WATCHDOG_PID").flatMap { pid_t($0) }.map { $0 == pid } ?? true
        let limit = read("WATCHDOG_USEC").flatMap { Int64($0) }
        // Half the limit, as sd_watchdog_enabled(3) advises.
        watchdogInterval = isMeant ? limit.flatMap { $0 > 0 ? .microseconds(max(1, $0 / 2)) : nil } : nil
    }

    init() {
        self.init(read: { name in getenv(name).map { String(cString: $0) } }, pid: getpid())
    }

    /// Sends lines such as `READY=1`. A manager that does not listen is no reason to fail.
    func notify(_ lines: String...) {
        guard let notifyPath else { return }
        let text = Array(lines.joined(separator: "\n").utf8)
        #if canImport(Glibc)
        let number = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        #else
        let number = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard number >= 0 else { return }
        defer { Libc.close(number) }
        _ = sticky_set_cloexec(number, 1)
        _ = Self.withNative(notifyPath) { address, length in
            sendto(number, text, text.count, CInt(MSG_DONTWAIT), address, length)
        }
    }

    /// Calls `body` with the address of the notification socket; nil when the path is too long. An abstract name has a
    /// zero in place of its `@`, and its length ends it (unix(7)).
    private static func withNative<R>(_ path: String, _ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R? {
        SocketAddress.unix(path: path).withNative { address, length in
            guard path.hasPrefix("@") else { return body(address, length) }
            var native = UnsafeRawPointer(address).loadUnaligned(as: sockaddr_un.self)
            native.sun_path.0 = 0
            let nameLength = (MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + path.utf8.count
            return withUnsafePointer(to: &native) { pointer in
                pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(nameLength)) }
            }
        }
    }

    /// Says that a reload begins. The time is that of CLOCK_MONOTONIC, as `Type=notify-reload` demands.
    func notifyReloading() {
        notify("RELOADING=1", "MONOTONIC_USEC=\(sticky_monotonic_microseconds())")
    }

    /// The listeners that were handed over, by name. They begin at descriptor 3 and stay open.
    static func inheritedListeners(read: (String) -> String?, pid: pid_t) -> [(name: String, descriptor: CInt)] {
        guard
            let count = read("LISTEN_FDS").flatMap({ CInt($0) }), count > 0, count <= 1024,
            read("LISTEN_PID").flatMap({ pid_t($0) }) == pid
        else { return [] }
        let names = read("LISTEN_FDNAMES").map { $0.split(separator: ":", omittingEmptySubsequences: false) } ?? []
        return (0..<count).map { index in
            (names.indices.contains(Int(index)) ? String(names[Int(index)]) : "unknown", 3 + index)
        }
    }
}
