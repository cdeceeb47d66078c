#if NIO && os(Linux)
/// Bytes on their way to a socket.
final class OutputBlock {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    var start = 0
    var end = 0

    init(capacity: Int) {
        base = .allocate(byteCount: capacity, alignment: 16)
        self.capacity = capacity
    }

    deinit {
        base.deallocate()
    }

    var count: Int { end - start }
    var room: Int { capacity - end }
    /// Where more goes. Valid while the block lives.
    var free: UnsafeMutableRawBufferPointer { UnsafeMutableRawBufferPointer(start: base + end, count: room) }
    /// What waits. Valid while the block lives.
    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base + start, count: count) }

    /// Needs ``room``.
    func append(_ bytes: UnsafeRawBufferPointer) {
        free.copyMemory(from: UnsafeRawBufferPointer(rebasing: bytes.prefix(room)))
        end += min(bytes.count, room)
    }

    func clear() {
        start = 0
        end = 0
    }
}

/// The blocks of a loop. A burst is encrypted into a large one, which is held by nobody across a call to a handler:
/// what could not be sent is either copied to a small block of the connection's or, if it is much, the connection keeps
/// the large one and the loop takes another.
final class OutputBlocks {
    static let smallSize = 4096
    static let largeSize = 192 * 1024
    private static let mostKept = 8

    @exclusivity(unchecked) private var small: [OutputBlock] = []
    @exclusivity(unchecked) private var large: [OutputBlock] = []

    /// An empty block with room for so much at least.
    func take(_ capacity: Int) -> OutputBlock {
        if capacity <= Self.smallSize { return small.popLast() ?? OutputBlock(capacity: Self.smallSize) }
        if capacity <= Self.largeSize { return large.popLast() ?? OutputBlock(capacity: Self.largeSize) }
        return OutputBlock(capacity: capacity)
    }

    func give(_ block: OutputBlock) {
        block.clear()
        if block.capacity == Self.smallSize, small.count < Self.mostKept { small.append(block) }
        if block.capacity == Self.largeSize, large.count < Self.mostKept { large.append(block) }
    }
}
#endif
