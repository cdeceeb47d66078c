import Foundation
import TestSupport
import Testing

@Suite("Messages between processes", .serialized)
struct MessageTests {
    /// An address for each slot.
    private func addresses(_ server: FixtureServer, _ slots: Int) async throws -> [String] {
        var found: [Int: String] = [:]
        for last in 1...100 where found.count < slots {
            let address = "127.0.0.\(last)"
            found[try await server.who(from: address).slot, default: address] = address
        }
        return try (0..<slots).map { try #require(found[$0]) }
    }

    private func heard(_ server: FixtureServer, _ address: String, _ wanted: String) async throws {
        try await eventually(within: 10, "«\(wanted)» is heard") {
            try await server.ask("heard", from: address).split(separator: ",").contains { $0 == wanted }
        }
    }

    @Test("Worker to master, master to one and to all, worker to worker and to all")
    func everyWay() async throws {
        let server = try await FixtureServer(["workers=3"])
        let address = try await addresses(server, 3)
        #expect(try await server.ask("tell master hello", from: address[1]) == "told")
        #expect(try await server.line(/^message/).contains("slot=1 bytes=5 text=hello"))
        #expect(try await server.ask("tell master broadcast to all", from: address[0]) == "told")
        for each in address { try await heard(server, each, "master:to all(6)") }
        #expect(try await server.ask("tell master reply only you", from: address[2]) == "told")
        try await heard(server, address[2], "master:only you(8)")
        #expect(try await server.ask("tell 2 psst", from: address[0]) == "told")
        try await heard(server, address[2], "0:psst(4)")
        #expect(try await server.ask("tell everyone hi", from: address[0]) == "told")
        try await heard(server, address[1], "0:hi(2)")
        try await heard(server, address[2], "0:hi(2)")
        #expect(try await !server.ask("heard", from: address[0]).contains("0:hi"), "a worker heard itself")
        #expect(try await !server.ask("heard", from: address[1]).contains("psst"))
        #expect(try await server.stop() == 0)
    }

    @Test("1,000 messages arrive in order, 1 MiB arrives whole, and more is refused")
    func orderAndSize() async throws {
        let server = try await FixtureServer(["workers=2"])
        #expect(try await server.ask("flood 1000 2000") == "flooded")
        try await server.line(/^message/, count: 1000)
        let numbers = server.lines(/^message/).compactMap { $0.firstMatch(of: /text=(\d+)\s/).flatMap { Int($0.1) } }
        #expect(numbers == Array(0..<1000))
        #expect(try await server.ask("big master 1048576") == "told")
        #expect(try await server.line(/bytes=1048576/).hasPrefix("message"))
        #expect(try await server.ask("big master 1048577") == "error messageTooLarge")
        #expect(try await server.stop() == 0)
    }

    @Test("Requests are answered, refused, or time out")
    func requests() async throws {
        let server = try await FixtureServer(["workers=2"])
        let address = try await addresses(server, 2)
        #expect(try await server.ask("ask master one", from: address[1]) == "master heard one from 1")
        #expect(try await server.ask("ask 1 two", from: address[0]) == "worker heard two")
        #expect(try await server.ask("ask master refuse") == "error requestRefused")
        #expect(try await server.ask("ask 1 refuse", from: address[0]) == "error requestRefused")
        #expect(try await server.ask("ask 77 three") == "error requestRefused")
        #expect(try await server.ask("ask master slow") == "error requestTimedOut")
        #expect(try await server.stop() == 0)
    }

    @Test("A publication reaches every subscriber, the publisher's own too")
    func bus() async throws {
        let server = try await FixtureServer(["workers=3"])
        let address = try await addresses(server, 3)
        #expect(try await server.ask("publish news extra", from: address[0]) == "published")
        for each in address { try await heard(server, each, "news:extra") }
        #expect(try await server.stop() == 0)
    }

    @Test("What the master shares is there before a worker is ready, and after its respawn")
    func shared() async throws {
        let server = try await FixtureServer(["workers=2"])
        #expect(try await server.ask("shared") == "shared by \(server.master)")
        let victim = try await server.who()
        kill(victim.pid, SIGKILL)
        try await server.line(/^respawned/)
        #expect(try await server.ask("shared") == "shared by \(server.master)")
        #expect(try await server.stop() == 0)
    }
}
