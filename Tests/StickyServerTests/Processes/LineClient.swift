import Foundation
import TestSupport

/// A blocking client of the fixture's line protocol. Waiting happens off the cooperative pool's back, in short steps.
final class LineClient {
    private let descriptor: CInt
    private var buffer: [UInt8] = []
    /// What the end of the connection was: 0 for a clean one, else errno(3).
    private(set) var end: CInt?

    init(port: UInt16, source: String = "127.0.0.1", host: String = "127.0.0.1") throws {
        descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
        guard descriptor >= 0 else { throw TestFailure("no socket: \(errno)") }
        var address = sockaddr_in()
        address.sin_family = sa_family_t(AF_INET)
        guard inet_pton(AF_INET, source, &address.sin_addr) == 1 else { throw TestFailure("\(source) is no address") }
        guard Self.call(bind, descriptor, address) == 0 else {
            throw TestFailure("cannot come from \(source): \(errno)")
        }
        inet_pton(AF_INET, host, &address.sin_addr)
        address.sin_port = port.bigEndian
        guard Self.call(connect, descriptor, address) == 0 else { throw TestFailure("cannot connect: \(errno)") }
    }

    init(unixPath: String) throws {
        descriptor = socket(AF_UNIX, CInt(SOCK_STREAM.rawValue), 0)
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: unixPath.utf8) }
        guard Self.call(connect, descriptor, address) == 0 else { throw TestFailure("cannot connect: \(errno)") }
    }

    deinit {
        close(descriptor)
    }

    func send(_ line: String) throws {
        let bytes = Array((line + "\n").utf8)
        let sent = bytes.withUnsafeBytes { Glibc.send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
        guard sent == bytes.count else { throw TestFailure("cannot send: \(errno)") }
    }

    /// The next line; nil when the connection has ended, cleanly or not.
    func receive(within seconds: Double = 20) async throws -> String? {
        let deadline = ContinuousClock.now + .seconds(seconds)
        while true {
            if let end = buffer.firstIndex(of: 10) {
                defer { buffer.removeSubrange(...end) }
                return String(decoding: buffer[..<end], as: UTF8.self)
            }
            var chunk = [UInt8](repeating: 0, count: 65_536)
            let count = recv(descriptor, &chunk, chunk.count, CInt(MSG_DONTWAIT))
            if count > 0 {
                buffer += chunk[..<count]
            } else if count == 0 || errno != EAGAIN {
                end = count == 0 ? 0 : errno
                return nil
            } else {
                guard ContinuousClock.now < deadline else { throw TestFailure("no answer within \(seconds) s") }
                try await Task.sleep(for: .milliseconds(1))
            }
        }
    }

    func ask(_ question: String, within seconds: Double = 20) async throws -> String {
        try send(question)
        guard let answer = try await receive(within: seconds) else { throw TestFailure("closed without an answer") }
        return answer
    }

    private static func call<Address>(
        _ function: (CInt, UnsafePointer<sockaddr>, socklen_t) -> CInt,
        _ descriptor: CInt,
        _ address: Address
    ) -> CInt {
        withUnsafeBytes(of: address) { bytes in
            guard let base = bytes.bindMemory(to: sockaddr.self).baseAddress else { return -1 }
            return function(descriptor, base, socklen_t(bytes.count))
        }
    }
}
