import Foundation
import TestSupport
import Testing

@Suite("Messages that wait for room", .serialized)
struct BackPressureTests {
    /// Workers with a client at each, whose queues hold two mebibytes.
    private struct Cluster {
        let server: FixtureServer
        let clients: [LineClient]
        let sources: [String]

        init(_ workers: Int, _ arguments: String...) async throws {
            let server = try await FixtureServer(["workers=\(workers)", "message-queue=2097152"] + arguments)
            sources = try await server.sources(slots: workers).map { $0[0] }
            clients = try sources.map { try server.connect(from: $0) }
            self.server = server
            for client in clients { _ = try await client.ask("who") }
        }

        /// The numbers of the messages that a worker has had from a sender, in their order.
        func heard(_ slot: Int, from sender: String) async throws -> [Int] {
            try await clients[slot].ask("heard").split(separator: ",").compactMap { entry in
                guard entry.hasPrefix("\(sender):"), entry.dropFirst(sender.count + 1).contains("...") else {
                    return nil
                }
                return Int(entry.dropFirst(sender.count + 1).prefix { $0 != " " })
            }
        }

        var dropped: Int { server.output.lines.filter { $0.contains("messageDropped") }.count }

        func end() async throws {
            #expect(server.events("died").isEmpty)
            #expect(try await server.stop() == 0)
        }
    }

    @Test("A stopped receiver makes its sender wait, in bounded memory, and nobody else; then all arrive in order")
    func stoppedReceiver() async throws {
        let cluster = try await Cluster(3, "hung=60000", "late=60000")
        let server = cluster.server
        try await ProcessTree.freeze(try server.worker(1))
        let memory = try residentMemory(server.master)
        try cluster.clients[0].send("wait-send 1 20,500000,60000")
        #expect(await cluster.clients[0].isSilent(for: 0.5))
        // The same sender's other receiver, other senders, and the master.
        let other = try server.connect(from: cluster.sources[0])
        #expect(try await other.ask("wait-send 2 20,500000,20000", within: 30) == "sent 20")
        #expect(try await other.ask("wait-send master 20,500000,20000", within: 30) == "sent 20")
        try await eventually(within: 20, "the third has them") {
            try await cluster.heard(2, from: "0").count == 20
        }
        #expect(try await server.ask("echo served", from: cluster.sources[2]) == "served")
        #expect(await cluster.clients[0].isSilent(for: 0.1))
        // Ten megabytes are on their way to the one that stands still; the queue's two may be held.
        #expect(try residentMemory(server.master) - memory < 8 << 20)
        kill(try server.worker(1), SIGCONT)
        #expect(try await cluster.clients[0].receive() == "sent 20")
        try await eventually(within: 20, "all have come") { try await cluster.heard(1, from: "0").count == 20 }
        #expect(try await cluster.heard(1, from: "0") == Array(0..<20))
        #expect(try await cluster.heard(2, from: "0") == Array(0..<20))
        #expect(cluster.dropped == 0)
        try await cluster.end()
    }

    @Test("Without room in time it is an error, what was sent arrives, and no room stays kept")
    func timeout() async throws {
        let cluster = try await Cluster(2, "hung=60000", "late=60000")
        let worker = try cluster.server.worker(1)
        try await ProcessTree.freeze(worker)
        let answer = try await cluster.clients[0].ask("wait-send 1 20,500000,300")
        let sent = try #require(
            answer.firstMatch(of: /^sent (\d+) error messageQueueFull$/).flatMap { Int($0.1) },
            "\(answer)"
        )
        #expect((1..<20).contains(sent))
        kill(worker, SIGCONT)
        try await eventually(within: 20, "all have come") { try await cluster.heard(1, from: "0").count == sent }
        // Four messages need all of the queue: none of it may be kept for the one that was given up.
        try await ProcessTree.freeze(worker)
        #expect(try await cluster.clients[0].ask("wait-send 1 4,500000,20000") == "sent 4")
        kill(worker, SIGCONT)
        try await eventually(within: 20, "they too") { try await cluster.heard(1, from: "0").count == sent + 4 }
        #expect(try await cluster.heard(1, from: "0") == Array(0..<sent) + Array(0..<4))
        #expect(cluster.dropped == 0)
        try await cluster.end()
    }

    @Test("The master waits too, for one and for all, and loses nothing", arguments: ["1", "everyone"])
    func master(_ target: String) async throws {
        let cluster = try await Cluster(2, "hung=60000", "late=60000")
        let worker = try cluster.server.worker(1)
        try await ProcessTree.freeze(worker)
        #expect(
            try await cluster.clients[0].ask("tell master order wait-send \(target) 12 500000 60000") == "told"
        )
        #expect(await cluster.clients[0].isSilent(for: 0.3))
        #expect(cluster.server.events("waited").isEmpty)
        kill(worker, SIGCONT)
        try await cluster.server.event("waited", "sent=12", "ok")
        for slot in target == "everyone" ? [0, 1] : [1] {
            try await eventually(within: 20, "all have come") {
                try await cluster.heard(slot, from: "master").count == 12
            }
            #expect(try await cluster.heard(slot, from: "master") == Array(0..<12))
        }
        #expect(cluster.dropped == 0)
        try await cluster.end()
    }

    @Test("A publisher waits for the slowest subscriber's process")
    func publisher() async throws {
        let cluster = try await Cluster(3, "hung=60000", "late=60000")
        let worker = try cluster.server.worker(1)
        try await ProcessTree.freeze(worker)
        try cluster.clients[0].send("wait-publish news 12,500000,60000")
        #expect(await cluster.clients[0].isSilent(for: 0.3))
        kill(worker, SIGCONT)
        #expect(try await cluster.clients[0].receive() == "sent 12")
        #expect(cluster.dropped == 0)
        try await cluster.end()
    }

    @Test("Who waits for a worker that dies sends to its successor; a sender that dies holds nobody up")
    func deaths() async throws {
        let cluster = try await Cluster(3, "hung=60000", "late=60000", "backoff=1")
        let server = cluster.server
        let worker = try server.worker(1)
        try await ProcessTree.freeze(worker)
        try cluster.clients[0].send("wait-send 1 20,500000,60000")
        try cluster.clients[2].send("wait-send 1 20,500000,60000")
        #expect(await cluster.clients[0].isSilent(for: 0.3))
        kill(try server.worker(2), SIGKILL)
        try await server.event("died", "slot=2")
        kill(worker, SIGKILL)
        #expect(try await cluster.clients[0].receive() == "sent 20")
        let reader = try server.connect(from: cluster.sources[1])
        try await eventually(within: 20, "the last has come") { try await reader.ask("heard").contains("0:19 ...") }
        #expect(try await server.stop() == 0)
    }

    @Test("A slot that does not exist is no reason to wait")
    func nobody() async throws {
        let cluster = try await Cluster(2)
        #expect(try await cluster.clients[0].ask("wait-send 7 1,10,20000") == "sent 0 error requestRefused")
        #expect(try await cluster.clients[0].ask("wait-send 1 1,2000000,20000") == "sent 0 error messageTooLarge")
        try await cluster.end()
    }

    @Test("A master that stands still makes a worker wait, and has everything in order then")
    func slowMaster() async throws {
        let cluster = try await Cluster(1)
        try await ProcessTree.freeze(cluster.server.master)
        try cluster.clients[0].send("wait-send master 20,500000,60000")
        #expect(await cluster.clients[0].isSilent(for: 0.3))
        kill(cluster.server.master, SIGCONT)
        #expect(try await cluster.clients[0].receive() == "sent 20")
        try await cluster.server.event("message", count: 20)
        let numbers = cluster.server.events("message")
            .compactMap { $0.firstMatch(of: /text=(\d+)\s/).flatMap { Int($0.1) } }
        #expect(numbers == Array(0..<20))
        try await cluster.end()
    }

    private func residentMemory(_ pid: pid_t) throws -> Int {
        let text = try String(contentsOfFile: "/proc/\(pid)/statm", encoding: .utf8)
        let pages = try #require(text.split(separator: " ").dropFirst().first.flatMap { Int($0) })
        return pages * Int(sysconf(CInt(_SC_PAGESIZE)))
    }
}
