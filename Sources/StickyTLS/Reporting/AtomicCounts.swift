internal import Synchronization

/// A number that counts up on any thread, without a lock.
final class AtomicCount: Sendable {
    private let number = Atomic<Int>(0)

    /// The number at this moment.
    var value: Int { number.load(ordering: .relaxed) }

    func increment() {
        number.wrappingAdd(1, ordering: .relaxed)
    }
}

/// A ``TLSHistogram`` that counts up on any thread, without a lock.
final class AtomicHistogram: Sendable {
    private static let nanoseconds = TLSHistogram.bounds.map { Int64($0 * 1e9) }

    private let classes = (0...TLSHistogram.bounds.count).map { _ in AtomicCount() }
    private let total = Atomic<Int64>(0)

    /// The numbers at this moment.
    var snapshot: TLSHistogram {
        TLSHistogram(counts: classes.map(\.value), nanoseconds: total.load(ordering: .relaxed))
    }

    /// - Parameter duration: In nanoseconds.
    func add(_ duration: Int64) {
        total.wrappingAdd(max(0, duration), ordering: .relaxed)
        let place = Self.nanoseconds.firstIndex { duration <= $0 } ?? Self.nanoseconds.count
        classes[place].increment()
    }
}

/// Counts how often each of a few numbers comes, on any thread, without a lock: a hash table of fixed size whose
/// places are taken once and never given back.
final class AtomicTally: Sendable {
    private final class Place: Sendable {
        /// The number that the place belongs to, with ``isTaken``; 0 for a free one.
        let owner = Atomic<UInt64>(0)
        let count = Atomic<Int>(0)
    }

    private static let isTaken: UInt64 = 1 << 32

    private let places: [Place]
    /// For the numbers that have found no place.
    private let rest = AtomicCount()

    /// - Parameter capacity: How many different numbers have a count of their own.
    init(capacity: Int) {
        places = (0..<max(capacity, 1)).map { _ in Place() }
    }

    /// The counts at this moment. What has found no place is counted for the number 0.
    var snapshot: [UInt32: Int] {
        var counts: [UInt32: Int] = [:]
        for place in places {
            let owner = place.owner.load(ordering: .relaxed)
            guard owner != 0 else { continue }
            counts[UInt32(truncatingIfNeeded: owner), default: 0] += place.count.load(ordering: .relaxed)
        }
        if rest.value > 0 { counts[0, default: 0] += rest.value }
        return counts
    }

    func count(_ number: UInt32) {
        let owner = UInt64(number) | Self.isTaken
        let start = Int(number) % places.count
        for step in 0..<places.count {
            let place = places[(start + step) % places.count]
            guard isTaken(place, by: owner) else { continue }
            place.count.wrappingAdd(1, ordering: .relaxed)
            return
        }
        rest.increment()
    }

    private func isTaken(_ place: Place, by owner: UInt64) -> Bool {
        let found = place.owner.load(ordering: .relaxed)
        if found != 0 { return found == owner }
        let (won, before) = place.owner.compareExchange(expected: 0, desired: owner, ordering: .relaxed)
        return won || before == owner
    }
}
