import Foundation
import TestSupport
import Testing

@Suite("What no server likes", .serialized)
struct AbuseTests {
    private struct Abuse: Decodable {
        let closed: Int
        let slowest: Double
    }

    private func abuse(_ server: DemoServer, _ kind: String, _ count: Int) async throws -> Abuse {
        try await Command.client("abuse", ["\(server.port)", kind, "\(count)"])
    }

    /// Runs the abuse, and checks that the same processes live on, with no descriptor more, and answer.
    private func endure(_ kind: String, _ count: Int) async throws -> Abuse {
        let server = try await DemoServer()
        // The first requests open what stays open for good.
        for last in 1...20 { _ = try await WhoAmI.ask(server, ["--interface", "127.0.0.\(last)"]) }
        let processes = ProcessTree.all(from: server.master)
        let before = ProcessTree.descriptors(below: server.master)
        let result = try await abuse(server, kind, count)
        try await eventually(within: 30, "the descriptors return to \(before)") {
            ProcessTree.descriptors(below: server.master) <= before
        }
        #expect(ProcessTree.all(from: server.master) == processes, "a process died")
        #expect(try await Command.curl(server, "/hello").output == "Hello, world!\n")
        #expect(try await server.stop() == 0)
        return result
    }

    @Test("1,000 connections of garbage")
    func garbage() async throws {
        #expect(try await endure("garbage", 1000).closed == 1000)
    }

    @Test("1,000 clients that connect and leave")
    func leave() async throws {
        #expect(try await endure("leave", 1000).closed == 1000)
    }

    @Test("500 resets in the middle of a handshake")
    func reset() async throws {
        #expect(try await endure("reset", 500).closed == 500)
    }

    @Test(
        "200 clients that stall in the handshake are closed at the deadline, which is absolute (S1)",
        arguments: ["stall", "trickle"]
    )
    func stall(_ kind: String) async throws {
        let result = try await endure(kind, 200)
        #expect(result.closed == 200)
        // 10 s, and some for a busy machine.
        #expect(result.slowest < 15)
    }

    @Test("While 200 handshakes stall, others are served")
    func othersAreServed() async throws {
        let server = try await DemoServer()
        async let stalled = abuse(server, "stall", 200)
        try await Task.sleep(for: .seconds(1))
        for _ in 0..<20 { #expect(try await Command.curl(server, "/hello").output == "Hello, world!\n") }
        #expect(try await stalled.closed == 200)
        #expect(try await server.stop() == 0)
    }

    @Test("Killed workers leave no descriptor and no process behind (R7)")
    func kills() async throws {
        let server = try await DemoServer(workers: 2)
        try await spreadOverBoth(server)
        let before = ProcessTree.descriptors(server.master)
        // More would take long: a slot whose workers keep dying is started ever later.
        for _ in 0..<8 {
            let victim = try #require(server.workers.first)
            kill(victim, SIGKILL)
            try await eventually(within: 40, "a successor") {
                !server.workers.contains(victim) && server.workers.count == 2
            }
            // Only one that has been ready counts as having lived: else the slot is parked, as it should be.
            _ = try await spreadOverBoth(server)
        }
        try await eventually(within: 10, "the descriptors return to \(before)") {
            ProcessTree.descriptors(server.master) <= before
        }
        #expect(server.workers.count == 2)
        #expect(try await server.stop() == 0)
    }

    @Test("A server that nobody asks anything uses next to no CPU (R7)")
    func idle() async throws {
        let server = try await DemoServer(workers: 2)
        try await spreadOverBoth(server)
        let before = ProcessTree.cpuTime(below: server.master)
        try await Task.sleep(for: .seconds(3))
        // The clock ticks in steps of 0.01 s, and there are three processes. A spin would show 3 s.
        #expect(ProcessTree.cpuTime(below: server.master) - before < 0.2)
        #expect(try await server.stop() == 0)
    }

    private func spreadOverBoth(_ server: DemoServer) async throws {
        for last in [1, 2, 3, 4, 5, 6] { _ = try await WhoAmI.ask(server, ["--interface", "127.0.0.\(last)"]) }
    }
}
