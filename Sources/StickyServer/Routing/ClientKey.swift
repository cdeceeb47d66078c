/// What of a client's address decides its slot.
///
/// One client must have one key, whatever address family or privacy address it comes with today, and many clients
/// behind one prefix must not be taken for one.
struct ClientKey: Sendable, Hashable {
    /// IPv4 has one word, IPv6 two.
    let first: UInt64
    let second: UInt64?

    /// Nil for a Unix socket, whose clients have no address.
    init?(_ address: SocketAddress, ipv6PrefixLength: Int) {
        switch address.storage {
        case .ipv4(let address, _):
            self.init(ipv4: address)
        case .ipv6(let high, let low, _, _):
            if let embedded = ClientKey.embeddedIPv4(high: high, low: low) {
                self.init(ipv4: embedded)
            } else if high >> 61 == 0b001 {
                // 2000::/3, global unicast (RFC 4291, 2.5.4): the prefix names the household.
                self.init(
                    first: high & ClientKey.mask(ipv6PrefixLength),
                    second: low & ClientKey.mask(ipv6PrefixLength - 64)
                )
            } else {
                // Link-local, unique local and loopback put a whole LAN into one /64.
                self.init(first: high, second: low)
            }
        case .unix:
            return nil
        }
    }

    private init(first: UInt64, second: UInt64?) {
        self.first = first
        self.second = second
    }

    private init(ipv4 address: UInt32) {
        self.init(first: UInt64(address), second: nil)
    }

    /// ::ffff:a.b.c.d (RFC 4291, 2.5.5.2) and 64:ff9b::a.b.c.d (NAT64, RFC 6052) carry an IPv4 address.
    private static func embeddedIPv4(high: UInt64, low: UInt64) -> UInt32? {
        let isMapped = high == 0 && low >> 32 == 0xffff
        let isNAT64 = high == 0x0064_ff9b_0000_0000 && low >> 32 == 0
        return isMapped || isNAT64 ? UInt32(truncatingIfNeeded: low) : nil
    }

    private static func mask(_ length: Int) -> UInt64 {
        length <= 0 ? 0 : length >= 64 ? .max : ~(.max >> UInt64(length))
    }
}
