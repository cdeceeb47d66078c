import Foundation
import TestSupport
import Testing

@Suite("Stopping", .serialized)
struct StopTests {
    @Test("SIGTERM lets work in progress finish and ends with status 0", arguments: [SIGTERM, SIGINT])
    func graceful(_ signal: Int32) async throws {
        let server = try await FixtureServer()
        let client = try LineClient(port: server.port)
        try client.send("sleep 700")
        try await server.line(/^routed/)
        let everybody = ProcessTree.all(from: server.master)
        kill(server.master, signal)
        #expect(try await client.receive() == "slept")
        #expect(try await server.end(of: everybody) == 0)
    }

    @Test("A client that never ends is ended at the deadline")
    func deadline() async throws {
        let server = try await FixtureServer(["drain=500"])
        let client = try LineClient(port: server.port)
        try client.send("sleep 60000")
        try await server.line(/^routed/)
        let began = ContinuousClock.now
        #expect(try await server.stop() == 0)
        #expect(ContinuousClock.now - began < .seconds(10))
        #expect(try await client.receive() == nil)
    }

    @Test("Without a deadline a stopping worker lasts as long as its client, and a second SIGTERM still ends it")
    func noDeadline() async throws {
        let server = try await FixtureServer(["drain=none"])
        let (short, long) = (try server.connect(), try server.connect())
        try short.send("sleep 1500")
        try long.send("sleep 60000")
        try await server.line(/^routed/, count: 2)
        let everybody = ProcessTree.all(from: server.master)
        kill(server.master, SIGTERM)
        #expect(try await short.receive() == "slept")
        #expect(server.isRunning)
        kill(server.master, SIGTERM)
        #expect(try await server.end(of: everybody, within: 10) == 0)
    }

    @Test("A second SIGTERM ends everything at once")
    func twice() async throws {
        let server = try await FixtureServer(["drain=60000"])
        let client = try LineClient(port: server.port)
        try client.send("sleep 60000")
        try await server.line(/^routed/)
        let everybody = ProcessTree.all(from: server.master)
        kill(server.master, SIGTERM)
        try await server.line(/^stopping/)
        kill(server.master, SIGTERM)
        #expect(try await server.end(of: everybody, within: 10) == 0)
    }

    @Test("kill -9 of the master: workers finish what they have and end, and the port is free (R5)")
    func masterIsKilled() async throws {
        let server = try await FixtureServer()
        let port = try server.port
        let client = try LineClient(port: port)
        try client.send("sleep 500")
        try await server.line(/^routed/)
        let workers = ProcessTree.children(of: server.master)
        kill(server.master, SIGKILL)
        #expect(try await client.receive() == "slept")
        try await eventually(within: 10, "the workers end") { workers.allSatisfy { !ProcessTree.exists($0) } }
        let again = try await FixtureServer(["listen=127.0.0.1:\(port)"])
        #expect(try again.port == port)
        #expect(try await again.stop() == 0)
    }
}
