#if NIO && os(Linux)
package import NIOCore

/// Something that happens on a loop at a time. Subclasses say what.
///
/// Unchecked: made anywhere, and from then on only touched on its loop.
package class LoopTimer: @unchecked Sendable {
    fileprivate(set) var deadline: NIODeadline
    /// Timers of the same time fire in the order in which they were set.
    fileprivate var order: UInt64 = 0
    fileprivate var position = -1
    fileprivate(set) var isCancelled = false

    init(_ deadline: NIODeadline) {
        self.deadline = deadline
    }

    var isSet: Bool { position >= 0 }

    func fire() {}

    /// The loop ends before the time has come.
    func abandon() {}
}

/// A timer with a closure.
final class TaskTimer: LoopTimer, @unchecked Sendable {
    private var body: (() -> Void)?
    private var onAbandon: (() -> Void)?

    init(_ deadline: NIODeadline, body: @escaping () -> Void, onAbandon: @escaping () -> Void) {
        self.body = body
        self.onAbandon = onAbandon
        super.init(deadline)
    }

    override func fire() {
        let body = body
        forget()
        body?()
    }

    override func abandon() {
        let action = onAbandon
        forget()
        action?()
    }

    func forget() {
        body = nil
        onAbandon = nil
    }
}

/// A timer that is set again and again, and costs neither a promise nor a task. On its loop.
package final class RepeatedTimer: LoopTimer, @unchecked Sendable {
    private let action: () -> Void

    package init(_ action: @escaping () -> Void) {
        self.action = action
        super.init(.distantFuture)
    }

    override func fire() {
        action()
    }
}

extension StickyEventLoop {
    /// Calls the timer's action at that time, instead of the one that was set before. On the loop.
    package func start(_ timer: RepeatedTimer, at deadline: NIODeadline) {
        set(timer, at: deadline)
    }

    /// On the loop.
    package func stop(_ timer: RepeatedTimer) {
        unset(timer)
    }
}

/// The timers of a loop: a binary heap in which each timer knows its place, so that it can be taken out.
struct TimerHeap {
    private var heap: [LoopTimer] = []
    private var nextOrder: UInt64 = 0

    var first: LoopTimer? { heap.first }

    /// Sets a timer. One that was cancelled before stays so.
    mutating func insert(_ timer: LoopTimer) {
        guard !timer.isCancelled, !timer.isSet else { return }
        timer.order = nextOrder
        nextOrder &+= 1
        timer.position = heap.count
        heap.append(timer)
        siftUp(timer.position)
    }

    /// Sets a timer that may be used again and again.
    mutating func set(_ timer: LoopTimer, at deadline: NIODeadline) {
        remove(timer)
        timer.deadline = deadline
        insert(timer)
    }

    mutating func cancel(_ timer: LoopTimer) {
        timer.isCancelled = true
        remove(timer)
    }

    mutating func remove(_ timer: LoopTimer) {
        let position = timer.position
        guard position >= 0 else { return }
        timer.position = -1
        let last = heap.removeLast()
        guard last !== timer else { return }
        heap[position] = last
        last.position = position
        siftUp(position)
        siftDown(last.position)
    }

    mutating func popFirst() -> LoopTimer? {
        guard let first = heap.first else { return nil }
        remove(first)
        return first
    }

    private static func isBefore(_ left: LoopTimer, _ right: LoopTimer) -> Bool {
        left.deadline == right.deadline ? left.order < right.order : left.deadline < right.deadline
    }

    private mutating func siftUp(_ start: Int) {
        var position = start
        while position > 0 {
            let parent = (position - 1) / 2
            guard Self.isBefore(heap[position], heap[parent]) else { return }
            swap(position, parent)
            position = parent
        }
    }

    private mutating func siftDown(_ start: Int) {
        var position = start
        while true {
            var least = position
            for child in position * 2 + 1...position * 2 + 2 where child < heap.count {
                if Self.isBefore(heap[child], heap[least]) { least = child }
            }
            guard least != position else { return }
            swap(position, least)
            position = least
        }
    }

    private mutating func swap(_ one: Int, _ other: Int) {
        heap.swapAt(one, other)
        heap[one].position = one
        heap[other].position = other
    }
}
#endif
