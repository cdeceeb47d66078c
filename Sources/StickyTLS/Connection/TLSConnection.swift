public import StickyServer

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A TLS connection for code that reads and writes in order and waits: a ``PausedSocket`` with a ``TLSSession``.
///
/// All calls block, so give each connection a thread of its own; ``TLSWorker`` can do that. When the value ends the
/// connection ends, abruptly unless ``close()`` was called.
///
/// Unchecked: a session is not bound to a thread, but may be used by one at a time only. This value is not copyable
/// and its methods are mutating, so there is one user at a time.
public struct TLSConnection: ~Copyable, @unchecked Sendable {
    /// The socket with what is known of it: addresses, listener, reason. Do not read from it or write to it.
    public let socket: PausedSocket

    /// How long a read or a write may wait without a byte moving; nil for ever. Does not apply to the handshake, which
    /// has its deadline.
    public var idleTimeout: Duration?

    /// Readable when the worker drains; -1 for none.
    var drainSignal: CInt = -1

    /// Asked when a handshake takes longer than ``patience``: whether somebody else waits for the thread.
    var threadIsWanted: (@Sendable () -> Bool)?

    let context: TLSContext
    var session: TLSSession
    var input: ByteQueue
    private var output: ByteQueue
    let handshakeDeadline: ContinuousClock.Instant
    /// When the thread is next asked for.
    var nextLook = ContinuousClock.now
    /// Made when the handshake first waits for the client.
    var waker: ConnectionWaker?
    var isEstablished = false
    private var isClosed = false
    private var hasEnded = false
    /// Nothing can be sent any more.
    private var isBroken = false
    /// Nothing has come since the last write, so no request is in progress.
    var isIdle = true

    /// Takes over a socket. The time for the handshake begins.
    public init(_ socket: consuming PausedSocket, context: TLSContext) throws(TLSError) {
        session = try TLSSession(context)
        self.context = context
        // Four records: fewer system calls for bulk data than one for each record.
        output = ByteQueue(capacity: TLSSession.outputCapacity(forPlaintext: 4 * 16_384))
        input = ByteQueue(capacity: max(16_384, socket.prelude.count))
        input.room.copyBytes(from: socket.prelude)
        input.didAdd(socket.prelude.count)
        handshakeDeadline = ContinuousClock.now.advanced(by: session.handshakeDeadline)
        SocketCalls.refuseSignals(socket.descriptor)
        self.socket = socket
    }

    deinit {
        waker?.forget()
    }

    /// What was agreed on; nil before the handshake is complete.
    public var info: TLSConnectionInfo? { session.info }

    /// Reads what has come, at least one byte; waits for it.
    ///
    /// - Returns: The number of bytes; 0 when the client has ended its stream with close_notify, when the worker drains
    ///   and no request has begun, or when `buffer` is empty.
    /// - Throws: ``TLSConnectionError/Code/truncated`` for an end without close_notify; writing still works then.
    public mutating func read(into buffer: UnsafeMutableRawBufferPointer) throws(TLSConnectionError) -> Int {
        try handshake()
        while !hasEnded, !buffer.isEmpty {
            let step = receive(buffer)
            if step.plaintext > 0 { return step.plaintext }
            switch step.status {
            case .wantsInput:
                guard try fill(until: idleDeadline, orElse: .idleTimeout, endingWhenIdle: true) else { return 0 }
            case .outputFull:
                try flush(until: idleDeadline, orElse: .idleTimeout)
            case .failed(let failure):
                throw failed(failure)
            case .peerClosed:
                hasEnded = true
            case .plaintextFull, .handshakeCompleted, .truncated, .done:
                break
            }
        }
        return 0
    }

    /// Reads what has come, at least one byte and at most `limit`; empty at the end. See ``read(into:)``.
    public mutating func read(upTo limit: Int = 16_384) throws(TLSConnectionError) -> [UInt8] {
        // Typed errors do not pass through the array's initializer.
        var thrown: TLSConnectionError?
        let bytes = [UInt8](unsafeUninitializedCapacity: max(limit, 0)) { buffer, count in
            do throws(TLSConnectionError) {
                count = try read(into: UnsafeMutableRawBufferPointer(buffer))
            } catch {
                thrown = error
            }
        }
        if let thrown { throw thrown }
        return bytes
    }

    /// Sends all bytes; waits until the system has taken the last of them.
    public mutating func write(_ bytes: UnsafeRawBufferPointer) throws(TLSConnectionError) {
        try handshake()
        isIdle = true
        var position = 0
        while true {
            let step = session.send(UnsafeRawBufferPointer(rebasing: bytes[position...]), output: output.room)
            output.didAdd(step.output)
            position += step.consumed
            switch step.status {
            case .outputFull:
                try flush(until: idleDeadline, orElse: .idleTimeout)
            case .failed(let failure):
                throw failed(failure)
            default:
                return try flush(until: idleDeadline, orElse: .idleTimeout)
            }
        }
    }

    /// Sends all bytes. See ``write(_:)-(UnsafeRawBufferPointer)``.
    public mutating func write(_ bytes: [UInt8]) throws(TLSConnectionError) {
        var thrown: TLSConnectionError?
        bytes.withUnsafeBytes { bytes in
            do throws(TLSConnectionError) { try write(bytes) } catch { thrown = error }
        }
        if let thrown { throw thrown }
    }

    /// Sends a text as UTF-8. See ``write(_:)-(UnsafeRawBufferPointer)``.
    public mutating func write(_ text: String) throws(TLSConnectionError) {
        try write(Array(text.utf8))
    }

    /// Ends the connection so that everything that was written arrives: sends close_notify and the end of the stream,
    /// then reads and discards until the client ends its own. A client that takes nothing for 2 s is not waited for,
    /// and none for longer than a minute.
    ///
    /// A socket that is closed while bytes lie unread in it resets the connection, and what is still on its way to
    /// the client is lost. The descriptor is closed when the value ends.
    public mutating func close() {
        guard !isClosed, !isBroken else { return }
        isClosed = true
        var patience = Patience(socket.descriptor)
        var isSaid = false
        while !isSaid {
            let step = session.close(output: output.room)
            output.didAdd(step.output)
            if case .done = step.status { isSaid = true }
            guard flush(while: &patience) else { return }
        }
        SocketCalls.endOutput(socket.descriptor)
        linger(while: &patience)
    }

    /// Redirects a client that speaks plain HTTP, as far as its request has come.
    mutating func answerPlainHTTP(_ failure: TLSFailure) {
        writePlain(context.answerToPlainHTTP(failure.head + Array(input.bytes)))
    }

    /// Sends bytes outside of TLS, to a client that does not speak it.
    mutating func writePlain(_ bytes: [UInt8]) {
        guard !isEstablished, output.isEmpty, bytes.count <= output.room.count else { return }
        output.room.copyBytes(from: bytes)
        output.didAdd(bytes.count)
        try? flush(until: handshakeDeadline, orElse: .handshakeTimeout)
    }

    private var idleDeadline: ContinuousClock.Instant? {
        idleTimeout.map { ContinuousClock.now.advanced(by: $0) }
    }

    mutating func receive(_ plaintext: UnsafeMutableRawBufferPointer) -> TLSStep {
        let step = session.receive(input.bytes, plaintext: plaintext, output: output.room)
        input.didTake(step.consumed)
        output.didAdd(step.output)
        return step
    }

    /// Waits for more input, and sends what is due before that. False when the worker drains.
    @discardableResult
    private mutating func fill(
        until deadline: ContinuousClock.Instant?,
        orElse timeout: TLSConnectionError.Code,
        endingWhenIdle: Bool = false
    ) throws(TLSConnectionError) -> Bool {
        while true {
            if try receiveMore() { return true }
            try flush(until: deadline, orElse: timeout)
            let signal = endingWhenIdle && isIdle ? drainSignal : -1
            switch SocketCalls.wait(socket.descriptor, CInt(POLLIN), or: signal, until: deadline) {
            case .ready: break
            case .signalled: return false
            case .timeout: throw TLSConnectionError(timeout)
            }
        }
    }

    /// Takes what has come. False when there is nothing at the moment.
    mutating func receiveMore() throws(TLSConnectionError) -> Bool {
        switch SocketCalls.receive(socket.descriptor, into: input.room) {
        case .moved(0):
            // The session writes nothing for a bare end, and neither do we.
            _ = session.endOfInput()
            throw TLSConnectionError(.truncated)
        case .moved(let count):
            input.didAdd(count)
            isIdle = false
            return true
        case .failed(let number):
            throw TLSConnectionError(.lost, number: number)
        case .wouldBlock:
            return false
        }
    }

    /// Sends what is in the output. The deadline moves on with each byte that does, but for the handshake.
    mutating func flush(
        until deadline: ContinuousClock.Instant?,
        orElse timeout: TLSConnectionError.Code
    ) throws(TLSConnectionError) {
        var deadline = deadline
        while !output.isEmpty {
            switch SocketCalls.send(socket.descriptor, output.bytes) {
            case .moved(let count):
                output.didTake(count)
                if isEstablished { deadline = idleDeadline }
            case .failed(let number):
                isBroken = true
                throw TLSConnectionError(.lost, number: number)
            case .wouldBlock:
                guard case .ready = SocketCalls.wait(socket.descriptor, CInt(POLLOUT), until: deadline) else {
                    isBroken = true
                    throw TLSConnectionError(timeout)
                }
            }
        }
    }

    /// Sends the alert that says why, as far as the socket takes it.
    mutating func failed(_ failure: TLSFailure) -> TLSConnectionError {
        if !output.isEmpty, case .moved(let count) = SocketCalls.send(socket.descriptor, output.bytes) {
            output.didTake(count)
        }
        return TLSConnectionError(.failed, failure: failure)
    }

    /// Sends what is in the output, at the end. False when it cannot be sent.
    private mutating func flush(while patience: inout Patience) -> Bool {
        while !output.isEmpty {
            switch SocketCalls.send(socket.descriptor, output.bytes) {
            case .moved(let count): output.didTake(count)
            case .failed: return false
            case .wouldBlock:
                _ = SocketCalls.wait(socket.descriptor, CInt(POLLOUT), until: patience.deadline)
                guard patience.lasts() else { return false }
            }
        }
        return true
    }

    private mutating func linger(while patience: inout Patience) {
        input.didTake(input.bytes.count)
        repeat {
            switch SocketCalls.receive(socket.descriptor, into: input.room) {
            case .moved(0), .failed: return
            case .moved: continue
            case .wouldBlock: _ = SocketCalls.wait(socket.descriptor, CInt(POLLIN), until: patience.deadline)
            }
        } while patience.lasts()
    }
}
