import Foundation
import TestSupport
import Testing

private struct Spread: Decodable {
    let slots: [String: [Int]]

    /// The one slot of each address; a failed expectation where an address saw two.
    func assignment() throws -> [String: Int] {
        try slots.mapValues { seen in
            let first = try #require(seen.first)
            #expect(seen.allSatisfy { $0 == first }, "one address reached several slots: \(seen)")
            return first
        }
    }
}

@Suite("The demo's routing", .serialized)
struct RoutingTests {
    private func spread(_ server: DemoServer, _ addresses: Int, _ times: Int) async throws -> [String: Int] {
        let options = server.scheme == "http" ? ["plain"] : []
        let spread: Spread = try await Command.client(
            "spread",
            ["\(server.port)", "\(addresses)", "\(times)"] + options
        )
        #expect(spread.slots.count == addresses)
        return try spread.assignment()
    }

    @Test("64 addresses reach one slot each, all slots are used, and nobody moves when every worker is killed in turn")
    func addressesStick() async throws {
        let server = try await DemoServer(workers: 4)
        let before = try await spread(server, 64, 5)
        #expect(Set(before.values) == [0, 1, 2, 3])
        for worker in server.workers {
            kill(worker, SIGKILL)
            #expect(try await spread(server, 64, 1) == before)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("Plain HTTP is routed alike")
    func plainSticks() async throws {
        let server = try await DemoServer(["--plain"])
        #expect(Set(try await spread(server, 32, 3).values) == [0, 1])
        #expect(try await server.stop() == 0)
    }

    @Test("Steered by the kernel, on both transports; also through kills and a reload", arguments: ["stock", "lean"])
    func kernelSteering(_ transport: String) async throws {
        let server = try await DemoServer(["--steering", "kernel", "--transport", transport], workers: 3)
        let before = try await spread(server, 64, 3)
        #expect(Set(before.values) == [0, 1, 2])
        for worker in server.workers {
            kill(worker, SIGKILL)
            #expect(try await spread(server, 64, 1) == before)
        }
        let workers = Set(server.workers)
        kill(server.master, SIGHUP)
        try await eventually(within: 30, "the reload replaces every worker") {
            let now = server.workers
            return now.count == 3 && workers.isDisjoint(with: now)
        }
        #expect(try await spread(server, 64, 1) == before)
        #expect(try await server.stop() == 0)
    }

    @Test("The state of a worker stays with its client")
    func counterCounts() async throws {
        let server = try await DemoServer(workers: 3)
        let jar = FileManager.default.temporaryDirectory.appending(path: "sticky-\(UUID()).jar").path()
        defer { try? FileManager.default.removeItem(atPath: jar) }
        var counts: [Int] = []
        for _ in 0..<5 {
            let answer = try await Command.curl(server, "/counter", ["--cookie-jar", jar, "--cookie", jar])
            counts.append(try #require(answer.output.firstMatch(of: /\d+/).flatMap { Int($0.0) }))
        }
        #expect(counts == [1, 2, 3, 4, 5])
        #expect(try await server.stop() == 0)
    }
}
