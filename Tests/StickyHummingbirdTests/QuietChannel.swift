#if Hummingbird
import NIOCore
import NIOHTTP1

/// A channel without a socket that notes what is written. Everything but making it happens on its loop.
final class QuietChannel: Channel, ChannelCore, @unchecked Sendable {
    let eventLoop: any EventLoop
    let allocator = ByteBufferAllocator()
    let closeFuture: EventLoopFuture<Void>
    private var madePipeline: ChannelPipeline?
    var isWritable = true
    var written: [IOData] = []
    var flushes = 0
    var reads = 0
    var closes: [CloseMode] = []

    init(_ loop: any EventLoop) {
        eventLoop = loop
        closeFuture = loop.makeSucceededVoidFuture()
        madePipeline = ChannelPipeline(channel: self)
    }

    var pipeline: ChannelPipeline { madePipeline! }
    var localAddress: SocketAddress? { nil }
    var remoteAddress: SocketAddress? { nil }
    var parent: (any Channel)? { nil }
    var isActive: Bool { true }
    var _channelCore: any ChannelCore { self }

    func setOption<Option: ChannelOption>(_ option: Option, value: Option.Value) -> EventLoopFuture<Void> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    func getOption<Option: ChannelOption>(_ option: Option) -> EventLoopFuture<Option.Value> {
        eventLoop.makeFailedFuture(ChannelError.operationUnsupported)
    }

    /// All that was written, as text.
    var text: String {
        written.map { if case .byteBuffer(let bytes) = $0 { String(buffer: bytes) } else { "a file" } }.joined()
    }

    func receive(_ parts: HTTPServerRequestPart...) {
        for part in parts { pipeline.syncOperations.fireChannelRead(NIOAny(part)) }
        pipeline.syncOperations.fireChannelReadComplete()
        pipeline.syncOperations.read()
    }

    func becomeWritable(_ isWritable: Bool) {
        self.isWritable = isWritable
        pipeline.syncOperations.fireChannelWritabilityChanged()
    }

    func localAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func remoteAddress0() throws -> SocketAddress { throw ChannelError.operationUnsupported }
    func register0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func registerAlreadyConfigured0(promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func bind0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func connect0(to: SocketAddress, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func flush0() { flushes += 1 }
    func read0() { reads += 1 }
    func triggerUserOutboundEvent0(_ event: Any, promise: EventLoopPromise<Void>?) { promise?.succeed() }
    func channelRead0(_ data: NIOAny) {}
    func errorCaught0(error: any Error) {}

    func write0(_ data: NIOAny, promise: EventLoopPromise<Void>?) {
        written.append(unwrapData(data, as: IOData.self))
        promise?.succeed()
    }

    func close0(error: any Error, mode: CloseMode, promise: EventLoopPromise<Void>?) {
        closes.append(mode)
        promise?.succeed()
    }
}
#endif
