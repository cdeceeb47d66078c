#if NIO
import NIOCore
import NIOEmbedded
import StickyTLS
import TLSTestSupport
import Testing

@testable import StickyNIO

@Suite("How a TLS connection ends")
struct TLSEndTests {
    private func write(_ text: String, _ server: EmbeddedServer) -> Outcome {
        let promise = server.channel.eventLoop.makePromise(of: Void.self)
        server.channel.writeAndFlush(ByteBuffer(string: text), promise: promise)
        return promise.futureResult.outcome()
    }

    private func close(_ server: EmbeddedServer, _ mode: CloseMode = .all) -> Outcome {
        let promise = server.channel.eventLoop.makePromise(of: Void.self)
        server.channel.close(mode: mode, promise: promise)
        return promise.futureResult.outcome()
    }

    @Test("A client that closes its direction still gets the answer")
    func halfClose() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        server.receive(server.client.send(Array("question".utf8)) + server.client.close())
        #expect(server.recorder.events.suffix(3) == ["read", "shutdown", "inputClosed"])
        // The end of TCP follows and says nothing new.
        server.inputClosed()
        #expect(server.recorder.events.last == "inputClosed" && server.recorder.errors.isEmpty)
        #expect(write("answer", server).succeeded)
        server.client.step(server.sent())
        #expect(server.client.takeReceived() == Array("answer".utf8))
    }

    @Test("Without half-closure the client's end closes the channel, after what is queued")
    func fullClose() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.channel.allowRemoteHalfClosure = false
        server.exchange()
        let outcome = write("last words", server)
        let sent = server.sent()
        server.receive(server.client.close())
        server.channel.embeddedEventLoop.run()
        #expect(!server.channel.isActive && outcome.succeeded)
        server.client.step(sent + server.sent())
        #expect(server.client.takeReceived() == Array("last words".utf8))
        #expect(server.client.serverHasClosed)
        #expect(server.recorder.errors.isEmpty)
    }

    @Test("A stream that ends without close_notify is an error, and answers still go out")
    func truncation() throws {
        let server = try EmbeddedServer()
        defer { server.finish() }
        server.exchange()
        server.receive(server.client.send(Array("ques".utf8)))
        server.inputClosed()
        #expect(server.recorder.events.suffix(3) == ["read", "error", "inputClosed"])
        #expect(server.recorder.errors.first is TLSTruncatedError)
        #expect(write("answer", server).succeeded)
        server.client.step(server.sent())
        #expect(server.client.takeReceived() == Array("answer".utf8))
    }

    @Test("A channel that dies is a truncation too")
    func lost() throws {
        let server = try EmbeddedServer()
        server.exchange()
        server.channel.isWritable = false
        let waiting = write("never", server)
        server.counter.kill(server.channel)
        #expect(server.recorder.events.suffix(2) == ["error", "inactive"])
        #expect(server.recorder.errors.first is TLSTruncatedError)
        #expect(waiting.failed)
        #expect(write("after", server).failed)
        server.finish()
    }

    @Test("close() sends what waits, then close_notify once, and keeps its promises")
    func closeDrains() throws {
        let server = try EmbeddedServer()
        server.exchange()
        server.channel.isWritable = false
        let body = ByteBuffer(repeating: 1, count: 400_000)
        let written = server.channel.eventLoop.makePromise(of: Void.self)
        let outcome = written.futureResult.outcome()
        server.channel.write(body, promise: written)
        let first = close(server)
        let second = close(server)
        // Still in the tick of the close: a handler above may be in the middle of its work.
        let same = write("!", server)
        server.channel.embeddedEventLoop.run()
        #expect(server.channel.isActive && first.count == 0)
        #expect(write("too late", server).failed)
        server.channel.isWritable = true
        server.channel.pipeline.fireChannelWritabilityChanged()
        server.channel.embeddedEventLoop.run()
        #expect(outcome.succeeded && same.succeeded && first.succeeded && second.succeeded)
        server.client.step(server.sent())
        #expect(server.client.takeReceived().count == 400_001)
        #expect(server.client.serverHasClosed)
        server.finish()
    }

    @Test("What was written before the handshake is sent after it, although close() was called")
    func closeBeforeHandshake() throws {
        let server = try EmbeddedServer()
        let written = write("greeting", server)
        let closed = close(server)
        server.channel.embeddedEventLoop.run()
        #expect(server.channel.isActive)
        server.exchange()
        server.channel.embeddedEventLoop.run()
        #expect(server.client.takeReceived() == Array("greeting".utf8))
        #expect(written.succeeded && closed.succeeded && server.client.serverHasClosed)
        server.finish()
    }

    @Test("close() with nothing to say ends an unfinished handshake at once")
    func cancelled() throws {
        let server = try EmbeddedServer()
        let closed = close(server)
        server.channel.embeddedEventLoop.run()
        #expect(closed.succeeded && !server.channel.isActive)
        #expect(server.recorder.errors.first as? TLSHandshakeError == .cancelled)
        server.finish()
    }

    @Test("A client that takes nothing at all is cut off")
    func stalls() throws {
        let server = try EmbeddedServer()
        server.exchange()
        server.channel.isWritable = false
        let written = write("never read", server)
        let closed = close(server)
        server.channel.embeddedEventLoop.run()
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(29))
        #expect(server.channel.isActive)
        server.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!server.channel.isActive)
        #expect(written.failed && closed.succeeded)
        server.finish()
    }

    @Test("Writes after close(mode: .output) fail, and a second one too")
    func outputClosed() throws {
        let server = try EmbeddedServer()
        let early = close(server, .output)
        #expect(write("no", server).error as? ChannelError == .outputClosed)
        #expect(close(server, .output).error as? ChannelError == .outputClosed)
        server.exchange()
        #expect(early.succeeded)
        #expect(server.client.serverHasClosed)
        server.finish()
    }

    @Test("close(mode: .input) ends what the application receives")
    func inputClosed() throws {
        let server = try EmbeddedServer()
        server.exchange()
        #expect(close(server, .input).succeeded)
        #expect(close(server, .input).failed)
        server.receive(server.client.send(Array("nobody listens".utf8)))
        #expect(server.recorder.received.isEmpty)
        #expect(write("still here", server).succeeded)
        server.finish()
    }
}

extension WriteCounter {
    /// Closes the channel as a reset does: below every handler.
    func kill(_ channel: EmbeddedChannel) {
        _ = try? channel.pipeline.syncOperations.context(handler: self).close(mode: .all, promise: nil)
    }
}
#endif
