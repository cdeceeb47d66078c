#if Hummingbird
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1

// The parts of an answer, as bytes. On the loop. `HTTP1Exchange` calls these itself; other handlers write parts.
extension HTTP1ConnectionHandler {
    /// A body so short is copied behind its head: that costs less than a write of its own.
    private static let shortBody = 2048
    /// Room for an ordinary head with a short body.
    private static let usualRoom = 512

    func begin(_ head: HTTPResponseHead) {
        makeRoom()
        let summary = HeadSummary(head.headers)
        let (persistence, isToHead) = answering(Int(clamping: head.status.code), summary)
        encoder.write(head, summary, persistence, isToHead: isToHead, into: &gathered)
    }

    func begin(_ head: HTTPResponse) {
        makeRoom()
        let summary = HeadSummary(head.headerFields)
        let (persistence, isToHead) = answering(head.status.code, summary)
        encoder.write(head, summary, persistence, isToHead: isToHead, into: &gathered)
    }

    private func makeRoom() {
        if gathered.readableBytes > Self.shortBody { emit(nil) }
        if gathered.capacity == 0 { gathered = ByteBufferAllocator().buffer(capacity: Self.usualRoom) }
    }

    func send(_ bytes: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        // An empty chunk would be the end.
        guard bytes.readableBytes > 0, !encoder.dropsBody else {
            if let promise { emit(promise) }
            return
        }
        if encoder.isChunked { encoder.writeChunkHead(bytes.readableBytes, into: &gathered) }
        if bytes.readableBytes <= Self.shortBody {
            gathered.writeImmutableBuffer(bytes)
            if encoder.isChunked { gathered.writeStaticString("\r\n") }
            if promise != nil || gathered.readableBytes > 2 * Self.shortBody { emit(promise) }
        } else {
            emit(nil)
            context?.write(wrapOutboundOut(.byteBuffer(bytes)), promise: promise)
            if encoder.isChunked { gathered.writeStaticString("\r\n") }
        }
    }

    func send(_ file: FileRegion, _ promise: EventLoopPromise<Void>?) {
        guard file.readableBytes > 0, !encoder.dropsBody else {
            if let promise { emit(promise) }
            return
        }
        if encoder.isChunked { encoder.writeChunkHead(file.readableBytes, into: &gathered) }
        emit(nil)
        context?.write(wrapOutboundOut(.fileRegion(file)), promise: promise)
        if encoder.isChunked { gathered.writeStaticString("\r\n") }
    }

    func end(_ trailers: HTTPHeaders?, _ promise: EventLoopPromise<Void>?) {
        encoder.writeEnd(trailers: trailers, into: &gathered)
        if let promise { emit(promise) }
        if let context { answered(context) }
    }

    /// Passes on what was gathered. With a promise even when that is nothing: promises are kept in their order.
    func emit(_ promise: EventLoopPromise<Void>?) {
        guard gathered.readableBytes > 0 || promise != nil else { return }
        let bytes = gathered
        gathered = ByteBuffer()
        guard let context else {
            promise?.fail(ChannelError.ioOnClosedChannel)
            return
        }
        context.write(wrapOutboundOut(.byteBuffer(bytes)), promise: promise)
    }

    /// For whoever called the methods above.
    func flushAnswers() {
        emit(nil)
        context?.flush()
    }
}
#endif
