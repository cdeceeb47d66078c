#if NIO
internal import NIOCore

/// What the application wrote and TLS has not encrypted yet, cut into pieces that fill records.
struct PlaintextQueue {
    private struct Write {
        var buffer: ByteBuffer
        let promise: EventLoopPromise<Void>?
    }

    /// The most that one TLS record holds (RFC 8446 section 5.1).
    static let recordSize = 16_384

    private var writes = CircularBuffer<Write>(initialCapacity: 4)
    /// How many of the writes may be sent.
    private var flushed = 0
    /// Bytes that wait.
    private(set) var byteCount = 0
    /// Bytes that may be sent.
    private(set) var flushedByteCount = 0

    var hasFlushed: Bool { flushed > 0 }
    var isEmpty: Bool { writes.isEmpty }

    mutating func append(_ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        byteCount += buffer.readableBytes
        writes.append(Write(buffer: buffer, promise: promise))
    }

    mutating func markFlushed() {
        flushed = writes.count
        flushedByteCount = byteCount
    }

    /// Takes the next bytes to be encrypted together, at most `limit`, and the promises of writes that end in them.
    ///
    /// A long write is taken in whole records without a copy. Short writes are joined in `scratch`.
    mutating func take(
        _ limit: Int,
        scratch: inout ByteBuffer,
        promises: inout [EventLoopPromise<Void>]
    ) -> ByteBuffer? {
        while flushed > 0, writes[writes.startIndex].buffer.readableBytes == 0 { dropFirst(&promises) }
        guard flushed > 0, limit > 0 else { return nil }
        let front = writes[writes.startIndex].buffer.readableBytes
        if flushed == 1 || front >= Self.recordSize {
            var count = min(front, limit)
            // The rest of the write shares a record with what follows it.
            if count < front || flushed > 1, count > Self.recordSize { count -= count % Self.recordSize }
            let piece = writes[writes.startIndex].buffer.readSlice(length: count)
            note(sent: count)
            if count == front { dropFirst(&promises) }
            return piece
        }
        scratch.clear()
        let room = min(limit, Self.recordSize)
        while flushed > 0, scratch.readableBytes < room {
            let count = min(room - scratch.readableBytes, writes[writes.startIndex].buffer.readableBytes)
            if var piece = writes[writes.startIndex].buffer.readSlice(length: count) { scratch.writeBuffer(&piece) }
            note(sent: count)
            if writes[writes.startIndex].buffer.readableBytes == 0 { dropFirst(&promises) }
        }
        return scratch
    }

    /// Empties the queue, and returns the promises that nobody will keep otherwise.
    mutating func removeAll() -> [EventLoopPromise<Void>] {
        let promises = writes.compactMap(\.promise)
        writes.removeAll()
        flushed = 0
        byteCount = 0
        flushedByteCount = 0
        return promises
    }

    private mutating func note(sent count: Int) {
        byteCount -= count
        flushedByteCount -= count
    }

    private mutating func dropFirst(_ promises: inout [EventLoopPromise<Void>]) {
        if let promise = writes.removeFirst().promise { promises.append(promise) }
        flushed -= 1
    }
}
#endif
