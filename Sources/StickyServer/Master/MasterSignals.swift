internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The signals that are orders to the master.
enum MasterSignals {
    /// Stop (twice: at once), stop, reload, upgrade, one slot more, one slot fewer.
    static let all = [SIGTERM, SIGINT, SIGHUP, SIGUSR2, SIGTTIN, SIGTTOU]

    /// Holds them back for this thread, also through execve(2), where their default action would end the server.
    static func block() { sticky_block_signals(all, all.count, 1) }

    static func unblock() { sticky_block_signals(all, all.count, 0) }
}
