import Testing

@testable import StickyServer

@Suite("Event hub", .timeLimit(.minutes(1)))
struct EventHubTests {
    private func numbers(_ stream: AsyncStream<MasterEvent>) async -> [Int] {
        var numbers: [Int] = []
        for await event in stream {
            if case .scaled(let workers) = event { numbers.append(workers) }
        }
        return numbers
    }

    @Test("A subscriber gets the kinds it asked for, in order, until the end")
    func filters() async {
        let hub = EventHub()
        let lifecycle = hub.subscribe(.lifecycle, limit: 10)
        let both = hub.subscribe([.lifecycle, .messages], limit: 10)
        let all = hub.subscribe(.all, limit: 10)
        hub.publish(.scaled(workers: 1), to: .lifecycle)
        hub.publish(.scaled(workers: 2), to: .messages)
        hub.publish(.scaled(workers: 3), to: .connections)
        hub.publish(.scaled(workers: 4), to: .lifecycle)
        hub.finish()
        #expect(await numbers(lifecycle) == [1, 4])
        #expect(await numbers(both) == [1, 2, 4])
        #expect(await numbers(all) == [1, 2, 3, 4])
    }

    @Test("Events that nobody wants need not be made")
    func wants() {
        let hub = EventHub()
        #expect(!hub.wants(.all))
        let stream = hub.subscribe(.messages, limit: 10)
        #expect(hub.wants(.messages))
        #expect(hub.wants(.all))
        #expect(!hub.wants(.lifecycle))
        #expect(!hub.wants(.connections))
        withExtendedLifetime(stream) {}
    }

    @Test("A subscriber that leaves is not counted any more")
    func leaving() async {
        let hub = EventHub()
        let stream = hub.subscribe(.connections, limit: 10)
        let other = hub.subscribe(.lifecycle, limit: 10)
        let task = Task { await numbers(stream) }
        task.cancel()
        _ = await task.value
        #expect(!hub.wants(.connections))
        #expect(hub.wants(.lifecycle))
        withExtendedLifetime(other) {}
    }

    @Test("A slow subscriber keeps the oldest and does not hold up the others")
    func limit() async {
        let hub = EventHub()
        let slow = hub.subscribe(.lifecycle, limit: 2)
        let roomy = hub.subscribe(.lifecycle, limit: 10)
        for number in 0..<5 { hub.publish(.scaled(workers: number), to: .lifecycle) }
        hub.finish()
        #expect(await numbers(slow) == [0, 1])
        #expect(await numbers(roomy) == [0, 1, 2, 3, 4])
    }

    @Test("Whoever comes after the end gets an ended stream")
    func afterEnd() async {
        let hub = EventHub()
        hub.finish()
        hub.finish()
        hub.publish(.scaled(workers: 1), to: .lifecycle)
        #expect(await numbers(hub.subscribe(.all, limit: 10)) == [])
        #expect(!hub.wants(.all))
    }
}
