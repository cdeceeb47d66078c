import Foundation
import Synchronization
import TestSupport
import Testing

@Suite("Chaos", .serialized)
struct ChaosTests {
    private struct Counts {
        var answered = 0
        var failed: [Int: Int] = [:]
        var hung = 0
        var next = 0
    }

    private final class Tally: Sendable {
        let counts = Mutex(Counts())
        let isDone = Atomic<Bool>(false)
        let kills = Atomic<Int>(0)
    }

    /// A connection that breaks without an answer had been receipted by a worker that was killed, so it belongs to one
    /// of the slots whose workers are. All others, waiting and unreceipted ones too, must be answered.
    @Test(
        "10,000 connections while workers of two slots are killed at random: nobody hangs, and no other slot's client fails"
    )
    func chaos() async throws {
        let total = 10_000
        // Backtraces take seconds each, and another test looks at them.
        let server = try await FixtureServer(
            [
                "workers=4", "backoff=1", "backoff-max=2", "beat=50", "late=150", "hung=400", "abort-grace=100",
            ],
            environment: ["SWIFT_BACKTRACE": "enable=no"]
        )
        let homes = try await server.mapping(100)
        let tally = Tally()
        try await withThrowingTaskGroup(of: Void.self) { group in
            for _ in 0..<8 {
                group.addTask {
                    while true {
                        let number = tally.counts.withLock { counts in
                            counts.next += 1
                            return counts.next
                        }
                        guard number <= total else { return }
                        let home = homes[number % homes.count]
                        do {
                            let client = try LineClient(
                                port: server.port,
                                source: "127.0.0.\(number % homes.count + 1)"
                            )
                            try client.send("who")
                            let answer = try await client.receive()
                            tally.counts.withLock { counts in
                                if answer == nil { counts.failed[home, default: 0] += 1 } else { counts.answered += 1 }
                            }
                        } catch is TestFailure {
                            tally.counts.withLock { $0.hung += 1 }
                        }
                    }
                }
            }
            group.addTask {
                let signals = [SIGKILL, SIGSEGV, SIGSTOP]
                while !tally.isDone.load(ordering: .relaxed) {
                    let victim = server.output.lines.last { $0.hasPrefix("ready slot=\(Int.random(in: 0...1)) ") }
                    if let pid = victim?.firstMatch(of: /pid=(\d+)/).flatMap({ pid_t($0.1) }),
                        !server.output.text.contains(" pid=\(pid) end=")
                    {
                        kill(pid, signals[tally.kills.load(ordering: .relaxed) % signals.count])
                        tally.kills.add(1, ordering: .relaxed)
                    }
                    try await Task.sleep(for: .milliseconds(60))
                }
            }
            for _ in 0..<8 { try await group.next() }
            tally.isDone.store(true, ordering: .relaxed)
            try await group.waitForAll()
        }
        let killed = tally.kills.load(ordering: .relaxed)
        #expect(killed >= 10, "too few kills to show anything: \(killed)")
        tally.counts.withLock { counts in
            #expect(counts.hung == 0)
            #expect(counts.failed[2, default: 0] == 0)
            #expect(counts.failed[3, default: 0] == 0)
            // Eight clients have at most eight connections in flight when a worker dies.
            #expect(counts.failed.values.reduce(0, +) <= killed * 8)
            #expect(counts.answered + counts.failed.values.reduce(0, +) + counts.hung == total)
        }
        #expect(server.lines(/^dropped/).isEmpty)
        #expect(try await server.stop() == 0)
    }
}
