import Foundation
import TestSupport
import Testing

@Suite("Connections that a worker hands on", .serialized)
struct RehomeTests {
    @Test("The other slot reads the prelude first, then what follows; peer and addresses stay the client's")
    func preludeFirst() async throws {
        let server = try await FixtureServer(["workers=2"])
        let source = try await server.sources(slots: 1)[0][0]
        let client = try server.connect(from: source)
        let before = try await client.ask("who")
        // The second line is read by slot 0 with the first, or later; either way slot 1 uses it, before the third.
        try client.send("rehome 1\necho first")
        try client.send("echo second")
        let after = try #require(try await client.receive())
        #expect(try Who(before).hops == 0 && Who(before).reason == "address")
        #expect(try Who(after).slot == 1 && Who(after).hops == 1 && Who(after).reason == "re-homed")
        let about = /peer=\S+ local=\S+ listener=\d+/
        #expect(try #require(before.firstMatch(of: about)).0 == #require(after.firstMatch(of: about)).0)
        #expect(try await client.receive() == "first")
        #expect(try await client.receive() == "second")
        #expect(try await server.stop() == 0)
    }

    @Test("One that its new slot had not receipted is served by the successor, prelude and all")
    func targetDies() async throws {
        let server = try await FixtureServer(["workers=2", "patience=20000"])
        let source = try await server.sources(slots: 1)[0][0]
        let victim = try server.worker(1)
        try await ProcessTree.freeze(victim)
        let clients = try (0..<5).map { _ in try server.connect(from: source) }
        for (number, client) in clients.enumerated() { try client.send("rehome 1\necho \(number)") }
        try await server.event("routed", "slot=1", "reason=re-homed", count: 5)
        kill(victim, SIGKILL)
        try await server.event("died", "pid=\(victim)", "returned=5")
        for (number, client) in clients.enumerated() {
            let who = try await client.who()
            #expect(who.slot == 1 && who.generation == 2 && who.hops == 1, "\(who)")
            #expect(try await client.receive() == "\(number)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("100 connections are handed to and fro at once, each answered once")
    func many() async throws {
        let server = try await FixtureServer(["workers=2"])
        let sources = try await server.sources(slots: 2)
        let clients = try (0..<100).map { try server.connect(from: sources[$0 % 2][0]) }
        for (number, client) in clients.enumerated() {
            try client.send("rehome \(1 - number % 2)\necho \(number)")
        }
        for (number, client) in clients.enumerated() {
            #expect(try await client.who().slot == 1 - number % 2)
            #expect(try await client.receive() == "\(number)")
        }
        #expect(try await server.stop() == 0)
    }
}
