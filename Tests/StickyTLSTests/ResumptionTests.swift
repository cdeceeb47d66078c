import CTLS
import StickyTLS
import TLSTestSupport
import Testing

@Suite("Resumption")
struct ResumptionTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]

    private func context(_ keys: [TicketKeys], tickets: Int = 1) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.ticketKeys = keys.isEmpty ? .random : .fixed(keys)
        configuration.ticketCount = tickets
        return try TLSContext(configuration)
    }

    private func connect(
        _ context: TLSContext,
        version: CInt,
        session: OpaquePointer? = nil,
        serverName: String = "localhost"
    ) throws -> (client: TestClient, info: TLSConnectionInfo) {
        let client = TestClient(.init(maximumVersion: version, serverName: serverName), session: session)
        let server = try TestServer(context)
        exchange(client, server)
        #expect(client.resumed == server.info?.isResumed)
        return (client, try #require(server.info))
    }

    @Test("A ticket of one context resumes on another with the same keys", arguments: versions)
    func sharedKeys(version: CInt) throws {
        let keys = try TicketKeys()
        let copy = try keys.withUnsafeBytes { try TicketKeys(bytes: $0) }
        let first = try connect(context([keys]), version: version)
        #expect(!first.info.isResumed)
        let session = first.client.session
        defer { SSL_SESSION_free(session) }
        #expect(ticket(session).starts(with: keys.name))
        let second = try connect(context([copy]), version: version, session: session)
        #expect(second.info.isResumed)
        #expect(second.info.serverName == "localhost")
        #expect(second.info.version == first.info.version)
    }

    @Test("Keys of 48 bytes work too", arguments: versions)
    func shortKeys(version: CInt) throws {
        let bytes = (0..<48).map { UInt8($0) }
        let first = try connect(context([TicketKeys(bytes)]), version: version)
        let session = first.client.session
        defer { SSL_SESSION_free(session) }
        #expect(try connect(context([TicketKeys(bytes)]), version: version, session: session).info.isResumed)
    }

    @Test("HAProxy's order of 80 bytes is the other one")
    func layouts() throws {
        let name = [UInt8](repeating: 1, count: 16)
        let authentication = [UInt8](repeating: 2, count: 32)
        let encryption = [UInt8](repeating: 3, count: 32)
        let nginx = try TicketKeys(name + authentication + encryption)
        let haproxy = try TicketKeys(name + encryption + authentication, layout: .haproxy)
        let session = try connect(context([nginx]), version: TLS1_3_VERSION).client.session
        defer { SSL_SESSION_free(session) }
        #expect(try connect(context([haproxy]), version: TLS1_3_VERSION, session: session).info.isResumed)
    }

    @Test("A context without given keys makes its own, so another context starts anew", arguments: versions)
    func ownKeys(version: CInt) throws {
        let own = try context([])
        let session = try connect(own, version: version).client.session
        defer { SSL_SESSION_free(session) }
        #expect(try connect(own, version: version, session: session).info.isResumed)
        #expect(try !connect(context([]), version: version, session: session).info.isResumed)
    }

    @Test("An older key opens, and the client gets a ticket of the newest", arguments: versions)
    func rotation(version: CInt) throws {
        let old = try TicketKeys()
        let new = try TicketKeys()
        let session = try connect(context([old]), version: version).client.session
        defer { SSL_SESSION_free(session) }
        let second = try connect(context([new, old]), version: version, session: session)
        #expect(second.info.isResumed)
        let renewed = second.client.session
        defer { SSL_SESSION_free(renewed) }
        #expect(ticket(renewed).starts(with: new.name))
    }

    @Test("A TLS 1.3 client gets a new ticket each time", arguments: [1, 3])
    func renewal(tickets: Int) throws {
        let context = try context([TicketKeys()], tickets: tickets)
        let session = try connect(context, version: TLS1_3_VERSION).client.session
        defer { SSL_SESSION_free(session) }
        let second = try connect(context, version: TLS1_3_VERSION, session: session)
        let renewed = second.client.session
        defer { SSL_SESSION_free(renewed) }
        #expect(ticket(renewed) != ticket(session))
    }

    @Test("A tampered ticket leads to a full handshake", arguments: versions, [0, 16, 40, -1])
    func tampered(version: CInt, position: Int) throws {
        let context = try context([TicketKeys()])
        let session = try connect(context, version: version).client.session
        defer { SSL_SESSION_free(session) }
        var text = serialized(session)
        let original = ticket(session)
        let start = try #require(text.indices.first { text[$0...].starts(with: original) })
        text[start + (position < 0 ? original.count - 1 : position)] ^= 1
        let tampered = text.withUnsafeBufferPointer { text in
            var pointer = text.baseAddress
            return d2i_SSL_SESSION(nil, &pointer, text.count)
        }
        defer { SSL_SESSION_free(tampered) }
        #expect(tampered != nil)
        let second = try connect(context, version: version, session: tampered)
        #expect(!second.info.isResumed)
    }

    @Test("Without tickets nothing resumes", arguments: versions)
    func noTickets(version: CInt) throws {
        let context = try context([TicketKeys()], tickets: 0)
        let first = try connect(context, version: version)
        let session = first.client.session
        defer { SSL_SESSION_free(session) }
        #expect(SSL_SESSION_has_ticket(session) == 0)
        #expect(try !connect(context, version: version, session: session).info.isResumed)
    }

    @Test("A session made under TLS 1.2 does not resume where only 1.3 is allowed")
    func policy() throws {
        let keys = try TicketKeys()
        let session = try connect(context([keys]), version: TLS1_3_VERSION).client.session
        defer { SSL_SESSION_free(session) }
        var modern = TLSConfiguration.modern(identities: [TestIdentity.ecdsa.identity])
        modern.ticketKeys = .fixed([keys])
        #expect(try !connect(TLSContext(modern), version: TLS1_3_VERSION, session: session).info.isResumed)
    }

    @Test("Ticket keys of a wrong length, and two with one name, are refused")
    func badKeys() throws {
        for count in [0, 16, 47, 49, 79, 81] {
            let error = #expect(throws: TLSError.self) { try TicketKeys([UInt8](repeating: 1, count: count)) }
            #expect(error?.code == .invalidTicketKeys)
        }
        let keys = try TicketKeys()
        let error = #expect(throws: TLSError.self) { try context([keys, keys]) }
        #expect(error?.code == .invalidTicketKeys)
        #expect(try TicketKeys().name != keys.name)
    }

    private func ticket(_ session: OpaquePointer?) -> [UInt8] {
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        SSL_SESSION_get0_ticket(session, &bytes, &count)
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }

    private func serialized(_ session: OpaquePointer?) -> [UInt8] {
        var bytes = [UInt8](repeating: 0, count: Int(i2d_SSL_SESSION(session, nil)))
        bytes.withUnsafeMutableBufferPointer { buffer in
            var pointer = buffer.baseAddress
            _ = i2d_SSL_SESSION(session, &pointer)
        }
        return bytes
    }
}
