#if NIO && os(Linux)
import Glibc
import NIOCore
import StickyNIO
import Testing

@Suite("A lean loop that cannot start")
struct StartTests {
    /// Runs `body` while this process can open no more descriptors.
    private func withoutDescriptors<R>(_ body: () throws -> R) rethrows -> R {
        var before = rlimit()
        getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before)
        var none = rlimit(rlim_cur: 0, rlim_max: before.rlim_max)
        setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &none)
        defer { setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &before) }
        return try body()
    }

    @Test("throws the system's error instead of ending the process")
    func group() {
        let error = #expect(throws: IOError.self) { try withoutDescriptors { try NIOTransport.lean.makeGroup() } }
        #expect(error?.errnoCode == EMFILE)
    }

    @Test("leaves a handler that ends the sockets it is given")
    func handler() async throws {
        let pair = try Loopback()
        let handler = withoutDescriptors {
            NIOConnectionHandler(transport: .lean) { channel, _ in channel.eventLoop.makeSucceededVoidFuture() }
        }
        pair.adopt(by: handler)
        #expect(try pair.receiveAll().isEmpty)
        await #expect(throws: IOError.self) { try await handler.shutdown() }
    }
}
#endif
