#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Where a server listens.
public struct ListenAddress: Sendable, Hashable, CustomStringConvertible {
    /// What is bound.
    public private(set) var address: SocketAddress
    /// For an IPv6 wildcard: also takes IPv4 clients, whose addresses then count as IPv4. Default: true.
    public var dualStack = true
    /// Connections that the kernel holds before they are accepted (listen(2)); it caps the number at
    /// `net.core.somaxconn`. Default: 4096.
    public var backlog = 4096
    /// TCP_NODELAY on every accepted connection (tcp(7)). Default: true.
    public var noDelay = true
    /// Seconds for which the kernel holds a connection back until the client has sent something (TCP_DEFER_ACCEPT,
    /// Linux). 0, the default, accepts at once, which protocols in which the server speaks first need.
    public var deferAccept = 0

    /// SO_KEEPALIVE on every accepted connection (socket(7)): the kernel notices peers that vanished. Default: true.
    public var keepAlive = true
    /// SO_REUSEADDR (socket(7)): the port can be bound while old connections of it linger. Default: true.
    public var reuseAddress = true
    /// The access rights of a Unix socket's file. Nil, the default, leaves what the umask gives.
    public var mode: UInt32?
    /// The owner and group of a Unix socket's file, by number; nil leaves them.
    public var owner: (user: UInt32, group: UInt32)? {
        get { ownerPair.map { ($0.user, $0.group) } }
        set { ownerPair = newValue.map { Owner(user: $0.user, group: $0.group) } }
    }

    private struct Owner: Sendable, Hashable {
        let user: UInt32
        let group: UInt32
    }

    private var ownerPair: Owner?
    private(set) var fallback: SocketAddress?
    /// A listener that a service manager has opened, by its name.
    let inheritedName: String?

    init(_ address: SocketAddress, fallback: SocketAddress? = nil, inheritedName: String? = nil) {
        self.address = address
        self.fallback = fallback
        self.inheritedName = inheritedName
    }

    /// The same options for exactly this address.
    func at(_ address: SocketAddress) -> ListenAddress {
        var copy = self
        copy.address = address
        copy.fallback = nil
        return copy
    }

    /// A listening socket that a service manager hands over under this name (`FileDescriptorName=`,
    /// systemd.socket(5)); `""` takes the first.
    public static func inherited(name: String) -> ListenAddress {
        ListenAddress(.unix(path: ""), inheritedName: name)
    }

    /// Every address of this machine: IPv6 and IPv4 where the system has IPv6, else IPv4. Port 0 takes a free port.
    public static func any(port: Int) throws(StickyServerError) -> ListenAddress {
        let port = try checkedPort(port)
        return ListenAddress(.ipv6(high: 0, low: 0, port: port), fallback: .ipv4(0, port: port))
    }

    /// One TCP address. `host` is numeric (`127.0.0.1`, `::1`) or a name of this machine, of which the first address
    /// is taken. Port 0 takes a free port.
    public static func tcp(_ host: String, port: Int) throws(StickyServerError) -> ListenAddress {
        let port = try checkedPort(port)
        if host == "*" { return try any(port: Int(port)) }
        guard let address = SocketAddress(numericHost: host, port: port) ?? resolve(host, port: port) else {
            throw StickyServerError(
                .invalidAddress,
                "«\(host)» is neither an IP address nor a name that this machine can resolve"
            )
        }
        return ListenAddress(address)
    }

    /// A Unix socket at `path` (unix(7)).
    public static func unix(path: String) -> ListenAddress {
        ListenAddress(.unix(path: path))
    }

    /// Reads `ADDRESS:PORT`, `[IPV6]:PORT`, `*:PORT`, `PORT`, `unix:PATH` or `inherited:NAME`, as the demo's `--listen` takes it.
    public init(parsing text: String) throws(StickyServerError) {
        if text.hasPrefix("unix:") {
            let path = String(text.dropFirst(5))
            guard !path.isEmpty else { throw StickyServerError(.invalidAddress, "«\(text)» names no path") }
            self = .unix(path: path)
            return
        }
        if text.hasPrefix("inherited:") {
            self = .inherited(name: String(text.dropFirst(10)))
            return
        }
        guard let colon = text.lastIndex(of: ":") else {
            self = try .any(port: Self.number(text, in: text))
            return
        }
        var host = String(text[..<colon])
        let port = try Self.number(String(text[text.index(after: colon)...]), in: text)
        if host.hasPrefix("["), host.hasSuffix("]") {
            host = String(host.dropFirst().dropLast())
            guard !host.isEmpty else {
                throw StickyServerError(.invalidAddress, "«\(text)» names no address between its brackets")
            }
        } else if host.contains(":") {
            throw StickyServerError(
                .invalidAddress,
                "«\(text)» is ambiguous: write an IPv6 address as [ADDRESS]:PORT"
            )
        }
        self = try host.isEmpty ? .any(port: port) : .tcp(host, port: port)
    }

    /// As ``init(parsing:)`` reads it.
    public var description: String { inheritedName.map { "inherited:\($0)" } ?? address.description }

    private static func number(_ text: String, in whole: String) throws(StickyServerError) -> Int {
        // Int also reads a sign.
        guard text.utf8.allSatisfy({ (0x30...0x39).contains($0) }), let port = Int(text) else {
            throw StickyServerError(
                .invalidPort,
                "«\(whole)» has no port: expected ADDRESS:PORT with a port from 0 to 65535"
            )
        }
        return port
    }

    private static func checkedPort(_ port: Int) throws(StickyServerError) -> UInt16 {
        guard let port16 = UInt16(exactly: port) else {
            throw StickyServerError(.invalidPort, "\(port) is not a port: expected a number from 0 to 65535")
        }
        return port16
    }

    /// getaddrinfo(3), for names such as `localhost`. Called once at start, so that it may block.
    private static func resolve(_ host: String, port: UInt16) -> SocketAddress? {
        var hints = addrinfo()
        hints.ai_family = AF_UNSPEC
        #if canImport(Glibc)
        hints.ai_socktype = CInt(SOCK_STREAM.rawValue)
        #else
        hints.ai_socktype = SOCK_STREAM
        #endif
        var list: UnsafeMutablePointer<addrinfo>?
        guard getaddrinfo(host, nil, &hints, &list) == 0, let first = list else { return nil }
        defer { freeaddrinfo(first) }
        // IPv4 first: `localhost` is 127.0.0.1 to most people's clients and configuration files.
        let all = sequence(first: first) { $0.pointee.ai_next }.compactMap { SocketAddress($0.pointee, port: port) }
        return all.first { if case .ipv4 = $0.storage { true } else { false } } ?? all.first
    }
}

extension SocketAddress {
    fileprivate init?(_ info: addrinfo, port: UInt16) {
        guard let native = info.ai_addr else { return nil }
        var storage = sockaddr_storage()
        let length = min(Int(info.ai_addrlen), MemoryLayout<sockaddr_storage>.size)
        withUnsafeMutableBytes(of: &storage) { room in
            room.copyMemory(from: UnsafeRawBufferPointer(start: native, count: length))
        }
        guard let address = SocketAddress(storage, length: socklen_t(length)) else { return nil }
        self = address.with(port: port)
    }

    func with(port: UInt16) -> SocketAddress {
        switch storage {
        case .ipv4(let address, _): SocketAddress(.ipv4(address, port: port))
        case .ipv6(let high, let low, _, let scope):
            SocketAddress(.ipv6(high: high, low: low, port: port, scope: scope))
        case .unix: self
        }
    }
}
