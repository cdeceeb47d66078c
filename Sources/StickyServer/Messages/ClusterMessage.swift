/// Bytes from the master or another worker of the same server.
public struct ClusterMessage: Sendable, Hashable {
    /// Who sent it: a slot, or nil for the master.
    public let sender: Int?
    /// What was sent, whole and in the order in which the sender sent it.
    public let payload: [UInt8]

    /// Makes a message, as tests of a ``ConnectionHandler`` do.
    public init(sender: Int?, payload: [UInt8]) {
        self.sender = sender
        self.payload = payload
    }
}
