#if NIO
import NIOCore
import NIOEmbedded
import StickyTLS
import TLSTestSupport

@testable import StickyNIO

/// The TLS handler in an embedded channel, with an OpenSSL client on the other side of its bytes.
final class EmbeddedServer {
    let channel = EmbeddedChannel()
    let counter = WriteCounter()
    let recorder = Recorder()
    let handler: OpenSSLServerHandler
    let client: TestClient

    init(
        client options: TestClient.Options = TestClient.Options(),
        applicationProtocols: [String] = ["http/1.1"]
    ) throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.applicationProtocols = applicationProtocols
        handler = try OpenSSLServerHandler(context: TLSContext(configuration))
        client = TestClient(options)
        channel.allowRemoteHalfClosure = true
        try channel.pipeline.syncOperations.addHandlers([counter, handler, recorder])
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    /// Gives the client's bytes to the server, in pieces.
    func receive(_ bytes: [UInt8], pieces: Int = .max) {
        var rest = bytes[...]
        while !rest.isEmpty {
            _ = try? channel.writeInbound(ByteBuffer(bytes: rest.prefix(pieces)))
            rest = rest.dropFirst(pieces)
        }
    }

    /// What the server has sent.
    func sent() -> [UInt8] {
        var all: [UInt8] = []
        while let buffer = try? channel.readOutbound(as: ByteBuffer.self) { all += Array(buffer.readableBytesView) }
        return all
    }

    /// Carries bytes both ways until both ends are silent.
    func exchange(pieces: Int = .max) {
        var toServer = client.step()
        while true {
            receive(toServer, pieces: pieces)
            toServer = client.step(sent())
            if toServer.isEmpty { return }
        }
    }

    /// The sizes of the TLS records in bytes of the wire, without their headers.
    static func records(in bytes: [UInt8]) -> [Int] {
        var sizes: [Int] = []
        var rest = bytes[...]
        while rest.count >= 5 {
            let start = rest.startIndex
            let size = Int(rest[start + 3]) << 8 | Int(rest[start + 4])
            sizes.append(size)
            rest = rest.dropFirst(5 + size)
        }
        return sizes
    }

    func inputClosed() {
        channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
    }

    /// Closes without waiting: the handler takes its time.
    func finish() {
        counter.kill(channel)
        channel.embeddedEventLoop.run()
    }
}

extension EventLoopFuture where Value == Void {
    /// What has become of it, without waiting.
    func outcome() -> Outcome {
        let outcome = Outcome()
        whenComplete { result in
            outcome.count += 1
            if case .failure(let error) = result { outcome.error = error }
        }
        return outcome
    }
}

/// On an embedded loop everything happens on the test's own thread.
final class Outcome: @unchecked Sendable {
    var count = 0
    var error: (any Error)?

    var succeeded: Bool { count == 1 && error == nil }
    var failed: Bool { count == 1 && error != nil }
}
#endif
