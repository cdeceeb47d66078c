internal import CTLS
public import StickyServer
internal import Synchronization

/// What the TLS connections of a worker share: certificates, policies and ticket keys, checked and ready.
///
/// Make one when the worker starts and keep it; it may be used on any thread. ``reload()`` and ``reload(_:)`` put new
/// certificates and policies into it, without a moment in between: connections keep what they began with, new ones
/// get the new.
public final class TLSContext: Sendable {
    struct State {
        var current: TLSGeneration
        var slot = 0
        var ring: TicketKeyRing?
        var files = TLSFileReader()
        var handshakes = HandshakeLine()
        /// When it was last told that there are too many.
        var crowdTold: Int64?
    }

    let state: Mutex<State>
    /// One reload at a time, so that the last one that was asked for is the one that stays.
    private let reloading = Mutex(())

    /// What has happened on its connections.
    public let counters = TLSCounters()

    /// Reads the configuration's files and builds the context.
    ///
    /// - Throws: The first thing that is wrong, with its file. Nothing half-made stays behind.
    public init(_ configuration: TLSConfiguration) throws(TLSError) {
        let files = TLSFileReader()
        let hosts = try TLSGeneration.hosts(for: configuration, files: files)
        let tickets: TicketSealer
        if let given = try TicketSealer(configuration.ticketKeys, files: files) {
            tickets = given
        } else if case .random = configuration.ticketKeys {
            tickets = try TicketSealer([TicketKeys()])
        } else {
            tickets = try TicketSealer([])
        }
        let generation = TLSGeneration(
            number: 1,
            configuration: configuration,
            hosts: hosts,
            tickets: tickets,
            counters: counters,
            keyLog: try TLSGeneration.keyLog(for: configuration)
        )
        state = Mutex(State(current: generation))
        tellOfUnprotectedKeys()
        // Clients will refuse it, but a server that does not start helps nobody.
        let now = configuration.clock.wall()
        for identity in hosts.identities {
            do throws(TLSError) {
                try identity.check(at: now)
            } catch {
                configuration.onEvent(.certificateProblem(error))
            }
        }
    }

    /// The configuration that new connections get.
    public var configuration: TLSConfiguration { current.configuration }

    /// Counts the configurations, from 1.
    public var generation: Int { current.number }

    /// The master's ticket keys that are in use: how often they were rotated, from 1, and since when, in seconds since
    /// 1970. Nil when the keys come from elsewhere, or have not come yet.
    public var ticketKeysInUse: (epoch: Int, since: Int64)? {
        state.withLock { $0.ring }.map { (Int($0.epoch), $0.usedSince) }
    }

    var current: TLSGeneration { state.withLock { $0.current } }

    /// Takes what the master shares, now and whenever it changes: ticket keys, when the configuration says
    /// ``TicketKeySource/master``, and files (``TLSFileShare``). Adapters call it when the worker starts.
    public func attach(to worker: Worker) {
        state.withLock { $0.slot = worker.slot }
        worker.shared.observe { [weak self] name, value in self?.take(value, sharedAs: name) }
        for name in [TicketKeyRotation.shareName, TLSFileShare.shareName] {
            if let value = worker.shared.value(name) { take(value, sharedAs: name, isFirst: true) }
        }
        let isMissing = state.withLock { $0.ring == nil }
        if case .master = configuration.ticketKeys, isMissing { configuration.onEvent(.ticketKeysMissing) }
    }

    /// - Parameter isFirst: The worker begins with it, which is no news.
    func take(_ value: [UInt8], sharedAs name: String, isFirst: Bool = false) {
        if name == TicketKeyRotation.shareName, case .master = configuration.ticketKeys {
            useTicketKeys(encoded: value)
        } else if name == TLSFileShare.shareName,
            let files = TLSFileShare.decode(value, ticketKeyFiles: configuration.ticketKeyFiles)
        {
            let before = state.withLock { state in
                defer { state.files.shared = files }
                return state.files.shared
            }
            // The event tells what was wrong. What cannot be used is forgotten, for the next reload.
            do { try reload(configuration, isFirst: isFirst) } catch { state.withLock { $0.files.shared = before } }
        }
    }

    /// Uses other ticket keys from now on. Tickets from this process say that they are from `slot`.
    public func useTicketKeys(_ ring: TicketKeyRing, slot: Int) throws(TLSError) {
        let sealer = try TicketSealer(ring, slot: slot)
        state.withLock { state in
            state.ring = ring
            state.slot = slot
            state.current = state.current.with(sealer)
        }
        tellOfUnprotectedKeys()
    }

    /// Once in a process; what was made before is told of too.
    func tellOfUnprotectedKeys(_ protection: PageProtection = .process) {
        if let complaint = protection.complaint() { configuration.onEvent(.ticketKeysUnprotected(complaint)) }
    }

    func useTicketKeys(encoded bytes: [UInt8]) {
        do throws(TLSError) {
            try useTicketKeys(TicketKeyRing(encoded: bytes), slot: state.withLock { $0.slot })
        } catch {
            configuration.onEvent(.ticketKeysDamaged(error))
        }
    }

    /// Builds a new generation and swaps it in, unless something is wrong.
    func replace(
        _ configuration: TLSConfiguration,
        isFirst: Bool = false,
        check: (HostTable) throws(TLSError) -> Void
    ) throws(TLSError) {
        let result = reloading.withLock { _ in
            Result { () throws(TLSError) in
                let files = state.withLock { $0.files }
                let hosts = try TLSGeneration.hosts(for: configuration, files: files)
                try check(hosts)
                let tickets = try TicketSealer(configuration.ticketKeys, files: files)
                let keyLog = try TLSGeneration.keyLog(for: configuration)
                return state.withLock { state in
                    let next = TLSGeneration(
                        number: state.current.number + 1,
                        configuration: configuration,
                        hosts: hosts,
                        tickets: tickets ?? state.current.tickets,
                        counters: counters,
                        keyLog: keyLog
                    )
                    state.current = next
                    return next.number
                }
            }
        }
        switch result {
        case .success(let number):
            tellOfUnprotectedKeys()
            guard !isFirst else { return }
            counters.reloads.increment()
            configuration.onEvent(.reloaded(generation: number))
        case .failure(let error):
            counters.failedReloads.increment()
            configuration.onEvent(.reloadFailed(error))
            throw error
        }
    }
}
