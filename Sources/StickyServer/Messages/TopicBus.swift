internal import Synchronization

/// Carries what is published to the other processes.
///
/// The one that every worker has goes through the master. Another, say over a message broker that several hosts share,
/// conforms to this and is given to ``TopicBus/init(transport:)``.
public protocol TopicTransport: Sendable {
    /// Gives a publication to every other process. Throws when it could not be sent.
    func send(topic: String, payload: [UInt8]) async throws

    /// Gives a publication to every other process as soon as all have room for it, within `limit`. Throws when it could
    /// not be sent. A transport that has nothing to wait for need not implement it.
    func send(topic: String, payload: [UInt8], waitingAtMost limit: Duration) async throws

    /// Calls `receive` for every publication of the others, in the order of each sender. Called once.
    func start(_ receive: @escaping @Sendable (_ topic: String, _ payload: [UInt8]) -> Void)
}

extension TopicTransport {
    /// Sends at once.
    public func send(topic: String, payload: [UInt8], waitingAtMost limit: Duration) async throws {
        try await send(topic: topic, payload: payload)
    }
}

/// Publish and subscribe by topic, among all workers. Safe on any thread.
///
/// Delivery is at most once: a worker that is starting, or a subscriber that does not keep up, misses publications.
public final class TopicBus: Sendable {
    private struct State: Sendable {
        var next = 0
        var subscribers: [String: [Int: AsyncStream<[UInt8]>.Continuation]] = [:]
    }

    private let transport: any TopicTransport
    private let state = Mutex(State())

    /// A bus over a transport.
    public init(transport: any TopicTransport) {
        self.transport = transport
        transport.start { [weak self] topic, payload in self?.deliver(topic, payload) }
    }

    /// Gives bytes to every subscriber of `topic`, in this process and the others. Throws what the transport throws;
    /// subscribers in this process have been given it then.
    public func publish(_ payload: [UInt8], on topic: String) async throws {
        deliver(topic, payload)
        try await transport.send(topic: topic, payload: payload)
    }

    /// The same, as soon as every other process has room for it: a publisher that is faster than the slowest receiver
    /// waits. Throws `messageQueueFull` when there is none within `limit`; subscribers in this process have been given
    /// it then.
    public func publish(_ payload: [UInt8], on topic: String, waitingAtMost limit: Duration) async throws {
        deliver(topic, payload)
        try await transport.send(topic: topic, payload: payload, waitingAtMost: limit)
    }

    /// What is published on `topic` from now on. A reader that does not keep up misses the newest beyond `limit`.
    public func subscribe(to topic: String, limit: Int = 1024) -> AsyncStream<[UInt8]> {
        let (stream, continuation) = AsyncStream.makeStream(of: [UInt8].self, bufferingPolicy: .bufferingOldest(limit))
        let number = state.withLock { state in
            state.next += 1
            state.subscribers[topic, default: [:]][state.next] = continuation
            return state.next
        }
        continuation.onTermination = { [weak self] _ in
            self?.state.withLock { state in
                state.subscribers[topic]?[number] = nil
                if state.subscribers[topic]?.isEmpty == true { state.subscribers[topic] = nil }
            }
        }
        return stream
    }

    private func deliver(_ topic: String, _ payload: [UInt8]) {
        let subscribers = state.withLock { $0.subscribers[topic].map { Array($0.values) } ?? [] }
        for subscriber in subscribers { subscriber.yield(payload) }
    }
}

/// The transport through the master.
final class ClusterTransport: TopicTransport {
    private let receive = Mutex<(@Sendable (String, [UInt8]) -> Void)?>(nil)
    private let sender: @Sendable (Envelope) throws(StickyServerError) -> Void
    private let waitingSender: @Sendable (Envelope, Duration) async throws -> Void

    init(
        sender: @escaping @Sendable (Envelope) throws(StickyServerError) -> Void,
        waitingSender: @escaping @Sendable (Envelope, Duration) async throws -> Void
    ) {
        self.sender = sender
        self.waitingSender = waitingSender
    }

    func send(topic: String, payload: [UInt8]) async throws {
        try sender(envelope(topic, payload))
    }

    func send(topic: String, payload: [UInt8], waitingAtMost limit: Duration) async throws {
        try await waitingSender(envelope(topic, payload), limit)
    }

    private func envelope(_ topic: String, _ payload: [UInt8]) -> Envelope {
        Envelope(kind: .publication, party: Envelope.everyone, payload: NamedBytes.encode(topic, payload))
    }

    func start(_ receive: @escaping @Sendable (String, [UInt8]) -> Void) {
        self.receive.withLock { $0 = receive }
    }

    /// A publication of another worker has come.
    func deliver(_ bytes: [UInt8]) {
        guard let (topic, payload) = NamedBytes.decode(bytes) else { return }
        receive.withLock { $0 }?(topic, payload)
    }
}
