#if NIO
import NIOCore
import NIOEmbedded
import StickyTLS
import TLSTestSupport
import Testing

@testable import StickyNIO

@Suite("The TLS handler")
struct TLSHandlerTests {
    private func write(_ text: String, _ server: EmbeddedServer) -> Outcome {
        let promise = server.channel.eventLoop.makePromise(of: Void.self)
        server.channel.writeAndFlush(ByteBuffer(string: text), promise: promise)
        return promise.futureResult.outcome()
    }

    @Test("The handshake is announced before any plaintext, with the protocol", arguments: [1, 7, 100_000])
    func announces(pieces: Int) throws {
        var options = TestClient.Options()
        options.applicationProtocols = ["h2", "http/1.1"]
        let server = try EmbeddedServer(client: options)
        defer { server.finish() }
        server.exchange(pieces: pieces)
        server.receive(server.client.send(Array("hello".utf8)), pieces: pieces)
        #expect(server.recorder.events == ["active", "handshake http/1.1", "read"])
        #expect(server.recorder.received == Array("hello".utf8))
        #expect(server.handler.info?.applicationProtocol == "http/1.1")
    }

    @Test("Writes before the handshake go out after it, in order, and their promises are kept")
    func earlyWrites() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        let first = write("first ", server)
        let second = write("second", server)
        #expect(first.count == 0)
        server.exchange()
        #expect(server.client.takeReceived() == Array("first second".utf8))
        #expect(first.succeeded && second.succeeded)
    }

    @Test("Many small writes of one flush are one record and one write to the channel")
    func gathers() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        let before = server.counter.writes
        var outcomes: [Outcome] = []
        for number in 0..<100 {
            let promise = server.channel.eventLoop.makePromise(of: Void.self)
            outcomes.append(promise.futureResult.outcome())
            server.channel.write(ByteBuffer(string: "\(number) "), promise: promise)
        }
        #expect(server.counter.writes == before)
        server.channel.flush()
        #expect(server.counter.writes == before + 1)
        let sent = server.sent()
        #expect(EmbeddedServer.records(in: sent).count == 1)
        server.client.step(sent)
        #expect(server.client.takeReceived() == Array((0..<100).map { "\($0) " }.joined().utf8))
        #expect(outcomes.allSatisfy { $0.succeeded })
    }

    @Test("A long answer fills its records and comes in bursts")
    func bursts() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        let before = server.counter.writes
        let body = (0..<1_000_000).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        server.channel.writeAndFlush(ByteBuffer(bytes: body), promise: nil)
        #expect(server.counter.writes - before == 8)
        let sent = server.sent()
        #expect(EmbeddedServer.records(in: sent).count == 62)
        server.client.step(sent)
        #expect(server.client.takeReceived() == body)
    }

    @Test("The tickets leave together with the first answer")
    func ticketsRide() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.recorder.onRead = { context, _ in
            context.writeAndFlush(NIOAny(ByteBuffer(string: "answer")), promise: nil)
        }
        server.receive(server.client.step())
        let finished = server.client.step(server.sent())
        let before = server.counter.writes
        server.receive(finished + server.client.send(Array("question".utf8)))
        #expect(server.counter.writes == before + 1)
        server.client.step(server.sent())
        #expect(server.client.takeReceived() == Array("answer".utf8))
    }

    @Test("While the channel is not writable the plaintext waits")
    func holdsBack() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        server.channel.isWritable = false
        let outcome = write("late", server)
        #expect(server.sent().isEmpty && outcome.count == 0)
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        server.client.step(server.sent())
        #expect(server.client.takeReceived() == Array("late".utf8))
        #expect(outcome.succeeded)
    }

    @Test("A handler that writes when the channel becomes writable, inside a flush, does no harm")
    func reentrantFlush() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        // Each write to the channel claims that the channel has become writable, as the socket channel does when it
        // has just sent everything.
        let teller = WritabilityTeller()
        try server.channel.pipeline.syncOperations.addHandler(teller, position: .first)
        var left = 20
        server.recorder.onWritability = { context in
            guard left > 0 else { return }
            left -= 1
            context.writeAndFlush(NIOAny(ByteBuffer(repeating: 7, count: 50_000)), promise: nil)
        }
        server.channel.writeAndFlush(ByteBuffer(repeating: 7, count: 300_000), promise: nil)
        server.client.step(server.sent())
        #expect(left == 0)
        #expect(server.client.takeReceived().count == 1_300_000)
    }

    @Test("A read that brought the application nothing is repeated")
    func repeatsReads() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        server.channel.pipeline.read()
        let record = server.client.send(Array("whole".utf8))
        let before = server.counter.reads
        server.receive(Array(record.dropLast()))
        #expect(server.counter.reads == before + 1)
        server.receive(Array(record.suffix(1)))
        #expect(server.counter.reads == before + 1)
        #expect(server.recorder.received == Array("whole".utf8))
    }

    @Test("A file that cannot be read ends the connection, and promises are kept")
    func missingFile() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: 1_000_000)
        let region = IOData.fileRegion(FileRegion(fileHandle: handle, readerIndex: 0, endIndex: 1))
        let promise = server.channel.eventLoop.makePromise(of: Void.self)
        let outcome = promise.futureResult.outcome()
        server.channel.pipeline.writeAndFlush(region, promise: promise)
        #expect(outcome.failed && outcome.error is IOError)
        _ = try handle.takeDescriptorOwnership()
        #expect(write("too late", server).failed)
        #expect(!server.channel.isActive)
    }
}

/// Says after every flush that the channel has become writable.
private final class WritabilityTeller: ChannelOutboundHandler {
    typealias OutboundIn = ByteBuffer

    func flush(context: ChannelHandlerContext) {
        context.flush()
        context.fireChannelWritabilityChanged()
    }
}
#endif
