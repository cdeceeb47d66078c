internal import StickyServer

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

// The handshake's way of waiting: it has a deadline, and may have to make room for others.
extension TLSConnection {
    /// So long a handshake has its thread, whoever else may want it.
    private static let patience = Duration.seconds(2)
    private static let lookInterval = Duration.milliseconds(500)

    /// Does the handshake, if it is not done. Reading and writing do it by themselves.
    public mutating func handshake() throws(TLSConnectionError) {
        guard !isEstablished else { return }
        let nothing = UnsafeMutableRawBufferPointer(start: nil, count: 0)
        nextLook = ContinuousClock.now.advanced(by: Self.patience)
        while !isEstablished {
            switch receive(nothing).status {
            case .handshakeCompleted:
                // The ticket stays in the output, to leave together with the first answer.
                isEstablished = true
                isIdle = input.isEmpty
                waker?.forget()
            case .wantsInput:
                do {
                    try fillForHandshake()
                } catch {
                    throw waker?.isPassedOver == true ? TLSConnectionError(.passedOver) : error
                }
            case .outputFull:
                try flush(until: handshakeDeadline, orElse: .handshakeTimeout)
            case .failed(let failure):
                throw failed(failure)
            case .plaintextFull, .peerClosed, .truncated, .done:
                throw TLSConnectionError(.truncated)
            }
        }
    }

    private mutating func fillForHandshake() throws(TLSConnectionError) {
        while try !receiveMore() {
            try flush(until: handshakeDeadline, orElse: .handshakeTimeout)
            let waker = waker ?? ConnectionWaker(socket.descriptor)
            self.waker = waker
            session.waitForClient(waker)
            let until = threadIsWanted == nil ? handshakeDeadline : min(handshakeDeadline, nextLook)
            let wakening = SocketCalls.wait(socket.descriptor, CInt(POLLIN), until: until)
            try look(hasTimedOut: wakening == .timeout)
        }
        session.hearFromClient()
    }

    private mutating func look(hasTimedOut: Bool) throws(TLSConnectionError) {
        guard let threadIsWanted else {
            if hasTimedOut { throw TLSConnectionError(.handshakeTimeout) }
            return
        }
        let now = ContinuousClock.now
        if hasTimedOut, now >= handshakeDeadline { throw TLSConnectionError(.handshakeTimeout) }
        guard now >= nextLook else { return }
        nextLook = now.advanced(by: Self.lookInterval)
        guard threadIsWanted() else { return }
        context.counters.handshakesPassedOver.increment()
        throw TLSConnectionError(.passedOver)
    }
}
