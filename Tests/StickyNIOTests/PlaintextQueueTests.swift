#if NIO
import NIOCore
import Testing

@testable import StickyNIO

@Suite("What waits to be encrypted")
struct PlaintextQueueTests {
    private func pieces(_ sizes: [Int], limit: Int = .max) -> (sizes: [Int], bytes: [UInt8], expected: [UInt8]) {
        var queue = PlaintextQueue()
        var expected: [UInt8] = []
        for (index, size) in sizes.enumerated() {
            let bytes = [UInt8](repeating: UInt8(truncatingIfNeeded: index + 1), count: size)
            expected += bytes
            queue.append(ByteBuffer(bytes: bytes), nil)
        }
        queue.markFlushed()
        var scratch = ByteBuffer()
        var promises: [EventLoopPromise<Void>] = []
        var taken: [Int] = []
        var bytes: [UInt8] = []
        while let piece = queue.take(limit, scratch: &scratch, promises: &promises) {
            taken.append(piece.readableBytes)
            bytes += Array(piece.readableBytesView)
        }
        #expect(queue.byteCount == 0 && queue.flushedByteCount == 0)
        return (taken, bytes, expected)
    }

    @Test("Short writes share a record")
    func joins() {
        let result = pieces([100, 14, 0, 3])
        #expect(result.sizes == [117])
        #expect(result.bytes == result.expected)
    }

    @Test("A long write goes in whole records, and its rest with what follows")
    func cutsAtRecords() {
        let result = pieces([40_000, 10])
        #expect(result.sizes == [32_768, 7_242])
        #expect(result.bytes == result.expected)
    }

    @Test("A head fills up its record from the body behind it")
    func headAndBody() {
        let result = pieces([200, 100_000])
        #expect(result.sizes.first == 16_384)
        #expect(result.bytes == result.expected)
    }

    @Test("Nothing is lost for any sizes", arguments: [1, 5, 16_383, 16_384, 16_385, 70_000])
    func keepsEveryByte(_ size: Int) {
        let result = pieces([size, 0, size * 2, 3, size, 16_384, 1], limit: 20_000)
        #expect(result.bytes == result.expected)
        #expect(result.sizes.allSatisfy { $0 <= 20_000 })
    }

    @Test("What was not flushed stays")
    func unflushed() {
        var queue = PlaintextQueue()
        queue.append(ByteBuffer(string: "a"), nil)
        queue.markFlushed()
        queue.append(ByteBuffer(string: "b"), nil)
        var scratch = ByteBuffer()
        var promises: [EventLoopPromise<Void>] = []
        #expect(queue.take(10, scratch: &scratch, promises: &promises)?.readableBytes == 1)
        #expect(queue.take(10, scratch: &scratch, promises: &promises) == nil)
        #expect(queue.byteCount == 1 && !queue.hasFlushed)
    }
}
#endif
