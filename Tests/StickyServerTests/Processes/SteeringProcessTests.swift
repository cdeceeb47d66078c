#if os(Linux)
import Foundation
import TestSupport
import Testing

@testable import StickyServer

@Suite("Steering by the kernel, with real processes", .serialized)
struct SteeringProcessTests {
    private static func predicted(_ source: String, slots: Int) throws -> Int {
        var routing = RoutingConfiguration()
        routing.key = Array(0..<16)
        var router = Router(routing, slots: slots, steering: .kernel)
        return router.route(try #require(SocketAddress(numericHost: source, port: 1))).home
    }

    @Test("64 addresses reach the slots that the router names, also after every worker was killed")
    func stickiness() async throws {
        let server = try await FixtureServer(["workers=4", "steering=kernel", "key=fixed"])
        let expected = try (1...64).map { try Self.predicted("127.0.0.\($0)", slots: 4) }
        #expect(Set(expected) == [0, 1, 2, 3])
        for _ in 0..<3 { #expect(try await server.mapping(64) == expected) }
        for slot in 0..<4 {
            kill(try server.worker(slot), SIGKILL)
            try await server.event("ready", "slot=\(slot)", "generation=2")
            #expect(try await server.mapping(64) == expected)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("What is in the backlog of a worker that dies is served by its successor")
    func backlog() async throws {
        let server = try await FixtureServer(["workers=2", "steering=kernel", "late=60000"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        let clients = try (0..<50).map { _ in try server.connect() }
        for client in clients { try client.send("who") }
        kill(victim.pid, SIGKILL)
        for client in clients {
            let who = try Who(#require(try await client.receive()))
            #expect(who.slot == victim.slot && who.generation == victim.generation + 1)
        }
        #expect(try await server.stop() == 0)
    }

    @Test("Rolling reloads fail no connection and move nobody")
    func reload() async throws {
        let server = try await FixtureServer(["workers=2", "steering=kernel"])
        let port = try server.port
        let loads = try await server.sources(slots: 2).map { SlotLoad(port: port, source: $0[0]) }
        for round in 1...10 {
            try await eventually(within: 20, "every load goes on") {
                loads.allSatisfy { $0.count.answered >= 20 * round }
            }
            kill(server.master, SIGHUP)
            try await server.event("event", "reloadFinished(replaced:", count: round)
        }
        for load in loads {
            let count = await load.stop()
            #expect(count.failed == 0 && count.hung == 0 && count.moved == 0, "\(count)")
        }
        #expect(try await server.who().generation == 11)
        #expect(try await server.stop() == 0)
    }

    @Test("More slots take only their share, and fewer give it back, with what was in their backlog")
    func scaling() async throws {
        let server = try await FixtureServer(["workers=2", "steering=kernel"])
        let before = try await server.mapping(40)
        kill(server.master, SIGTTIN)
        try await server.event("ready", "slot=2")
        try await eventually(within: 20, "the third slot has clients") { try await server.mapping(40).contains(2) }
        let more = try await server.mapping(40)
        for (old, new) in zip(before, more) { #expect(new == old || new == 2) }
        // Stopped, the third worker leaves them in its backlog. They go to other slots.
        let third = try server.worker(2)
        let source = try "127.0.0.\(1 + #require(more.firstIndex(of: 2)))"
        try await ProcessTree.freeze(third)
        let clients = try (0..<10).map { _ in try server.connect(from: source) }
        for client in clients { try client.send("echo served") }
        kill(server.master, SIGTTOU)
        try await server.line(/^event scaled\(workers: 2\)/)
        for client in clients { #expect(try await client.receive() == "served") }
        kill(third, SIGCONT)
        #expect(try await server.mapping(40) == before)
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that answers late gets no new clients, and gets them back")
    func late() async throws {
        let server = try await FixtureServer(["workers=2", "steering=kernel", "beat=50", "late=300", "hung=60000"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        #expect(try await server.line(/^event workerLate/).contains("slot: \(victim.slot)"))
        let other = try await server.who()
        #expect(other.slot != victim.slot)
        kill(victim.pid, SIGCONT)
        try await eventually(within: 20, "its clients come back") { try await server.who() == victim }
        #expect(try await server.stop() == 0)
    }

    @Test("When the server stops, what is in the backlogs is served")
    func stopping() async throws {
        let server = try await FixtureServer(["workers=2", "steering=kernel", "late=60000"])
        let workers = try [server.worker(0), server.worker(1)]
        for worker in workers { try await ProcessTree.freeze(worker) }
        let clients = try (1...20).map { try server.connect(from: "127.0.0.\($0)") }
        for client in clients { try client.send("echo served") }
        kill(server.master, SIGTERM)
        try await server.line(/^stopping/)
        for worker in workers { kill(worker, SIGCONT) }
        for client in clients { #expect(try await client.receive() == "served") }
        #expect(try await server.end() == 0)
    }

    @Test("A second server on the same address is refused, and so is an upgrade")
    func refused() async throws {
        let server = try await FixtureServer(["workers=1", "steering=kernel"])
        let second = try await FixtureServer(
            ["workers=1", "steering=kernel", "listen=127.0.0.1:\(server.port)"],
            listening: false
        )
        #expect(try await second.end() != 0)
        #expect(second.errors.text.contains("in use"))
        kill(server.master, SIGUSR2)
        try await server.line(/^event upgradeAborted/)
        #expect(try await server.who().generation == 1)
        #expect(try await server.stop() == 0)
    }

    @Test("A worker out of descriptors leaves the backlog alone, without a spin, and comes back by itself")
    func descriptors() async throws {
        let server = try await FixtureServer(
            ["workers=1", "steering=kernel", "log=warning", "beat=60000"],
            descriptorLimit: 64
        )
        var clients: [LineClient] = []
        for _ in 0..<100 { clients.append(try server.connect()) }
        let worker = try server.worker(0)
        try await eventually(within: 20, "it is out of descriptors") { server.errors.text.contains("cannot accept") }
        let before = ProcessTree.cpuTime(of: worker)
        try await Task.sleep(for: .seconds(1))
        #expect(ProcessTree.cpuTime(of: worker) - before < 0.3)
        clients.removeFirst(60)
        // Without anything else that would wake it.
        for client in clients { #expect(try await client.ask("echo here", within: 10) == "here") }
        #expect(try await server.stop() == 0)
    }
}
#endif
