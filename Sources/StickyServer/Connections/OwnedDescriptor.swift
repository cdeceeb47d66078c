#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A file descriptor with exactly one owner: it is closed when the value ends.
public struct OwnedDescriptor: ~Copyable, Sendable {
    /// The number, valid for as long as this value lives.
    public let number: CInt

    /// Takes ownership of an open descriptor.
    public init(owning number: CInt) {
        self.number = number
    }

    deinit {
        Libc.close(number)
    }

    /// Gives the descriptor up without closing it.
    public consuming func relinquish() -> CInt {
        let number = self.number
        discard self
        return number
    }
}

/// A connected socket with exactly one owner. When the value ends, the connection ends: it is shut down and not only
/// closed, because the process that passed the socket here may hold its own copy for a moment longer, and the peer
/// would see no end until that one is gone too.
public struct OwnedConnection: ~Copyable, Sendable {
    /// The number, valid for as long as this value lives.
    public let number: CInt

    /// Takes ownership of a connected socket.
    public init(owning number: CInt) {
        self.number = number
    }

    deinit {
        shutdown(number, CInt(SHUT_RDWR))
        Libc.close(number)
    }

    /// Gives the socket up without ending the connection.
    public consuming func relinquish() -> CInt {
        let number = self.number
        discard self
        return number
    }

    /// Closes this process's copy and leaves the connection to whoever holds another one.
    consuming func release() {
        Libc.close(relinquish())
    }
}
