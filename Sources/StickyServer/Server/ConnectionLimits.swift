/// How many connections the server has at most. All off by default.
///
/// The master looks at them when it accepts, before it has read a byte. A connection beyond a limit is closed at once
/// and told as ``MasterEvent/connectionDropped(slot:reason:peer:)``. Its client sees the end of the connection, or a
/// reset if it had sent something already, for nobody reads that.
public struct ConnectionLimits: Sendable, Hashable {
    /// In all, those included that former workers are still finishing.
    public var total: Int?
    /// For one slot: those of the process that serves it, and those that wait for it.
    public var perWorker: Int?
    /// From one source: an IPv4 address, or an IPv6 prefix of ``RoutingConfiguration/ipv6PrefixLength``, as the routing
    /// sees it. Clients of Unix sockets have none and are not limited by it. Behind a load balancer every connection
    /// comes from the balancer, so leave it off there.
    public var perSource: Int?

    /// No limits.
    public init() {}

    var isOn: Bool { total != nil || perWorker != nil || perSource != nil }
}
