#if NIO
internal import NIOCore

/// Buffers that the connections of one loop use in turn, so that an idle connection holds none and a busy one
/// allocates none.
///
/// A buffer may be given back while a handler or the channel still holds a copy: it is taken again as it is if they
/// have let go by then, and otherwise with fresh memory.
final class BufferPool {
    private static let smallSize = 4096
    private static let largestKept = 256 * 1024
    private static let mostKept = 4

    private let keepsBuffers: Bool
    @exclusivity(unchecked) private var small: [ByteBuffer] = []
    @exclusivity(unchecked) private var large: [ByteBuffer] = []

    /// A pool for one connection keeps nothing: it only allocates.
    init(keepsBuffers: Bool) {
        self.keepsBuffers = keepsBuffers
    }

    /// An empty buffer with room for `capacity` bytes. Small and large ones are kept apart, so that a handler that
    /// holds on to a few bytes does not hold on to a large block.
    func take(_ capacity: Int) -> ByteBuffer {
        var buffer = (capacity <= Self.smallSize ? small.popLast() : large.popLast()) ?? ByteBuffer()
        buffer.clear(minimumCapacity: capacity <= Self.smallSize && keepsBuffers ? Self.smallSize : capacity)
        return buffer
    }

    func give(_ buffer: consuming ByteBuffer) {
        let capacity = buffer.storageCapacity
        guard keepsBuffers, capacity <= Self.largestKept else { return }
        if capacity <= Self.smallSize {
            if capacity > 0, small.count < Self.mostKept { small.append(buffer) }
        } else if large.count < Self.mostKept {
            large.append(buffer)
        }
    }
}
#endif
