import Foundation
import TestSupport
import Testing

@Suite("Answers arrive whole", .serialized)
struct AnswerTests {
    private struct Answers: Decodable {
        struct Way: Decodable {
            let whole: Int
            let closeNotify: Int
        }

        let tries: Int
        let ways: [String: Way]
    }

    @Test("4 MiB arrive whole with close_notify, however the client ends its own direction (R9)")
    func everyByte() async throws {
        let server = try await DemoServer()
        let result: Answers = try await Command.client("answers", ["\(server.port)", "20"])
        #expect(result.ways.count == 6)
        for (way, counts) in result.ways {
            #expect(counts.whole == result.tries, "\(way)")
            #expect(counts.closeNotify == result.tries, "\(way)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("An upload comes back byte for byte, while it is sent")
    func echo() async throws {
        let server = try await DemoServer()
        let folder = FileManager.default.temporaryDirectory
        let name = UUID().uuidString
        let sent = folder.appending(path: "\(name).sent")
        let received = folder.appending(path: "\(name).received")
        defer { for file in [sent, received] { try? FileManager.default.removeItem(at: file) } }
        var generator = SystemRandomNumberGenerator()
        let bytes = Data((0..<(1 << 20)).map { _ in UInt8.random(in: 0...255, using: &generator) })
        try bytes.write(to: sent)
        for headers in [[], ["-H", "Transfer-Encoding: chunked"]] {
            let answer = try await Command.curl(
                server,
                "/echo",
                ["--data-binary", "@\(sent.path())", "--output", received.path()] + headers
            )
            #expect(answer.status == 0)
            #expect(try Data(contentsOf: received) == bytes)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("h2load keeps connections alive without an error")
    func keepAlive() async throws {
        let server = try await DemoServer()
        let load = try await Command.run([
            "h2load", "--h1", "-n", "5000", "-c", "20", "https://127.0.0.1:\(server.port)/hello",
        ])
        #expect(load.output.contains("5000 succeeded, 0 failed, 0 errored, 0 timeout"), "\(load.output)")
        #expect(try await server.stop() == 0)
    }
}
