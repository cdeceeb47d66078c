import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc

/// Opens listeners for real: what the kernel says counts.
@Suite("Options of listeners")
struct ListenerOptionTests {
    private func option(_ number: CInt, _ level: Int, _ name: CInt) -> CInt {
        var value: CInt = -1
        var length = socklen_t(MemoryLayout<CInt>.size)
        getsockopt(number, CInt(level), name, &value, &length)
        return value
    }

    private func options(_ number: CInt) -> [Bool] {
        [option(number, Int(IPPROTO_TCP), TCP_NODELAY) != 0, option(number, Int(SOL_SOCKET), SO_KEEPALIVE) != 0]
    }

    /// A connection that the listener has accepted.
    private func accept(_ listener: Listener) throws -> OwnedConnection {
        let client = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        defer { close(client) }
        try #require(listener.address.withNative { connect(client, $0, $1) } == 0)
        switch listener.accept() {
        case .connection(let connection, _): return connection
        default: throw Refused()
        }
    }

    struct Refused: Error {}

    @Test("TCP_NODELAY and SO_KEEPALIVE are on accepted connections as wanted", arguments: [true, false])
    func inherited(_ isOn: Bool) throws {
        var wanted = try ListenAddress.tcp("127.0.0.1", port: 0)
        (wanted.noDelay, wanted.keepAlive) = (isOn, isOn)
        let listener = try Listener(wanted, index: 0)
        let connection = try accept(listener)
        #expect(options(connection.number) == [isOn, isOn])
    }

    @Test("SO_REUSEADDR and TCP_DEFER_ACCEPT are on the listener as wanted")
    func ownOptions() throws {
        var wanted = try ListenAddress.tcp("127.0.0.1", port: 0)
        let plain = try Listener(wanted, index: 0)
        #expect(option(plain.descriptor.number, Int(SOL_SOCKET), SO_REUSEADDR) == 1)
        #expect(option(plain.descriptor.number, Int(IPPROTO_TCP), TCP_DEFER_ACCEPT) == 0)
        wanted.reuseAddress = false
        wanted.deferAccept = 3
        let other = try Listener(wanted, index: 0)
        #expect(option(other.descriptor.number, Int(SOL_SOCKET), SO_REUSEADDR) == 0)
        // The kernel rounds it up to its own steps.
        #expect(option(other.descriptor.number, Int(IPPROTO_TCP), TCP_DEFER_ACCEPT) >= 3)
    }

    @Test("Whether an IPv6 wildcard takes IPv4 is said explicitly", arguments: [true, false])
    func dualStack(_ isDual: Bool) throws {
        var wanted = try ListenAddress.any(port: 0)
        wanted.dualStack = isDual
        let listener = try Listener(wanted, index: 0)
        // Without IPv6 on this machine the fallback is IPv4, of which there is nothing to say.
        guard case .ipv6 = listener.address.storage else { return }
        #expect(option(listener.descriptor.number, Int(IPPROTO_IPV6), IPV6_V6ONLY) == (isDual ? 0 : 1))
    }

    @Test("The backlog is the kernel's limit for those who wait")
    func backlog() throws {
        var wanted = try ListenAddress.tcp("127.0.0.1", port: 0)
        wanted.backlog = 5
        let listener = try Listener(wanted, index: 0)
        var info = tcp_info()
        var length = socklen_t(MemoryLayout<tcp_info>.size)
        try #require(getsockopt(listener.descriptor.number, CInt(IPPROTO_TCP), TCP_INFO, &info, &length) == 0)
        // Of a listening socket this field is its backlog.
        #expect(info.tcpi_sacked == 5)
    }

    @Test("A Unix socket has the mode that it shall have, and the owner when root gives it away")
    func unixFile() throws {
        let path = "/tmp/sticky-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        var wanted = ListenAddress.unix(path: path)
        wanted.mode = 0o640
        if geteuid() == 0 { wanted.owner = (user: 12_345, group: 23_456) }
        let listener = try Listener(wanted, index: 0)
        var info = stat()
        try #require(lstat(path, &info) == 0)
        #expect(info.st_mode & 0o777 == 0o640)
        if geteuid() == 0 { #expect(info.st_uid == 12_345 && info.st_gid == 23_456) }
        listener.removeFile()
        #expect(lstat(path, &info) != 0)
    }

    @Test(
        "An owner that cannot be given is an error, and no socket is left",
        .enabled(if: geteuid() != 0, "root may give files away")
    )
    func foreignOwner() throws {
        let path = "/tmp/sticky-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock"
        var wanted = ListenAddress.unix(path: path)
        wanted.owner = (user: 0, group: 0)
        let error = #expect(throws: StickyServerError.self) { try Listener(wanted, index: 0) }
        #expect(error?.code == .permissionDenied)
        #expect(access(path, F_OK) != 0)
    }
}
#endif
