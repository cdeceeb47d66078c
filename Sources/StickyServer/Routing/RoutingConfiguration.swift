/// How clients are assigned to slots.
public struct RoutingConfiguration: Sendable {
    /// The secret of the address hash, 16 bytes. Nil, the default, draws a random one at start. Give the same one to
    /// several hosts that shall agree on which slot a client belongs to.
    public var key: [UInt8]?

    /// How many leading bits of a global IPv6 address (2000::/3) name the client. Providers give a household at least
    /// a /64, and privacy addresses change inside it. Default: 64.
    public var ipv6PrefixLength = 64

    /// Shares of the slots, by slot number; a slot without an entry has 1. Default: all equal.
    public var weights: [Double] = []

    /// The defaults.
    public init() {}

    func validate() throws(StickyServerError) {
        if let key, key.count != 16 {
            throw StickyServerError(.invalidConfiguration, "routing.key has \(key.count) bytes; expected 16")
        }
        guard (1...128).contains(ipv6PrefixLength) else {
            throw StickyServerError(
                .invalidConfiguration,
                "routing.ipv6PrefixLength is \(ipv6PrefixLength); expected 1 to 128"
            )
        }
        guard weights.allSatisfy({ $0 > 0 && $0.isFinite }) else {
            throw StickyServerError(.invalidConfiguration, "every weight in routing.weights must be above 0")
        }
    }
}
