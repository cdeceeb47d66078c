import TLSTestSupport
import Testing

@testable import StickyTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Reloading (T15, T21, T22)", .serialized)
struct ReloadTests {
    let folder: TemporaryFolder
    let certificate: String
    let key: String
    let clock = TestClock()
    let events = EventList()
    let context: TLSContext
    static let renewed = TestIdentity(.ecdsa)

    init() throws {
        folder = try TemporaryFolder()
        certificate = try folder.file("certificate.pem", TestIdentity.ecdsa.certificatePEM)
        key = try folder.file("key.pem", TestIdentity.ecdsa.privateKeyPEM)
        var configuration = TLSConfiguration(
            identities: [TLSIdentity(certificateFile: certificate, privateKeyFile: key)]
        )
        configuration.clock = clock.clock
        configuration.onEvent = events.sink
        context = try TLSContext(configuration)
    }

    private func write(_ identity: TestIdentity) throws {
        _ = try folder.file("certificate.pem", identity.certificatePEM)
        _ = try folder.file("key.pem", identity.privateKeyPEM)
    }

    private func served() throws -> [UInt8]? { try Dialogue(context).client.serverCertificate }

    @Test("New files are taken, old connections and tickets go on")
    func renewal() throws {
        let before = try Dialogue(context)
        let session = try #require(Dialogue(context).session)
        try write(Self.renewed)
        try context.reload()
        #expect(context.generation == 2)
        #expect(context.counters.snapshot.reloads == 1 && context.counters.snapshot.failedReloads == 0)
        #expect(try served() == Self.renewed.certificatePEM)
        before.client.step(before.server.send([1, 2, 3]))
        #expect(before.client.received == [1, 2, 3])
        #expect(try #require(Dialogue(context, session: session).info).isResumed)
        #expect(events.texts == ["TLS certificates and policies were reloaded (generation 2)."])
    }

    @Test("T21: whatever is wrong, the old serves on, and one event says which file and why")
    func badStates() throws {
        let other = TestIdentity(.ecdsa)
        let expired = TestIdentity(.ecdsa, from: -7200, until: -3600)
        let future = TestIdentity(.ecdsa, from: 3600, until: 7200)
        let unrelated = TestIdentity.ecdsa.certificatePEM + other.certificatePEM
        let states: [(TLSError.Code, [UInt8], [UInt8])] = [
            (.keyMismatch, other.certificatePEM, TestIdentity.ecdsa.privateKeyPEM),
            (.notPEM, Array(TestIdentity.ecdsa.certificatePEM.dropLast(40)), TestIdentity.ecdsa.privateKeyPEM),
            (.empty, [], TestIdentity.ecdsa.privateKeyPEM),
            (.empty, TestIdentity.ecdsa.certificatePEM, []),
            (.outOfDate, expired.certificatePEM, expired.privateKeyPEM),
            (.outOfDate, future.certificatePEM, future.privateKeyPEM),
            (.brokenChain, unrelated, TestIdentity.ecdsa.privateKeyPEM),
            (.fileTooLarge, [UInt8](repeating: 10, count: 1 << 21), TestIdentity.ecdsa.privateKeyPEM),
        ]
        for (index, state) in states.enumerated() {
            _ = try folder.file("certificate.pem", state.1)
            _ = try folder.file("key.pem", state.2)
            let error = #expect(throws: TLSError.self) { try context.reload() }
            #expect(error?.code == state.0)
            #expect(error?.file == certificate || error?.file == key)
            #expect(context.counters.snapshot.failedReloads > 0 && context.counters.snapshot.reloads == 0)
            #expect(context.generation == 1)
            #expect(events.all.count == index + 1)
            guard case .reloadFailed? = events.all.last else {
                Issue.record("no event")
                return
            }
        }
        remove(certificate)
        #expect(#expect(throws: TLSError.self) { try context.reload() }?.code == .fileMissing)
        #expect(mkfifo(certificate, 0o600) == 0)
        #expect(#expect(throws: TLSError.self) { try context.reload() }?.code == .notRegularFile)
        remove(certificate)
        #expect(try served() == TestIdentity.ecdsa.certificatePEM)
        try write(Self.renewed)
        try context.reload()
        #expect(try served() == Self.renewed.certificatePEM)
    }

    @Test("A change is seen, given time to settle, and taken once; a half-written pair is not")
    func watching() throws {
        let reloader = TLSReloader(context, settleTime: .seconds(2))
        reloader.check()
        #expect(context.generation == 1)
        _ = try folder.file("certificate.pem", Self.renewed.certificatePEM + [10])
        reloader.check()
        clock.advance(1)
        _ = try folder.file("key.pem", Self.renewed.privateKeyPEM + [10])
        reloader.check()
        clock.advance(1)
        reloader.check()
        #expect(context.generation == 1)
        clock.advance(1)
        reloader.check()
        #expect(context.generation == 2)
        #expect(try served() == Self.renewed.certificatePEM)
        clock.advance(10)
        reloader.check()
        #expect(context.generation == 2)
        // A bad one is told once; the next good one is taken.
        _ = try folder.file("key.pem", [])
        for _ in 0..<3 {
            reloader.check()
            clock.advance(3)
        }
        #expect(events.all.count { if case .reloadFailed = $0 { true } else { false } } == 1)
        try write(TestIdentity.ecdsa)
        reloader.check()
        clock.advance(3)
        reloader.check()
        #expect(context.generation == 3)
    }

    @Test("Rights that change alone are seen: a file of secrets that others may read is told of, and taken again after")
    func rights() throws {
        let keys = try folder.file("keys", (0..<80).map { _ in UInt8.random(in: 0...255) })
        var configuration = context.configuration
        configuration.ticketKeys = .files([keys])
        try context.reload(configuration)
        let reloader = TLSReloader(context, settleTime: .seconds(1))
        func settle() {
            for _ in 0..<3 {
                reloader.check()
                clock.advance(1)
            }
        }
        settle()
        #expect(context.generation == 2)
        chmod(keys, 0o644)
        settle()
        #expect(context.generation == 2)
        let failures = events.all.compactMap { if case .reloadFailed(let error) = $0 { error } else { nil } }
        #expect(failures.map(\.code) == [.readableByOthers] && failures.first?.file == keys)
        chmod(keys, 0o600)
        settle()
        #expect(context.generation == 3)
        chmod(certificate, 0o400)
        settle()
        #expect(context.generation == 4)
    }

    @Test("Ends of certificates are told at 30, 14, 7 and 1 days and after, once each")
    func expiry() throws {
        try write(TestIdentity(.ecdsa, until: 40 * 86_400 + 600))
        try context.reload()
        let reloader = TLSReloader(context)
        var told: [Int] = []
        for _ in 0..<45 {
            reloader.check()
            clock.advance(86_400)
        }
        for case .certificateExpires(let names, let days) in events.all {
            #expect(names == ["localhost"])
            told.append(days)
        }
        #expect(told == [30, 14, 7, 1, -1])
        #expect(context.certificates.first?.file == certificate)
    }

    @Test("An expired certificate is told of at the start, and served")
    func expiredAtStart() throws {
        let expired = TestIdentity(.ecdsa, from: -7200, until: -3600)
        var configuration = TLSConfiguration(identities: [expired.identity])
        let events = EventList()
        configuration.onEvent = events.sink
        let context = try TLSContext(configuration)
        #expect(events.all.first?.isAlarm == true)
        #expect(try Dialogue(context).isOpen)
    }

    @Test("T22: 200 reloads, good and bad, leave no descriptor and no context behind")
    func leaks() throws {
        func descriptors() -> Int { (0..<1024).count { fcntl($0, F_GETFD) >= 0 } }
        weak let old = context.current
        let before = descriptors()
        for round in 0..<200 {
            try write(round % 2 == 0 ? Self.renewed : TestIdentity.ecdsa)
            if round % 5 == 4 { _ = try folder.file("key.pem", [1, 2, 3]) }
            try? context.reload()
        }
        // Other tests of the process run at the same time and have files open for a moment.
        #expect(descriptors() - before < 50)
        #expect(context.generation == 161)
        #expect(old == nil)
    }

    @Test("Files that the master has read and shared go before those on disk")
    func sharedFiles() throws {
        try write(Self.renewed)
        let bytes = try TLSFileShare.encode(context.configuration)
        remove(certificate)
        remove(key)
        context.take(bytes, sharedAs: TLSFileShare.shareName)
        #expect(try served() == Self.renewed.certificatePEM)
        context.take(Array(bytes.dropLast()), sharedAs: TLSFileShare.shareName)
        #expect(context.generation == 2)
        #expect(throws: TLSError.self) { try TLSFileShare.encode(context.configuration) }
    }
}
