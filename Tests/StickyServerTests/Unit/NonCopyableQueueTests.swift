import Testing

@testable import StickyServer

@Suite("Queue of values that cannot be copied")
struct NonCopyableQueueTests {
    /// Counts how often each element ended.
    private final class Ends {
        var counts: [Int: Int] = [:]
        var total: Int { counts.values.reduce(0, +) }
    }

    private struct Element: ~Copyable {
        let number: Int
        let ends: Ends

        deinit {
            ends.counts[number, default: 0] += 1
        }
    }

    private func numbers(_ queue: borrowing NonCopyableQueue<Element>) -> [Int] {
        var numbers: [Int] = []
        for index in 0..<queue.count {
            if let number = queue.withElement(at: index, { $0.number }) { numbers.append(number) }
        }
        return numbers
    }

    @Test("A new queue is empty")
    func empty() {
        var queue = NonCopyableQueue<Element>()
        let isEmpty = queue.isEmpty
        let first = queue.popFirst().read { $0.number }
        let last = queue.popLast().read { $0.number }
        let looked = queue.withElement(at: 0) { $0.number }
        #expect(isEmpty)
        #expect(first == nil)
        #expect(last == nil)
        #expect(looked == nil)
    }

    @Test("Nothing is beyond either end")
    func bounds() {
        let ends = Ends()
        var queue = NonCopyableQueue<Element>()
        queue.append(Element(number: 1, ends: ends))
        for index in [-1, 1, Int.max, Int.min] {
            let looked = queue.withElement(at: index) { $0.number }
            #expect(looked == nil)
        }
    }

    @Test("Agrees with an array through a long random script", arguments: [1, 2, 3, 8, 100])
    func model(_ capacity: Int) {
        var random = SeededGenerator(seed: UInt64(capacity))
        let ends = Ends()
        var queue = NonCopyableQueue<Element>(minimumCapacity: capacity)
        var model: [Int] = []
        for number in 0..<5000 {
            // More comes than goes, so that the queue grows while its head is anywhere.
            switch Int.random(in: 0..<7, using: &random) {
            case 0, 1, 2:
                queue.append(Element(number: number, ends: ends))
                model.append(number)
            case 3:
                queue.prepend(Element(number: number, ends: ends))
                model.insert(number, at: 0)
            case 4, 5:
                let first = queue.popFirst().read { $0.number }
                let expected = model.isEmpty ? nil : model.removeFirst()
                #expect(first == expected)
            default:
                let last = queue.popLast().read { $0.number }
                #expect(last == model.popLast())
            }
            let count = queue.count
            #expect(count == model.count)
            if number % 50 == 0 { #expect(numbers(queue) == model) }
        }
        #expect(numbers(queue) == model)
        #expect(model.count > 100)
    }

    @Test("Every element ends exactly once: those that were taken, and with the queue those that were not")
    func ending() {
        let ends = Ends()
        do {
            var queue = NonCopyableQueue<Element>(minimumCapacity: 2)
            for number in 0..<10 { queue.append(Element(number: number, ends: ends)) }
            for number in 10..<20 { queue.prepend(Element(number: number, ends: ends)) }
            #expect(ends.total == 0)
            _ = queue.popFirst()
            #expect(ends.counts == [19: 1])
            _ = queue.popLast()
            #expect(ends.counts == [19: 1, 9: 1])
        }
        #expect(ends.counts == Dictionary(uniqueKeysWithValues: (0..<20).map { ($0, 1) }))
    }

    @Test("An element that is taken lives on by itself")
    func taken() {
        let ends = Ends()
        do {
            var queue = NonCopyableQueue<Element>()
            queue.append(Element(number: 1, ends: ends))
            let element = queue.popFirst()
            #expect(ends.total == 0)
            _ = consume element
            #expect(ends.total == 1)
        }
        #expect(ends.total == 1)
    }
}
