#if os(Linux)
import Foundation
import TestSupport
import Testing

@Suite("Scheduling", .serialized)
struct SchedulingTests {
    private static let ordinary = 0
    private static let batch = 3

    @Test("The master's thread interrupts nobody; its other threads, and workers, are scheduled as before")
    func classes() async throws {
        try #require(sched_getscheduler(0) == Self.ordinary, "this test needs the ordinary class itself")
        let server = try await FixtureServer(["workers=2"])
        try check(server)
        kill(try server.worker(0), SIGKILL)
        try await server.event("ready", "slot=0", "generation=2")
        try check(server)
        kill(server.master, SIGUSR2)
        try await server.line(/^event upgraded/)
        try await server.line(/^event reloadFinished/)
        try check(server)
        #expect(try await server.stop() == 0)
    }

    private func check(_ server: FixtureServer) throws {
        let master = try policies(of: server.master)
        #expect(master["sticky-master"] == Self.batch)
        #expect(master.count > 1)
        #expect(master.filter { $0.key != "sticky-master" }.allSatisfy { $0.value == Self.ordinary }, "\(master)")
        for worker in ProcessTree.children(of: server.master) {
            let threads = try policies(of: worker)
            #expect(!threads.isEmpty)
            #expect(threads.allSatisfy { $0.value == Self.ordinary }, "\(threads)")
        }
    }

    /// By the names of threads (proc(5)); threads of one name are as the highest of them.
    private func policies(of pid: pid_t) throws -> [String: Int] {
        let threads = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")
        let found = try threads.map { thread in
            let stat = try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/stat", encoding: .utf8)
            let match = try #require(stat.firstMatch(of: /\((.*)\) (.*)/))
            // Field 41; the first two are the number and the name.
            return (String(match.1), try #require(Int(match.2.split(separator: " ")[38])))
        }
        return Dictionary(found) { max($0, $1) }
    }
}
#endif
