import Foundation
import TestSupport
import Testing

@Suite("Supervision of real processes", .serialized)
struct SupervisionTests {
    @Test("A trap frees its client at once, spares the others, and its backtrace is written whole")
    func crash() async throws {
        let server = try await FixtureServer(["workers=2"], environment: ["SWIFT_BACKTRACE": "enable=yes,color=no"])
        let victim = try await server.who()
        var neighbour = "127.0.0.2"
        for last in 2...60 where try await server.who(from: neighbour).slot == victim.slot {
            neighbour = "127.0.0.\(last)"
        }
        let other = try LineClient(port: server.port, source: neighbour)
        let idle = try LineClient(port: server.port)
        #expect(try Who(await idle.ask("who")).pid == victim.pid)
        let client = try LineClient(port: server.port)
        let began = ContinuousClock.now
        try client.send("crash")
        #expect(try await client.receive() == nil)
        #expect(try await idle.receive() == nil)
        // The promise is 100 ms; a busy machine gets more. Without the notice it takes seconds.
        #expect(ContinuousClock.now - began < .seconds(1))
        let died = try await server.line(/^died/)
        #expect(died.contains("pid=\(victim.pid) end=SIG"))
        #expect(try await other.ask("echo still here") == "still here")
        try await server.line(/^respawned/)
        #expect(try await server.who().slot == victim.slot)
        try await eventually(within: 60, "the backtrace is written") { server.errors.text.contains("Backtrace took") }
        #expect(server.errors.text.contains("LineHandler.swift"), "the trap's own line is not in the backtrace")
        try await server.line(/^event workerExited/)
        #expect(try await server.stop() == 0)
    }

    @Test("always respawns after a clean exit, error only after others, never not at all")
    func policies() async throws {
        for (policy, code, respawns) in [
            ("always", 0, true), ("ERROR", 0, false), ("error", 3, true), ("never", 3, false),
        ] {
            let server = try await FixtureServer(["workers=2", "respawn=\(policy)"])
            let victim = try await server.who()
            _ = try? await server.ask("exit \(code)")
            try await server.line(/^died/)
            // With nobody to respawn, the client goes to the other slot.
            let after = try await server.who()
            #expect((after.slot == victim.slot) == respawns, "\(policy) \(code)")
            #expect(server.lines(/^created/).count == (respawns ? 3 : 2), "\(policy) \(code)")
            #expect(try await server.stop() == 0)
        }
    }

    @Test("When every worker has ended for good, so does the master, with a sentence")
    func workersGone() async throws {
        let server = try await FixtureServer(["workers=1", "respawn=never"])
        _ = try? await server.ask("exit 0")
        #expect(try await server.end() == 1)
        #expect(server.errors.text.contains("every worker has ended"))
    }

    @Test(
        "When no worker gets ready the master gives up, with growing waits and without spinning",
        arguments: ["fail", "exit"]
    )
    func bootLoop(_ kind: String) async throws {
        let server = try await FixtureServer(["workers=2", "boot=\(kind)", "backoff=50"], listening: false)
        #expect(try await server.end() == 1)
        #expect(server.lines(/^created/).count == 10)
        #expect(server.lines(/^parked/).count == 2)
        #expect(server.errors.text.contains("every worker ended before it was ready"), "\(server.errors.text)")
    }

    @Test("A slot whose worker never gets ready is parked, and its clients are served by their next choice")
    func parking() async throws {
        let server = try await FixtureServer(["workers=2", "boot=fail-slot-1", "backoff=20", "patience=100"])
        #expect(try await server.line(/^parked/).contains("slot=1"))
        #expect(Set(try await server.mapping(20)) == [0])
        #expect(try await server.stop() == 0)
    }

    @Test("A worker that takes too long to get ready is ended")
    func bootLimit() async throws {
        let server = try await FixtureServer(
            ["workers=1", "boot=hang", "boot-limit=200", "backoff=20"],
            listening: false
        )
        #expect(try await server.line(/^died/).contains("end=SIGKILL"))
        #expect(try await server.end() == 1)
    }

    @Test("A worker that stops answering gets no new clients and is then replaced", arguments: ["SIGSTOP", "spin"])
    func hang(_ kind: String) async throws {
        let server = try await FixtureServer(
            ["workers=2", "log=debug", "beat=50", "late=300", "hung=1500", "abort-grace=300", "patience=100"])
        let victim = try await server.who()
        if kind == "spin" {
            #expect(try await server.ask("spin") == "spinning")
        } else {
            try await ProcessTree.freeze(victim.pid)
        }
        // What is sent before it is late stays with it until it is dead, and is then served by its successor.
        let early = try LineClient(port: server.port)
        try early.send("who")
        #expect(try await server.line(/^event workerLate/).contains("slot: \(victim.slot)"))
        let moved = try await server.who()
        #expect(moved.slot != victim.slot)
        #expect(moved.reason == "rerouted")
        try await server.line(/^event workerHung/)
        try await server.line(/^respawned/)
        if kind == "SIGSTOP" {
            let answer = try await early.receive()
            let who = try Who(#require(answer, "\(server.output.text)\(server.errors.text)"))
            #expect(who.generation == victim.generation + 1)
        }
        #expect(try await server.who().generation == victim.generation + 1)
        #expect(try await server.stop() == 0)
    }

    @Test("Descriptors and processes after 200 kills and 50 reloads are those of before (R7)")
    func nothingIsLeft() async throws {
        let server = try await FixtureServer(["workers=3", "backoff=1", "backoff-max=2"])
        _ = try await server.mapping(10)
        let before = ProcessTree.descriptors(server.master)
        for round in 1...200 {
            let victim = try #require(ProcessTree.children(of: server.master).randomElement())
            kill(victim, SIGKILL)
            try await server.line(/^respawned/, count: round)
        }
        for round in 1...50 {
            kill(server.master, SIGHUP)
            try await server.line(/^event reloadFinished/, count: round)
        }
        try await eventually(within: 10, "three workers and \(before) descriptors") {
            ProcessTree.children(of: server.master).count == 3 && ProcessTree.descriptors(server.master) <= before
        }
        #expect(try await server.mapping(10).count == 10)
        #expect(try await server.stop() == 0)
    }

    @Test("Root is refused without a user, and workers become the user in every thread")
    func privileges() async throws {
        guard geteuid() == 0 else { return }
        let refused = try await FixtureServer(["root=no"], listening: false)
        #expect(try await refused.end() == 1)
        #expect(refused.errors.text.contains("refusing to serve as root"))

        let server = try await FixtureServer(["workers=2", "root=no", "user=nobody"])
        let nobody = try #require(getpwnam("nobody")).pointee.pw_uid
        let workers = ProcessTree.children(of: server.master)
        #expect(workers.count == 2)
        for worker in workers {
            let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(worker)/task")
            #expect(threads.count > 1)
            for thread in threads {
                let status = try String(contentsOfFile: "/proc/\(worker)/task/\(thread)/status", encoding: .utf8)
                #expect(status.contains("Uid:\t\(nobody)\t\(nobody)\t\(nobody)\t\(nobody)"), "thread \(thread)")
                #expect(status.contains("NoNewPrivs:\t1"), "thread \(thread)")
            }
        }
        #expect(try await server.stop() == 0)
    }
}
