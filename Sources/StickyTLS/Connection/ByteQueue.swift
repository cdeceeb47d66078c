/// Bytes between a socket and a session: added at the end, taken from the front, in memory of a fixed size.
struct ByteQueue: ~Copyable {
    private let memory: UnsafeMutableRawBufferPointer
    private var start = 0
    private var end = 0

    init(capacity: Int) {
        memory = .allocate(byteCount: capacity, alignment: 16)
    }

    deinit {
        memory.deallocate()
    }

    var isEmpty: Bool { start == end }

    /// What is in the queue. Valid until the next change.
    var bytes: UnsafeRawBufferPointer {
        UnsafeRawBufferPointer(rebasing: memory[start..<end])
    }

    /// The free room behind it. Valid until the next change.
    var room: UnsafeMutableRawBufferPointer {
        UnsafeMutableRawBufferPointer(rebasing: memory[end...])
    }

    /// Counts bytes that were written to the room.
    mutating func didAdd(_ count: Int) {
        end += count
    }

    /// Counts bytes that were taken.
    mutating func didTake(_ count: Int) {
        start += count
        if start == end {
            start = 0
            end = 0
        }
    }
}
