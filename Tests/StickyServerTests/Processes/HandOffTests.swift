import Foundation
import RegexBuilder
import TestSupport
import Testing

@Suite("Hand-off between processes", .serialized)
struct HandOffTests {
    @Test("64 addresses reach one slot each, and nobody moves when every worker is killed in turn")
    func stickiness() async throws {
        let server = try await FixtureServer(["workers=4"])
        let before = try await server.mapping(64)
        #expect(Set(before) == [0, 1, 2, 3])
        for _ in 0..<3 { #expect(try await server.mapping(64) == before) }
        for (index, pid) in ProcessTree.children(of: server.master).enumerated() {
            kill(pid, SIGKILL)
            try await server.line(/^respawned/, count: index + 1)
            #expect(try await server.mapping(64) == before)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("Sockets that a worker was sent and has not receipted are served by its successor, exactly once")
    func unreceiptedSocketsAreServed() async throws {
        let server = try await FixtureServer(["workers=2"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        var clients: [LineClient] = []
        for _ in 0..<20 {
            let client = try LineClient(port: server.port)
            try client.send("who")
            clients.append(client)
        }
        let sent = Regex<Substring>(verbatim: "routed slot=\(victim.slot) ")
        try await server.line(sent, count: 21)
        kill(victim.pid, SIGKILL)
        for client in clients {
            let who = try Who(#require(try await client.receive()))
            #expect(who.slot == victim.slot)
            #expect(who.generation == victim.generation + 1)
        }
        let died = try await server.line(/^died/)
        #expect(died.contains("end=SIGKILL returned=20 "), "\(died)")
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that does not take what it is sent gets no more than the limit; the rest goes to the next choice")
    func unreceiptedLimit() async throws {
        let server = try await FixtureServer(["workers=2", "unreceipted=4", "patience=200"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        var clients: [LineClient] = []
        for _ in 0..<10 {
            let client = try LineClient(port: server.port)
            try client.send("who")
            clients.append(client)
        }
        // Six of the ten are re-routed after their patience; four wait with the stopped worker.
        for client in clients.dropFirst(4) {
            let who = try Who(#require(try await client.receive()))
            #expect(who.slot != victim.slot)
            #expect(who.reason == "rerouted")
        }
        kill(victim.pid, SIGCONT)
        for client in clients.prefix(4) {
            #expect(try Who(#require(try await client.receive())).pid == victim.pid)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("With the policy to wait, a connection is dropped and never re-routed")
    func waitPolicy() async throws {
        let server = try await FixtureServer(["workers=2", "unreceipted=1", "unavailable=wait", "patience=200"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        let first = try LineClient(port: server.port)
        try await server.line(Regex<Substring>(verbatim: "routed slot=\(victim.slot) "), count: 2)
        let second = try LineClient(port: server.port)
        #expect(try await second.receive() == nil)
        #expect(try await server.line(/^dropped/).contains("slot=\(victim.slot) reason=unavailable"))
        kill(victim.pid, SIGCONT)
        #expect(try Who(await first.ask("who")).pid == victim.pid)
        #expect(try await server.stop() == 0)
    }

    @Test("A master that holds too much stops accepting, and goes on by itself")
    func heldLimit() async throws {
        let server = try await FixtureServer(["workers=1", "unreceipted=2", "held=6", "patience=60000"])
        let worker = try await server.who()
        try await ProcessTree.freeze(worker.pid)
        var clients: [LineClient] = []
        for _ in 0..<20 {
            let client = try LineClient(port: server.port)
            try client.send("who")
            clients.append(client)
        }
        #expect(try await server.line(/^paused/).contains("holding-too-many"))
        kill(worker.pid, SIGCONT)
        for client in clients { #expect(try Who(#require(try await client.receive())).pid == worker.pid) }
        try await server.line(/^resumed/)
        #expect(try await server.stop() == 0)
    }

    @Test("Out of descriptors nobody dies or spins, and service returns by itself (R8)")
    func descriptorLimit() async throws {
        let server = try await FixtureServer(["workers=2", "patience=200"], descriptorLimit: 64)
        var clients: [LineClient] = []
        for index in 0..<200 {
            clients.append(try LineClient(port: server.port, source: "127.0.0.\(index % 50 + 1)"))
        }
        // Some are served and stay open, which uses the workers' descriptors up.
        for client in clients { try? client.send("who") }
        let processes = ProcessTree.all(from: server.master)
        let before = ProcessTree.cpuTime(below: server.master)
        try await Task.sleep(for: .seconds(3))
        // Measured: 0.04 s in the master and 0.03 s in each worker, not optimised. A spin uses 3 s.
        #expect(ProcessTree.cpuTime(below: server.master) - before < 0.3)
        clients = []
        var answered = 0
        try await eventually(within: 20, "service returns") {
            guard let who = try? await server.ask("who") else { return false }
            answered += who.isEmpty ? 0 : 1
            return answered >= 5
        }
        #expect(ProcessTree.all(from: server.master) == processes, "a process died")
        #expect(try await server.stop() == 0)
    }

    @Test("A connection can be handed on once, with what was read of it first")
    func rehome() async throws {
        let server = try await FixtureServer(["workers=3"])
        let home = try await server.who()
        let other = (home.slot + 1) % 3
        let client = try LineClient(port: server.port)
        // The worker reads this line and hands the connection on with «who» as its prelude.
        let moved = try Who(await client.ask("rehome \(other)"))
        #expect(moved.slot == other)
        #expect(moved.reason == "re-homed")
        #expect(moved.hops == 1)
        // A second time is refused, and the connection ends.
        try client.send("rehome \(home.slot)")
        #expect(try await client.receive() == nil)
        // A slot that does not exist is the end too, and is told.
        let lost = try LineClient(port: server.port)
        try lost.send("rehome 77")
        #expect(try await lost.receive() == nil)
        #expect(try await server.line(/^dropped/).contains("no-such-slot"))
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that writes nonsense on its control socket is replaced, and the master lives on")
    func garbage() async throws {
        let server = try await FixtureServer(["workers=2"])
        let before = try await server.who()
        _ = try? await server.ask("garbage")
        try await server.line(/^respawned/)
        let after = try await server.who()
        #expect(after.slot == before.slot)
        #expect(after.generation == before.generation + 1)
        #expect(try await server.stop() == 0)
    }
}

extension Regex where Output == Substring {
    /// A pattern that fits one text.
    init(verbatim text: String) {
        self.init { text }
    }
}
