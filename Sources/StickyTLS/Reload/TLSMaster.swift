public import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What a master does for the TLS of its workers: makes and rotates ticket keys, reads certificates and keys, watches
/// their files, and shares all of it. The master itself speaks no TLS.
///
/// ```swift
/// let context = try TLSContext(configuration)
/// if server.isMaster {
///     let master = try TLSMaster(context, of: server)
///     let running = Task { try await master.run() }
///     try await server.listen()
///     running.cancel()
/// }
/// ```
public final class TLSMaster: Sendable {
    /// Watches the files. Its ``TLSReloader/reload()`` reads them at once.
    public let reloader: TLSReloader
    /// Rotates the ticket keys. Its ``TicketKeyRotation/rotate()`` does at once. Nil when the configuration's keys do not
    /// come from the master.
    public let rotation: TicketKeyRotation?

    /// Shares what workers need from the start. Make it before `listen()`. From then on the process holds private keys, so
    /// it writes no core file (RLIMIT_CORE, setrlimit(2)).
    ///
    /// - Throws: What is wrong with the files (`TLSError`), or that this is no master (`StickyServerError`).
    public init(_ context: TLSContext, of server: StickyServer) throws {
        var none = rlimit(rlim_cur: 0, rlim_max: 0)
        #if canImport(Glibc)
        setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
        #else
        setrlimit(RLIMIT_CORE, &none)
        #endif
        rotation =
            if case .master = context.configuration.ticketKeys {
                try TicketKeyRotation(sharingWith: server)
            } else {
                nil
            }
        reloader = try TLSReloader(context, sharingWith: server)
        context.tellOfUnprotectedKeys()
    }

    /// Goes on until its task is cancelled.
    public func run() async throws {
        guard let rotation else { return try await reloader.run() }
        async let rotating: Void = rotation.run()
        async let reloading: Void = reloader.run()
        _ = try await (rotating, reloading)
    }
}
