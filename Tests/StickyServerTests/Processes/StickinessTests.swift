import Foundation
import Synchronization
import TestSupport
import Testing

/// Figures that are promised over many connections.
@Suite("Promises in numbers", .serialized)
struct StickinessTests {
    private final class Tally: Sendable {
        let next = Mutex(0)
        let answers: Mutex<[Int?]>

        init(_ count: Int) {
            answers = Mutex([Int?](repeating: nil, count: count))
        }
    }

    /// Asks from many sources at once; nil where there was no answer.
    private func slots(_ sources: [String], at port: UInt16) async -> [Int?] {
        let tally = Tally(sources.count)
        await withTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    while true {
                        let index = tally.next.withLock { next in
                            defer { next += 1 }
                            return next
                        }
                        guard index < sources.count else { return }
                        let client = try? LineClient(port: port, source: sources[index])
                        guard let line = try? await client?.ask("who"), let who = try? Who(line) else { continue }
                        tally.answers.withLock { $0[index] = who.slot }
                    }
                }
            }
        }
        return tally.answers.withLock { $0 }
    }

    @Test("400 sources five times: none is split, the load is even, and a death moves only its own slot's (K1)")
    func stickiness() async throws {
        let folder = try TemporaryFolder()
        let server = try await FixtureServer([
            "workers=4", "key=fixed", "events=lifecycle", "unavailable=reroute", "wait-while=\(folder.file("bad"))",
        ])
        let port = try server.port
        // Neighbours, as in one subnet, and others.
        let sources = (0..<400).map { "127.\($0 < 250 ? 0 : $0 - 240).0.\(1 + $0 % 250)" }
        let map = await slots(sources, at: port)
        for _ in 0..<4 { #expect(await slots(sources, at: port) == map) }
        for part in [Array(map), Array(map[..<250])] {
            let counts = (0..<4).map { slot in part.count { $0 == slot } }
            let expected = Double(part.count) / 4
            let chiSquare = counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
            // p = 0.001 with three degrees of freedom.
            #expect(chiSquare < 16.27, "\(counts)")
        }
        try folder.touch("bad")
        kill(try server.worker(2), SIGKILL)
        try await server.event("created", "slot=2", "generation=2")
        let meanwhile = await slots(sources, at: port)
        for (before, now) in zip(map, meanwhile) { #expect(before == 2 ? now != 2 && now != nil : now == before) }
        try folder.remove("bad")
        try await server.event("ready", "slot=2", "generation=2")
        #expect(await slots(sources, at: port) == map)
        #expect(try await server.stop() == 0)
    }

    @Test("6,000 new connections over two reloads: none fails (R4)")
    func reloads() async throws {
        let server = try await FixtureServer(["workers=2", "events=lifecycle"])
        let port = try server.port
        let sources = (0..<1000).map { "127.0.\($0 / 250).\(1 + $0 % 250)" }
        let map = await slots(sources, at: port)
        for round in 1...2 {
            async let first = slots(sources, at: port)
            kill(server.master, SIGHUP)
            #expect(await first == map)
            #expect(await slots(sources, at: port) == map)
            try await server.line(/^event reloadFinished/, count: round)
        }
        #expect(await slots(sources, at: port) == map)
        #expect(!map.contains(nil))
        #expect(server.events("died").isEmpty)
        #expect(try await server.stop() == 0)
    }
}
