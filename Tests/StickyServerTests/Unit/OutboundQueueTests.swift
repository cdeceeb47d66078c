import Testing

@testable import StickyServer

@Suite("Outbound queue")
struct OutboundQueueTests {
    @Test("Frames leave in order")
    func order() {
        var queue = OutboundQueue(limit: 100)
        for number: UInt8 in 0..<5 { queue.append([number]) }
        var sent: [[UInt8]] = []
        let outcome = queue.flush {
            sent.append($0)
            return .done
        }
        #expect(outcome == .done)
        #expect(sent == [[0], [1], [2], [3], [4]])
        #expect(queue.isEmpty)
        #expect(queue.pending.isEmpty)
    }

    @Test("What the socket does not take waits", arguments: [ControlSocket.Outcome.full, .busy, .lost(errno: 32)])
    func waits(_ refusal: ControlSocket.Outcome) {
        var queue = OutboundQueue(limit: 100)
        for number: UInt8 in 0..<5 { queue.append([number]) }
        var sent: [[UInt8]] = []
        for expected: UInt8 in 0..<5 {
            let before = sent.count
            let outcome = queue.flush {
                guard sent.count == before else { return refusal }
                sent.append($0)
                return .done
            }
            #expect(outcome == (expected == 4 ? .done : refusal))
            #expect(sent.last == [expected])
            #expect(queue.pending == (expected + 1..<5).map { [$0] })
        }
        #expect(queue.isEmpty)
    }

    @Test("Room is counted in bytes, and comes back with what was sent")
    func room() {
        var queue = OutboundQueue(limit: 10)
        #expect(queue.hasRoom(for: 10))
        #expect(!queue.hasRoom(for: 11))
        queue.append([1, 2, 3, 4])
        queue.append([5, 6])
        #expect(queue.hasRoom(for: 4))
        #expect(!queue.hasRoom(for: 5))
        var calls = 0
        _ = queue.flush { _ in
            calls += 1
            return calls == 1 ? .done : .full
        }
        #expect(queue.hasRoom(for: 8))
        #expect(!queue.hasRoom(for: 9))
        _ = queue.flush { _ in .done }
        #expect(queue.hasRoom(for: 10))
    }

    @Test("A queue that is never empty agrees with a model through a long random script")
    func model() {
        var random = SeededGenerator(seed: 3)
        var queue = OutboundQueue(limit: 1000)
        var model: [[UInt8]] = []
        for round in 0..<20_000 {
            let frame = random.bytes(Int.random(in: 0..<20, using: &random))
            let count = model.reduce(0) { $0 + $1.count }
            #expect(queue.hasRoom(for: frame.count) == (count + frame.count <= 1000))
            if count + frame.count <= 1000 {
                queue.append(frame)
                model.append(frame)
            }
            if round % 3 == 0 {
                var left = Int.random(in: 0..<8, using: &random)
                let outcome = queue.flush { frame in
                    guard left > 0 else { return .full }
                    left -= 1
                    #expect(frame == model.removeFirst())
                    return .done
                }
                #expect(outcome == (model.isEmpty ? .done : .full))
            }
        }
        #expect(queue.pending == model)
        #expect(queue.isEmpty == model.isEmpty)
    }

    @Test("A queue that is never empty keeps nothing of what has left")
    func memory() {
        var queue = OutboundQueue(limit: 100)
        queue.append([0])
        for _ in 0..<100_000 {
            queue.append([1])
            var left = 1
            _ = queue.flush { _ in
                defer { left -= 1 }
                return left > 0 ? .done : .full
            }
        }
        #expect(queue.pending == [[1]])
        #expect(queue.keptFrames < 1000)
    }
}
