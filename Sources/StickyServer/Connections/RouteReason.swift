/// Why a connection was given to a slot.
public struct RouteReason: Sendable, Hashable, CustomStringConvertible {
    let code: UInt8

    /// By the keyed hash of the client's address.
    public static let address = RouteReason(code: 1)
    /// In turn: the peer has no address to hash (a Unix socket).
    public static let roundRobin = RouteReason(code: 2)
    /// The slot that the client belongs to could not take it, so the next choice did.
    public static let rerouted = RouteReason(code: 3)
    /// A worker that had read the first bytes named this slot.
    public static let rehomed = RouteReason(code: 4)

    /// A word for logs: `address`, `round-robin`, `rerouted`, `re-homed`.
    public var description: String {
        switch self {
        case .address: "address"
        case .roundRobin: "round-robin"
        case .rerouted: "rerouted"
        case .rehomed: "re-homed"
        default: "reason-\(code)"
        }
    }
}
