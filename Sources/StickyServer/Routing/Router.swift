/// Where a connection belongs.
struct Route: Sendable, Hashable {
    /// The slot that the client belongs to, whether or not it can be reached now.
    let home: Int
    /// Stands for the client when second choices are looked for.
    let hash: UInt64
    let reason: RouteReason
}

/// Decides which slot a new connection belongs to.
struct Router: Sendable {
    private let hasher: SipHash
    /// With kernel steering it decides, there and here.
    private let steeringHash: SteeringHash?
    private var rendezvous: Rendezvous
    private let weights: [Double]
    private let ipv6PrefixLength: Int
    private var turn = 0

    init(_ configuration: RoutingConfiguration, slots: Int, steering: Steering = .master) {
        let key = configuration.key ?? (0..<16).map { _ in .random(in: 0 ... .max) }
        self.key = key
        hasher = SipHash(key: key) ?? SipHash(k0: 0, k1: 0)
        steeringHash = steering == .kernel ? SteeringHash(key: key) : nil
        weights = configuration.weights
        rendezvous = Rendezvous(slots: slots, weights: weights)
        ipv6PrefixLength = configuration.ipv6PrefixLength
    }

    /// The secret, for the next binary.
    let key: [UInt8]

    /// How many slots take part.
    var slots: Int { rendezvous.slots }

    /// What the kernel does for connections to the slots of a group; nil without kernel steering.
    func program(for slots: [Int]) -> SteeringProgram? {
        steeringHash.map { SteeringProgram($0, ipv6PrefixLength: ipv6PrefixLength, slots: slots) }
    }

    /// From now on so many slots take part. Only clients of the slots that came or went move.
    mutating func resize(to count: Int) {
        rendezvous = Rendezvous(slots: count, weights: weights)
    }

    /// Peers without an address to hash take turns.
    mutating func route(_ peer: SocketAddress) -> Route {
        if let key = ClientKey(peer, ipv6PrefixLength: ipv6PrefixLength) {
            if let steeringHash {
                let hash = steeringHash.hash(SteeringHash.words(key))
                let home = SteeringHash.choice(hash, among: 0..<slots) ?? 0
                return Route(home: home, hash: UInt64(hash), reason: .address)
            }
            let hash = hasher.hash(key.first, key.second)
            return Route(home: rendezvous.choice(for: hash) ?? 0, hash: hash, reason: .address)
        }
        turn = (turn + 1) % max(1, rendezvous.slots)
        return Route(home: turn, hash: hasher.hash(UInt64(turn)), reason: .roundRobin)
    }

    /// The best slot that `available` allows.
    func choice(for hash: UInt64, where available: (Int) -> Bool) -> Int? {
        guard steeringHash == nil else {
            return SteeringHash.choice(UInt32(truncatingIfNeeded: hash), among: (0..<slots).lazy.filter(available))
        }
        return rendezvous.choice(for: hash, where: available)
    }
}
