import Testing

@testable import StickyServer

@Suite("Requests that wait for an answer", .timeLimit(.minutes(1)))
struct RequestTableTests {
    private struct SendFailed: Error {}

    private func code(_ body: () async throws -> [UInt8]) async -> StickyServerError.Code? {
        do {
            _ = try await body()
            return nil
        } catch {
            return (error as? StickyServerError)?.code
        }
    }

    @Test("The answer comes to whoever asked")
    func answer() async throws {
        let table = RequestTable()
        let answer = try await table.perform(timeout: .seconds(3600)) { table.answer($0, [1, 2]) }
        #expect(answer == [1, 2])
    }

    @Test("A time that no clock could hold is no trap", arguments: [Duration.seconds(Int64.max), .seconds(Int64.min)])
    func absurdTimeout(_ timeout: Duration) async throws {
        let table = RequestTable()
        guard timeout > .zero else {
            #expect(await code { try await table.perform(timeout: timeout) { _ in } } == .requestTimedOut)
            return
        }
        #expect(try await table.perform(timeout: timeout) { table.answer($0, [3]) } == [3])
    }

    @Test("Answers in any order find their requests")
    func order() async throws {
        let table = RequestTable()
        let numbers = Noted<[UInt32]>([])
        let answers = try await withThrowingTaskGroup(of: (UInt32, [UInt8]).self) { group in
            for _ in 0..<20 {
                group.addTask {
                    let own = Noted<UInt32>(0)
                    let answer = try await table.perform(timeout: .seconds(3600)) { number in
                        own.change { $0 = number }
                        let all = numbers.change { $0.append(number) }
                        guard all.count == 20 else { return }
                        for number in all.reversed() { table.answer(number, [UInt8(number)]) }
                    }
                    return (own.value, answer)
                }
            }
            return try await group.reduce(into: []) { $0.append($1) }
        }
        #expect(Set(answers.map(\.0)).count == 20)
        for (number, answer) in answers { #expect(answer == [UInt8(number)]) }
    }

    @Test("A refusal is an error of its own")
    func refusal() async {
        let table = RequestTable()
        #expect(await code { try await table.perform(timeout: .seconds(3600)) { table.refuse($0) } } == .requestRefused)
    }

    @Test("What sending throws is what the caller gets")
    func sendFails() async {
        let table = RequestTable()
        await #expect(throws: SendFailed.self) {
            try await table.perform(timeout: .seconds(3600)) { _ in throw SendFailed() }
        }
    }

    @Test("No answer in time ends the wait", arguments: [Duration.zero, .seconds(-1), .milliseconds(1)])
    func timeout(_ timeout: Duration) async {
        let table = RequestTable()
        // A limit that has passed when the wait begins must not be missed, so it is tried often.
        for _ in 0..<50 {
            #expect(await code { try await table.perform(timeout: timeout) { _ in } } == .requestTimedOut)
        }
    }

    @Test("A cancelled caller waits no longer")
    func cancellation() async {
        let table = RequestTable()
        let (sent, isSent) = AsyncStream.makeStream(of: Void.self)
        let task = Task {
            try await table.perform(timeout: .seconds(3600)) { _ in isSent.yield() }
        }
        for await _ in sent { break }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    @Test("A caller that was cancelled before it asks does not wait at all, and asks nobody")
    func cancelledBefore() async {
        let table = RequestTable()
        let isSent = Noted(false)
        await withTaskGroup(of: Void.self) { group in
            group.cancelAll()
            group.addTask {
                await #expect(throws: CancellationError.self) {
                    try await table.perform(timeout: .seconds(3600)) { _ in isSent.change { $0 = true } }
                }
            }
        }
        #expect(!isSent.value)
    }

    @Test("Answers that nobody waits for are for nobody")
    func late() async throws {
        let table = RequestTable()
        table.answer(1, [1])
        table.refuse(2)
        let answer = try await table.perform(timeout: .seconds(3600)) { number in
            table.answer(number &- 1, [9])
            table.answer(number &+ 1, [9])
            table.answer(number, [5])
            table.answer(number, [6])
            table.refuse(number)
        }
        #expect(answer == [5])
    }
}
