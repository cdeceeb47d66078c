import CTLS
import Dispatch
import StickyServer
import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Blocking connections", .timeLimit(.minutes(2)))
struct ConnectionTests {
    /// A server whose connections are served by `body`, and which writes down the errors that `body` meets.
    private func server(
        _ notes: Notes = Notes(),
        prelude: [UInt8] = [],
        handshakeDeadline: Duration = .seconds(10),
        options: ThreadPerConnection.Options = .init(),
        handshakes: Int = 1024,
        _ body: @escaping @Sendable (inout TLSConnection) throws -> Void
    ) throws -> Loopback {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.handshakeDeadline = handshakeDeadline
        configuration.maximumHandshakesInProgress = handshakes
        let worker = try TLSWorker(configuration, options: options) { connection in
            do {
                try body(&connection)
            } catch let error as TLSConnectionError {
                notes.add(error)
            }
        }
        return try Loopback(worker, prelude: prelude)
    }

    @Test("Data go both ways, in any amount")
    func echo() throws {
        let loopback = try server { connection in
            while case let bytes = try connection.read(), !bytes.isEmpty { try connection.write(bytes) }
        }
        let client = try SocketClient(loopback)
        #expect(client.open())
        for count in [1, 100, 16_384, 200_000] {
            client.write(pattern(count))
            #expect(client.read(count) == pattern(count))
        }
        client.send(client.tls.close())
        #expect(client.readAll().isEmpty)
        #expect(client.tls.serverHasClosed)
        #expect(client.isAtEnd)
    }

    @Test("The connection says what was agreed on, and who is there")
    func info() throws {
        let loopback = try server { connection in
            let info = connection.info
            try connection.write("\(connection.socket.peer) \(info?.version.description ?? "none")")
        }
        let client = try SocketClient(loopback)
        #expect(client.open())
        #expect(client.readAll() == Array("127.0.0.1:1 TLSv1.3".utf8))
    }

    @Test("At the limit of handshakes silent clients make room for one that speaks")
    func crowd() throws {
        let loopback = try server(handshakeDeadline: .seconds(600), handshakes: 5) { connection in
            try connection.write("hello")
        }
        let silent = try (0..<20).map { _ in try SocketClient(loopback) }
        // Refused only while threads have not begun to wait for those before.
        var client = try SocketClient(loopback)
        for _ in 0..<100 where !client.open() { client = try SocketClient(loopback) }
        #expect(client.readAll() == Array("hello".utf8))
        // All but a few have been ended, long before their deadline.
        let isOver = silent.map { other in
            var state = pollfd(fd: other.socket.number, events: Int16(POLLIN), revents: 0)
            return poll(&state, 1, 0) == 1
        }
        #expect(isOver.count { $0 } >= 15)
    }

    @Test("Silent clients do not keep their threads when others wait for one")
    func threads() throws {
        var options = ThreadPerConnection.Options()
        options.maximumThreads = 3
        let loopback = try server(handshakeDeadline: .seconds(600), options: options) { connection in
            try connection.write("hello")
        }
        let silent = try (0..<3).map { _ in try SocketClient(loopback) }
        let client = try SocketClient(loopback)
        #expect(client.open())
        #expect(client.readAll() == Array("hello".utf8))
        withExtendedLifetime(silent) {}
    }

    @Test("A prelude comes before what the socket holds", arguments: [1, 50, 100])
    func prelude(count: Int) throws {
        let notes = Notes()
        let tls = TestClient()
        let hello = tls.step()
        let loopback = try server(notes, prelude: Array(hello.prefix(count))) { try $0.write("hello") }
        let socket = try loopback.connect()
        hello.dropFirst(count).withUnsafeBytes { _ = send(socket.number, $0.baseAddress, $0.count, 0) }
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let received = recv(socket.number, &buffer, buffer.count, 0), received > 0 {
            let answer = tls.step(buffer.prefix(received))
            answer.withUnsafeBytes { _ = send(socket.number, $0.baseAddress, $0.count, 0) }
            if tls.serverHasClosed { break }
        }
        #expect(tls.takeReceived() == Array("hello".utf8))
    }

    enum HalfClose: CaseIterable { case none, fin, closeNotify, both, unreadData }

    @Test(
        "A large answer arrives whole at a slow reader, however the client ends its own half",
        arguments: HalfClose.allCases
    )
    func wholeAnswer(halfClose: HalfClose) throws {
        let size = 4 << 20
        let answer = pattern(size)
        let loopback = try server { connection in
            _ = try connection.read(upTo: 10)
            try connection.write(answer)
        }
        let client = try SocketClient(loopback, receiveBuffer: 8192)
        #expect(client.open())
        client.write([1])
        switch halfClose {
        case .none: break
        case .fin: client.endOutput()
        case .closeNotify: client.send(client.tls.close())
        case .both:
            client.send(client.tls.close())
            client.endOutput()
        case .unreadData: client.write(pattern(100_000))
        }
        #expect(client.readAll() == answer)
        #expect(client.tls.serverHasClosed)
        #expect(client.isAtEnd)
        #expect(client.errno == 0)
    }

    @Test("A client that trickles is cut off at the deadline of the handshake, which is absolute")
    func handshakeDeadline() throws {
        let loopback = try server(handshakeDeadline: .milliseconds(300)) { _ in
            Issue.record("served without a handshake")
        }
        let start = ContinuousClock.now
        let client = try SocketClient(loopback)
        let hello = client.tls.step()
        // The end of the stream shows that the server has closed; bytes in between show that it waits.
        let socket = client.socket.number
        for byte in hello.prefix(10) {
            client.send([byte])
            var entry = pollfd(fd: socket, events: Int16(POLLIN), revents: 0)
            if poll(&entry, 1, 20) != 0 { break }
        }
        #expect(client.readAll().isEmpty)
        #expect(ContinuousClock.now - start < .seconds(5))
        #expect(ContinuousClock.now - start >= .milliseconds(300))
    }

    @Test("A connection on which nothing moves ends after the idle timeout")
    func idleTimeout() throws {
        let notes = Notes()
        var options = ThreadPerConnection.Options()
        options.idleTimeout = .milliseconds(100)
        let loopback = try server(notes, options: options) { _ = try $0.read() }
        let client = try SocketClient(loopback)
        #expect(client.open())
        #expect(client.readAll().isEmpty)
        #expect(client.tls.serverHasClosed)
        #expect(notes.codes() == [.idleTimeout])
    }

    @Test("A client that does not read ends a write after the idle timeout")
    func stuckReader() throws {
        let notes = Notes()
        var options = ThreadPerConnection.Options()
        options.idleTimeout = .milliseconds(100)
        let loopback = try server(notes, options: options) { try $0.write(pattern(64 << 20)) }
        let client = try SocketClient(loopback, receiveBuffer: 4096)
        #expect(client.open())
        #expect(notes.codes() == [.idleTimeout])
    }

    @Test("An end without close_notify is truncated, and writing still works")
    func truncated() throws {
        let notes = Notes()
        let loopback = try server(notes) { connection in
            do throws(TLSConnectionError) {
                while try connection.read() == [1] {}
            } catch {
                try connection.write("still here")
                throw error
            }
        }
        let client = try SocketClient(loopback)
        #expect(client.open())
        client.write([1])
        client.endOutput()
        #expect(client.readAll() == Array("still here".utf8))
        #expect(notes.codes() == [.truncated])
    }

    @Test("A client that vanishes during a write is an error and no signal")
    func vanished() throws {
        signal(SIGPIPE, SIG_DFL)
        let notes = Notes()
        let loopback = try server(notes) { connection in
            while true { try connection.write(pattern(100_000)) }
        }
        do {
            let client = try SocketClient(loopback)
            #expect(client.open())
            var linger = linger(l_onoff: 1, l_linger: 0)
            setsockopt(client.socket.number, SOL_SOCKET, SO_LINGER, &linger, socklen_t(MemoryLayout<linger>.size))
        }
        #expect(notes.codes() == [.lost])
    }

    @Test(
        "Plain HTTP is answered in plain HTTP",
        arguments: [
            ("localhost", "HTTP/1.1 308 Permanent Redirect\r\nLocation: https://localhost/\r\n"),
            ("other.test", "HTTP/1.1 400 Bad Request\r\n"),
        ]
    )
    func plainHTTP(host: String, start: String) throws {
        let loopback = try server { _ in Issue.record("served without TLS") }
        let client = try SocketClient(loopback)
        client.send(Array("GET / HTTP/1.1\r\nHost: \(host)\r\n\r\n".utf8))
        var answer = [UInt8](repeating: 0, count: 10_000)
        var count = 0
        while case let more = recv(client.socket.number, &answer[count], answer.count - count, 0), more > 0 {
            count += more
        }
        let text = String(decoding: answer.prefix(count), as: UTF8.self)
        #expect(text.hasPrefix(start))
        let parts = text.split(separator: "\r\n\r\n", maxSplits: 1)
        #expect(text.contains("Content-Length: \(parts.count > 1 ? parts[1].utf8.count : 0)\r\n"))
    }

    @Test("A refused client gets the alert before the end")
    func alertArrives() throws {
        let loopback = try server { _ in Issue.record("served without a protocol") }
        let client = try SocketClient(loopback, .init(applicationProtocols: ["smtp"]))
        #expect(!client.open())
        #expect(client.tls.reason == "tlsv1 alert no application protocol")
    }

    @Test("With one thread the connections are served one after the other")
    func waiting() throws {
        var options = ThreadPerConnection.Options()
        options.maximumThreads = 1
        let busy = Atomic<Int>(0)
        let loopback = try server(options: options) { connection in
            #expect(busy.add(1, ordering: .sequentiallyConsistent).newValue == 1)
            try connection.write("served")
            busy.subtract(1, ordering: .sequentiallyConsistent)
        }
        let clients = try (0..<5).map { _ in try SocketClient(loopback) }
        for client in clients { client.send(client.tls.step()) }
        for client in clients {
            #expect(client.readAll() == Array("served".utf8))
            client.endOutput()
        }
    }

    @Test("Connections beyond those that may wait are dropped")
    func dropped() throws {
        var options = ThreadPerConnection.Options()
        options.maximumThreads = 1
        options.maximumWaiting = 0
        let loopback = try server(options: options) { connection in
            while case let bytes = try connection.read(), !bytes.isEmpty { try connection.write(bytes) }
        }
        let first = try SocketClient(loopback)
        #expect(first.open())
        let second = try SocketClient(loopback)
        #expect(!second.open())
        first.write([1])
        #expect(first.read(1) == [1])
    }

    @Test("Draining ends a connection between requests, and lets a request finish")
    func drain() throws {
        let configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        let worker = try TLSWorker(configuration) { connection in
            // Requests of three bytes.
            var request: [UInt8] = []
            while case let bytes = try connection.read(), !bytes.isEmpty {
                request += bytes
                guard request.count >= 3 else { continue }
                try connection.write(request)
                request = []
            }
        }
        let loopback = try Loopback(worker)
        let idle = try SocketClient(loopback)
        #expect(idle.open())
        idle.write([1, 2, 3])
        #expect(idle.read(3) == [1, 2, 3])
        let busy = try SocketClient(loopback)
        #expect(busy.open())
        busy.write([1, 2, 3])
        #expect(busy.read(3) == [1, 2, 3])
        busy.write([1])
        // On loopback a byte that was sent is there.
        worker.drain(DrainRequest(reason: .stopping, deadline: .now.advanced(by: .seconds(30))))
        #expect(idle.readAll().isEmpty)
        #expect(idle.tls.serverHasClosed)
        busy.write([2, 3])
        #expect(busy.read(3) == [1, 2, 3])
        #expect(busy.readAll().isEmpty)
        #expect(busy.tls.serverHasClosed)
    }
}
