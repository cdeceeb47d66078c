#if NIO && os(Linux)
import Glibc
import NIOCore
import NIOTLS
import StickyNIO
import StickyServer
import StickyTLS
import Synchronization
import TLSTestSupport

/// What a client does, one step after the other.
enum ClientStep: Sendable {
    /// Sends data in pieces of so many bytes on the wire.
    case send(String, pieces: Int = .max)
    /// Waits until so much more of the answer has come.
    case await(Int)
    /// Sends close_notify; without TLS nothing.
    case closeNotify
    /// Ends the TCP stream in its direction.
    case endOutput
    /// Waits for the server's end.
    case awaitEnd
    /// Destroys the connection.
    case reset
    /// Asks for new keys in both directions; without TLS nothing.
    case updateKeys
}

/// What the application on the server does.
enum ServerRole: Sendable, CaseIterable {
    /// Sends back what comes, and closes at the end of input.
    case echo
    /// Answers the first bytes with 1 MiB and closes.
    case answerAndClose
    /// Answers the first bytes with 1 MiB in many writes, and ends its output.
    case answerAndEndOutput
    /// Echoes, reads only when it has been asked to, once for each 5 ms.
    case slowReader
    /// Writes as long as the channel is writable, up to 1 MiB, then closes.
    case writableOnly
}

/// Everything that both ends saw.
struct Transcript: Sendable, Equatable {
    var events: [String] = []
    var serverReceived: [UInt8] = []
    var clientReceived: [UInt8] = []
    /// What became of the promises of writes: how many succeeded and failed.
    var writesKept = 0
    var writesBroken = 0
    var clientEnd = ""
}

/// Runs a script against an adapter.
enum Script {
    static let size = 1 << 20

    static func run(
        _ steps: [ClientStep],
        role: ServerRole,
        tls: TLSContext?,
        transport: NIOTransport,
        pieces: Int = .max
    ) async throws -> Transcript {
        let transcript = Mutex(Transcript())
        let ended = AsyncStream.makeStream(of: Void.self)
        let handler = NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                let actor = RoleHandler(role, recorder) { isKept in
                    transcript.withLock { if isKept { $0.writesKept += 1 } else { $0.writesBroken += 1 } }
                }
                try channel.pipeline.syncOperations.addHandlers([recorder, actor])
                if role == .slowReader { try channel.syncOptions?.setOption(.autoRead, value: false) }
                let box = NIOLoopBound(recorder, eventLoop: channel.eventLoop)
                channel.closeFuture.whenComplete { _ in
                    transcript.withLock {
                        $0.events = box.value.events
                        $0.serverReceived = box.value.received
                    }
                    ended.continuation.yield()
                }
            }
        }
        let (received, end) = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            return try ScriptClient(pair, tls: tls != nil, pieces: pieces).run(steps)
        }
        for await _ in ended.stream { break }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        return transcript.withLock {
            $0.clientReceived = received
            $0.clientEnd = end
            return $0
        }
    }
}

/// The application.
private final class RoleHandler: ChannelInboundHandler {
    typealias InboundIn = ByteBuffer

    private let role: ServerRole
    private let note: (Bool) -> Void
    private var hasAnswered = false
    private var left = Script.size

    init(_ role: ServerRole, _ recorder: Recorder, _ note: @escaping (Bool) -> Void) {
        self.role = role
        self.note = note
        recorder.onRead = { context, buffer in context.fireChannelRead(NIOAny(buffer)) }
    }

    func channelActive(context: ChannelHandlerContext) {
        if role == .slowReader { context.read() }
        context.fireChannelActive()
    }

    func channelRead(context: ChannelHandlerContext, data: NIOAny) {
        let buffer = unwrapInboundIn(data)
        switch role {
        case .echo: write(context, buffer)
        case .slowReader:
            write(context, buffer)
            context.eventLoop.assumeIsolated().scheduleTask(in: .milliseconds(5)) { context.read() }
        case .answerAndClose, .answerAndEndOutput, .writableOnly:
            guard !hasAnswered else { return }
            hasAnswered = true
            answer(context)
        }
    }

    private func answer(_ context: ChannelHandlerContext) {
        switch role {
        case .answerAndClose:
            write(context, ByteBuffer(repeating: 65, count: Script.size))
            context.close(promise: nil)
        case .answerAndEndOutput:
            for _ in 0..<256 { write(context, ByteBuffer(repeating: 66, count: Script.size / 256)) }
            context.close(mode: .output, promise: nil)
        default: writeSome(context)
        }
    }

    private func writeSome(_ context: ChannelHandlerContext) {
        while left > 0, context.channel.isWritable {
            left -= 4096
            write(context, ByteBuffer(repeating: 67, count: 4096))
        }
        if left == 0 {
            left = -1
            context.close(promise: nil)
        }
    }

    func channelWritabilityChanged(context: ChannelHandlerContext) {
        if role == .writableOnly, hasAnswered { writeSome(context) }
    }

    func channelReadComplete(context: ChannelHandlerContext) {
        context.flush()
        context.fireChannelReadComplete()
    }

    func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
        if case .inputClosed? = event as? ChannelEvent, role == .echo || role == .slowReader {
            context.close(promise: nil)
        }
    }

    private func write(_ context: ChannelHandlerContext, _ buffer: ByteBuffer) {
        let promise = context.eventLoop.makePromise(of: Void.self)
        let note = note
        promise.futureResult.assumeIsolated().whenComplete { result in
            if case .success = result { note(true) } else { note(false) }
        }
        if role == .echo || role == .slowReader {
            context.write(NIOAny(buffer), promise: promise)
        } else {
            context.writeAndFlush(NIOAny(buffer), promise: promise)
        }
    }
}

/// The client's end of a script, with or without TLS. Blocking.
final class ScriptClient {
    private let pair: Loopback
    private let tls: TestClient?
    private let pieces: Int
    private var received: [UInt8] = []
    private var atEnd = false

    init(_ pair: Loopback, tls: Bool, pieces: Int) {
        self.pair = pair
        self.tls = tls ? TestClient() : nil
        self.pieces = pieces
    }

    func run(_ steps: [ClientStep]) throws -> ([UInt8], String) {
        if let tls {
            try put(tls.step())
            while !tls.handshakeDone { try put(tls.step(pair.receive())) }
        }
        for step in steps { try perform(step) }
        let end = atEnd ? (tls.map { $0.serverHasClosed ? "closed" : "cut" } ?? "closed") : "left"
        return (received, end)
    }

    private func perform(_ step: ClientStep) throws {
        switch step {
        case .send(let text, let pieces):
            let bytes = Array(text.utf8)
            try put(tls?.send(bytes) ?? bytes, pieces: pieces)
        case .await(let count):
            let goal = received.count + count
            while received.count < goal, !atEnd { try get() }
        case .closeNotify: try put(tls?.close() ?? [])
        case .endOutput: pair.endOutput()
        case .awaitEnd: while !atEnd { try get() }
        case .reset:
            var now = linger(l_onoff: 1, l_linger: 0)
            setsockopt(pair.client, SOL_SOCKET, SO_LINGER, &now, socklen_t(MemoryLayout<linger>.size))
        case .updateKeys: try put(tls?.updateKeys() ?? [])
        }
    }

    private func get() throws {
        let bytes = try pair.receive()
        atEnd = bytes.isEmpty
        guard let tls else {
            received += bytes
            return
        }
        try put(tls.step(bytes))
        received += tls.takeReceived()
    }

    private func put(_ bytes: [UInt8], pieces: Int? = nil) throws {
        var rest = bytes[...]
        while !rest.isEmpty {
            let piece = rest.prefix(min(pieces ?? .max, self.pieces))
            try pair.send(Array(piece))
            rest = rest.dropFirst(piece.count)
        }
    }
}
#endif
