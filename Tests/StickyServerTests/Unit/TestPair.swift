@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A connected pair of sockets: one end for the code under test, and the peer's, which sees when that is closed.
///
/// Asking the peer is safe beside other tests, which looking at a closed descriptor's number is not: another test may
/// have it by then.
final class TestPair {
    struct Failure: Error {}

    /// The end for the code under test, which closes it.
    let number: CInt
    private let peer: CInt

    init() throws {
        var ends: [CInt] = [-1, -1]
        #if canImport(Glibc)
        let kind = CInt(SOCK_STREAM.rawValue | SOCK_CLOEXEC.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { throw Failure() }
        (number, peer) = (ends[0], ends[1])
    }

    deinit {
        close(peer)
    }

    /// Whether the peer sees the end of the connection.
    var hasEnded: Bool {
        var byte: UInt8 = 0
        return recv(peer, &byte, 1, CInt(MSG_DONTWAIT) | CInt(MSG_PEEK)) == 0
    }

    /// Another copy of the end under test, as the process has that the socket was passed to.
    func copy() throws -> OwnedDescriptor {
        let copy = fcntl(number, F_DUPFD_CLOEXEC, 0)
        guard copy >= 0 else { throw Failure() }
        return OwnedDescriptor(owning: copy)
    }

    func pausedSocket(prelude: [UInt8] = [], lease: ConnectionLease? = nil) -> PausedSocket {
        PausedSocket(
            connection: OwnedConnection(owning: number),
            peer: .ipv4(1, port: 2),
            local: .ipv6(high: 3, low: 4, port: 5),
            listener: 6,
            reason: .address,
            prelude: prelude,
            hops: 0,
            lease: lease
        )
    }

    func heldSocket(home: Int = 0) -> HeldSocket {
        HeldSocket(
            pausedSocket(),
            route: Route(home: home, hash: UInt64(home) * 1000, reason: .address),
            arrived: .now
        )
    }
}

extension Optional where Wrapped: ~Copyable {
    /// `map` for values that cannot be copied: looks at the value, which then ends.
    consuming func read<R>(_ body: (borrowing Wrapped) -> R) -> R? {
        switch consume self {
        case .some(let value): body(value)
        case .none: nil
        }
    }
}
