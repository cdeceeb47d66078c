#if NIO
import NIOCore
import StickyNIO
import StickyServer
import TLSTestSupport

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A TCP connection over loopback: one end becomes a paused socket, the other is the test's, blocking.
final class Loopback {
    let client: CInt
    private let accepted: CInt

    struct Failure: Error {
        let errno: CInt
    }

    init(sendBuffer: CInt? = nil, receiveBuffer: CInt? = nil) throws {
        let listener = OwnedDescriptor(owning: Self.streamSocket())
        // A sockaddr_in for 127.0.0.1 and any port, as bytes: which module shows its members depends on the others.
        #if canImport(Glibc)
        let family: [UInt8] = [UInt8(AF_INET), 0]
        #else
        let family: [UInt8] = [16, UInt8(AF_INET)]
        #endif
        var address = family + [0, 0, 127, 0, 0, 1] + [UInt8](repeating: 0, count: 8)
        var length = socklen_t(address.count)
        client = Self.streamSocket()
        let (number, peer) = (listener.number, client)
        if var size = receiveBuffer { setsockopt(peer, SOL_SOCKET, SO_RCVBUF, &size, 4) }
        let status = address.withUnsafeMutableBytes { bytes -> CInt in
            guard let address = bytes.baseAddress?.assumingMemoryBound(to: sockaddr.self) else { return -1 }
            return bind(number, address, length) | listen(number, 1) | getsockname(number, address, &length)
                | connect(peer, address, length)
        }
        guard status == 0 else {
            accepted = -1
            throw Failure(errno: errno)
        }
        accepted = accept(number, nil, nil)
        if var size = sendBuffer { setsockopt(accepted, SOL_SOCKET, SO_SNDBUF, &size, 4) }
        _ = fcntl(accepted, F_SETFL, fcntl(accepted, F_GETFL) | O_NONBLOCK)
        // A test that would wait for ever fails instead.
        var limit = timeval(tv_sec: 20, tv_usec: 0)
        setsockopt(peer, SOL_SOCKET, SO_RCVTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
        setsockopt(peer, SOL_SOCKET, SO_SNDTIMEO, &limit, socklen_t(MemoryLayout<timeval>.size))
    }

    deinit {
        close(client)
    }

    /// Gives the server's end to a handler, as the worker's control thread does.
    func adopt(by handler: some ConnectionHandler, prelude: [UInt8] = [], peer: UInt16 = 4711) {
        handler.addConnection(
            PausedSocket(
                connection: OwnedConnection(owning: accepted),
                peer: .ipv4(0x7F00_0002, port: peer),
                local: .ipv4(0x7F00_0001, port: 443),
                listener: 3,
                reason: .rerouted,
                prelude: prelude
            )
        )
    }

    func send(_ bytes: [UInt8]) throws {
        var sent = 0
        while sent < bytes.count {
            let count = bytes.withUnsafeBytes { bytes in
                Self.write(client, bytes.baseAddress.map { $0 + sent }, bytes.count - sent)
            }
            guard count > 0 else { throw Failure(errno: errno) }
            sent += count
        }
    }

    /// A client that has completed its handshake, and sent its last word of it.
    func shakeHands() throws -> TestClient {
        let client = TestClient()
        try send(client.step())
        while !client.handshakeDone { try send(client.step(receive())) }
        return client
    }

    /// What comes next; empty at the end of the stream. Throws when the connection is reset.
    func receive(_ limit: Int = 65_536) throws -> [UInt8] {
        var buffer = [UInt8](repeating: 0, count: limit)
        let count = recv(client, &buffer, limit, 0)
        guard count >= 0 else { throw Failure(errno: errno) }
        return Array(buffer.prefix(count))
    }

    /// Everything to the end of the stream.
    func receiveAll() throws -> [UInt8] {
        var all: [UInt8] = []
        while true {
            let piece = try receive()
            if piece.isEmpty { return all }
            all += piece
        }
    }

    func endOutput() {
        shutdown(client, CInt(SHUT_WR))
    }

    private static func write(_ number: CInt, _ bytes: UnsafeRawPointer?, _ count: Int) -> Int {
        #if canImport(Glibc)
        Glibc.send(number, bytes, count, CInt(MSG_NOSIGNAL))
        #else
        Darwin.send(number, bytes, count, 0)
        #endif
    }

    private static func streamSocket() -> CInt {
        #if canImport(Glibc)
        socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        #else
        socket(AF_INET, SOCK_STREAM, 0)
        #endif
    }
}

/// Runs blocking calls of a test off the cooperative threads.
func blocking<R: Sendable>(_ body: @escaping @Sendable () throws -> R) async throws -> R {
    try await withCheckedThrowingContinuation { continuation in
        Thread.start { continuation.resume(with: Result(catching: body)) }
    }
}

private enum Thread {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    static func start(_ body: @escaping @Sendable () -> Void) {
        var thread = pthread_t()
        let argument = Unmanaged.passRetained(Body(body)).toOpaque()
        pthread_create(
            &thread,
            nil,
            { argument in
                guard let argument else { return nil }
                Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run()
                return nil
            },
            argument
        )
        pthread_detach(thread)
    }
}
#endif
