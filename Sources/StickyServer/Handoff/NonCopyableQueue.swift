/// A first-in, first-out queue of values that cannot be copied, which the standard library's collections cannot hold.
struct NonCopyableQueue<Element: ~Copyable>: ~Copyable {
    private var storage: UnsafeMutablePointer<Element>
    private var capacity: Int
    private var head = 0
    private(set) var count = 0

    init(minimumCapacity: Int = 8) {
        capacity = 1
        while capacity < minimumCapacity { capacity *= 2 }
        storage = .allocate(capacity: capacity)
    }

    deinit {
        for index in 0..<count { (storage + ((head + index) & (capacity - 1))).deinitialize(count: 1) }
        storage.deallocate()
    }

    var isEmpty: Bool { count == 0 }

    mutating func append(_ element: consuming Element) {
        growIfFull()
        slot(count).initialize(to: element)
        count += 1
    }

    /// Puts an element in front of all others, for one that had its turn and comes back.
    mutating func prepend(_ element: consuming Element) {
        growIfFull()
        head = (head + capacity - 1) & (capacity - 1)
        slot(0).initialize(to: element)
        count += 1
    }

    mutating func popFirst() -> Element? {
        guard count > 0 else { return nil }
        let first = slot(0).move()
        head = (head + 1) & (capacity - 1)
        count -= 1
        return first
    }

    mutating func popLast() -> Element? {
        guard count > 0 else { return nil }
        count -= 1
        return slot(count).move()
    }

    /// Looks at the element that is `index` behind the first; nil beyond the last.
    borrowing func withElement<R>(at index: Int, _ body: (borrowing Element) -> R) -> R? {
        guard index >= 0, index < count else { return nil }
        return body(slot(index).pointee)
    }

    private borrowing func slot(_ index: Int) -> UnsafeMutablePointer<Element> {
        storage + ((head + index) & (capacity - 1))
    }

    private mutating func growIfFull() {
        guard count == capacity else { return }
        let larger = UnsafeMutablePointer<Element>.allocate(capacity: capacity * 2)
        for index in 0..<count { (larger + index).moveInitialize(from: slot(index), count: 1) }
        storage.deallocate()
        storage = larger
        capacity *= 2
        head = 0
    }
}

// The queue owns its elements and hands each out exactly once, so it may move between threads whenever they may.
extension NonCopyableQueue: @unchecked Sendable where Element: Sendable & ~Copyable {}
