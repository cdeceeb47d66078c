import Foundation
import TestSupport
import Testing

@Suite("Limits of connections under real clients", .serialized)
struct LimitTests {
    /// Connections that were answered once and stay open.
    private func open(_ count: Int, _ server: FixtureServer, from source: String) async throws -> [LineClient] {
        var clients: [LineClient] = []
        for _ in 0..<count {
            let client = try server.connect(from: source)
            _ = try await client.ask("who")
            clients.append(client)
        }
        return clients
    }

    /// A connection that is closed without a word, and cleanly: the client sends nothing before.
    private func isRefused(_ server: FixtureServer, from source: String) async throws -> Bool {
        let client = try server.connect(from: source)
        return await client.isClosed() && client.end == 0
    }

    /// Until the master knows of a connection's end, one more may be refused.
    private func isServedSoon(_ server: FixtureServer, from source: String) async throws {
        try await eventually(within: 20, "\(source) is served") { (try? await server.who(from: source)) != nil }
    }

    @Test("The limit in all refuses every source, is told and counted, and ends with a connection")
    func total() async throws {
        let server = try await FixtureServer(["workers=2", "limit-total=3"])
        var clients = try await open(3, server, from: "127.0.0.1")
        #expect(try await isRefused(server, from: "127.0.0.2"))
        #expect(try await isRefused(server, from: "127.0.0.1"))
        try await server.event("dropped", "reason=total-limit", count: 2)
        #expect(try await clients[0].ask("tell master order counts") == "told")
        try await server.event("counts", "accepted=5", "counted=3", "total-limit=2")
        clients.removeLast()
        try await isServedSoon(server, from: "127.0.0.2")
        for client in clients { #expect(try await client.ask("echo still here") == "still here") }
        #expect(try await server.stop() == 0)
    }

    @Test("The limit of a source leaves others alone")
    func source() async throws {
        let server = try await FixtureServer(["workers=2", "limit-source=2"])
        var clients = try await open(2, server, from: "127.0.0.1")
        #expect(try await isRefused(server, from: "127.0.0.1"))
        try await server.event("dropped", "reason=source-limit")
        let others = try await open(2, server, from: "127.0.0.2")
        clients.removeLast()
        try await isServedSoon(server, from: "127.0.0.1")
        for client in clients + others { #expect(try await client.ask("echo still here") == "still here") }
        // One that closes at once, many times, leaves nothing behind.
        for _ in 0..<300 { _ = try server.connect(from: "127.0.0.3") }
        try await eventually(within: 20, "all are counted off") {
            _ = try await others[0].ask("tell master order counts")
            return server.events("counts", ["counted=3"]).count > 0
        }
        #expect(server.events("died").isEmpty)
        #expect(try await server.stop() == 0)
    }

    @Test("The limit of a worker leaves the other slots alone")
    func worker() async throws {
        let server = try await FixtureServer(["workers=2", "limit-worker=2"])
        let sources = try await server.sources(slots: 2, isLimited: true).map { $0[0] }
        var clients: [LineClient] = []
        // Those that have found the sources may not be counted off yet.
        try await eventually(within: 20, "two are open") {
            guard let client = try? await open(1, server, from: sources[0]).first else { return false }
            clients.append(client)
            return clients.count == 2
        }
        #expect(try await isRefused(server, from: sources[0]))
        try await server.event("dropped", "slot=0", "reason=worker-limit")
        #expect(try await server.who(from: sources[1]).slot == 1)
        clients.removeLast()
        try await isServedSoon(server, from: sources[0])
        #expect(try await server.stop() == 0)
    }

    @Test("What a dead worker had is counted off, killed or crashed", arguments: ["kill", "crash"])
    func death(_ how: String) async throws {
        let server = try await FixtureServer(
            ["workers=1", "limit-total=2", "backoff=1"],
            environment: ["SWIFT_BACKTRACE": "enable=no"]
        )
        let clients = try await open(2, server, from: "127.0.0.1")
        #expect(try await isRefused(server, from: "127.0.0.1"))
        if how == "kill" { kill(try server.worker(0), SIGKILL) } else { try clients[0].send("crash") }
        try await server.event("ready", "generation=2")
        let again = try await open(2, server, from: "127.0.0.1")
        #expect(try await isRefused(server, from: "127.0.0.1"))
        #expect(try await again[0].ask("tell master order counts") == "told")
        try await server.event("counts", "counted=2", "total-limit=2")
        #expect(try await server.stop() == 0)
    }

    @Test("A connection that is handed on is counted once, in its new slot")
    func rehomed() async throws {
        let server = try await FixtureServer(["workers=2", "limit-worker=1"])
        let sources = try await server.sources(slots: 2, isLimited: true).map { $0[0] }
        var client: LineClient?
        try await eventually(within: 20, "it is handed on") {
            let new = try server.connect(from: sources[0])
            try new.send("rehome 1")
            guard let who = try? await new.who() else { return false }
            client = new
            return who.slot == 1 && who.reason == "re-homed"
        }
        try await isServedSoon(server, from: sources[0])
        #expect(try await isRefused(server, from: sources[1]))
        #expect(try await client?.ask("echo still here") == "still here")
        client = nil
        try await isServedSoon(server, from: sources[1])
        #expect(try await server.stop() == 0)
    }

    @Test("Connections of workers that end before the master has looked at their receipts are not counted for ever")
    func suddenEnd() async throws {
        let server = try await FixtureServer([
            "workers=1", "limit-total=3", "backoff=1", "backoff-max=2", "patience=20000",
        ])
        for round in 1...8 {
            let client = try server.connect()
            try client.send("exit 3")
            try await server.event("ready", "generation=\(round + 1)")
        }
        try await isServedSoon(server, from: "127.0.0.1")
        let clients = try await open(3, server, from: "127.0.0.1")
        #expect(try await clients[2].ask("echo here") == "here")
        #expect(try await server.stop() == 0)
    }

    @Test("The counts outlive a reload and an upgrade")
    func upgrade() async throws {
        let server = try await FixtureServer(["workers=2", "limit-total=2", "drain=20000"])
        var clients = try await open(2, server, from: "127.0.0.1")
        // They hold their workers, which drain.
        for client in clients { try client.send("sleep 8000") }
        kill(server.master, SIGUSR2)
        try await server.line(/^event upgraded/)
        try await server.line(/^event reloadFinished/)
        #expect(try await isRefused(server, from: "127.0.0.1"))
        clients = []
        // The fixture looks at its clients when it has slept.
        try await isServedSoon(server, from: "127.0.0.1")
        #expect(try await server.stop() == 0)
    }
}
