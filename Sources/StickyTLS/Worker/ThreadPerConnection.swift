public import Logging
public import StickyServer
import Synchronization

/// Serves each connection on a thread of its own, with code that blocks.
///
/// The number of threads is bounded. Connections beyond it wait, and their time for the handshake runs; connections
/// beyond those that may wait are dropped. While some wait, a client that has not completed its handshake after 2 s
/// loses its thread to them.
public final class ThreadPerConnection: TLSConnectionHandler {
    /// Limits, and where to report.
    public struct Options: Sendable {
        /// Connections that are served at the same time.
        public var maximumThreads = 256
        /// Connections that may wait for a thread.
        public var maximumWaiting = 1024
        /// Bytes of stack for each thread.
        public var stackSize = 512 * 1024
        /// How long a read or a write may wait without a byte moving; nil for ever.
        public var idleTimeout: Duration? = .seconds(60)
        /// Failed handshakes and thrown errors go here.
        public var logger = Logger(label: "StickyTLS")

        /// The defaults.
        public init() {}
    }

    private struct State {
        var threads = 0
        var waiting: [Parked] = []
    }

    /// Non-copyable values fit into no array and cannot be consumed in an escaping closure.
    private final class Parked: Sendable {
        private let connection: Mutex<TLSConnection?>

        init(_ connection: consuming TLSConnection) {
            self.connection = Mutex(consume connection)
        }

        func take() -> TLSConnection? {
            connection.withLock { $0.take() }
        }
    }

    private let options: Options
    private let body: @Sendable (inout TLSConnection) throws -> Void
    private let state = Mutex(State())
    private let drainSignal = DrainSignal()

    /// Serves connections with `body`, after the handshake.
    public init(options: Options = .init(), serve body: @escaping @Sendable (inout TLSConnection) throws -> Void) {
        self.options = options
        self.body = body
    }

    /// Gives the connection a thread, or lets it wait for one.
    public func addConnection(_ connection: consuming TLSConnection) {
        let peer = connection.socket.peer
        let parked = Parked(connection)
        let startsThread = state.withLock { state in
            guard state.threads < max(options.maximumThreads, 1) else { return false }
            state.threads += 1
            return true
        }
        if startsThread {
            let runs = startThread(stackSize: options.stackSize) { [self] in serveAll(parked) }
            if runs { return }
            state.withLock { $0.threads -= 1 }
        }
        let waits = state.withLock { state in
            // Without a thread nobody would come for it.
            guard state.threads > 0, state.waiting.count < options.maximumWaiting else { return false }
            state.waiting.append(parked)
            return true
        }
        if !waits {
            options.logger.warning("connection dropped, all threads are busy", metadata: ["peer": "\(peer)"])
        }
    }

    /// Ends connections that wait for a next request; see ``TLSConnection/read(into:)``.
    public func drain(_ request: DrainRequest) {
        drainSignal.give()
    }

    private func serveAll(_ first: Parked) {
        var next: Parked? = first
        while let parked = next {
            if let connection = parked.take() { serve(connection) }
            next = state.withLock { state in
                if state.waiting.isEmpty {
                    state.threads -= 1
                    return nil
                }
                return state.waiting.removeFirst()
            }
        }
    }

    private func serve(_ connection: consuming TLSConnection) {
        var connection = connection
        connection.idleTimeout = options.idleTimeout
        connection.drainSignal = drainSignal.descriptor
        connection.threadIsWanted = { [self] in state.withLock { !$0.waiting.isEmpty } }
        do throws(TLSConnectionError) {
            try connection.handshake()
        } catch {
            report(error, of: connection)
            // An alert must arrive before the end does; the others have nothing to hear.
            guard let failure = error.failure else { return }
            if failure.kind == .plainHTTP { connection.answerPlainHTTP(failure) }
            return connection.close()
        }
        do {
            try body(&connection)
        } catch {
            report(error, of: connection)
        }
        connection.close()
    }

    private func report(_ error: any Error, of connection: borrowing TLSConnection) {
        let known = error as? TLSConnectionError
        let isFailure = known?.failure != nil
        var metadata: Logger.Metadata = ["peer": "\(connection.socket.peer)", "why": "\(error)"]
        if let name = known?.failure?.serverName { metadata["sni"] = "\(name)" }
        if let known, known.isClientFault {
            options.logger.log(level: isFailure ? .info : .debug, "TLS connection ended", metadata: metadata)
        } else {
            options.logger.error("TLS connection failed", metadata: metadata)
        }
    }
}
