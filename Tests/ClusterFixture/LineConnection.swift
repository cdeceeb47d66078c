#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Blocking lines over a non-blocking descriptor.
struct LineConnection: ~Copyable {
    private var descriptor: CInt
    private var buffer: [UInt8]

    init(descriptor: CInt, prelude: [UInt8]) {
        self.descriptor = descriptor
        buffer = prelude
    }

    deinit {
        if descriptor >= 0 {
            shutdown(descriptor, CInt(SHUT_RDWR))
            close(descriptor)
        }
    }

    /// Gives the descriptor up, with what was read of it and not used.
    mutating func release() -> (descriptor: CInt, unread: [UInt8]) {
        defer { descriptor = -1 }
        return (descriptor, buffer)
    }

    /// Nil at end of file, or when nothing has come and `stop` holds, which is told for how long.
    mutating func readLine(until stop: (Duration) -> Bool) -> String? {
        let began = ContinuousClock.now
        while true {
            if let end = buffer.firstIndex(of: 10) {
                let line = String(decoding: buffer[..<end], as: UTF8.self)
                buffer.removeSubrange(...end)
                return line
            }
            var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            // In short steps, for it may be told to stop; not so short that many idle connections cost much.
            let ready = poll(&set, 1, 100)
            if ready == 0, stop(ContinuousClock.now - began) { return nil }
            guard ready > 0 else { continue }
            var chunk = [UInt8](repeating: 0, count: 4096)
            let count = read(descriptor, &chunk, chunk.count)
            if count < 0, errno == EAGAIN { continue }
            guard count > 0 else { return nil }
            buffer += chunk[..<count]
        }
    }

    func write(_ text: some StringProtocol) {
        var bytes = Array(text.utf8)[...]
        while !bytes.isEmpty {
            let count = bytes.withUnsafeBytes { send(descriptor, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
            if count < 0, errno == EAGAIN {
                var set = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
                _ = poll(&set, 1, 1000)
                continue
            }
            guard count > 0 else { return }
            bytes = bytes.dropFirst(count)
        }
    }
}

/// A thread for one connection.
struct Detached {
    private final class Body {
        let run: () -> Void
        init(_ run: @escaping () -> Void) { self.run = run }
    }

    private let body: Body

    init(_ run: @escaping @Sendable () -> Void) {
        body = Body(run)
    }

    func start() {
        var thread = pthread_t()
        var attributes = pthread_attr_t()
        pthread_attr_init(&attributes)
        pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED))
        let argument = Unmanaged.passRetained(body).toOpaque()
        let status = pthread_create(
            &thread,
            &attributes,
            { argument in
                if let argument { Unmanaged<Body>.fromOpaque(argument).takeRetainedValue().run() }
                return nil
            },
            argument
        )
        if status != 0 { fatalError("no thread for a connection: \(status)") }
    }
}
