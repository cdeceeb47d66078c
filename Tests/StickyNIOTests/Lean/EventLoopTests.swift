#if NIO && os(Linux)
import NIOCore
import StickyNIO
import Synchronization
import Testing

@Suite("The lean event loop")
struct EventLoopTests {
    /// Notes things from any thread.
    private final class Log<Element: Sendable>: Sendable {
        private let elements = Mutex<[Element]>([])
        func add(_ element: Element) { elements.withLock { $0.append(element) } }
        var all: [Element] { elements.withLock { $0 } }
    }

    @Test("Tasks from one thread run in order, on the loop")
    func order() async throws {
        let loop = try StickyEventLoop()
        #expect(!loop.inEventLoop)
        let log = Log<Int>()
        for number in 0..<1000 { loop.execute { log.add(loop.inEventLoop ? number : -1) } }
        try await loop.submit {}.get()
        #expect(log.all == Array(0..<1000))
        try await loop.shutdownGracefully()
    }

    @Test("Tasks of many threads all run")
    func threads() async throws {
        let loop = try StickyEventLoop()
        let log = Log<Int>()
        await withTaskGroup(of: Void.self) { group in
            for thread in 0..<8 {
                group.addTask {
                    for _ in 0..<2000 { loop.execute { log.add(thread) } }
                    try? await loop.submit {}.get()
                }
            }
        }
        #expect(log.all.count == 16_000)
        try await loop.shutdownGracefully()
    }

    @Test("Results and errors come back as futures, and futures hop")
    func futures() async throws {
        struct Wrong: Error {}
        let group = try StickyEventLoopGroup(numberOfThreads: 2)
        let (one, two) = (group.next(), group.next())
        #expect(one !== two)
        #expect(try await one.submit { 7 }.get() == 7)
        await #expect(throws: Wrong.self) { try await one.submit { throw Wrong() }.get() }
        let hopped = one.submit { 1 }.hop(to: two).map { value in (value, two.inEventLoop, one.inEventLoop) }
        let (value, onTwo, onOne) = try await hopped.get()
        #expect(value == 1 && onTwo && !onOne)
        let flat = one.flatSubmit { two.submit { 3 } }
        #expect(try await flat.get() == 3)
        #expect(group.any() === one || group.any() === two)
        #expect(Array(group.makeIterator()).count == 2)
        try await group.shutdownGracefully()
    }

    @Test("A future that has succeeded is there at once, on any thread, and always the same on the loop")
    func succeeded() async throws {
        let loop = try StickyEventLoop()
        try await loop.makeSucceededVoidFuture().get()
        try await loop.makeSucceededFuture(()).get()
        let isSame = try await loop.submit { loop.makeSucceededVoidFuture() === loop.makeSucceededVoidFuture() }.get()
        #expect(isSame)
        try await loop.shutdownGracefully()
    }

    @Test("Timers fire in the order of their times, from any thread")
    func timers() async throws {
        let loop = try StickyEventLoop()
        let log = Log<Int>()
        let start = NIODeadline.now()
        var last: [EventLoopFuture<Void>] = []
        for number in [5, 1, 4, 2, 3, 0] {
            let time = start + .milliseconds(20 + Int64(number) * 10)
            last.append(loop.scheduleTask(deadline: time) { log.add(number) }.futureResult)
        }
        for future in last { try await future.get() }
        #expect(log.all == [0, 1, 2, 3, 4, 5])
        #expect(NIODeadline.now() - start >= .milliseconds(70))
        try await loop.shutdownGracefully()
    }

    @Test("Timers of the same time fire in the order in which they were set")
    func equalTimers() async throws {
        let loop = try StickyEventLoop()
        let log = Log<Int>()
        let time = NIODeadline.now() + .milliseconds(30)
        try await loop.submit {
            for number in 0..<100 { loop.scheduleTask(deadline: time) { log.add(number) } }
        }.get()
        try await loop.scheduleTask(deadline: time) {}.futureResult.get()
        #expect(log.all == Array(0..<100))
        try await loop.shutdownGracefully()
    }

    @Test("A cancelled timer never fires, wherever it was cancelled")
    func cancel() async throws {
        let loop = try StickyEventLoop()
        let log = Log<Int>()
        let timers = (0..<200).map { number in
            loop.scheduleTask(in: .milliseconds(Int64(number % 7) + 30)) { log.add(number) }
        }
        for number in stride(from: 0, to: 200, by: 2) { timers[number].cancel() }
        try await loop.submit { for number in stride(from: 1, to: 200, by: 4) { timers[number].cancel() } }.get()
        await #expect(throws: EventLoopError.self) { try await timers[0].futureResult.get() }
        try await loop.scheduleTask(in: .milliseconds(60)) {}.futureResult.get()
        #expect(log.all.sorted() == Array(stride(from: 3, to: 200, by: 4)))
        try await loop.shutdownGracefully()
    }

    @Test("Repeated tasks repeat until they are cancelled")
    func repeated() async throws {
        let loop = try StickyEventLoop()
        let count = Atomic<Int>(0)
        let promise = loop.makePromise(of: Void.self)
        loop.scheduleRepeatedTask(initialDelay: .milliseconds(1), delay: .milliseconds(1)) { task in
            if count.add(1, ordering: .relaxed).newValue == 5 { task.cancel(promise: promise) }
        }
        try await promise.futureResult.get()
        try await loop.scheduleTask(in: .milliseconds(20)) {}.futureResult.get()
        #expect(count.load(ordering: .relaxed) == 5)
        let flat = loop.flatScheduleTask(in: .milliseconds(1)) { loop.makeSucceededFuture(9) }
        #expect(try await flat.futureResult.get() == 9)
        try await loop.shutdownGracefully()
    }

    @Test("A task that adds tasks for ever does not hold up timers")
    func fairness() async throws {
        let loop = try StickyEventLoop()
        let isOver = Atomic<Bool>(false)
        @Sendable func again() {
            if !isOver.load(ordering: .relaxed) { loop.execute(again) }
        }
        loop.execute(again)
        try await loop.scheduleTask(in: .milliseconds(5)) {}.futureResult.get()
        isOver.store(true, ordering: .relaxed)
        try await loop.shutdownGracefully()
    }

    @Test("Swift tasks run on the loop, and return to it after waiting elsewhere")
    func taskExecutor() async throws {
        let loop = try StickyEventLoop()
        let places = await Task(executorPreference: loop.taskExecutor) {
            var places = [loop.inEventLoop]
            try? await Task.sleep(for: .milliseconds(2))
            places.append(loop.inEventLoop)
            _ = try? await loop.submit {}.get()
            places.append(loop.inEventLoop)
            async let child = loop.inEventLoop
            places.append(await child)
            return places
        }.value
        #expect(places == [true, true, true, true])
        try await loop.shutdownGracefully()
    }

    private actor Isolated {
        let loop: StickyEventLoop
        init(_ loop: StickyEventLoop) { self.loop = loop }
        nonisolated var unownedExecutor: UnownedSerialExecutor { loop.asUnownedSerialExecutor() }
        func isOnLoop() -> Bool {
            loop.preconditionInEventLoop()
            return loop.inEventLoop
        }
    }

    @Test("Actors can live on the loop")
    func actors() async throws {
        let loop = try StickyEventLoop()
        let actor = Isolated(loop)
        #expect(await actor.isOnLoop())
        let assumed = try await loop.submit { actor.assumeIsolated { _ in loop.inEventLoop } }.get()
        #expect(assumed)
        try await loop.shutdownGracefully()
    }

    @Test("At the end what waits is done, timers fail, and later tasks are forgotten")
    func shutdown() async throws {
        let loop = try StickyEventLoop()
        let timer = loop.scheduleTask(in: .hours(1)) {}
        let log = Log<String>()
        timer.futureResult.whenFailure { log.add("\($0)") }
        let done = Atomic<Bool>(false)
        loop.execute { loop.execute { done.store(true, ordering: .relaxed) } }
        try await loop.shutdownGracefully()
        #expect(done.load(ordering: .relaxed) == true)
        #expect(log.all.count == 1 && log.all[0].hasSuffix("shutdown"))
        loop.execute { Issue.record("the loop has ended") }
        try await loop.shutdownGracefully()
    }

    @Test("A loop goes away when it has ended and nobody holds it")
    func noCycle() async throws {
        weak var gone: StickyEventLoop?
        do {
            let loop = try StickyEventLoop()
            gone = loop
            _ = await Task(executorPreference: loop.taskExecutor) { 1 }.value
            try await loop.shutdownGracefully()
        }
        for _ in 0..<1000 where gone != nil { try await Task.sleep(for: .milliseconds(1)) }
        #expect(gone == nil)
    }

    @Test("Scheduled callbacks fire, and can be cancelled")
    func callbacks() async throws {
        struct Handler: NIOScheduledCallbackHandler, Sendable {
            let promise: EventLoopPromise<String>
            func handleScheduledCallback(eventLoop: some EventLoop) { promise.succeed("fired") }
            func didCancelScheduledCallback(eventLoop: some EventLoop) { promise.succeed("cancelled") }
        }
        let loop = try StickyEventLoop()
        let first = Handler(promise: loop.makePromise())
        _ = try loop.scheduleCallback(in: .milliseconds(1), handler: first)
        #expect(try await first.promise.futureResult.get() == "fired")
        let second = Handler(promise: loop.makePromise())
        try loop.scheduleCallback(in: .hours(1), handler: second).cancel()
        #expect(try await second.promise.futureResult.get() == "cancelled")
        try await loop.shutdownGracefully()
    }
}
#endif
