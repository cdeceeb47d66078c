#if NIO
internal import Logging
internal import NIOCore
internal import NIOPosix
internal import StickyServer
internal import StickyTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Turns a paused socket into a channel of a NIOPosix event loop. Another kind of channel takes this one's place with
/// a setup of its own; the handlers stay.
struct ChannelSetup: Sendable {
    let tls: TLSContext?
    let logger: Logger
    let initializer: NIOConnectionHandler.Initializer

    /// Must be called on `loop`.
    func adopt(
        _ socket: consuming PausedSocket,
        _ info: StickyConnectionInfo,
        on loop: any EventLoop,
        _ connections: NIOLoopBoundBox<LoopConnections>
    ) {
        // NIO traps on a descriptor that is closed or no socket.
        guard Self.isStreamSocket(socket.descriptor) else {
            logger.error(
                "a connection was dropped: its descriptor is no stream socket",
                metadata: ["peer": "\(info.peer)", "descriptor": "\(socket.descriptor)"]
            )
            return
        }
        let prelude = socket.prelude
        let (descriptor, lease) = socket.detach()
        let adopted = ClientBootstrap(group: loop)
            .channelOption(.allowRemoteHalfClosure, value: true)
            .channelInitializer { channel in
                connections.value.add(channel)
                channel.closeFuture.whenComplete { _ in
                    connections.value.remove(channel)
                    // The worker counts the connection until here.
                    withExtendedLifetime(lease) {}
                }
                return self.prepare(channel, info, prelude, connections.value)
            }
            .withConnectedSocket(descriptor)
        adopted.whenComplete { result in
            switch result {
            case .success(let channel):
                guard let event = connections.value.drainEvent else { return }
                channel.pipeline.fireUserInboundEventTriggered(event)
            case .failure(let error):
                // What clients can bring about is no error of ours, and may come a thousand times a second.
                let isCrowded = (error as? TLSError)?.code == .tooManyHandshakes
                logger.log(
                    level: isCrowded ? .debug : .error,
                    "a connection was dropped: its channel could not be set up",
                    metadata: ["peer": "\(info.peer)", "error": "\(error)"]
                )
            }
        }
    }

    private func prepare(
        _ channel: any Channel,
        _ info: StickyConnectionInfo,
        _ prelude: [UInt8],
        _ connections: LoopConnections
    ) -> EventLoopFuture<Void> {
        do {
            let pipeline = channel.pipeline.syncOperations
            if !prelude.isEmpty { try pipeline.addHandler(PreludeHandler(prelude)) }
            if let tls {
                // One burst of ciphertext must not make the channel unwritable for a moment: every handler would hear
                // of it twice.
                let mark = ChannelOptions.Types.WriteBufferWaterMark(
                    low: OpenSSLServerHandler.burst / 2,
                    high: TLSSession.outputCapacity(forPlaintext: OpenSSLServerHandler.burst)
                )
                try channel.syncOptions?.setOption(.writeBufferWaterMark, value: mark)
                try pipeline.addHandler(
                    OpenSSLServerHandler(
                        context: tls,
                        connection: info,
                        logger: logger,
                        buffers: connections.buffers,
                        handshakes: connections.handshakes
                    )
                )
            } else {
                try pipeline.addHandler(LingeringCloseHandler(connection: info))
            }
        } catch {
            return channel.eventLoop.makeFailedFuture(error)
        }
        return initializer(channel, info)
    }

    static func isStreamSocket(_ descriptor: CInt) -> Bool {
        var kind: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        guard getsockopt(descriptor, SOL_SOCKET, SO_TYPE, &kind, &length) == 0 else { return false }
        #if canImport(Glibc)
        return kind == CInt(SOCK_STREAM.rawValue)
        #else
        return kind == SOCK_STREAM
        #endif
    }
}
#endif
