import Synchronization
import Testing

@testable import StickyServer

@Suite("Topic bus", .timeLimit(.minutes(1)))
struct TopicBusTests {
    /// Notes what is sent, and says what the other processes publish.
    private final class FakeTransport: TopicTransport {
        struct Failure: Error {}

        private let sentMessages = Mutex<[String]>([])
        private let receive = Mutex<(@Sendable (String, [UInt8]) -> Void)?>(nil)
        private let starts = Atomic<Int>(0)
        let fails: Bool

        init(fails: Bool = false) {
            self.fails = fails
        }

        var sent: [String] { sentMessages.withLock { $0 } }
        var startCount: Int { starts.load(ordering: .relaxed) }

        func send(topic: String, payload: [UInt8]) async throws {
            if fails { throw Failure() }
            sentMessages.withLock { $0.append("\(topic) \(payload)") }
        }

        func start(_ receive: @escaping @Sendable (String, [UInt8]) -> Void) {
            starts.add(1, ordering: .relaxed)
            self.receive.withLock { $0 = receive }
        }

        func publishElsewhere(_ payload: [UInt8], on topic: String) {
            receive.withLock { $0 }?(topic, payload)
        }
    }

    private func read(_ count: Int, from stream: AsyncStream<[UInt8]>) async -> [[UInt8]] {
        var all: [[UInt8]] = []
        for await payload in stream {
            all.append(payload)
            if all.count == count { break }
        }
        return all
    }

    @Test("A publication reaches this process's subscribers and the transport")
    func publish() async throws {
        let transport = FakeTransport()
        let bus = TopicBus(transport: transport)
        let (one, other) = (bus.subscribe(to: "a"), bus.subscribe(to: "a"))
        try await bus.publish([1], on: "a")
        try await bus.publish([2], on: "a")
        #expect(transport.startCount == 1)
        #expect(transport.sent == ["a [1]", "a [2]"])
        #expect(await read(2, from: one) == [[1], [2]])
        #expect(await read(2, from: other) == [[1], [2]])
    }

    @Test("A publication of another process reaches the subscribers, and is not sent again")
    func receive() async {
        let transport = FakeTransport()
        let bus = TopicBus(transport: transport)
        let stream = bus.subscribe(to: "a")
        transport.publishElsewhere([1], on: "a")
        #expect(await read(1, from: stream) == [[1]])
        #expect(transport.sent.isEmpty)
    }

    @Test("Subscribers get their own topic and nothing from before they came")
    func topics() async throws {
        let transport = FakeTransport()
        let bus = TopicBus(transport: transport)
        transport.publishElsewhere([0], on: "a")
        let stream = bus.subscribe(to: "a")
        transport.publishElsewhere([1], on: "b")
        transport.publishElsewhere([2], on: "")
        transport.publishElsewhere([3], on: "a")
        #expect(await read(1, from: stream) == [[3]])
    }

    @Test("A transport that fails is the publisher's error, after this process's subscribers had their share")
    func failure() async {
        let bus = TopicBus(transport: FakeTransport(fails: true))
        let stream = bus.subscribe(to: "a")
        await #expect(throws: FakeTransport.Failure.self) { try await bus.publish([1], on: "a") }
        #expect(await read(1, from: stream) == [[1]])
    }

    @Test("A subscriber that does not keep up misses the newest")
    func limit() async {
        let transport = FakeTransport()
        let bus = TopicBus(transport: transport)
        let stream = bus.subscribe(to: "a", limit: 2)
        for number: UInt8 in 0..<5 { transport.publishElsewhere([number], on: "a") }
        #expect(await read(2, from: stream) == [[0], [1]])
    }

    @Test("A subscriber that left gets nothing, and the others still do")
    func leaving() async {
        let transport = FakeTransport()
        let bus = TopicBus(transport: transport)
        let stays = bus.subscribe(to: "a")
        let leaves = bus.subscribe(to: "a")
        let task = Task { await read(.max, from: leaves) }
        task.cancel()
        #expect(await task.value.isEmpty)
        transport.publishElsewhere([1], on: "a")
        #expect(await read(1, from: stays) == [[1]])
    }

    @Test("The transport may outlive the bus")
    func outlives() {
        let transport = FakeTransport()
        do { _ = TopicBus(transport: transport) }
        transport.publishElsewhere([1], on: "a")
    }

    @Test("The transport through the master sends an envelope to everyone and reads the same back")
    func clusterTransport() async throws {
        let envelopes = Mutex<[Envelope]>([])
        let transport = ClusterTransport { envelope in
            envelopes.withLock { $0.append(envelope) }
        } waitingSender: { envelope, limit in
            #expect(limit == .seconds(3))
            envelopes.withLock { $0.append(envelope) }
        }
        let bus = TopicBus(transport: transport)
        let stream = bus.subscribe(to: "ä")
        try await bus.publish([1], on: "ä")
        let envelope = try #require(envelopes.withLock { $0.first })
        #expect(envelope.kind == .publication)
        #expect(envelope.party == Envelope.everyone)
        transport.deliver(envelope.payload)
        transport.deliver([])
        transport.deliver([9, 9, 9])
        transport.deliver(NamedBytes.encode("ä", [2]))
        #expect(await read(3, from: stream) == [[1], [1], [2]])
    }
}
