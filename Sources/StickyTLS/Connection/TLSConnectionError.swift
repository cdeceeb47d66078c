/// Why a read, a write or a handshake of a ``TLSConnection`` could not be done.
public struct TLSConnectionError: Error, Sendable, CustomStringConvertible {
    /// What happened. More codes may come, so compare and keep a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        let name: String

        /// The handshake, or later the protocol, failed: see ``TLSConnectionError/failure``.
        public static let failed = Code(name: "TLS failed")
        /// The handshake was not complete at the deadline.
        public static let handshakeTimeout = Code(name: "handshake timeout")
        /// The handshake had to make room for others, of which there were too many: its client had kept it waiting for
        /// longest.
        public static let passedOver = Code(name: "passed over")
        /// Nothing moved for as long as ``TLSConnection/idleTimeout``.
        public static let idleTimeout = Code(name: "idle timeout")
        /// The client's stream ended without close_notify, so what it sent may have been cut. Writing still works.
        public static let truncated = Code(name: "truncated")
        /// The connection is gone (errno in ``TLSConnectionError/number``).
        public static let lost = Code(name: "connection lost")

        /// A few words for logs.
        public var description: String { name }
    }

    /// What happened.
    public let code: Code
    /// What TLS says, for ``Code/failed``.
    public let failure: TLSFailure?
    /// The errno of the system call, for ``Code/lost``; else 0.
    public let number: CInt

    init(_ code: Code, failure: TLSFailure? = nil, number: CInt = 0) {
        self.code = code
        self.failure = failure
        self.number = number
    }

    /// Whether the client or the network is to blame, as nearly always. The others need somebody's eye.
    public var isClientFault: Bool { failure?.isClientFault ?? true }

    /// `connection lost (errno 104)`, `TLS failed: refused: no shared cipher (sent handshake_failure)`.
    public var description: String {
        if let failure { return "\(code): \(failure)" }
        return number == 0 ? "\(code)" : "\(code) (errno \(number))"
    }
}
