public import StickyServer

/// What serves TLS connections in a worker: as `ConnectionHandler`, one layer up.
///
/// The rules are the same: methods other than ``start(_:)`` are called on the worker's control thread and must not
/// block. No handshake has been done when a connection comes.
public protocol TLSConnectionHandler: Sendable {
    /// Prepares the worker; an error ends it.
    func start(_ worker: Worker) async throws

    /// Takes over one connection. Reading from it blocks, so do that on another thread.
    func addConnection(_ connection: consuming TLSConnection)

    /// A message from the master or another worker.
    func clusterMessage(_ message: ClusterMessage)

    /// A request from the master or another worker: the bytes returned are the answer, nil refuses it.
    func clusterRequest(_ request: ClusterMessage) async -> [UInt8]?

    /// The worker stops: no more connections come. Close idle ones and finish what is in progress.
    func drain(_ request: DrainRequest)

    /// The worker is done; see `ConnectionHandler.finish()`.
    func finish() async throws

    /// Asks whether whatever serves connections still turns: call `answer` from there.
    func checkHealth(_ answer: @escaping @Sendable () -> Void)
}

extension TLSConnectionHandler {
    /// Does nothing: the worker is ready at once.
    public func start(_ worker: Worker) async throws {}

    /// Ignores the message.
    public func clusterMessage(_ message: ClusterMessage) {}

    /// Refuses.
    public func clusterRequest(_ request: ClusterMessage) async -> [UInt8]? { nil }

    /// Does nothing: connections end by themselves, or at the deadline.
    public func drain(_ request: DrainRequest) {}

    /// Does nothing.
    public func finish() async throws {}

    /// Answers at once, which shows only that the control thread turns.
    public func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        answer()
    }
}
