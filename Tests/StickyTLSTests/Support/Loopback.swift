import StickyServer
import StickyTLS
import TLSTestSupport

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A listener on a loopback port of the system's choice, whose connections go to a handler as a worker's would.
final class Loopback: Sendable {
    let port: UInt16
    private let descriptor: CInt

    init(_ handler: some ConnectionHandler, prelude: [UInt8] = []) throws {
        #if canImport(Glibc)
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        self.descriptor = descriptor
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        var length = socklen_t(MemoryLayout<sockaddr_in>.size)
        let status = withUnsafeMutablePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { address in
                bind(descriptor, address, length) | listen(descriptor, 64) | getsockname(descriptor, address, &length)
            }
        }
        guard status == 0 else { throw TemporaryFolder.Failure.system(errno) }
        let port = UInt16(bigEndian: address.sin_port)
        self.port = port
        onThread {
            while true {
                let accepted = accept(descriptor, nil, nil)
                guard accepted >= 0 else { return }
                _ = fcntl(accepted, F_SETFL, fcntl(accepted, F_GETFL) | O_NONBLOCK)
                handler.addConnection(
                    PausedSocket(
                        connection: OwnedConnection(owning: accepted),
                        peer: .ipv4(0x7F00_0001, port: 1),
                        local: .ipv4(0x7F00_0001, port: port),
                        prelude: prelude
                    )
                )
            }
        }
    }

    deinit {
        shutdown(descriptor, CInt(SHUT_RDWR))
        close(descriptor)
    }

    /// A connected, blocking socket.
    func connect(receiveBuffer: CInt? = nil) throws -> OwnedDescriptor {
        #if canImport(Glibc)
        let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
        let descriptor = socket(AF_INET, SOCK_STREAM, 0)
        #endif
        let owned = OwnedDescriptor(owning: descriptor)
        if var receiveBuffer {
            setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &receiveBuffer, socklen_t(MemoryLayout<CInt>.size))
        }
        // A test that waits for bytes that never come fails instead of hanging.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(descriptor, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        address.sin_addr.s_addr = UInt32(0x7F00_0001).bigEndian
        address.sin_port = port.bigEndian
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
                Loopback.connect(descriptor, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
            }
        }
        guard status == 0 else { throw TemporaryFolder.Failure.system(errno) }
        return owned
    }

    private static func connect(_ descriptor: CInt, _ address: UnsafePointer<sockaddr>, _ length: socklen_t) -> CInt {
        #if canImport(Glibc)
        Glibc.connect(descriptor, address, length)
        #else
        Darwin.connect(descriptor, address, length)
        #endif
    }
}

/// Runs `body` on a thread of its own: what blocks must not block the tests' threads.
func onThread(_ body: @escaping @Sendable () -> Void) {
    final class Work: Sendable {
        let body: @Sendable () -> Void
        init(_ body: @escaping @Sendable () -> Void) { self.body = body }
    }
    let work = Unmanaged.passRetained(Work(body)).toOpaque()
    #if canImport(Glibc)
    var thread = pthread_t()
    pthread_create(
        &thread,
        nil,
        {
            Unmanaged<Work>.fromOpaque($0!).takeRetainedValue().body()
            return nil
        },
        work
    )
    pthread_detach(thread)
    #else
    var thread: pthread_t?
    pthread_create(
        &thread,
        nil,
        {
            Unmanaged<Work>.fromOpaque($0).takeRetainedValue().body()
            return nil
        },
        work
    )
    if let thread { pthread_detach(thread) }
    #endif
}

/// A TLS client on a blocking socket.
final class SocketClient {
    let tls: TestClient
    let socket: OwnedDescriptor
    private(set) var isAtEnd = false
    private(set) var errno: CInt = 0

    init(_ loopback: Loopback, _ options: TestClient.Options = .init(), receiveBuffer: CInt? = nil) throws {
        tls = TestClient(options)
        socket = try loopback.connect(receiveBuffer: receiveBuffer)
    }

    /// Does the handshake.
    func open() -> Bool {
        send(tls.step())
        while !tls.handshakeDone, receive() {}
        return tls.handshakeDone
    }

    /// Sends ciphertext.
    func send(_ bytes: [UInt8]) {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes {
                StickyTLSTests.send(socket.number, $0.baseAddress! + sent, $0.count - sent)
            }
            guard count > 0 else { return }
            sent += count
        }
    }

    func write(_ bytes: [UInt8]) {
        send(tls.send(bytes))
    }

    /// Takes in one piece; false at the end of the stream or after an error.
    @discardableResult
    func receive(upTo limit: Int = 65_536) -> Bool {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(socket.number, &buffer, buffer.count, 0)
        guard count > 0 else {
            isAtEnd = count == 0
            errno = count < 0 ? StickyTLSTests.lastError() : 0
            return false
        }
        send(tls.step(buffer.prefix(count)))
        return true
    }

    /// Reads until `count` bytes of plaintext have come, or the end.
    func read(_ count: Int) -> [UInt8] {
        while tls.received.count < count, receive() {}
        return tls.takeReceived()
    }

    func readAll() -> [UInt8] {
        while receive() {}
        return tls.takeReceived()
    }

    /// Ends our half of the TCP stream.
    func endOutput() {
        shutdown(socket.number, CInt(SHUT_WR))
    }
}

private func send(_ descriptor: CInt, _ bytes: UnsafeRawPointer, _ count: Int) -> Int {
    #if canImport(Glibc)
    Glibc.send(descriptor, bytes, count, CInt(MSG_NOSIGNAL))
    #else
    Darwin.send(descriptor, bytes, count, 0)
    #endif
}

private func lastError() -> CInt { errno }
