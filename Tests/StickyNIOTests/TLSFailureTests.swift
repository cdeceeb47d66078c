#if NIO
import CTLS
import Foundation
import NIOCore
import NIOEmbedded
import StickyTLS
import TLSTestSupport
import Testing

@testable import StickyNIO

@Suite("TLS connections that fail")
struct TLSFailureTests {
    private func pendingWrite(_ server: EmbeddedServer) -> Outcome {
        let promise = server.channel.eventLoop.makePromise(of: Void.self)
        server.channel.writeAndFlush(ByteBuffer(string: "waits"), promise: promise)
        return promise.futureResult.outcome()
    }

    @Test("A client with nothing in common gets the alert, and the application the reason")
    func refused() throws {
        var options = TestClient.Options()
        options.applicationProtocols = ["spdy/1"]
        let server = try EmbeddedServer(client: options)
        let waiting = pendingWrite(server)
        server.exchange()
        server.channel.embeddedEventLoop.run()
        let failure = server.recorder.errors.first as? TLSFailure
        #expect(failure?.alert?.name == "no_application_protocol")
        #expect(server.client.reason.contains("no application protocol"))
        #expect(!server.channel.isActive && waiting.failed)
        server.finish()
    }

    @Test("Bytes that are no TLS end the connection")
    func garbage() throws {
        let server = try EmbeddedServer()
        server.receive([UInt8](repeating: 0xFF, count: 4000), pieces: 100)
        #expect(server.recorder.errors.count == 1)
        #expect(!server.channel.isActive)
        server.finish()
    }

    @Test("A changed record ends the connection with an alert")
    func tampered() throws {
        let server = try EmbeddedServer()
        server.exchange()
        var record = server.client.send(Array("hello".utf8))
        record[record.count - 1] ^= 1
        let waiting = server.channel.eventLoop.makePromise(of: Void.self)
        let outcome = waiting.futureResult.outcome()
        server.channel.write(ByteBuffer(string: "unflushed"), promise: waiting)
        server.receive(record)
        #expect(outcome.failed)
        #expect(server.recorder.received.isEmpty)
        #expect((server.recorder.errors.first as? TLSFailure)?.alert?.name == "bad_record_mac")
        server.finish()
    }

    private static let plainRequest = Array("GET /a?b=c HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8)

    @Test("Plain HTTP is sent to https, or told so when too little of it has come", arguments: [1, 1000])
    func plainHTTP(pieces: Int) throws {
        let server = try EmbeddedServer()
        server.receive(Self.plainRequest, pieces: pieces)
        let answer = String(decoding: server.sent(), as: UTF8.self)
        if pieces == 1 {
            #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        } else {
            #expect(answer.hasPrefix("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://localhost/a?b=c\r\n"))
        }
        let parts = answer.components(separatedBy: "\r\n\r\n")
        #expect(answer.contains("Content-Length: \(parts.last?.utf8.count ?? -1)\r\n"))
        #expect((server.recorder.errors.first as? TLSFailure)?.kind == .plainHTTP)
        server.finish()
    }

    @Test("Plain HTTP is sent to https on both kinds of channel", arguments: NIOTransport.allCases)
    func plainHTTP(transport: NIOTransport) async throws {
        let tls = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        let handler = NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeSucceededVoidFuture()
        }
        let answer = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            try pair.send(Self.plainRequest)
            return String(decoding: try pair.receiveAll(), as: UTF8.self)
        }
        #expect(answer.hasPrefix("HTTP/1.1 308 Permanent Redirect\r\nLocation: https://localhost/a?b=c\r\n"))
        try await handler.shutdown()
    }

    @Test("The deadline of the handshake is absolute, however the client spreads its bytes")
    func deadline() throws {
        let server = try EmbeddedServer()
        let waiting = pendingWrite(server)
        let hello = server.client.step()
        for byte in hello.prefix(9) {
            server.receive([byte])
            server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        }
        #expect(server.channel.isActive)
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(1))
        #expect(!server.channel.isActive)
        #expect(server.recorder.errors.first as? TLSHandshakeError == .timedOut)
        #expect(waiting.failed)
        server.finish()
    }

    @Test("The deadline ends with the handshake")
    func deadlineEnds() throws {
        let server = try EmbeddedServer()
        server.exchange()
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(100))
        #expect(server.channel.isActive)
        server.finish()
    }

    @Test("A client that leaves in the middle is not waited for")
    func abandoned() throws {
        let server = try EmbeddedServer()
        let waiting = pendingWrite(server)
        server.receive(Array(server.client.step().prefix(50)))
        server.inputClosed()
        #expect(!server.channel.isActive && waiting.failed)
        #expect(server.recorder.errors.first as? TLSHandshakeError == .abandoned)
        server.finish()
    }

    @Test("A handler that is taken out of the pipeline keeps its promises")
    func removed() throws {
        let server = try EmbeddedServer()
        let waiting = pendingWrite(server)
        let closed = server.channel.eventLoop.makePromise(of: Void.self)
        let outcome = closed.futureResult.outcome()
        server.channel.close(mode: .output, promise: closed)
        server.finish()
        #expect(waiting.failed && outcome.failed)
    }
}
#endif
