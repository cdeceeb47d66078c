internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One listening socket of the master.
final class Listener {
    let descriptor: OwnedDescriptor
    /// Where it really listens: the port that the system chose for port 0.
    let address: SocketAddress
    let index: Int
    private let unixPath: String?

    /// Takes over a listening socket that another process has opened.
    init(adopting number: CInt, index: Int) {
        descriptor = OwnedDescriptor(owning: number)
        _ = sticky_set_cloexec(number, 1)
        _ = sticky_set_nonblocking(number, 1)
        self.index = index
        address = Listener.boundAddress(number) ?? .unix(path: "")
        if case .unix(let path) = address.storage, !path.isEmpty { unixPath = path } else { unixPath = nil }
    }

    /// Whether this socket is what `wanted` asks for. Port 0 asks for any port, and so for the one it had.
    func serves(_ wanted: ListenAddress, index: Int) -> Bool {
        if wanted.inheritedName != nil { return self.index == index }
        return [wanted.address, wanted.fallback].contains { candidate in
            guard let candidate else { return false }
            if candidate == address { return true }
            return candidate.port == 0 && self.index == index && candidate.host == address.host
        }
    }

    /// Throws when somebody listens on the address.
    static func checkFree(_ wanted: ListenAddress) throws(StickyServerError) {
        switch open(wanted, wanted.address, dualStack: wanted.dualStack) {
        case .success(let number): Libc.close(number)
        // Whoever opens it for good meets every other error too.
        case .failure(EADDRINUSE): throw error(wanted.address, EADDRINUSE)
        case .failure: break
        }
    }

    /// Binds and listens (bind(2), listen(2)). With `sharesAddress` others of this user may listen there too
    /// (SO_REUSEPORT).
    init(_ wanted: ListenAddress, index: Int, sharesAddress: Bool = false) throws(StickyServerError) {
        self.index = index
        if let name = wanted.inheritedName {
            let number = try Listener.inherited(name)
            descriptor = OwnedDescriptor(owning: number)
            _ = sticky_set_cloexec(number, 1)
            _ = sticky_set_nonblocking(number, 1)
            address = Listener.boundAddress(number) ?? wanted.address
            unixPath = nil
            return
        }
        var opened = Listener.open(wanted, wanted.address, dualStack: wanted.dualStack, sharesAddress: sharesAddress)
        var target = wanted.address
        if case .failure(let errno) = opened, [EAFNOSUPPORT, EADDRNOTAVAIL].contains(errno),
            let fallback = wanted.fallback
        {
            target = fallback
            opened = Listener.open(wanted, fallback, dualStack: false, sharesAddress: sharesAddress)
        }
        let number: CInt
        switch opened {
        case .success(let descriptor): number = descriptor
        case .failure(let errno): throw Listener.error(target, errno)
        }
        descriptor = OwnedDescriptor(owning: number)
        if case .unix(let path) = target.storage { unixPath = path } else { unixPath = nil }
        guard Listener.setOptions(number, wanted) else {
            let failure = errno
            if let unixPath { unlink(unixPath) }
            throw .system(.permissionDenied, "cannot give \(target) the mode or the owner that it shall have", failure)
        }
        guard listen(number, CInt(clamping: wanted.backlog)) == 0 else { throw Listener.error(target, errno) }
        address = Listener.boundAddress(number) ?? target
    }

    /// Removes a Unix socket's file; the descriptor closes with the object.
    func removeFile() {
        if let unixPath { unlink(unixPath) }
    }

    enum Accepted: ~Copyable {
        case connection(OwnedConnection, peer: SocketAddress)
        case nothing
        /// This connection is gone already or of no known kind; the next may be fine.
        case skip
        /// No descriptors or memory: accepting again at once would spin.
        case exhausted(errno: CInt)
    }

    /// accept(2), non-blocking.
    func accept() -> Accepted {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let number = sticky_accept(descriptor.number, &storage, &length)
        if number >= 0 {
            let connection = OwnedConnection(owning: number)
            guard let peer = SocketAddress(storage, length: length) else { return .skip }
            return .connection(connection, peer: peer)
        }
        switch -number {
        case EAGAIN, EWOULDBLOCK: return .nothing
        case EMFILE, ENFILE, ENOBUFS, ENOMEM: return .exhausted(errno: -number)
        // accept(2): errors of the new connection are reported here and mean no more than that one.
        default: return .skip
        }
    }

    /// The address that this connection's client used. Only a wildcard listener has to ask.
    func localAddress(of connection: borrowing OwnedConnection) -> SocketAddress {
        guard address.isWildcard else { return address }
        return Listener.boundAddress(connection.number) ?? address
    }

    private enum Opened {
        case success(CInt)
        case failure(errno: CInt)
    }

    private static func open(
        _ wanted: ListenAddress,
        _ address: SocketAddress,
        dualStack: Bool,
        sharesAddress: Bool = false
    ) -> Opened {
        let family =
            switch address.storage {
            case .ipv4: AF_INET
            case .ipv6: AF_INET6
            case .unix: AF_UNIX
            }
        #if canImport(Glibc)
        let number = socket(family, CInt(SOCK_STREAM.rawValue), 0)
        #else
        let number = socket(family, SOCK_STREAM, 0)
        #endif
        guard number >= 0 else { return .failure(errno: errno) }
        _ = sticky_set_cloexec(number, 1)
        _ = sticky_set_nonblocking(number, 1)
        if sharesAddress { set(number, SOL_SOCKET, SO_REUSEPORT, 1) }
        if wanted.reuseAddress { set(number, SOL_SOCKET, SO_REUSEADDR, 1) }
        if case .ipv6 = address.storage { set(number, CInt(IPPROTO_IPV6), IPV6_V6ONLY, dualStack ? 0 : 1) }
        if case .unix(let path) = address.storage { removeStaleSocket(path) }
        let status = address.withNative { bind(number, $0, $1) }
        if status == 0 { return .success(number) }
        let failure = status == nil ? ENAMETOOLONG : errno
        Libc.close(number)
        return .failure(errno: failure)
    }

    private static func inherited(_ name: String) throws(StickyServerError) -> CInt {
        let all = ServiceManager.inheritedListeners(
            read: { variable in getenv(variable).map { String(cString: $0) } },
            pid: getpid()
        )
        guard let found = name.isEmpty ? all.first : all.first(where: { $0.name == name }) else {
            let known = all.map(\.name).joined(separator: ", ")
            throw StickyServerError(
                .listenFailed,
                "no listener named «\(name)» was handed over (LISTEN_FDS, LISTEN_FDNAMES): "
                    + (known.isEmpty ? "there is none at all" : "there are \(known)")
            )
        }
        var isListening: CInt = 0
        var length = socklen_t(MemoryLayout<CInt>.size)
        let status = getsockopt(found.descriptor, SOL_SOCKET, SO_ACCEPTCONN, &isListening, &length)
        guard status == 0, isListening == 1 else {
            throw StickyServerError(
                .listenFailed,
                "descriptor \(found.descriptor), handed over as «\(found.name)», is no listening socket"
            )
        }
        return found.descriptor
    }

    /// A Unix socket's file outlives its server. It is stale when nobody accepts there.
    private static func removeStaleSocket(_ path: String) {
        // A file that is no socket refuses connections as well, and is somebody's data.
        var info = stat()
        guard lstat(path, &info) == 0, info.st_mode & S_IFMT == S_IFSOCK else { return }
        #if canImport(Glibc)
        let probe = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        #else
        let probe = socket(AF_UNIX, SOCK_STREAM, 0)
        #endif
        guard probe >= 0 else { return }
        defer { Libc.close(probe) }
        let status = SocketAddress.unix(path: path).withNative { connect(probe, $0, $1) }
        if status == -1, errno == ECONNREFUSED { unlink(path) }
    }

    /// False when a Unix socket would be open to others than it shall be. A TCP option that the system does not know is
    /// no reason not to serve.
    private static func setOptions(_ number: CInt, _ wanted: ListenAddress) -> Bool {
        if case .unix(let path) = wanted.address.storage {
            if let mode = wanted.mode, chmod(path, mode_t(truncatingIfNeeded: mode)) != 0 { return false }
            guard let owner = wanted.owner else { return true }
            return chown(path, owner.user, owner.group) == 0
        }
        // Accepted sockets inherit it, which saves a call for each.
        if wanted.noDelay { set(number, CInt(IPPROTO_TCP), TCP_NODELAY, 1) }
        if wanted.keepAlive { set(number, SOL_SOCKET, SO_KEEPALIVE, 1) }
        #if os(Linux)
        if wanted.deferAccept > 0 {
            set(number, CInt(IPPROTO_TCP), TCP_DEFER_ACCEPT, CInt(clamping: wanted.deferAccept))
        }
        #endif
        return true
    }

    private static func set(_ number: CInt, _ level: CInt, _ option: CInt, _ value: CInt) {
        var value = value
        setsockopt(number, level, option, &value, socklen_t(MemoryLayout<CInt>.size))
    }

    private static func boundAddress(_ number: CInt) -> SocketAddress? {
        var storage = sockaddr_storage()
        var length = socklen_t(MemoryLayout<sockaddr_storage>.size)
        let status = withUnsafeMutablePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { getsockname(number, $0, &length) }
        }
        return status == 0 ? SocketAddress(storage, length: length) : nil
    }

    private static func error(_ address: SocketAddress, _ errno: CInt) -> StickyServerError {
        switch errno {
        case EADDRINUSE:
            StickyServerError(
                .addressInUse,
                "\(address) is in use by another process: stop it or choose another port "
                    + "(«ss -ltnp» shows who listens)",
                errno: errno
            )
        case EACCES, EPERM:
            StickyServerError(
                .permissionDenied,
                "not allowed to listen on \(address): ports below 1024 need root or CAP_NET_BIND_SERVICE, "
                    + "and a Unix socket a folder that this user may write to",
                errno: errno
            )
        case EADDRNOTAVAIL:
            StickyServerError(
                .addressNotAvailable,
                "\(address) is not an address of this machine («ip address» lists them)",
                errno: errno
            )
        case ENAMETOOLONG:
            StickyServerError(
                .invalidAddress,
                "the path of \(address) is longer than a Unix socket's can be",
                errno: errno
            )
        default:
            .system(.listenFailed, "cannot listen on \(address)", errno)
        }
    }
}
