import Foundation
import TestSupport
import Testing

@Suite("Workers that speak nonsense", .serialized)
struct NonsenseTests {
    private static let kinds = [
        "noise", "byte", "empty-kind", "unknown-kind", "version", "ping", "connections", "receipt", "refuse", "length",
        "trailing", "no-descriptor", "message", "endless-message", "closed", "crash-notice", "large",
    ]

    @Test("Each is ended and replaced; the master and the other workers live on")
    func nonsense() async throws {
        let server = try await FixtureServer(["workers=2", "backoff=1", "backoff-max=2"])
        let sources = try await server.sources(slots: 2).map { $0[0] }
        let stranger = try server.connect(from: sources[1])
        for (number, kind) in Self.kinds.enumerated() {
            let client = try server.connect(from: sources[0])
            #expect(try Who(await client.ask("who")).generation == number + 1)
            let worker = try server.worker(0)
            try client.send("garbage \(kind)")
            let died = try await server.event("died", "pid=\(worker)")
            #expect(died.contains("end=SIGKILL"), "\(kind): \(died)")
            try await server.event("ready", "slot=0", "generation=\(number + 2)")
            try await eventually(within: 10, "\(kind): the worker is gone") { !ProcessTree.exists(worker) }
            #expect(try await stranger.ask("echo \(kind)") == kind)
        }
        #expect(server.events("died", ["slot=1"]).isEmpty)
        #expect(ProcessTree.children(of: server.master).count == 2)
        #expect(try await server.stop() == 0)
    }

    #if os(Linux)
    @Test("One that counts receipts of nothing is ended at the next connection, and that is served by its successor")
    func tally() async throws {
        let server = try await FixtureServer(["workers=2", "backoff=1", "backoff-max=2", "patience=20000"])
        let sources = try await server.sources(slots: 2).map { $0[0] }
        let stranger = try server.connect(from: sources[1])
        let worker = try server.worker(0)
        let client = try server.connect(from: sources[0])
        #expect(try await client.ask("garbage tally") == "sent")
        // Stopped, so that it does not take the connection before the master looks.
        kill(worker, SIGSTOP)
        let next = try server.connect(from: sources[0])
        let died = try await server.event("died", "pid=\(worker)")
        #expect(died.contains("end=SIGKILL"))
        #expect(try Who(await next.ask("who")).generation == 2)
        #expect(try await stranger.ask("echo still here") == "still here")
        #expect(try await server.stop() == 0)
    }
    #endif
}
