#if NIO && os(Linux)
import Glibc
import NIOCore
import StickyNIO
import StickyTLS
import TLSTestSupport
import Testing

/// Files go out among other writes, in order, over TLS and in the clear.
@Suite("Files are sent")
struct FileTests {
    private static let size = 300_000
    private static let content = (0..<size).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8) }

    /// An open file without a name.
    private func openFile(_ bytes: [UInt8]) throws -> CInt {
        var path = Array("/tmp/sticky-file-XXXXXX".utf8CString)
        let descriptor = mkstemp(&path)
        try #require(descriptor >= 0)
        unlink(path)
        #expect(write(descriptor, bytes, bytes.count) == bytes.count)
        return descriptor
    }

    /// Answers the first read with a head, the file and a tail, then closes. Returns what the client gets.
    private func answer(
        _ transport: NIOTransport,
        tls: TLSContext?,
        file: CInt,
        claims end: Int,
        _ outcome: @escaping @Sendable (Result<Void, any Error>) -> Void
    ) async throws -> [UInt8] {
        let handler = NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let recorder = Recorder()
                recorder.onRead = { context, _ in
                    let handle = NIOFileHandle(_deprecatedTakingOwnershipOfDescriptor: file)
                    let promise = context.eventLoop.makePromise(of: Void.self)
                    promise.futureResult.whenComplete {
                        outcome($0)
                        try? handle.close()
                    }
                    let region = FileRegion(fileHandle: handle, readerIndex: 5, endIndex: end)
                    context.write(NIOAny(IOData.byteBuffer(ByteBuffer(string: "head "))), promise: nil)
                    context.write(NIOAny(IOData.fileRegion(region)), promise: promise)
                    context.writeAndFlush(NIOAny(IOData.byteBuffer(ByteBuffer(string: " tail"))), promise: nil)
                    context.close(promise: nil)
                }
                try channel.pipeline.syncOperations.addHandler(recorder)
            }
        }
        let received = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            return try ScriptClient(pair, tls: tls != nil, pieces: .max).run([.send("go"), .awaitEnd, .endOutput]).0
        }
        while try await handler.openChannels() > 0 { try await Task.sleep(for: .milliseconds(2)) }
        try await handler.shutdown()
        return received
    }

    @Test("whole and in order", arguments: NIOTransport.allCases, [true, false])
    func order(transport: NIOTransport, isTLS: Bool) async throws {
        let tls = isTLS ? try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) : nil
        let file = try openFile(Self.content)
        let received = try await answer(transport, tls: tls, file: file, claims: Self.size) { result in
            #expect(throws: Never.self) { try result.get() }
        }
        #expect(received == Array("head ".utf8) + Self.content[5...] + Array(" tail".utf8))
    }

    @Test("a file that is shorter than it was said to be ends the connection", arguments: [true, false])
    func short(isTLS: Bool) async throws {
        let tls = isTLS ? try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) : nil
        let file = try openFile(Array(Self.content.prefix(1000)))
        let received = try await answer(.lean, tls: tls, file: file, claims: 2000) { result in
            #expect(throws: (any Error).self) { try result.get() }
        }
        #expect(Array("head ".utf8) + Self.content[5..<1000] == received.prefix(1000) && received.count == 1000)
    }
}
#endif
