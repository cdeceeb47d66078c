#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The address of one end of a connection, or of a listener: IPv4, IPv6 or a Unix socket.
public struct SocketAddress: Sendable, Hashable {
    enum Storage: Sendable, Hashable {
        case ipv4(UInt32, port: UInt16)
        case ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32)
        case unix(path: String)
    }

    let storage: Storage

    init(_ storage: Storage) {
        self.storage = storage
    }

    /// An IPv4 address in host byte order: 127.0.0.1 is `0x7F00_0001`.
    public static func ipv4(_ address: UInt32, port: UInt16) -> SocketAddress {
        SocketAddress(.ipv4(address, port: port))
    }

    /// An IPv6 address as its two halves in host byte order: `::1` is `high: 0, low: 1`.
    public static func ipv6(high: UInt64, low: UInt64, port: UInt16, scope: UInt32 = 0) -> SocketAddress {
        SocketAddress(.ipv6(high: high, low: low, port: port, scope: scope))
    }

    /// A Unix socket. An unnamed one, as clients usually have, has an empty path.
    public static func unix(path: String) -> SocketAddress {
        SocketAddress(.unix(path: path))
    }

    /// Reads a numeric address: `127.0.0.1` or `::1` (inet_pton(3)). No names are looked up.
    public init?(numericHost host: String, port: UInt16) {
        var v4 = in_addr()
        var v6 = in6_addr()
        if inet_pton(AF_INET, host, &v4) == 1 {
            self.init(.ipv4(UInt32(bigEndian: v4.s_addr), port: port))
        } else if inet_pton(AF_INET6, host, &v6) == 1 {
            let (high, low) = withUnsafeBytes(of: &v6) { SocketAddress.halves($0) }
            self.init(.ipv6(high: high, low: low, port: port, scope: 0))
        } else {
            return nil
        }
    }

    /// The TCP port; nil for a Unix socket.
    public var port: UInt16? {
        switch storage {
        case .ipv4(_, let port): port
        case .ipv6(_, _, let port, _): port
        case .unix: nil
        }
    }

    /// The host without the port: `127.0.0.1`, `::1`, or the path of a Unix socket.
    public var host: String {
        switch storage {
        case .ipv4(let address, _):
            return "\(address >> 24).\(address >> 16 & 255).\(address >> 8 & 255).\(address & 255)"
        case .ipv6(let high, let low, _, _):
            var bytes = in6_addr()
            withUnsafeMutableBytes(of: &bytes) {
                $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
            }
            // INET6_ADDRSTRLEN is 46.
            return withUnsafeTemporaryAllocation(of: CChar.self, capacity: 46) { buffer in
                guard let base = buffer.baseAddress, inet_ntop(AF_INET6, &bytes, base, 46) != nil else { return "::" }
                return String(cString: base)
            }
        case .unix(let path):
            return path
        }
    }

    /// Whether a listener on this address takes connections for every address of the machine.
    var isWildcard: Bool {
        switch storage {
        case .ipv4(let address, _): address == 0
        case .ipv6(let high, let low, _, _): high == 0 && low == 0
        case .unix: false
        }
    }

    static func halves(_ bytes: UnsafeRawBufferPointer) -> (high: UInt64, low: UInt64) {
        (
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 0, as: UInt64.self)),
            UInt64(bigEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self))
        )
    }
}

extension SocketAddress: CustomStringConvertible {
    /// `127.0.0.1:443`, `[::1]:443`, `unix:/run/app.sock`.
    public var description: String {
        switch storage {
        case .ipv4(_, let port): "\(host):\(port)"
        case .ipv6(_, _, let port, _): "[\(host)]:\(port)"
        case .unix(let path): path.isEmpty ? "unix:" : "unix:\(path)"
        }
    }
}

extension SocketAddress {
    /// Reads what accept(2), getsockname(2) or getpeername(2) wrote.
    init?(_ native: sockaddr_storage, length: socklen_t) {
        let parsed: Storage? = withUnsafeBytes(of: native) { bytes -> Storage? in
            // An unnamed Unix socket is described by its family alone, or by nothing at all on Darwin.
            guard Int(length) >= MemoryLayout<sa_family_t>.size else { return .unix(path: "") }
            switch CInt(native.ss_family) {
            case AF_INET:
                let address = bytes.loadUnaligned(as: sockaddr_in.self)
                return .ipv4(UInt32(bigEndian: address.sin_addr.s_addr), port: UInt16(bigEndian: address.sin_port))
            case AF_INET6:
                let address = bytes.loadUnaligned(as: sockaddr_in6.self)
                guard let offset = MemoryLayout<sockaddr_in6>.offset(of: \.sin6_addr) else { return nil }
                let (high, low) = SocketAddress.halves(UnsafeRawBufferPointer(rebasing: bytes[offset...]))
                return .ipv6(
                    high: high,
                    low: low,
                    port: UInt16(bigEndian: address.sin6_port),
                    scope: address.sin6_scope_id
                )
            case AF_UNIX:
                let offset = MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2
                guard Int(length) > offset else { return .unix(path: "") }
                let path = bytes[offset..<min(Int(length), bytes.count)].prefix { $0 != 0 }
                return .unix(path: String(decoding: path, as: UTF8.self))
            default:
                return nil
            }
        }
        guard let parsed else { return nil }
        self.init(parsed)
    }

    /// Calls `body` with this address as bind(2) and connect(2) want it; nil when a Unix path is too long.
    func withNative<R>(_ body: (UnsafePointer<sockaddr>, socklen_t) -> R) -> R? {
        var storage = sockaddr_storage()
        let length: Int? = withUnsafeMutableBytes(of: &storage) { bytes in
            switch self.storage {
            case .ipv4(let address, let port):
                var native = sockaddr_in()
                native.sin_family = sa_family_t(AF_INET)
                native.sin_port = port.bigEndian
                native.sin_addr.s_addr = address.bigEndian
                bytes.storeBytes(of: native, as: sockaddr_in.self)
                return MemoryLayout<sockaddr_in>.size
            case .ipv6(let high, let low, let port, let scope):
                var native = sockaddr_in6()
                native.sin6_family = sa_family_t(AF_INET6)
                native.sin6_port = port.bigEndian
                native.sin6_scope_id = scope
                withUnsafeMutableBytes(of: &native.sin6_addr) {
                    $0.storeBytes(of: high.bigEndian, toByteOffset: 0, as: UInt64.self)
                    $0.storeBytes(of: low.bigEndian, toByteOffset: 8, as: UInt64.self)
                }
                bytes.storeBytes(of: native, as: sockaddr_in6.self)
                return MemoryLayout<sockaddr_in6>.size
            case .unix(let path):
                var native = sockaddr_un()
                native.sun_family = sa_family_t(AF_UNIX)
                let fits = withUnsafeMutableBytes(of: &native.sun_path) { room in
                    let bytes = Array(path.utf8)
                    guard bytes.count < room.count else { return false }
                    room.copyBytes(from: bytes)
                    return true
                }
                guard fits else { return nil }
                bytes.storeBytes(of: native, as: sockaddr_un.self)
                return MemoryLayout<sockaddr_un>.size
            }
        }
        guard let length else { return nil }
        return withUnsafePointer(to: &storage) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { body($0, socklen_t(length)) }
        }
    }
}
