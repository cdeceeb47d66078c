import Foundation
import TestSupport
import Testing

@Suite("Messages to those who do not keep up or are not there", .serialized)
struct MessageLimitTests {
    @Test("A worker that does not keep up: what was taken arrives in order, the rest is told as dropped")
    func slowReceiver() async throws {
        let server = try await FixtureServer(["workers=2", "message-queue=2097152"])
        let sources = try await server.sources(slots: 2).map { $0[0] }
        let worker = try server.worker(1)
        let (sender, receiver) = try (server.connect(from: sources[0]), server.connect(from: sources[1]))
        #expect(try Who(await receiver.ask("who")).pid == worker)
        try await ProcessTree.freeze(worker)
        var sent = 0
        // Until the master has more than it may hold for the worker.
        try await eventually(within: 20, "a message is dropped") {
            let answer = try await sender.ask("big 1 500000")
            #expect(answer == "told")
            sent += 1
            return !server.output.lines.filter { $0.contains("messageDropped") }.isEmpty
        }
        #expect(try await sender.ask("tell master order send 1 1000000") == "told")
        try await server.event("sent", "error", "messageQueueFull")
        kill(worker, SIGCONT)
        let lost = server.output.lines.filter { $0.contains("messageDropped(from: Optional(0)") }.count
        try await eventually(within: 20, "\(sent - lost) messages") {
            try await heard(receiver).filter { $0.hasSuffix("(500000)") }.count == sent - lost
        }
        #expect(try await sender.ask("tell 1 again") == "told")
        try await eventually(within: 20, "the next") { try await heard(receiver).last == "0:again(5)" }
        #expect(try await server.stop() == 0)
    }

    @Test("A master that does not keep up is an error for the sender; what was taken arrives in order")
    func slowMaster() async throws {
        let server = try await FixtureServer(["workers=1", "message-queue=2097152"])
        let client = try server.connect()
        _ = try await client.ask("who")
        try await ProcessTree.freeze(server.master)
        let answer = try await client.ask("flood 20 500000")
        kill(server.master, SIGCONT)
        let taken = try #require(answer.firstMatch(of: /^error messageQueueFull at (\d+)$/).flatMap { Int($0.1) })
        try await server.event("message", count: taken)
        let numbers = server.events("message").compactMap { $0.firstMatch(of: /text=(\d+)\s/).flatMap { Int($0.1) } }
        #expect(numbers == Array(0..<taken))
        #expect(try await client.ask("tell master again") == "told")
        try await server.event("message", "text=again")
        #expect(try await server.stop() == 0)
    }

    @Test("1 MiB five times from two senders at once: nothing is mixed up")
    func twoSenders() async throws {
        let server = try await FixtureServer(["workers=3"])
        let clients = try await server.sources(slots: 3).map { try server.connect(from: $0[0]) }
        for _ in 0..<5 {
            try clients[0].send("big 1 1048576")
            try clients[2].send("big 1 1048575")
        }
        for client in [clients[0], clients[2]] {
            for _ in 0..<5 { #expect(try await client.receive() == "told") }
        }
        try await eventually(within: 20, "ten messages") { try await heard(clients[1]).count == 10 }
        let messages = try await heard(clients[1])
        #expect(messages.filter { $0.hasPrefix("0:bbb") && $0.hasSuffix("(1048576)") }.count == 5)
        #expect(messages.filter { $0.hasPrefix("2:bbb") && $0.hasSuffix("(1048575)") }.count == 5)
        #expect(try await server.stop() == 0)
    }

    @Test("To a slot without a worker, to one that does not exist, too long: each is told by name")
    func nobodyThere() async throws {
        let server = try await FixtureServer(["workers=3", "respawn=never"])
        let clients = try await server.sources(slots: 3).map { try server.connect(from: $0[0]) }
        for client in clients { _ = try await client.ask("who") }
        kill(try server.worker(1), SIGKILL)
        try await server.event("died", "slot=1")
        for (order, outcome) in [
            ("send 1 7", "error noSuchSlot"), ("send 3 7", "error noSuchSlot"),
            ("send 0 1048577", "error messageTooLarge"),
            ("send 0 1048576", "ok"),
        ] {
            let before = server.events("sent").count
            #expect(try await clients[0].ask("tell master order \(order)") == "told")
            #expect(try await server.event("sent", count: before + 1) == "sent \(outcome)", "\(order)")
        }
        #expect(try await clients[0].ask("tell 1 anybody?") == "told")
        try await eventually(within: 20, "it is told") {
            server.output.lines.contains("event messageDropped(from: Optional(0), to: 1, bytes: 8)")
        }
        #expect(try await clients[0].ask("ask 1 anybody?") == "error requestRefused")
        // Those who are there get it.
        #expect(try await clients[0].ask("tell everyone x") == "told")
        try await eventually(within: 20, "the third hears") { try await heard(clients[2]) == ["0:x(1)"] }
        #expect(server.events("died").count == 1)
        #expect(try await server.stop() == 0)
    }

    private func heard(_ client: LineClient) async throws -> [String] {
        try await client.ask("heard").split(separator: ",").map(String.init)
    }
}
