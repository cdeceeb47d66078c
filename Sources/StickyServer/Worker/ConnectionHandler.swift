/// What serves connections in a worker.
///
/// Methods other than ``start(_:)`` are called on the worker's control thread, one at a time, and must not block: hand
/// the socket to an event loop, a thread or a task and return.
public protocol ConnectionHandler: Sendable {
    /// Prepares the worker. It takes connections when this returns, so open databases and load caches here; an error
    /// ends the worker with a non-zero status.
    func start(_ worker: Worker) async throws

    /// Takes over one paused socket. Nothing has been read from it beyond its prelude.
    func addConnection(_ socket: consuming PausedSocket)

    /// A message from the master or, through it, from another worker.
    func clusterMessage(_ message: ClusterMessage)

    /// A request from the master or another worker: the bytes returned are the answer, nil refuses it. Runs in a task
    /// of its own.
    func clusterRequest(_ request: ClusterMessage) async -> [UInt8]?

    /// The worker stops: no more connections come. Close idle ones and finish what is in progress; the process ends
    /// when the last ``ConnectionLease`` is gone, or at the deadline. Called once.
    func drain(_ request: DrainRequest)

    /// The worker is done: the last connection is gone, the drain's deadline has passed, or ``Worker/end()`` was called.
    /// The process ends when this returns; an error ends it with a non-zero status. After a drain it may take some 3 s,
    /// then the process is ended.
    func finish() async throws

    /// Asks whether whatever serves connections still turns: call `answer` from there, on any thread.
    /// A worker that does not answer is taken for hung.
    func checkHealth(_ answer: @escaping @Sendable () -> Void)
}

extension ConnectionHandler {
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
