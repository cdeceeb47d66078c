#if NIO && os(Linux)
internal import NIOCore
internal import Synchronization

/// One thing to be done on a loop.
///
/// Unchecked: from other threads it only comes with a closure that is Sendable, or a job; a closure that is not is
/// made on the loop and stays there.
enum LoopWork: @unchecked Sendable {
    case task(() -> Void)
    /// Of an actor or a task that has the loop as its serial executor.
    case job(UnownedJob)
    /// Of a task that prefers the loop.
    case preferringJob(UnownedJob, UnownedTaskExecutor)
}

/// What other threads give to a loop.
final class LoopMailbox: Sendable {
    private struct Content {
        var work: [LoopWork] = []
        var isClosed = false
    }

    private let content = Mutex(Content())
    /// Lets the loop look without a lock.
    private let isFilled = Atomic<Bool>(false)

    enum Outcome {
        /// The loop must be woken.
        case first
        case more
        case closed
    }

    func add(_ work: LoopWork) -> Outcome {
        content.withLock { content in
            guard !content.isClosed else { return .closed }
            content.work.append(work)
            guard content.work.count == 1 else { return .more }
            isFilled.store(true, ordering: .releasing)
            return .first
        }
    }

    var hasMail: Bool { isFilled.load(ordering: .acquiring) }

    /// Swaps what has come with an empty array, which keeps its memory.
    func take(into empty: inout [LoopWork]) {
        isFilled.store(false, ordering: .relaxed)
        let spare = empty
        empty = content.withLock { content in
            let work = content.work
            content.work = spare
            return work
        }
    }

    /// False while there is something left to do.
    func close() -> Bool {
        content.withLock { content in
            if content.work.isEmpty { content.isClosed = true }
            return content.isClosed
        }
    }
}
#endif
