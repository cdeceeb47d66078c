#if Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP2
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP2

/// Serves HTTP/2 on a channel: each stream is a channel with one request.
struct HTTP2Server: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    let options: HTTPOptions
    let http2: HTTP2Options
    let firstRequestBy: NIODeadline?

    /// On the channel's loop. `serve` is called for each stream.
    func install(on channel: any Channel, serve: @escaping @Sendable (Value) -> Void) throws {
        let pipeline = channel.pipeline.syncOperations
        let connection = HTTP2ConnectionHandler(options, http2, firstRequestBy: firstRequestBy)
        let bound = NIOLoopBound(connection, eventLoop: channel.eventLoop)
        let options = options
        _ = try pipeline.configureHTTP2Pipeline(
            mode: .server,
            connectionConfiguration: connectionConfiguration,
            streamConfiguration: streamConfiguration,
            streamDelegate: HTTP2StreamWatch(connection, channel.eventLoop)
        ) { stream in
            stream.eventLoop.makeCompletedFuture {
                let pipeline = stream.pipeline.syncOperations
                try pipeline.addHandler(HTTP2FramePayloadToHTTPServerCodec())
                try pipeline.addHandler(HTTP2StreamHandler(bound.value, bodyLimit: options.limits.requestBody))
                try pipeline.addHandlers(options.additionalChannelHandlers())
                serve(try NIOAsyncChannel(wrappingChannelSynchronously: stream))
            }
        }
        try pipeline.addHandler(connection)
    }

    private var connectionConfiguration: NIOHTTP2Handler.ConnectionConfiguration {
        var configuration = NIOHTTP2Handler.ConnectionConfiguration()
        configuration.initialSettings = [
            HTTP2Setting(parameter: .maxConcurrentStreams, value: http2.concurrentStreams),
            HTTP2Setting(parameter: .maxHeaderListSize, value: http2.headerList),
            HTTP2Setting(parameter: .initialWindowSize, value: http2.streamWindow),
        ]
        configuration.targetWindowSize = http2.connectionWindow
        configuration.maximumSequentialContinuationFrames = http2.continuations
        configuration.maximumSequentialEmptyDataFrames = http2.emptyData
        configuration.controlFrameRateLimit.maximumCount = http2.controlFrames
        configuration.controlFrameRateLimit.windowLength = http2.floodWindow
        return configuration
    }

    private var streamConfiguration: NIOHTTP2Handler.StreamConfiguration {
        var configuration = NIOHTTP2Handler.StreamConfiguration()
        configuration.targetWindowSize = http2.streamWindow
        // NIO's 8 KiB would stop a writer after every other frame.
        configuration.outboundBufferSizeHighWatermark = 64 * 1024
        configuration.outboundBufferSizeLowWatermark = 32 * 1024
        configuration.streamResetFrameRateLimit.maximumCount = http2.resets
        configuration.streamResetFrameRateLimit.windowLength = http2.floodWindow
        configuration.streamErrorRateLimit.maximumCount = http2.streamErrors
        configuration.streamErrorRateLimit.windowLength = http2.floodWindow
        return configuration
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture { try Value(wrappingChannelSynchronously: channel) }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
#endif
