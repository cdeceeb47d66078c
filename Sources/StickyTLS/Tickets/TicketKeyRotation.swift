public import StickyServer
internal import Synchronization

/// Makes ticket keys in the master, gives them to all workers, and rotates them.
///
/// ```swift
/// if server.isMaster {
///     let rotation = try TicketKeyRotation(sharingWith: server)
///     Task { try await rotation.run() }
/// }
/// try await server.listen()
/// ```
///
/// Workers take them with ``TicketKeySource/master``. A ticket of any worker then resumes on any other, also after a
/// crash, a reload and an upgrade of the binary, which goes on with the keys from before. They are never written to
/// disk.
public final class TicketKeyRotation: Sendable {
    /// The name under which the master shares the keys.
    public static let shareName = "StickyTLS.ticketKeys"

    private let interval: Int64
    private let clock: TLSClock
    private let share: @Sendable ([UInt8]) throws -> Void
    private let ring: Mutex<TicketKeyRing>

    /// Makes keys, or takes over those of the binary before this one, and shares them. Call it in the master, before
    /// `listen()`.
    ///
    /// - Parameters:
    ///   - server: The master.
    ///   - interval: How long keys are in use; at least a minute. The keys of after are known to all workers as long
    ///     as this before they are used, and those of before are accepted as long as this after.
    public convenience init(sharingWith server: StickyServer, every interval: Duration = .seconds(12 * 3600)) throws {
        try self.init(
            every: interval,
            inherited: server.inheritedShare(TicketKeyRotation.shareName),
            clock: .system,
            share: { [weak server] in try server?.share($0, as: TicketKeyRotation.shareName) }
        )
    }

    init(
        every interval: Duration,
        inherited: [UInt8]?,
        clock: TLSClock,
        share: @escaping @Sendable ([UInt8]) throws -> Void
    ) throws {
        guard interval >= .seconds(60) else {
            throw TLSError(.invalidConfiguration, "Ticket keys are in use for at least a minute, not \(interval).")
        }
        self.interval = interval.components.seconds
        self.clock = clock
        self.share = share
        let before = inherited.flatMap { bytes in try? TicketKeyRing(encoded: bytes) }
        let ring = try before ?? TicketKeyRing(now: clock.wall())
        self.ring = Mutex(ring)
        try share(ring.encoded)
    }

    /// The keys at this moment.
    public var current: TicketKeyRing { ring.withLock { $0 } }

    /// Rotates now: for keys that somebody may have seen call it twice, and none from before opens a ticket.
    public func rotate() throws {
        let next = try current.rotated(now: clock.wall())
        // Workers first have to be told; a ring that could not be shared is not in use anywhere.
        try share(next.encoded)
        ring.withLock { $0 = next }
    }

    /// Rotates if it is time. Returns the seconds until the next rotation.
    @discardableResult
    public func rotateIfDue() throws -> Int64 {
        let age = clock.wall() - current.usedSince
        // A clock that was set back must not keep keys for ever.
        if age >= interval || age < -60 { try rotate() }
        return max(1, interval - (clock.wall() - current.usedSince))
    }

    /// Rotates for ever, until its task is cancelled. Looks at the clock every minute, because the time of day may
    /// jump and the machine may sleep. A rotation that fails is tried again.
    public func run() async throws {
        while true {
            let wait = (try? rotateIfDue()) ?? 60
            try await Task.sleep(for: .seconds(min(wait, 60)))
        }
    }
}
