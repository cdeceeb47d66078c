#if NIO
import NIOCore
import StickyNIO
import StickyServer
import Synchronization
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Paused sockets become channels")
struct AdoptionTests {
    /// A handler whose channels note their events and echo.
    private final class Notes: Sendable {
        let events = Mutex<[String]>([])
        let info = Mutex<StickyConnectionInfo?>(nil)

        func handler(
            _ group: (any EventLoopGroup)? = nil,
            _ transport: NIOTransport = .stock
        ) -> NIOConnectionHandler {
            NIOConnectionHandler(group: group, transport: transport) { channel, _ in
                channel.eventLoop.makeCompletedFuture {
                    let recorder = Recorder()
                    recorder.onRead = { context, bytes in
                        self.info.withLock { $0 = context.stickyConnection }
                        context.writeAndFlush(NIOAny(bytes), promise: nil)
                    }
                    recorder.onEvent = { context, event in
                        if event is StickyDrainEvent { context.close(promise: nil) }
                        if case .inputClosed? = event as? ChannelEvent { context.close(promise: nil) }
                    }
                    try channel.pipeline.syncOperations.addHandler(recorder)
                    let box = NIOLoopBound(recorder, eventLoop: channel.eventLoop)
                    channel.closeFuture.whenComplete { _ in
                        self.events.withLock { $0 += box.value.events }
                    }
                }
            }
        }
    }

    @Test("Events come in order, the prelude before what the socket holds", arguments: NIOTransport.allCases)
    func order(transport: NIOTransport) async throws {
        let notes = Notes()
        let handler = notes.handler(nil, transport)
        let received = try await blocking {
            let pair = try Loopback()
            try pair.send(Array("world".utf8))
            pair.adopt(by: handler, prelude: Array("hello ".utf8))
            pair.endOutput()
            return try pair.receiveAll()
        }
        #expect(received == Array("hello world".utf8))
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        #expect(
            notes.events.withLock { $0 } == ["registered", "active", "read", "inputClosed", "outputClosed", "inactive"]
                || notes.events.withLock { $0 } == ["registered", "active", "read", "inputClosed", "inactive"]
        )
    }

    @Test("The facts of the hand-off are found in the pipeline", arguments: NIOTransport.allCases)
    func facts(transport: NIOTransport) async throws {
        let notes = Notes()
        let handler = notes.handler(nil, transport)
        _ = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler, peer: 5000)
            try pair.send([1])
            _ = try pair.receive()
        }
        let info = notes.info.withLock { $0 }
        #expect(info?.peer.description == "127.0.0.2:5000")
        #expect(info?.local.description == "127.0.0.1:443")
        #expect(info?.listener == 3 && info?.reason == .rerouted && info?.hops == 0)
        try await handler.shutdown()
    }

    @Test("A failed initializer closes the connection", arguments: NIOTransport.allCases)
    func failedInitializer(transport: NIOTransport) async throws {
        struct No: Error {}
        let handler = NIOConnectionHandler(transport: transport) { channel, _ in
            channel.eventLoop.makeFailedFuture(No())
        }
        let received = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            return try pair.receiveAll()
        }
        #expect(received.isEmpty)
        // The client sees its end a moment before the loop has forgotten the channel.
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }

    @Test("Descriptors that are no stream socket are refused without a trap", arguments: NIOTransport.allCases)
    func badDescriptors(transport: NIOTransport) async throws {
        let handler = Notes().handler(nil, transport)
        var pipe: [CInt] = [0, 0]
        #expect(Glibc.pipe(&pipe) == 0)
        let datagram = socket(AF_INET, CInt(SOCK_DGRAM.rawValue), 0)
        for descriptor in [open("/dev/null", O_RDWR), pipe[0], datagram, 1_000_000] {
            handler.addConnection(
                PausedSocket(
                    connection: OwnedConnection(owning: descriptor),
                    peer: .unix(path: ""),
                    local: .unix(path: "")
                )
            )
        }
        #expect(try await handler.openChannels() == 0)
        close(pipe[1])
        try await handler.shutdown()
    }

    @Test("A socket that the peer has reset already does no harm", arguments: NIOTransport.allCases)
    func reset(transport: NIOTransport) async throws {
        let handler = Notes().handler(nil, transport)
        try await blocking {
            let pair = try Loopback()
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
            let pair2 = try Loopback()
            pair.adopt(by: handler)
            try pair2.send([1])
            pair2.adopt(by: handler)
            _ = try pair2.receive()
        }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
    }

    @Test("Draining reaches open channels and those that come later", arguments: NIOTransport.allCases)
    func drains(transport: NIOTransport) async throws {
        let notes = Notes()
        let handler = notes.handler(nil, transport)
        let request = DrainRequest(reason: .stopping, deadline: .now + .seconds(10))
        try await blocking {
            let early = try Loopback()
            early.adopt(by: handler)
            try early.send([1])
            _ = try early.receive()
            handler.drain(request)
            #expect(try early.receiveAll().isEmpty)
            early.endOutput()
            let late = try Loopback()
            late.adopt(by: handler)
            #expect(try late.receiveAll().isEmpty)
        }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        #expect(notes.events.withLock { $0 }.filter { $0 == "drain stopping" }.count == 2)
    }

    @Test("With a spread one connection hears of the drain at once, the others later", arguments: NIOTransport.allCases)
    func drainSpread(transport: NIOTransport) async throws {
        let notes = Notes()
        let handler = notes.handler(nil, transport)
        let request = DrainRequest(reason: .replaced, deadline: .now + .seconds(7200), spread: .seconds(3600))
        try await blocking {
            let pairs = try (0..<4).map { _ in try Loopback() }
            for pair in pairs {
                pair.adopt(by: handler)
                try pair.send([1])
                _ = try pair.receive()
            }
            func ended(within milliseconds: CInt) -> Int {
                var set = pairs.map { pollfd(fd: $0.client, events: Int16(POLLIN), revents: 0) }
                return Int(poll(&set, nfds_t(set.count), milliseconds))
            }
            handler.drain(request)
            #expect(ended(within: 20_000) == 1)
            // One that comes later has nobody before it to wait for.
            let late = try Loopback()
            late.adopt(by: handler)
            #expect(try late.receiveAll().isEmpty)
            #expect(ended(within: 0) == 1)
            for pair in pairs { pair.endOutput() }
        }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        #expect(notes.events.withLock { $0 }.filter { $0 == "drain replaced" }.count == 2)
    }

    @Test("By the end of the spread every connection has heard, in turn", arguments: NIOTransport.allCases)
    func drainSpreadEnds(transport: NIOTransport) async throws {
        let notes = Notes()
        let handler = notes.handler(nil, transport)
        let began = ContinuousClock.now
        let request = DrainRequest(reason: .replaced, deadline: .now + .seconds(60), spread: .milliseconds(400))
        try await blocking {
            let pairs = try (0..<8).map { _ in try Loopback() }
            for pair in pairs {
                pair.adopt(by: handler)
                try pair.send([1])
                _ = try pair.receive()
            }
            handler.drain(request)
            for pair in pairs { #expect(try pair.receiveAll().isEmpty) }
        }
        // The last of eight is told after seven eighths.
        #expect(ContinuousClock.now - began >= .milliseconds(350))
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        #expect(notes.events.withLock { $0 }.filter { $0 == "drain replaced" }.count == 8)
    }

    @Test("Health is answered when every loop has turned", arguments: NIOTransport.allCases)
    func health(transport: NIOTransport) async throws {
        let group = try transport.makeGroup(numberOfThreads: 3)
        let handler = Notes().handler(group)
        await withCheckedContinuation { continuation in
            handler.checkHealth { continuation.resume() }
        }
        try await group.shutdownGracefully()
    }
}
#endif
