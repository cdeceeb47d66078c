import Foundation
import TestSupport
import Testing

@Suite("Zombies and orphans", .serialized)
struct OrphanTests {
    /// Processes that have ended and that their parent has not waited for (proc(5), state Z).
    private func zombies(of parent: pid_t) throws -> [pid_t] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { pid_t($0) }.filter { pid in
            guard let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
            let fields = stat.split(separator: ")").last?.split(separator: " ") ?? []
            return fields.count > 1 && fields[0] == "Z" && pid_t(fields[1]) == parent
        }
    }

    @Test("Workers that were killed, crashed, exited or drained leave no zombies")
    func zombies() async throws {
        let server = try await FixtureServer(
            ["workers=2", "backoff=1", "backoff-max=2"],
            environment: ["SWIFT_BACKTRACE": "enable=no"]
        )
        let source = try await server.sources(slots: 1)[0][0]
        for (round, how) in ["kill", "crash", "exit 0", "exit 3", "stop", "recycle", "kill"].enumerated() {
            switch how {
            case "kill": kill(try server.worker(0), SIGKILL)
            case "stop":
                try await ProcessTree.freeze(try server.worker(0))
                kill(try server.worker(0), SIGKILL)
            default: try server.connect(from: source).send(how)
            }
            try await server.event("ready", "slot=0", "generation=\(round + 2)")
        }
        kill(server.master, SIGHUP)
        try await server.line(/^event reloadFinished/)
        try await eventually(within: 20, "two children, and none that has ended") {
            try zombies(of: server.master).isEmpty && ProcessTree.children(of: server.master).count == 2
        }
        #expect(try await server.stop() == 0)
    }

    @Test("kill -9 of the master leaves no process: serving, starting or draining, and the port is free (R5)")
    func orphans() async throws {
        let folder = try TemporaryFolder()
        let server = try await FixtureServer(["workers=2", "drain=3000", "wait-while=\(folder.file("bad"))"])
        let port = try server.port
        // One drains, because its client lasts; its slot's successor serves.
        let client = try server.connect()
        let draining = try Who(await client.ask("who"))
        try client.send("sleep 60000")
        _ = try await server.ask("recycle")
        try await server.line(/^event workerReplaced/)
        // One is starting.
        try folder.touch("bad")
        let serving = try server.worker(1 - draining.slot)
        kill(serving, SIGKILL)
        try await server.event("created", "slot=\(1 - draining.slot)", "generation=2")
        let everybody = ProcessTree.children(of: server.master)
        #expect(everybody.count == 3 && everybody.contains(draining.pid))
        kill(server.master, SIGKILL)
        // Those who have nobody to serve end at once, whoever drains at its deadline, whoever starts when that is
        // told, and at the latest a moment after the deadline.
        try await eventually(within: 15, "nobody is left") { everybody.allSatisfy { !ProcessTree.exists($0) } }
        try folder.remove("bad")
        let again = try await FixtureServer(["workers=1", "listen=127.0.0.1:\(port)"])
        #expect(try again.port == port)
        #expect(try await again.stop() == 0)
    }

    @Test("Idle workers end within a second of their master (R5)")
    func idle() async throws {
        let server = try await FixtureServer(["workers=3"])
        let workers = ProcessTree.children(of: server.master)
        #expect(workers.count == 3)
        kill(server.master, SIGKILL)
        // One second is the promise; a busy machine gets more.
        try await eventually(within: 5, "nobody is left") { workers.allSatisfy { !ProcessTree.exists($0) } }
    }
}
