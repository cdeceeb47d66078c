#if NIO && os(Linux)
import Glibc
import Logging
import NIOCore
import StickyNIO
import StickyServer
import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

@Suite("The lean channel")
struct ChannelTests {
    private struct Answers: Sendable {
        var values: [String] = []
    }

    private func tls(deadline: Duration = .seconds(10)) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.handshakeDeadline = deadline
        return try TLSContext(configuration)
    }

    /// Adopts a connection whose channel is given to `body` on its loop as soon as it is active.
    private func withChannel(
        tls: TLSContext? = nil,
        logger: Logger = Logger(label: "test"),
        _ body: @escaping @Sendable (any Channel, Recorder) throws -> Void,
        client: @escaping @Sendable (Loopback) throws -> Void
    ) async throws {
        let failure = Mutex<(any Error)?>(nil)
        let handler = NIOConnectionHandler(transport: .lean, tls: tls, logger: logger) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onActive = { context in
                    do { try body(context.channel, recorder) } catch { failure.withLock { $0 = error } }
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            try client(pair)
        }
        while try await handler.openChannels() > 0 { try await Task.sleep(for: .milliseconds(2)) }
        try await handler.shutdown()
        if let error = failure.withLock({ $0 }) { throw error }
    }

    @Test("Options can be set and read, those of the socket too")
    func options() async throws {
        try await withChannel { channel, _ in
            let options = try #require(channel.syncOptions)
            #expect(try options.getOption(.autoRead))
            #expect(try options.getOption(.allowRemoteHalfClosure))
            try options.setOption(.allowRemoteHalfClosure, value: false)
            #expect(try options.getOption(.allowRemoteHalfClosure) == false)
            try options.setOption(.maxMessagesPerRead, value: 9)
            #expect(try options.getOption(.maxMessagesPerRead) == 9)
            try options.setOption(.tcpOption(.tcp_nodelay), value: 1)
            #expect(try options.getOption(.tcpOption(.tcp_nodelay)) == 1)
            try options.setOption(.socketOption(.so_keepalive), value: 1)
            #expect(try options.getOption(.socketOption(.so_keepalive)) == 1)
            try options.setOption(.writeBufferWaterMark, value: .init(low: 10, high: 20))
            #expect(try options.getOption(.writeBufferWaterMark).high == 20)
            #expect(try options.getOption(.bufferedWritableBytes) == 0)
            #expect(throws: ChannelError.self) { try options.setOption(.backlog, value: 1) }
            #expect(channel.remoteAddress?.description == "[IPv4]127.0.0.2:4711")
            #expect(channel.localAddress?.port == 443)
            #expect(channel.isActive && channel.isWritable && channel.parent == nil)
            channel.close(promise: nil)
        } client: { pair in
            let all = try pair.receiveAll()
            #expect(all.isEmpty)
        }
    }

    @Test("What a connected socket cannot do fails")
    func unsupported() async throws {
        let answers = Mutex(Answers())
        try await withChannel { channel, _ in
            let address = try SocketAddress(ipAddress: "127.0.0.1", port: 1)
            for future in [
                channel.bind(to: address), channel.connect(to: address), channel.register(),
                channel.triggerUserOutboundEvent("what?"), channel.setOption(.backlog, value: 1),
            ] {
                future.whenComplete { result in
                    answers.withLock { $0.values.append("\(result)") }
                }
            }
            channel.close(promise: nil)
        } client: { pair in
            let all = try pair.receiveAll()
            #expect(all.isEmpty)
        }
        #expect(answers.withLock { $0.values.count } == 5)
        #expect(answers.withLock { $0.values.allSatisfy { $0.hasPrefix("failure") } })
    }

    @Test("Every promise is kept once, also those of what comes too late")
    func promises() async throws {
        let answers = Mutex(Answers())
        try await withChannel { channel, _ in
            func note(_ name: String) -> EventLoopPromise<Void> {
                let promise = channel.eventLoop.makePromise(of: Void.self)
                promise.futureResult.whenComplete { result in
                    answers.withLock { answers in
                        if case .success = result {
                            answers.values.append(name)
                        } else {
                            answers.values.append("-" + name)
                        }
                    }
                }
                return promise
            }
            channel.closeFuture.whenSuccess { answers.withLock { $0.values.append("closeFuture") } }
            channel.write(ByteBuffer(string: "a"), promise: note("flushed"))
            channel.flush()
            channel.write(ByteBuffer(string: "b"), promise: note("unflushed"))
            channel.close(mode: .output, promise: note("output"))
            channel.write(ByteBuffer(string: "c"), promise: note("late"))
            channel.close(mode: .output, promise: note("output again"))
            channel.close(mode: .input, promise: note("input"))
            channel.close(promise: note("all"))
            channel.close(promise: note("all again"))
        } client: { pair in
            let all = try pair.receiveAll()
            #expect(all == Array("ab".utf8))
        }
        let values = answers.withLock { $0.values }
        #expect(
            values.sorted() == [
                "-late", "-output again", "all", "all again", "closeFuture", "flushed", "input", "output", "unflushed",
            ]
        )
        #expect(values.last == "closeFuture")
    }

    @Test("Writability follows the water marks")
    func writability() async throws {
        let answers = Mutex(Answers())
        try await withChannel { channel, recorder in
            try channel.syncOptions?.setOption(.writeBufferWaterMark, value: .init(low: 1000, high: 2000))
            recorder.onWritability = { context in
                answers.withLock { $0.values.append("\(context.channel.isWritable)") }
            }
            channel.write(ByteBuffer(repeating: 1, count: 2000), promise: nil)
            #expect(channel.isWritable)
            channel.write(ByteBuffer(repeating: 1, count: 1), promise: nil)
            #expect(!channel.isWritable)
            channel.flush()
            channel.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { channel.close(promise: nil) }
        } client: { pair in
            let all = try pair.receiveAll()
            #expect(all.count == 2001)
        }
        #expect(answers.withLock { $0.values } == ["false", "true"])
    }

    @Test("Without half-closure the client's end closes the channel")
    func fullClose() async throws {
        try await withChannel { channel, _ in
            try channel.syncOptions?.setOption(.allowRemoteHalfClosure, value: false)
        } client: { pair in
            pair.endOutput()
            let all = try pair.receiveAll()
            #expect(all.isEmpty)
        }
    }

    @Test("A client that does not finish its handshake is cut off, and has no pipeline")
    func deadline() async throws {
        let context = try tls(deadline: .milliseconds(100))
        try await withChannel(tls: context) { _, _ in
            Issue.record("there was no handshake")
        } client: { pair in
            for byte in TestClient().step().prefix(20) {
                if (try? pair.send([byte])) == nil { break }
                usleep(10_000)
            }
            #expect((try? pair.receiveAll())?.isEmpty != false)
        }
    }

    @Test("Plain HTTP and garbage get their answers without a pipeline")
    func notTLS() async throws {
        let context = try tls()
        let never: @Sendable (any Channel, Recorder) throws -> Void = { _, _ in Issue.record("no handshake") }
        try await withChannel(tls: context, never) { pair in
            try pair.send(Array("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n".utf8))
            let answer = String(decoding: try pair.receiveAll(), as: UTF8.self)
            #expect(answer.hasPrefix("HTTP/1.1 308 Permanent Redirect\r\n"))
        }
        try await withChannel(tls: context, never) { pair in
            try pair.send([UInt8](repeating: 0xFF, count: 100))
            _ = try pair.receiveAll()
        }
    }

    @Test("Tickets, the first answer and close_notify leave together")
    func coalesced() async throws {
        let context = try tls()
        try await withChannel(tls: context) { _, recorder in
            recorder.onRead = { context, bytes in
                context.writeAndFlush(NIOAny(bytes), promise: nil)
                context.close(promise: nil)
            }
        } client: { pair in
            let client = TestClient()
            try pair.send(client.step())
            var last: [UInt8] = []
            while !client.handshakeDone { last = client.step(try pair.receive()) }
            try pair.send(last + client.send(Array("hello".utf8)))
            let all = try pair.receive()
            client.step(all)
            #expect(client.takeReceived() == Array("hello".utf8) && client.serverHasClosed)
        }
    }

    @Test("Handlers may do anything from anywhere", arguments: [true, false])
    func reentrancy(isTLS: Bool) async throws {
        let context = isTLS ? try tls() : nil
        try await withChannel(tls: context) { channel, recorder in
            recorder.onRead = { context, bytes in
                context.read()
                context.writeAndFlush(NIOAny(bytes), promise: nil)
                context.flush()
                let promise = context.eventLoop.makePromise(of: Void.self)
                promise.futureResult.assumeIsolated().whenComplete { _ in
                    context.channel.writeAndFlush(ByteBuffer(repeating: 2, count: 300_000), promise: nil)
                    context.channel.read()
                    context.channel.close(promise: nil)
                    context.channel.flush()
                }
                context.writeAndFlush(NIOAny(ByteBuffer(repeating: 1, count: 300_000)), promise: promise)
            }
            recorder.onWritability = { context in context.flush() }
        } client: { pair in
            guard isTLS else {
                try pair.send([0])
                let all = try pair.receiveAll()
                return #expect(all.count == 600_001)
            }
            let client = try pair.shakeHands()
            try pair.send(client.send([0]))
            while !client.serverHasClosed { client.step(try pair.receive()) }
            #expect(client.takeReceived().count == 600_001)
        }
    }

    @Test("A loop that ends closes its connections and keeps their promises", arguments: [true, false])
    func loopEnds(isTLS: Bool) async throws {
        let context = isTLS ? try tls() : nil
        let group = try StickyEventLoopGroup()
        let answers = Mutex(Answers())
        let handler = NIOConnectionHandler(group: group, tls: context) { channel, _ in
            channel.closeFuture.whenSuccess { answers.withLock { $0.values.append("closed") } }
            channel.write(ByteBuffer(string: "never flushed")).whenFailure { _ in
                answers.withLock { $0.values.append("failed") }
            }
            return channel.eventLoop.makeSucceededVoidFuture()
        }
        let pair = try Loopback()
        pair.adopt(by: handler)
        _ = try await handler.openChannels()
        try await group.shutdownGracefully()
        let rest = try pair.receiveAll()
        #expect(rest.isEmpty)
        #expect(answers.withLock { $0.values } == (isTLS ? [] : ["failed", "closed"]))
    }

    @Test("Closed channels go away")
    func noCycle() async throws {
        let channels = Mutex<[WeakChannel]>([])
        try await withChannel { channel, _ in
            channels.withLock { $0.append(WeakChannel(channel: channel)) }
            channel.close(promise: nil)
        } client: {
            _ = try $0.receiveAll()
        }
        #expect(channels.withLock { $0.count == 1 && $0[0].channel == nil })
    }

    private struct WeakChannel: Sendable {
        weak var channel: (any Channel)?
    }
}
#endif
