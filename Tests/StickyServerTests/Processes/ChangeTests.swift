import Foundation
import Synchronization
import TestSupport
import Testing

/// Asks again and again from many addresses, on a new connection each time, and counts.
private final class Load: Sendable {
    private struct Counts {
        var answered = 0
        var failures: [String] = []
        var moved = 0
    }

    private let counts = Mutex(Counts())
    private let stopping = Atomic<Bool>(false)

    /// Runs while `body` does. Every client must be answered, by its own slot.
    func run(against server: FixtureServer, _ homes: [Int], _ body: () async throws -> Void) async throws {
        try await withThrowingTaskGroup(of: Void.self) { group in
            for worker in 0..<4 {
                group.addTask { [self] in
                    var index = worker
                    while !stopping.load(ordering: .relaxed) {
                        index = (index + 1) % homes.count
                        await once(server, index, homes[index])
                    }
                }
            }
            do {
                try await body()
                // A busy machine may get less done while the body runs.
                try await eventually(within: 20, "more than 20 are answered") { counts.withLock { $0.answered > 20 } }
            } catch {
                stopping.store(true, ordering: .relaxed)
                throw error
            }
            stopping.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        counts.withLock { counts in
            #expect(counts.failures.isEmpty, "\(counts.failures.prefix(5)) of \(counts.failures.count)")
            #expect(counts.moved == 0)
        }
    }

    private func once(_ server: FixtureServer, _ index: Int, _ home: Int) async {
        do {
            let who = try await server.who(from: "127.0.0.\(index + 1)")
            counts.withLock { counts in
                counts.answered += 1
                if who.slot != home { counts.moved += 1 }
            }
        } catch {
            counts.withLock { $0.failures.append("\(error)") }
        }
    }
}

@Suite("Changes under load", .serialized)
struct ChangeTests {
    @Test("100 rolling reloads fail no connection and move nobody (R4)")
    func reload() async throws {
        let server = try await FixtureServer(["workers=2"])
        let homes = try await server.mapping(20)
        try await Load().run(against: server, homes) {
            for round in 1...100 {
                kill(server.master, SIGHUP)
                try await server.line(/^event reloadFinished/, count: round)
            }
        }
        #expect(try await server.who().generation == 101)
        #expect(try await server.stop() == 0)
    }

    @Test("A reload whose new workers fail is aborted, and the old ones serve on")
    func reloadAborts() async throws {
        let file = FileManager.default.temporaryDirectory.appending(path: "bad-\(UUID())").path()
        let server = try await FixtureServer(["workers=2", "bad-while=\(file)"])
        let before = try await server.who()
        try Data().write(to: URL(filePath: file))
        kill(server.master, SIGHUP)
        try await server.line(/^event reloadAborted/)
        #expect(try await server.who() == before)
        try FileManager.default.removeItem(atPath: file)
        kill(server.master, SIGHUP)
        try await server.line(/^event reloadFinished/)
        #expect(try await server.who().pid != before.pid)
        #expect(try await server.stop() == 0)
    }

    @Test("At most so many generations drain at a time")
    func generations() async throws {
        let server = try await FixtureServer(["workers=1", "generations=2", "drain=60000"])
        var clients: [LineClient] = []
        for round in 1...4 {
            let client = try LineClient(port: server.port)
            try client.send("sleep 60000")
            clients.append(client)
            try await server.line(/^routed/, count: round)
            kill(server.master, SIGHUP)
            try await server.line(/^event reloadFinished/, count: round)
        }
        // Four generations have a client that never ends; two of them may live beside the one that serves.
        try await eventually(within: 10, "three processes") { ProcessTree.children(of: server.master).count == 3 }
        #expect(try await clients[0].receive() == nil)
        #expect(try await clients[1].receive() == nil)
        kill(server.master, SIGTERM)
        try await server.line(/^stopping/)
        kill(server.master, SIGTERM)
        #expect(try await server.end() == 0)
    }

    @Test("More slots take only their share, and fewer give it back")
    func scaling() async throws {
        let server = try await FixtureServer(["workers=2"])
        let before = try await server.mapping(40)
        kill(server.master, SIGTTIN)
        try await server.line(/^ready slot=2/)
        let more = try await server.mapping(40)
        #expect(more.contains(2))
        for (old, new) in zip(before, more) { #expect(new == old || new == 2) }
        kill(server.master, SIGTTOU)
        try await server.line(/^event scaled\(workers: 2\)/)
        #expect(try await server.mapping(40) == before)
        try await eventually(within: 10, "the third worker ends") { ProcessTree.children(of: server.master).count == 2 }
        #expect(try await server.stop() == 0)
    }

    @Test("A worker is replaced after so many connections, and when it asks for it; its slot is never empty")
    func recycling() async throws {
        let server = try await FixtureServer(["workers=1", "recycle-after=10"])
        let first = try await server.who()
        for _ in 0..<10 { _ = try await server.who() }
        try await server.line(/^event workerReplaced/)
        let second = try await server.who()
        #expect(second.generation == first.generation + 1)
        #expect(try await server.ask("recycle") == "recycling")
        try await server.line(/^event workerReplaced/, count: 2)
        #expect(server.lines(/^died/).isEmpty)
        #expect(server.lines(/^dropped/).isEmpty)
        #expect(try await server.stop() == 0)
    }

    @Test("An upgrade keeps the pid, the mapping and every connection; a bad executable changes nothing")
    func upgrade() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "upgrade-\(UUID())")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let installed = folder.appending(path: "fixture")
        let new = folder.appending(path: "fixture.new")
        try FileManager.default.copyItem(at: builtExecutable("ClusterFixture"), to: installed)
        let server = try await FixtureServer(["workers=2"], executable: installed)
        let homes = try await server.mapping(20)
        let descriptors = ProcessTree.descriptors(server.master)
        try await Load().run(against: server, homes) {
            for round in 1...3 {
                try FileManager.default.copyItem(at: builtExecutable("ClusterFixture"), to: new)
                #expect(rename(new.path(), installed.path()) == 0)
                kill(server.master, SIGUSR2)
                try await server.line(/^event upgraded/, count: round)
                try await server.line(/^event reloadFinished/, count: round)
            }
        }
        #expect(server.isRunning)
        #expect(try await server.mapping(20) == homes)
        try await eventually(within: 10, "no descriptor is left") {
            ProcessTree.descriptors(server.master) <= descriptors
        }
        try Data("no program".utf8).write(to: new)
        chmod(new.path(), 0o755)
        #expect(rename(new.path(), installed.path()) == 0)
        kill(server.master, SIGUSR2)
        try await server.line(/^event upgradeAborted/)
        #expect(try await server.mapping(20) == homes)
        #expect(try await server.stop() == 0)
    }

    @Test("A connection that waits for its worker is carried through an upgrade")
    func upgradeCarriesWaitingSockets() async throws {
        let server = try await FixtureServer(["workers=2", "unreceipted=1", "patience=60000"])
        let victim = try await server.who()
        try await ProcessTree.freeze(victim.pid)
        var clients: [LineClient] = []
        for _ in 0..<5 {
            let client = try LineClient(port: server.port)
            try client.send("who")
            clients.append(client)
        }
        let other = victim.slot == 0 ? 1 : 0
        kill(server.master, SIGUSR2)
        // The probe runs in the first slot that serves; with a stopped worker there, too.
        try await server.line(/^event upgraded/)
        kill(victim.pid, SIGCONT)
        for client in clients {
            let who = try Who(#require(try await client.receive()))
            #expect(who.slot == victim.slot)
        }
        _ = other
        #expect(try await server.stop() == 0)
    }
}
