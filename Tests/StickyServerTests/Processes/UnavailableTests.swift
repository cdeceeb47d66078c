import Foundation
import TestSupport
import Testing

@Suite("Connections whose slot has no worker for now", .serialized)
struct UnavailableTests {
    /// Two slots, of which slot 0 has lost its worker; the next one starts only when it is let.
    private struct Cluster {
        let server: FixtureServer
        let folder: TemporaryFolder
        /// Belongs to slot 0.
        let mine: String
        /// Belongs to slot 1.
        let other: String

        init(_ arguments: String...) async throws {
            folder = try TemporaryFolder()
            server = try await FixtureServer(["workers=2", "wait-while=\(folder.file("bad"))"] + arguments)
            let sources = try await server.sources(slots: 2)
            (mine, other) = (sources[0][0], sources[1][0])
            try folder.touch("bad")
            kill(try server.worker(0), SIGKILL)
            try await server.event("created", "slot=0", "generation=2")
        }

        func letStart() throws { try folder.remove("bad") }

        func end() async throws {
            // A worker that is still starting must be let, or it holds the end up.
            if FileManager.default.fileExists(atPath: folder.file("bad")) { try letStart() }
            #expect(try await server.stop() == 0)
        }
    }

    @Test("wait: dropped with the reason when patience ends, and no earlier")
    func waitAndDrop() async throws {
        let cluster = try await Cluster("unavailable=wait", "patience=400")
        let began = ContinuousClock.now
        let client = try cluster.server.connect(from: cluster.mine)
        #expect(await client.isClosed())
        #expect(ContinuousClock.now - began >= .milliseconds(390))
        #expect(try await cluster.server.event("dropped", "slot=0", "reason=unavailable").contains(cluster.mine))
        #expect(try await cluster.server.who(from: cluster.other).reason == "address")
        try await cluster.end()
    }

    @Test(
        "wait and wait-then-reroute: served by its own slot when that comes back in time",
        arguments: ["wait", "both"]
    )
    func comeBack(_ policy: String) async throws {
        let cluster = try await Cluster("unavailable=\(policy)", "patience=20000")
        let client = try cluster.server.connect(from: cluster.mine)
        try client.send("who")
        #expect(await client.isSilent(for: 0.1))
        try cluster.letStart()
        let who = try await client.who()
        #expect(who.slot == 0 && who.generation == 2 && who.reason == "address", "\(who)")
        try await cluster.end()
    }

    @Test("reroute: served by the next choice at once")
    func reroute() async throws {
        let cluster = try await Cluster("unavailable=reroute", "patience=20000")
        let who = try await cluster.server.who(from: cluster.mine)
        #expect(who.slot == 1 && who.reason == "rerouted", "\(who)")
        try await cluster.end()
    }

    @Test("wait-then-reroute: served by the next choice when patience ends, and no earlier")
    func waitThenReroute() async throws {
        let cluster = try await Cluster("patience=400")
        let began = ContinuousClock.now
        let who = try await cluster.server.who(from: cluster.mine)
        #expect(ContinuousClock.now - began >= .milliseconds(390))
        #expect(who.slot == 1 && who.reason == "rerouted", "\(who)")
        try await cluster.end()
    }

    @Test("A full waiting queue drops when the policy is to wait")
    func fullQueueDrops() async throws {
        let cluster = try await Cluster("unavailable=wait", "patience=20000", "waiting=3")
        let clients = try (0..<3).map { _ in try cluster.server.connect(from: cluster.mine) }
        let late = try cluster.server.connect(from: cluster.mine)
        #expect(await late.isClosed())
        try await cluster.server.event("dropped", "slot=0", "reason=queue-full")
        try cluster.letStart()
        for client in clients { #expect(try Who(await client.ask("who")).slot == 0) }
        try await cluster.end()
    }

    @Test("A full waiting queue sends to the next choice when the policy re-routes")
    func fullQueueReroutes() async throws {
        let cluster = try await Cluster("patience=20000", "waiting=3")
        let clients = try (0..<3).map { _ in try cluster.server.connect(from: cluster.mine) }
        let who = try await cluster.server.who(from: cluster.mine)
        #expect(who.slot == 1 && who.reason == "rerouted", "\(who)")
        try cluster.letStart()
        for client in clients { #expect(try Who(await client.ask("who")).slot == 0) }
        try await cluster.end()
    }

    @Test("A full master holds everybody up without spinning, and serves them all when it has room")
    func heldLimit() async throws {
        let cluster = try await Cluster("patience=20000", "held=4")
        let held = try (0..<4).map { _ in try cluster.server.connect(from: cluster.mine) }
        try await cluster.server.event("paused", "reason=holding-too-many")
        let backlog = try (0..<3).map { _ in try cluster.server.connect(from: cluster.other) }
        for client in held + backlog { try client.send("who") }
        let before = ProcessTree.cpuTime(below: cluster.server.master)
        #expect(await backlog[0].isSilent(for: 1))
        #expect(ProcessTree.cpuTime(below: cluster.server.master) - before < 0.5, "a spin uses 1 s")
        try cluster.letStart()
        for client in held { #expect(try await client.who().slot == 0) }
        for client in backlog { #expect(try await client.who().slot == 1) }
        try await eventually(within: 20, "it accepts again") { cluster.server.output.lines.contains("resumed") }
        try await cluster.end()
    }

    @Test("A slot that will not come back is not waited for", arguments: ["wait", "reroute", "both"])
    func stoppedSlot(_ policy: String) async throws {
        let server = try await FixtureServer(
            ["workers=2", "respawn=never", "unavailable=\(policy)", "patience=20000"])
        let source = try await server.sources(slots: 1)[0][0]
        kill(try server.worker(0), SIGKILL)
        try await server.event("died", "slot=0")
        let client = try server.connect(from: source)
        if policy == "wait" {
            #expect(await client.isClosed(within: 5))
            try await server.event("dropped", "slot=0", "reason=unavailable")
        } else {
            let who = try Who(await client.ask("who", within: 5))
            #expect(who.slot == 1 && who.reason == "rerouted", "\(who)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("reroute with nobody else to go to waits for whoever is first")
    func nobodyElse() async throws {
        let folder = try TemporaryFolder()
        let server = try await FixtureServer(["workers=1", "unavailable=reroute", "wait-while=\(folder.file("bad"))"])
        try folder.touch("bad")
        kill(try server.worker(0), SIGKILL)
        try await server.event("created", "generation=2")
        let client = try server.connect()
        try client.send("who")
        #expect(await client.isSilent(for: 0.2))
        try folder.remove("bad")
        #expect(try await client.who().generation == 2)
        #expect(try await server.stop() == 0)
    }

    @Test("A parked slot serves its clients again after its rest")
    func parkedSlotReturns() async throws {
        let folder = try TemporaryFolder()
        let server = try await FixtureServer([
            "workers=2", "bad-while=\(try folder.touch("bad"))", "bad-from-slot=1", "backoff=1", "parking=200",
        ])
        try await server.event("parked", "slot=1", "failures=5")
        #expect(Set(try await server.mapping(20)) == [0])
        // One try after each rest.
        try await server.event("parked", "slot=1", count: 2)
        #expect(server.events("created", ["slot=1"]).count >= 6)
        try folder.remove("bad")
        try await server.event("ready", "slot=1")
        #expect(Set(try await server.mapping(20)) == [0, 1])
        #expect(try await server.stop() == 0)
    }

    @Test("Out of descriptors, everybody is served once there is room (R8)")
    func everybodyIsServed() async throws {
        let server = try await FixtureServer(["workers=2", "patience=20000"], descriptorLimit: 48)
        // More than the three processes can hold.
        var waiting = try (0..<250).map { number in
            let client = try server.connect(from: "127.1.0.\(1 + number % 200)")
            try client.send("echo \(number)")
            return (number, client)
        }
        try await server.event("paused", "reason=out-of-resources")
        let before = ProcessTree.cpuTime(below: server.master)
        try await Task.sleep(for: .seconds(1))
        #expect(ProcessTree.cpuTime(below: server.master) - before < 0.2, "a spin uses 1 s")
        // Each leaves when it has been served, which makes room for others.
        try await eventually(within: 60, "everybody is served") {
            var left: [(Int, LineClient)] = []
            for (number, client) in waiting {
                guard let line = try? await client.receive(within: 0) else {
                    left.append((number, client))
                    continue
                }
                #expect(line == "\(number)")
            }
            waiting = left
            return waiting.isEmpty
        }
        #expect(try await server.ask("echo again") == "again")
        #expect(server.events("died").isEmpty && server.events("dropped").isEmpty)
        #expect(try await server.stop() == 0)
    }
}
