import Foundation
import TestSupport
import Testing

@Suite("Workers killed under load", .serialized)
struct KillTests {
    private static let quiet = ["SWIFT_BACKTRACE": "enable=no"]

    @Test("kill -9 fails the connections that were open at that worker and no others (R1)")
    func killUnderLoad() async throws {
        let server = try await FixtureServer(["workers=4", "patience=20000", "backoff=10", "backoff-max=50"])
        let sources = try await server.sources(slots: 4)
        let idle = try sources.map { source in try (0..<5).map { _ in try server.connect(from: source[0]) } }
        for client in idle.joined() { _ = try await client.ask("who") }
        let port = try server.port
        let loads = sources.map { SlotLoad(port: port, source: $0[0]) }
        for round in 1...4 {
            try await eventually(within: 20, "every load goes on") {
                loads.allSatisfy { $0.count.answered >= 50 * round }
            }
            kill(try server.worker(0), SIGKILL)
            try await server.event("ready", "slot=0", "generation=\(round + 1)")
        }
        var counts: [SlotLoad.Count] = []
        for load in loads { counts.append(await load.stop()) }
        for slot in 1...3 { #expect(counts[slot].failed == 0, "connections to slot \(slot) failed") }
        // The load has one connection at a time, so at most one was open at the worker in each of its deaths.
        #expect(counts[0].failed <= 4)
        #expect(counts.allSatisfy { $0.hung == 0 && $0.moved == 0 })
        for client in idle[0] { #expect(await client.isClosed(within: 1)) }
        for client in idle[1...].joined() { #expect(try await client.ask("echo still here") == "still here") }
        #expect(try await server.stop() == 0)
    }

    @Test("Fatal signals to two workers at random, for a while: nobody at the third notices")
    func randomSignals() async throws {
        let server = try await FixtureServer(
            ["workers=3", "patience=20000", "backoff=1", "backoff-max=20"],
            environment: Self.quiet
        )
        let port = try server.port
        let loads = try await server.sources(slots: 3).map { SlotLoad(port: port, source: $0[0]) }
        for round in 1...20 {
            let signal = [SIGKILL, SIGSEGV, SIGILL, SIGABRT, SIGBUS].randomElement() ?? SIGKILL
            kill(try server.worker(.random(in: 0...1)), signal)
            try await server.event("died", count: round)
            try await server.event("ready", count: round + 3)
        }
        var counts: [SlotLoad.Count] = []
        for load in loads { counts.append(await load.stop()) }
        #expect(counts[2].failed == 0)
        #expect(counts[2].answered > 20)
        #expect(counts[0].failed + counts[1].failed <= 20)
        #expect(counts.allSatisfy { $0.hung == 0 && $0.moved == 0 })
        #expect(try await server.stop() == 0)
    }

    @Test("Every fatal signal is told by name", arguments: [SIGSEGV, SIGBUS, SIGILL, SIGTRAP, SIGABRT, SIGFPE])
    func signals(_ signal: CInt) async throws {
        let names = [
            SIGSEGV: "SIGSEGV", SIGBUS: "SIGBUS", SIGILL: "SIGILL", SIGTRAP: "SIGTRAP", SIGABRT: "SIGABRT",
            SIGFPE: "SIGFPE",
        ]
        let server = try await FixtureServer(["workers=1"], environment: Self.quiet)
        let client = try server.connect()
        _ = try await client.ask("who")
        kill(try server.worker(0), signal)
        try await server.event("died", "end=\(names[signal] ?? "")")
        #expect(await client.isClosed(within: 1))
        try await server.event("ready", "generation=2")
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that writes its backtrace for too long is killed, and the backtracer with it")
    func reportLimit() async throws {
        let server = try await FixtureServer(
            ["workers=1", "crash-report-limit=1"],
            environment: ["SWIFT_BACKTRACE": "enable=yes,color=no,interactive=no"]
        )
        let victim = try server.worker(0)
        try server.connect().send("crash")
        try await server.event("died", "pid=\(victim)")
        #expect(try await server.who().generation == 2)
        try await eventually(within: 20, "the worker is gone") { !ProcessTree.exists(victim) }
        // The backtracer has the same standard error, which only ends when it does: end(of:) waits for that.
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that is killed while it writes its backtrace leaves no backtracer behind")
    func killedDuringReport() async throws {
        let server = try await FixtureServer(
            ["workers=1", "backoff=1", "backoff-max=2"],
            environment: ["SWIFT_BACKTRACE": "enable=yes,color=no,interactive=no"]
        )
        for round in 1...4 {
            let victim = try server.worker(0)
            try server.connect().send("crash")
            try await server.event("died", "pid=\(victim)")
            try await eventually(within: 10, "the backtracer runs") {
                !ProcessTree.children(of: victim).isEmpty || !ProcessTree.exists(victim)
            }
            kill(victim, SIGKILL)
            try await server.event("ready", "generation=\(round + 1)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("A new binary knows of a worker that was writing its backtrace, and leaves no backtracer behind")
    func killedDuringReportAfterUpgrade() async throws {
        let server = try await FixtureServer(
            ["workers=1", "backoff=1", "backoff-max=2"],
            environment: ["SWIFT_BACKTRACE": "enable=yes,color=no,interactive=no"]
        )
        let victim = try server.worker(0)
        try server.connect().send("crash")
        try await server.event("died", "pid=\(victim)")
        try await eventually(within: 10, "the backtracer runs") {
            !ProcessTree.children(of: victim).isEmpty || !ProcessTree.exists(victim)
        }
        let backtracers = ProcessTree.children(of: victim)
        try await server.event("ready", "generation=2")
        kill(server.master, SIGUSR2)
        try await server.line(/^event upgraded/)
        try await server.line(/^event reloadFinished/)
        // A backtrace takes seconds, and this took less than one.
        try #require(!backtracers.isEmpty && backtracers.allSatisfy { ProcessTree.exists($0) })
        kill(victim, SIGKILL)
        try await eventually(within: 10, "nobody of it is left") {
            ([victim] + backtracers).allSatisfy { !ProcessTree.exists($0) }
        }
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that only paused serves what it was sent, exactly once")
    func pausedWorker() async throws {
        let server = try await FixtureServer(["workers=1", "patience=20000"])
        _ = try await server.ask("served")
        let worker = try server.worker(0)
        try await ProcessTree.freeze(worker)
        let clients = try (0..<20).map { _ in try server.connect() }
        for client in clients { try client.send("who") }
        try await server.event("routed", count: 21)
        kill(worker, SIGCONT)
        for client in clients { #expect(try await client.who().pid == worker) }
        #expect(try await server.ask("served") == "served=22")
        #expect(server.events("died").isEmpty)
        #expect(try await server.stop() == 0)
    }

    @Test("A handler that drops a paused socket ends the connection")
    func droppedSocket() async throws {
        let server = try await FixtureServer(["workers=1", "refuse=yes"])
        for _ in 0..<10 {
            let client = try server.connect()
            #expect(await client.isClosed(within: 5))
        }
        #expect(server.events("died").isEmpty)
        #expect(try await server.stop() == 0)
    }
}
