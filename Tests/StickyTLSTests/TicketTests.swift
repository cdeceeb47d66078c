import CTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("Tickets (T2-T7, T32, T33)")
struct TicketTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

    private func worker(
        _ ring: TicketKeyRing?,
        slot: Int = 0,
        clock: TestClock = TestClock(),
        _ change: (inout TLSConfiguration) -> Void = { _ in }
    ) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.ticketKeys = .master
        configuration.clock = clock.clock
        configuration.onEvent = { _ in }
        change(&configuration)
        let context = try TLSContext(configuration)
        if let ring { try context.useTicketKeys(ring, slot: slot) }
        return context
    }

    @Test("A ticket of any worker resumes on any other, and says whose it is", arguments: versions)
    func anyWorker(version: CInt) throws {
        let ring = try TicketKeyRing(now: 0)
        let copy = try TicketKeyRing(encoded: ring.encoded)
        let workers = try [ring, copy, copy].enumerated().map { try worker($0.element, slot: $0.offset * 700) }
        let routing = TicketRouting(copy)
        for (slot, maker) in workers.enumerated() {
            let session = try #require(Dialogue(maker, version: version).session)
            #expect(routing.slot(in: session.ticket) == slot * 700)
            for other in workers {
                #expect(try #require(Dialogue(other, version: version, session: session).info).isResumed)
            }
        }
    }

    @Test("T32: names of tickets cannot be made or changed by others, and each is another")
    func forgery() throws {
        let ring = try TicketKeyRing(now: 0)
        let context = try worker(ring, slot: 3)
        let routing = TicketRouting(ring)
        let tickets = try (0..<20).map { _ in try #require(Dialogue(context).session).ticket }
        #expect(Set(tickets.map { Array($0.prefix(16)) }).count == 20)
        for bit in 0..<128 {
            var forged = tickets[0]
            forged[bit / 8] ^= 1 << (bit % 8)
            #expect(routing.slot(in: forged) == nil)
        }
        #expect(try TicketRouting(TicketKeyRing(now: 0)).slot(in: tickets[0]) == nil)
        #expect(routing.slot(in: []) == nil)
        #expect(routing.slot(in: Array(tickets[0].prefix(15))) == nil)
        #expect(routing.slot(in: Array(tickets[0].prefix(16))) == 3)
        var generator = SystemRandomNumberGenerator()
        for _ in 0..<20_000 {
            let name = (0..<16).map { _ in UInt8.random(in: 0...255, using: &generator) }
            #expect(routing.slot(in: name) == nil)
        }
    }

    @Test("T6: after a rotation old tickets resume and are renewed, after two they do not", arguments: versions)
    func rotation(version: CInt) throws {
        let clock = TestClock()
        var ring = try TicketKeyRing(now: clock.now)
        let context = try worker(ring, clock: clock)
        let session = try #require(Dialogue(context, version: version).session)
        #expect(context.ticketKeysInUse?.epoch == 1)
        ring = try ring.rotated(now: clock.now)
        try context.useTicketKeys(ring, slot: 0)
        #expect(context.ticketKeysInUse?.epoch == 2 && context.ticketKeysInUse?.since == clock.now)
        let second = try Dialogue(context, version: version, session: session)
        #expect(try #require(second.info).isResumed)
        let renewed = try #require(second.session)
        #expect(renewed.ticket != session.ticket)
        ring = try ring.rotated(now: clock.now)
        try context.useTicketKeys(ring, slot: 0)
        #expect(try !#require(Dialogue(context, version: version, session: session).info).isResumed)
        #expect(try #require(Dialogue(context, version: version, session: renewed).info).isResumed)
        #expect(TicketRouting(ring).slot(in: session.ticket) == 0)
        #expect(context.counters.snapshot.ticketsUnknown == 1)
    }

    @Test("T7: a worker that has not rotated yet accepts a ticket of one that has, and does not renew it")
    func earlyTicket() throws {
        let ring = try TicketKeyRing(now: 0)
        let late = try worker(ring)
        let early = try worker(ring.rotated(now: 1))
        let session = try #require(Dialogue(early, version: TLS1_2_VERSION).session)
        let second = try Dialogue(late, version: TLS1_2_VERSION, session: session)
        #expect(try #require(second.info).isResumed)
        #expect(try #require(second.session).ticket == session.ticket)
        #expect(late.counters.snapshot.ticketsIssued == 0)
    }

    @Test("Without keys no ticket is counted as issued", arguments: [TLS1_2_VERSION, TLS1_3_VERSION])
    func nothingIssued(version: CInt) throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.ticketKeys = .off
        let context = try TLSContext(configuration)
        #expect(try Dialogue(context, version: version).isOpen)
        #expect(context.counters.snapshot.ticketsIssued == 0)
    }

    @Test("T5: keys are random, never alike, and a ring that is not ours is refused")
    func randomness() throws {
        var names: Set<[UInt8]> = []
        for _ in 0..<50 {
            let ring = try TicketKeyRing(now: 0)
            for keys in [ring.current, ring.next] {
                let bytes = keys.withUnsafeBytes { Array($0) }
                #expect(Set(bytes).count > 30)
                #expect(bytes[16..<48] != bytes[48..<80])
                #expect(names.insert(keys.name).inserted)
            }
        }
        let good = try TicketKeyRing(now: 5).rotated(now: 9)
        let copy = try TicketKeyRing(encoded: good.encoded)
        #expect(copy.epoch == 2 && copy.usedSince == 9 && copy.names == good.names && copy.names.count == 3)
        for bytes in [[], Array(good.encoded.dropLast()), good.encoded + [0], [1] + good.encoded.dropFirst()] {
            #expect(#expect(throws: TLSError.self) { try TicketKeyRing(encoded: bytes) }?.code == .invalidTicketKeys)
        }
    }

    @Test("Without keys from the master there are no tickets and no outage", arguments: versions)
    func missingKeys(version: CInt) throws {
        let context = try worker(nil)
        let first = try Dialogue(context, version: version)
        #expect(first.isOpen)
        #expect(SSL_SESSION_has_ticket(try #require(first.session).pointer) == 0 || version == TLS1_2_VERSION)
        let second = try Dialogue(context, version: version, session: first.session)
        #expect(try !#require(second.info).isResumed)
    }

    @Test("Damaged keys are told and change nothing")
    func damagedKeys() throws {
        let events = EventList()
        let context = try worker(TicketKeyRing(now: 0)) { $0.onEvent = events.sink }
        let session = try #require(Dialogue(context).session)
        context.useTicketKeys(encoded: [1, 2, 3])
        #expect(try #require(Dialogue(context, session: session).info).isResumed)
        guard case .ticketKeysDamaged? = events.all.first else {
            Issue.record("\(events.texts)")
            return
        }
    }

    @Test("T3: a chain of resumptions ends at the lifetime of the session")
    func chain() throws {
        let clock = TestClock()
        let context = try worker(TicketKeyRing(now: 0), clock: clock) { $0.maximumSessionLifetime = .seconds(10_000) }
        var session = try #require(Dialogue(context).session)
        for _ in 0..<3 {
            clock.advance(3000)
            let next = try Dialogue(context, session: session)
            #expect(try #require(next.info).isResumed)
            session = try #require(next.session)
        }
        clock.advance(1000)
        let last = try Dialogue(context, session: session)
        #expect(try !#require(last.info).isResumed)
        #expect(context.counters.snapshot.ticketsExpired == 1)
        // And it begins anew.
        session = try #require(last.session)
        clock.advance(9000)
        #expect(try #require(Dialogue(context, session: session).info).isResumed)
    }

    @Test("T2: a policy that became stricter refuses tickets from before", arguments: versions)
    func stricter(version: CInt) throws {
        let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
        let client = TestIdentity(.ecdsa, names: "DNS:client.test", by: authority)
        let context = try worker(TicketKeyRing(now: 0))
        let session = try #require(Dialogue(context, version: version).session)
        var configuration = context.configuration
        configuration.clientCertificates = .optional(authorities: [TLSFile(bytes: authority.certificatePEM)])
        configuration.clientCertificates.ticketCount = 1
        try context.reload(configuration)
        #expect(try !#require(Dialogue(context, version: version, session: session).info).isResumed)

        // A revocation list comes: sessions from before it do not go on.
        let good = try Dialogue(context, version: version, identity: client)
        let verified = try #require(good.session)
        let again = try Dialogue(context, version: version, session: verified, identity: client)
        #expect(try #require(again.info).isResumed)
        #expect(try #require(again.info?.clientCertificate).isVerified)
        #expect(try !#require(again.info?.clientCertificate).isVerifiedOnThisConnection)
        configuration.clientCertificates.revocationLists = [TLSFile(bytes: authority.revocationList([client]))]
        try context.reload(configuration)
        let revoked = try Dialogue(context, version: version, session: verified, identity: client)
        #expect(revoked.server.failure?.reason == "certificate revoked")
    }

    @Test("T3: a session ends with the client's certificate")
    func certificateEnd() throws {
        let clock = TestClock()
        let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
        let client = TestIdentity(.ecdsa, names: "DNS:client.test", until: 1800, by: authority)
        let context = try worker(TicketKeyRing(now: 0), clock: clock) { configuration in
            configuration.clientCertificates = .required(authorities: [TLSFile(bytes: authority.certificatePEM)])
            configuration.clientCertificates.ticketCount = 1
        }
        let session = try #require(Dialogue(context, identity: client).session)
        clock.advance(1700)
        let before = try Dialogue(context, session: session, identity: client)
        #expect(try #require(before.info).isResumed)
        clock.advance(200)
        let after = try Dialogue(context, session: session, identity: client)
        #expect(after.info?.isResumed != true)
    }

    @Test("The master's service shares keys, rotates when it is time, and goes on after an upgrade")
    func service() throws {
        let clock = TestClock()
        let shared = Mutex<[[UInt8]]>([])
        func make(_ inherited: [UInt8]?) throws -> TicketKeyRotation {
            try TicketKeyRotation(every: .seconds(3600), inherited: inherited, clock: clock.clock) { bytes in
                shared.withLock { $0.append(bytes) }
            }
        }
        let rotation = try make(nil)
        #expect(shared.withLock { $0.count } == 1)
        #expect(try rotation.rotateIfDue() == 3600)
        clock.advance(3599)
        #expect(try rotation.rotateIfDue() == 1)
        #expect(shared.withLock { $0.count } == 1)
        clock.advance(1)
        #expect(try rotation.rotateIfDue() == 3600)
        let rings = try shared.withLock { $0 }.map { try TicketKeyRing(encoded: $0) }
        #expect(rings.map(\.epoch) == [1, 2])
        #expect(rings[1].current.name == rings[0].next.name)
        #expect(rings[1].previous?.name == rings[0].current.name)

        clock.advance(1000)
        let successor = try make(rings[1].encoded)
        #expect(successor.current.names == rings[1].names)
        #expect(try successor.rotateIfDue() == 2600)
        // What cannot be read is replaced, and a clock that was set back does not keep keys for ever.
        #expect(try make([1, 2, 3]).current.epoch == 1)
        clock.advance(-10_000)
        try successor.rotateIfDue()
        #expect(successor.current.epoch == 3)
        #expect(throws: TLSError.self) {
            try TicketKeyRotation(every: .seconds(59), inherited: nil, clock: clock.clock) { _ in }
        }
    }

    @Test("A rotation that could not be shared is not in use")
    func failedShare() throws {
        struct Full: Error {}
        let fails = Atomic<Bool>(false)
        let rotation = try TicketKeyRotation(every: .seconds(60), inherited: nil, clock: .system) { _ in
            if fails.load(ordering: .relaxed) { throw Full() }
        }
        fails.store(true, ordering: .relaxed)
        #expect(throws: Full.self) { try rotation.rotate() }
        #expect(rotation.current.epoch == 1)
    }
}
