import Foundation
import TestSupport
import Testing

@Suite("Recycling of real workers", .serialized)
struct RecyclingTests {
    @Test("By time, all slots at once: everybody is served, by no fewer workers than there are slots")
    func time() async throws {
        let server = try await FixtureServer(
            ["workers=2", "recycle-time=400", "recycle-jitter=0", "log=info"]
        )
        let port = try server.port
        let loads = try await server.sources(slots: 2).map { SlotLoad(port: port, source: $0[0]) }
        try await eventually(within: 60, "both slots are replaced twice") {
            (0..<2).allSatisfy { slot in
                server.lines(/^event workerReplaced/).count { $0.contains("slot: \(slot),") } >= 2
            }
        }
        for load in loads {
            let count = await load.stop()
            #expect(count.answered > 20)
            #expect(count.failed == 0 && count.hung == 0 && count.moved == 0, "\(count)")
        }
        #expect(server.events("died").isEmpty)
        #expect(server.errors.text.contains("limit=time"))
        // A slot's process is told to drain only when its successor is ready.
        var ready = 0
        for line in server.output.lines {
            if line.hasPrefix("ready ") { ready += 1 }
            if line.hasPrefix("event workerReplaced") { ready -= 1 }
            if line.hasPrefix("listening ") || line.hasPrefix("event workerReplaced") { #expect(ready >= 2) }
        }
        #expect(try await server.stop() == 0)
    }

    @Test("By memory: the worker that has grown is replaced, the other is not")
    func memory() async throws {
        let server = try await FixtureServer(["workers=2", "recycle-memory=\(200 << 20)", "log=info"])
        let sources = try await server.sources(slots: 2).map { $0[0] }
        let clients = try sources.map { try server.connect(from: $0) }
        let (large, small) = (try Who(await clients[0].ask("who")), try Who(await clients[1].ask("who")))
        #expect(try await clients[0].ask("grow 250") == "grown")
        try await server.line(/^event workerReplaced\(slot: 0/)
        // The connection that it had is finished by it.
        #expect(try await server.who(from: sources[0]).generation == large.generation + 1)
        #expect(server.errors.text.contains("limit=memory"))
        #expect(try await server.who(from: sources[1]) == small)
        #expect(server.lines(/^event workerReplaced/).count == 1)
        #expect(server.events("died").isEmpty)
        #expect(try await server.stop() == 0)
    }
}
