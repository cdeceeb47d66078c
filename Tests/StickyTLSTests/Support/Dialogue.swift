import CTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyTLS

/// One connection, from hello to ticket, between a client and a session.
struct Dialogue {
    let client: TestClient
    let server: TestServer
    var info: TLSConnectionInfo? { server.info }

    init(
        _ context: TLSContext,
        version: CInt = TLS1_3_VERSION,
        serverName: String? = "localhost",
        session: Session? = nil,
        identity: TestIdentity? = nil,
        pieces: Int = .max,
        _ change: (inout TestClient.Options) -> Void = { _ in }
    ) throws {
        var options = TestClient.Options(maximumVersion: version, serverName: serverName, identity: identity)
        change(&options)
        client = TestClient(options, session: session?.pointer)
        server = try TestServer(context)
        exchange(client, server, pieces: pieces)
        if info != nil { #expect(client.resumed == info?.isResumed) }
    }

    var isOpen: Bool { info != nil && client.error == SSL_ERROR_NONE }
    var session: Session? { client.session.map(Session.init) }
}

/// A client's session, with its ticket.
final class Session {
    let pointer: OpaquePointer
    init(_ pointer: OpaquePointer) { self.pointer = pointer }
    deinit { SSL_SESSION_free(pointer) }

    var ticket: [UInt8] {
        var bytes: UnsafePointer<UInt8>?
        var count = 0
        SSL_SESSION_get0_ticket(pointer, &bytes, &count)
        return Array(UnsafeBufferPointer(start: bytes, count: count))
    }
}

/// A clock that tests set.
final class TestClock: Sendable {
    private let seconds = Mutex<Int64>(TLSClock.system.wall())

    var now: Int64 { seconds.withLock { $0 } }
    func advance(_ count: Int64) { seconds.withLock { $0 += count } }

    var clock: TLSClock {
        TLSClock(wall: { self.now }, monotonic: { self.now * 1_000_000_000 })
    }
}

/// The events of a context.
final class EventList: Sendable {
    private let list = Mutex<[TLSEvent]>([])
    var all: [TLSEvent] { list.withLock { $0 } }
    var texts: [String] { all.map(\.description) }
    var sink: @Sendable (TLSEvent) -> Void {
        { event in self.list.withLock { $0.append(event) } }
    }
}
