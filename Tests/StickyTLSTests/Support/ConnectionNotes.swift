import Dispatch
import StickyTLS
import Synchronization

extension ConnectionTests {
    /// What came of the connections of a test.
    final class Notes: Sendable {
        private let errors = Mutex<[TLSConnectionError]>([])
        private let added = DispatchSemaphore(value: 0)

        func add(_ error: TLSConnectionError) {
            errors.withLock { $0.append(error) }
            added.signal()
        }

        /// The codes so far, of which there is at least one, unless it does not come in 20 s.
        func codes() -> [TLSConnectionError.Code] {
            if added.wait(timeout: .now() + 20) == .success { added.signal() }
            return errors.withLock { $0.map(\.code) }
        }
    }
}
