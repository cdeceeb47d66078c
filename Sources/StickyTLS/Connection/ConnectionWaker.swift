internal import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Wakes the thread that waits for a connection's client, for good: nothing can be read from it any more.
final class ConnectionWaker: TLSHandshakeOwner {
    private struct State {
        /// Open for as long as it is here; -1 when the connection has ended.
        var descriptor: CInt
        var isPassedOver = false
    }

    private let state: Mutex<State>

    init(_ descriptor: CInt) {
        state = Mutex(State(descriptor: descriptor))
    }

    var isPassedOver: Bool { state.withLock { $0.isPassedOver } }

    func handshakeIsPassedOver() {
        state.withLock { state in
            guard state.descriptor >= 0 else { return }
            state.isPassedOver = true
            shutdown(state.descriptor, CInt(SHUT_RDWR))
        }
    }

    /// Before the descriptor is closed, or when the handshake is over.
    func forget() {
        state.withLock { $0.descriptor = -1 }
    }
}
