import Dispatch
import Testing

@testable import StickyTLS

@Suite("Counters")
struct CounterTests {
    private static let threads = 4
    private static let rounds = 20_000

    /// Runs `body` as often as `rounds` says on each of several threads at once.
    private static func hammer(_ body: @Sendable (Int) -> Void) {
        DispatchQueue.concurrentPerform(iterations: threads) { _ in
            for round in 0..<rounds { body(round) }
        }
    }

    @Test("What several threads count at once is counted whole")
    func threads() {
        let counters = TLSCounters()
        let failure = TLSFailure(kind: .clientCertificate, reason: "revoked")
        Self.hammer { round in
            counters.ticketsIssued.increment()
            counters.handshakeTimes.add(Int64(round % 2) * 2_000_000)
            if round % 100 == 0 { counters.failed(failure, inHandshake: true) }
        }
        let total = Self.threads * Self.rounds
        let snapshot = counters.snapshot
        #expect(snapshot.ticketsIssued == total)
        #expect(snapshot.handshakeTimes.counts.prefix(3) == [total / 2, total / 2, 0])
        #expect(snapshot.handshakeTimes.sum == Double(total / 2) * 0.002)
        #expect(snapshot.failedHandshakes == total / 100)
        #expect(snapshot.failuresByReason == ["revoked": total / 100])
        #expect(snapshot.clientCertificateFailures == total / 100)
    }

    @Test("Each number has its own count, also those that begin their search at the same place")
    func tally() {
        let tally = AtomicTally(capacity: 8)
        let numbers: [UInt32] = [0, 8, 16, 0x0300_1301, 0x0300_1309, .max]
        Self.hammer { tally.count(numbers[$0 % numbers.count]) }
        let counts = tally.snapshot
        #expect(Set(counts.keys) == Set(numbers))
        #expect(counts.values.reduce(0, +) == Self.threads * Self.rounds)
        for (place, number) in numbers.enumerated() {
            let expected = (0..<Self.rounds).count { $0 % numbers.count == place } * Self.threads
            #expect(counts[number] == expected)
        }
    }

    @Test("When the places are full the rest is counted for the number 0, and nothing is lost")
    func fullTally() {
        let tally = AtomicTally(capacity: 2)
        for number: UInt32 in [5, 6, 7, 8, 5, 7] { tally.count(number) }
        #expect(tally.snapshot == [5: 2, 6: 1, 0: 3])
    }
}
