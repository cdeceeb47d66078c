#if Hummingbird
internal import HummingbirdCore
internal import Logging
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1

/// Serves HTTP/1.1 on a channel: our pipeline, and Hummingbird's own loop over requests. (``HTTP1Requests`` is ours.)
struct HTTP1Server: HTTPChannelHandler {
    typealias Value = NIOAsyncChannel<HTTPRequestPart, HTTPResponsePart>

    let responder: HTTPChannelHandler.Responder
    let options: HTTPOptions
    let isSecure: Bool
    let firstRequestBy: NIODeadline?

    /// The part of the pipeline that every HTTP/1.1 connection has. On the channel's loop.
    func install(on channel: any Channel) throws -> HTTP1ConnectionHandler {
        let pipeline = channel.pipeline.syncOperations
        var decoding = NIOHTTPDecoderLimitConfiguration()
        decoding.maxHeaderFieldSize = options.limits.headerField
        decoding.maxHeaderListSize = options.limits.headerList
        decoding.maxHeaderFieldCount = options.limits.headerFields
        // One request after the other, and errors, are the business of the loop above; HTTPTypes has checked the fields of
        // the answer. One handler after the other, because NIO's `configureHTTPServerPipeline` costs more than they do.
        let decoder = HTTPRequestDecoder(leftOverBytesStrategy: .dropBytes, limitConfiguration: decoding)
        try pipeline.addHandler(ByteToMessageHandler(decoder))
        let connection = HTTP1ConnectionHandler(options, firstRequestBy: firstRequestBy)
        try pipeline.addHandler(connection)
        return connection
    }

    /// For Hummingbird's own loop over requests: the parts as it knows them. On the channel's loop.
    func wrapParts(of channel: any Channel, for handlers: [any RemovableChannelHandler] = []) throws -> Value {
        let pipeline = channel.pipeline.syncOperations
        try pipeline.addHandler(HTTP1ToHTTPServerCodec(secure: isSecure))
        for handler in handlers { try pipeline.addHandler(handler) }
        return try Value(
            wrappingChannelSynchronously: channel,
            configuration: .init(isOutboundHalfClosureEnabled: true)
        )
    }

    func setup(channel: any Channel, logger: Logger) -> EventLoopFuture<Value> {
        channel.eventLoop.makeCompletedFuture {
            _ = try install(on: channel)
            return try wrapParts(of: channel, for: options.additionalChannelHandlers())
        }
    }

    func handle(value: Value, logger: Logger) async {
        await handleHTTP(asyncChannel: value, logger: logger)
    }
}
#endif
