/// Who is told that a handshake has to end for the sake of others.
package protocol TLSHandshakeOwner: AnyObject, Sendable {
    /// As many handshakes are in progress as may be, one more has come, and this one's client has kept it waiting for
    /// longest. Close the connection, unless the handshake is complete by now. Called on any thread.
    func handshakeIsPassedOver()
}

/// The handshakes in progress of a context, in the order in which they have to make room when there are too many.
///
/// Those whose client has said nothing go first, then those whose hello is not complete, then those that were answered;
/// among equals the oldest. So clients that hold their tongue push out each other, and nobody who goes on. Bytes that
/// complete nothing improve no place: who trickles is as old as who is silent.
///
/// New ones of which nobody has seen yet whether they are silent do not push out those that have spoken either, once
/// they are half of all.
///
/// Each step takes the same time however many there are.
struct HandshakeLine {
    /// How far a client has come.
    enum Stage: Int, CaseIterable {
        case silent, talking, answered
    }

    /// Where a handshake is; worthless once it has ended.
    struct Place {
        fileprivate let index: Int
        fileprivate let generation: UInt32
    }

    private struct Entry {
        var generation: UInt32 = 0
        var owner: (any TLSHandshakeOwner)?
        /// The queue that it is in; nil while it does not wait for its client.
        var stage: Stage?
        /// It is in a queue, but its client has been heard from and the bytes wait for us.
        var isHeard = false
        var previous: Int?
        var next: Int?
    }

    private struct Queue {
        var first: Int?
        var last: Int?
        var count = 0
    }

    /// How many are looked at for one that can go. Who was heard from moves to the end instead.
    private static let mostLooks = 16

    private var entries: [Entry] = []
    private var free: [Int] = []
    private var queues = Stage.allCases.map { _ in Queue() }

    /// Handshakes in progress.
    private(set) var count = 0

    mutating func begin() -> Place {
        count += 1
        if let index = free.popLast() { return Place(index: index, generation: entries[index].generation) }
        entries.append(Entry())
        return Place(index: entries.count - 1, generation: 0)
    }

    /// The handshake waits for its client.
    mutating func wait(_ place: Place, _ stage: Stage, _ owner: any TLSHandshakeOwner) {
        guard has(place) else { return }
        entries[place.index].isHeard = false
        guard entries[place.index].stage != stage else { return }
        entries[place.index].owner = owner
        unlink(place.index)
        append(place.index, stage)
    }

    /// The handshake has bytes of its client to go on with.
    mutating func hear(_ place: Place) {
        guard has(place) else { return }
        entries[place.index].isHeard = true
    }

    /// The handshake is over. What is returned must outlive the lock: it may be the last to hold the session.
    mutating func end(_ place: Place) -> (any TLSHandshakeOwner)? {
        has(place) ? remove(place.index) : nil
    }

    /// Takes the one out that has to make room. Nil when there is none.
    mutating func passOver() -> (any TLSHandshakeOwner)? {
        for stage in Stage.allCases {
            if stage != .silent, newCount > count / 2 { return nil }
            for _ in 0..<min(queues[stage.rawValue].count, Self.mostLooks) {
                guard let first = queues[stage.rawValue].first else { break }
                guard entries[first].isHeard else { return remove(first) }
                unlink(first)
                append(first, stage)
            }
        }
        return nil
    }

    /// Those that have never waited for their client.
    private var newCount: Int { count - queues.reduce(0) { $0 + $1.count } }

    private func has(_ place: Place) -> Bool {
        place.index < entries.count && entries[place.index].generation == place.generation
    }

    private mutating func remove(_ index: Int) -> (any TLSHandshakeOwner)? {
        unlink(index)
        let owner = entries[index].owner
        entries[index] = Entry(generation: entries[index].generation &+ 1)
        free.append(index)
        count -= 1
        return owner
    }

    private mutating func append(_ index: Int, _ stage: Stage) {
        let last = queues[stage.rawValue].last
        entries[index].stage = stage
        entries[index].previous = last
        if let last { entries[last].next = index } else { queues[stage.rawValue].first = index }
        queues[stage.rawValue].last = index
        queues[stage.rawValue].count += 1
    }

    private mutating func unlink(_ index: Int) {
        guard let stage = entries[index].stage else { return }
        let (previous, next) = (entries[index].previous, entries[index].next)
        if let previous { entries[previous].next = next } else { queues[stage.rawValue].first = next }
        if let next { entries[next].previous = previous } else { queues[stage.rawValue].last = previous }
        queues[stage.rawValue].count -= 1
        entries[index].stage = nil
        entries[index].previous = nil
        entries[index].next = nil
    }
}
