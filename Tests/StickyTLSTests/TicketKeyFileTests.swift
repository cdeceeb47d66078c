import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Files of ticket keys")
struct TicketKeyFileTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]
    let folder: TemporaryFolder
    let events = EventList()
    let clock = TestClock()

    init() throws {
        folder = try TemporaryFolder()
    }

    private static func random(_ count: Int = 80) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255) } }

    private static func base64(_ bytes: [UInt8]) -> [UInt8] {
        var text = [UInt8](repeating: 0, count: 200)
        let count = EVP_EncodeBlock(&text, bytes, CInt(bytes.count))
        return Array(text.prefix(Int(count))) + [10]
    }

    private func context(_ files: String...) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.ticketKeys = .files(files)
        configuration.clock = clock.clock
        configuration.onEvent = events.sink
        return try TLSContext(configuration)
    }

    private func resumes(_ context: TLSContext, _ session: Session, _ version: CInt) throws -> Bool {
        try #require(Dialogue(context, version: version, session: session).info).isResumed
    }

    @Test("Ticket keys of nginx and HAProxy are read, unless others may read them too")
    func ticketKeyFiles() throws {
        let keys = (0..<4).map { line in (0..<80).map { UInt8(truncatingIfNeeded: $0 + line * 80) } }
        for count in [48, 80] {
            let file = try folder.file("nginx\(count)", Array(keys[0].prefix(count)))
            #expect(try TicketKeys.nginxFile(file).name == Array(keys[0].prefix(16)))
        }
        let lines = keys.map { Self.base64($0) } + [[10]]
        let haproxy = try TicketKeys.haproxyFile(folder.file("haproxy", Array(lines.joined())))
        #expect(haproxy.map(\.name) == [2, 3, 1].map { Array(keys[$0].prefix(16)) })
        #expect(try TicketKeys.haproxyFile(folder.file("one", Self.base64(Array(keys[0].prefix(48))))).count == 1)
        for (name, bytes) in [("short", [UInt8](repeating: 65, count: 64)), ("bad", Array("!!!!".utf8)), ("none", [])] {
            let file = try folder.file(name, Array(bytes.dropLast(name == "short" ? 3 : 0)))
            #expect(throws: TLSError.self) { try TicketKeys.haproxyFile(file) }
            #expect(#expect(throws: TLSError.self) { try TicketKeys.nginxFile(file) }?.code == .invalidTicketKeys)
        }
        for mode: mode_t in [0o640, 0o604, 0o666] {
            let file = try folder.file("open", keys[0])
            chmod(file, mode)
            #expect(#expect(throws: TLSError.self) { try TicketKeys.nginxFile(file) }?.code == .readableByOthers)
            #expect(#expect(throws: TLSError.self) { try TicketKeys.haproxyFile(file) }?.code == .readableByOthers)
        }
    }

    @Test("Which server a file is of is told by what is in it; several files may be mixed")
    func detection() throws {
        let keys = (0..<5).map { _ in Self.random() }
        let names = keys.map { Array($0.prefix(16)) }
        let nginx = try folder.file("nginx", keys[0])
        let short = try folder.file("short", Array(keys[1].prefix(48)))
        let haproxy = try folder.file("haproxy", keys[2...4].flatMap { Self.base64($0) })
        #expect(try TicketKeys.file(nginx).map(\.name) == [names[0]])
        #expect(try TicketKeys.file(short).map(\.name) == [names[1]])
        #expect(try TicketKeys.file(haproxy).map(\.name) == [names[3], names[4], names[2]])
        let all = try TicketKeys.read([nginx, haproxy, short], TLSFileReader())
        #expect(all.map(\.name) == [0, 3, 4, 2, 1].map { names[$0] })
        // Base64 that was cut is not taken for a key of nginx, which it has the length of.
        for count in [48, 80] {
            let cut = try folder.file("cut", Array(Self.base64(keys[0]).prefix(count)))
            #expect(#expect(throws: TLSError.self) { try TicketKeys.file(cut) }?.code == .invalidTicketKeys)
        }
        let double = try folder.file("double", Self.base64(keys[1]))
        let error = #expect(throws: TLSError.self) { try context(short, double) }
        #expect(error?.code == .invalidTicketKeys && error?.file == double)
        #expect(#expect(throws: TLSError.self) { try context() }?.code == .invalidConfiguration)
        #expect(#expect(throws: TLSError.self) { try context("/none") }?.code == .fileMissing)
    }

    @Test("A reload takes changed keys, and those that are still there go on opening tickets", arguments: versions)
    func reload(version: CInt) throws {
        let keys = (0..<3).map { _ in Self.random() }
        let current = try folder.file("current", keys[0])
        let previous = try folder.file("previous", keys[1])
        let context = try context(current, previous)
        let first = try #require(Dialogue(context, version: version).session)
        #expect(first.ticket.starts(with: keys[0].prefix(16)))
        _ = try folder.file("current", keys[2])
        _ = try folder.file("previous", keys[0])
        // Nothing happens by itself.
        #expect(try #require(Dialogue(context, version: version).session).ticket.starts(with: keys[0].prefix(16)))
        try context.reload()
        #expect(try resumes(context, first, version))
        let second = try #require(Dialogue(context, version: version).session)
        #expect(second.ticket.starts(with: keys[2].prefix(16)))
        _ = try folder.file("previous", keys[1])
        try context.reload()
        #expect(try !resumes(context, first, version))
        #expect(try resumes(context, second, version))
        #expect(context.generation == 3)
    }

    @Test("Files that are wrong change nothing, and the event names the one that is to blame")
    func badFiles() throws {
        let key = Self.random()
        let current = try folder.file("current", key)
        let other = try folder.file("other", Self.random())
        let context = try context(current, other)
        let session = try #require(Dialogue(context).session)
        let states: [(TLSError.Code, () throws -> Void)] = [
            (.invalidTicketKeys, { _ = try folder.file("other", Self.random(79)) }),
            (.invalidTicketKeys, { _ = try folder.file("other", []) }),
            (.invalidTicketKeys, { _ = try folder.file("other", Array("no keys\n".utf8)) }),
            (.invalidTicketKeys, { _ = try folder.file("other", key) }),
            (.fileTooLarge, { _ = try folder.file("other", Self.random(70_000)) }),
            (.readableByOthers, { chmod(try folder.file("other", Self.random()), 0o644) }),
            (.fileMissing, { remove(other) }),
        ]
        for (index, (code, spoil)) in states.enumerated() {
            try spoil()
            let error = #expect(throws: TLSError.self) { try context.reload() }
            #expect(error?.code == code && error?.file == other)
            #expect(events.all.count == index + 1)
            guard case .reloadFailed(let told)? = events.all.last else {
                Issue.record("no event")
                return
            }
            #expect(told.code == code && told.file == other && told.description.contains(other))
            #expect(try resumes(context, session, TLS1_3_VERSION))
        }
        #expect(context.generation == 1)
        _ = try folder.file("other", Self.random())
        try context.reload()
        #expect(try resumes(context, session, TLS1_3_VERSION))
    }

    @Test("A changed file is seen, given time to settle, and taken")
    func watching() throws {
        let keys = (0..<2).map { _ in Self.random() }
        let file = try folder.file("keys", Self.base64(keys[0]))
        let context = try context(file)
        let reloader = TLSReloader(context, settleTime: .seconds(2))
        let session = try #require(Dialogue(context).session)
        // HAProxy encrypts with the last but one: the new key is known before it is used.
        _ = try folder.file("keys", Self.base64(keys[0]) + Self.base64(keys[1]))
        for expected in [1, 1, 2, 2] {
            reloader.check()
            #expect(context.generation == expected)
            clock.advance(1)
        }
        #expect(try resumes(context, session, TLS1_3_VERSION))
        #expect(try #require(Dialogue(context).session).ticket.starts(with: keys[0].prefix(16)))
    }

    @Test("What the master shares goes to all workers, which need not be able to read it", arguments: versions)
    func sharing(version: CInt) throws {
        let keys = (0..<2).map { _ in Self.random() }
        let file = try folder.file("keys", Self.base64(keys[0]))
        let workers = try (0..<2).map { _ in try context(file) }
        let session = try #require(Dialogue(workers[0], version: version).session)
        _ = try folder.file("keys", Self.base64(keys[0]) + Self.base64(keys[1]) + Self.base64(Self.random()))
        let master = try context(file)
        let shared = try TLSFileShare.encode(master.configuration)
        remove(file)
        for worker in workers { worker.take(shared, sharedAs: TLSFileShare.shareName) }
        #expect(try resumes(workers[1], session, version))
        let second = try #require(Dialogue(workers[1], version: version).session)
        #expect(second.ticket.starts(with: keys[1].prefix(16)))
        #expect(try resumes(workers[0], second, version))
        // The master does not share what is wrong, and not what others may read.
        _ = try folder.file("keys", Self.random(79))
        #expect(#expect(throws: TLSError.self) { try TLSFileShare.encode(master.configuration) }?.file == file)
        chmod(try folder.file("keys", keys[0]), 0o640)
        #expect(
            #expect(throws: TLSError.self) { try TLSFileShare.encode(master.configuration) }?.code == .readableByOthers
        )
    }
}
