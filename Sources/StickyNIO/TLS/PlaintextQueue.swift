#if NIO
internal import NIOCore

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the application wrote and was not encrypted, or sent, yet, cut into pieces that fill records.
struct PlaintextQueue {
    private struct Write {
        var buffer: ByteBuffer
        /// What comes after `buffer`.
        var file: FileRegion?
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

    /// Why a file cannot be read. Nothing more is taken then.
    private(set) var problem: IOError?

    var hasFlushed: Bool { flushed > 0 && problem == nil }
    var isEmpty: Bool { writes.isEmpty }

    mutating func append(_ buffer: ByteBuffer, _ promise: EventLoopPromise<Void>?) {
        byteCount += buffer.readableBytes
        writes.append(Write(buffer: buffer, file: nil, promise: promise))
    }

    /// The file is read when its turn comes, and must stay open until the promise is kept.
    mutating func append(_ file: FileRegion, _ promise: EventLoopPromise<Void>?) {
        byteCount += file.readableBytes
        writes.append(Write(buffer: ByteBuffer(), file: file.readableBytes > 0 ? file : nil, promise: promise))
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
        while flushed > 0, writes[writes.startIndex].buffer.readableBytes == 0 {
            if writes[writes.startIndex].file == nil { dropFirst(&promises) } else { readFile() }
            guard problem == nil else { return nil }
        }
        guard flushed > 0, limit > 0 else { return nil }
        let front = writes[writes.startIndex].buffer.readableBytes
        if flushed == 1 || front >= Self.recordSize {
            var count = min(front, limit)
            // The rest of the write shares a record with what follows it.
            if count < front || flushed > 1, count > Self.recordSize { count -= count % Self.recordSize }
            let piece = writes[writes.startIndex].buffer.readSlice(length: count)
            note(sent: count)
            if count == front { firstIsTaken(&promises) }
            return piece
        }
        scratch.clear()
        let room = min(limit, Self.recordSize)
        while flushed > 0, scratch.readableBytes < room {
            let count = min(room - scratch.readableBytes, writes[writes.startIndex].buffer.readableBytes)
            if var piece = writes[writes.startIndex].buffer.readSlice(length: count) { scratch.writeBuffer(&piece) }
            note(sent: count)
            if writes[writes.startIndex].buffer.readableBytes == 0, !firstIsTaken(&promises) { break }
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

    /// Reads the next piece of the first write's file.
    private mutating func readFile() {
        guard var file = writes[writes.startIndex].file else { return }
        let count = min(file.readableBytes, 4 * Self.recordSize)
        var buffer = writes[writes.startIndex].buffer
        writes[writes.startIndex].buffer = ByteBuffer()
        buffer.clear(minimumCapacity: count)
        var status = -1
        do {
            status = try file.fileHandle.withUnsafeFileDescriptor { descriptor in
                buffer.withUnsafeMutableWritableBytes {
                    pread(descriptor, $0.baseAddress, min(count, $0.count), off_t(file.readerIndex))
                }
            }
            // Shorter than it was said to be: what was promised cannot be sent any more.
            if status <= 0 { problem = IOError(errnoCode: status == 0 ? EIO : errno, reason: "pread") }
        } catch {
            problem = IOError(errnoCode: EBADF, reason: "pread")
        }
        guard status > 0 else { return }
        buffer.moveWriterIndex(forwardBy: status)
        file.moveReaderIndex(forwardBy: status)
        writes[writes.startIndex].buffer = buffer
        writes[writes.startIndex].file = file.readableBytes > 0 ? file : nil
    }

    private mutating func note(sent count: Int) {
        byteCount -= count
        flushedByteCount -= count
    }

    /// The bytes of the first write are taken. False when a file goes on behind them.
    @discardableResult
    private mutating func firstIsTaken(_ promises: inout [EventLoopPromise<Void>]) -> Bool {
        guard writes[writes.startIndex].file == nil else { return false }
        dropFirst(&promises)
        return true
    }

    private mutating func dropFirst(_ promises: inout [EventLoopPromise<Void>]) {
        if let promise = writes.removeFirst().promise { promises.append(promise) }
        flushed -= 1
    }
}
#endif
