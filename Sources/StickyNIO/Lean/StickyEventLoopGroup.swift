#if NIO && os(Linux)
public import Dispatch
public import NIOCore
internal import Synchronization

/// A number of ``StickyEventLoop``s. A worker needs one.
public final class StickyEventLoopGroup: EventLoopGroup {
    private let loops: [StickyEventLoop]
    private let turn = Atomic<Int>(0)

    /// Starts the loops. Throws the system's error when there are no descriptors or threads left.
    public init(numberOfThreads: Int = 1) throws {
        loops = try (0..<max(1, numberOfThreads)).map { try StickyEventLoop(name: "sticky-loop-\($0)") }
    }

    /// The loops in turn.
    public func next() -> any EventLoop {
        guard loops.count > 1 else { return loops[0] }
        let number = UInt(bitPattern: turn.wrappingAdd(1, ordering: .relaxed).oldValue)
        return loops[Int(number % UInt(loops.count))]
    }

    /// The caller's own loop if it is one of these, otherwise any.
    public func any() -> any EventLoop {
        loops.first { $0.inEventLoop } ?? loops[0]
    }

    /// Over the loops.
    public func makeIterator() -> EventLoopIterator { EventLoopIterator(loops) }

    /// Ends all loops, then calls back on `queue`.
    public func shutdownGracefully(
        queue: DispatchQueue,
        _ callback: @escaping @Sendable ((any Error)?) -> Void
    ) {
        let left = Countdown(loops.count) { callback(nil) }
        for loop in loops { loop.shutdownGracefully(queue: queue) { _ in left.countDown() } }
    }

    public func _preconditionSafeToSyncShutdown(file: StaticString, line: UInt) {
        for loop in loops { loop.preconditionNotInEventLoop(file: file, line: line) }
    }
}

/// Does something when it has been told often enough.
private final class Countdown: Sendable {
    private let left: Atomic<Int>
    private let action: @Sendable () -> Void

    init(_ count: Int, _ action: @escaping @Sendable () -> Void) {
        left = Atomic(count)
        self.action = action
    }

    func countDown() {
        if left.subtract(1, ordering: .acquiringAndReleasing).newValue == 0 { action() }
    }
}
#endif
