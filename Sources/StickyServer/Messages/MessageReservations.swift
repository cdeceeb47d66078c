/// Who waits for room in which queues, and who was promised some. A pure value.
///
/// A sender that would rather wait than lose a message asks first. When every queue that the message goes to has room,
/// the room is kept for it, and only then does the message itself travel: what waits costs a few bytes here, however
/// long the message is. Those who want the same queue are served in the order in which they asked; those who want
/// others do not wait for them.
struct MessageReservations: Sendable {
    /// A request of one process; 0 is the master itself.
    struct Owner: Sendable, Hashable {
        let pid: Int32
        let request: UInt32
    }

    private struct Waiter: Sendable {
        let owner: Owner
        let party: UInt16
        let size: Int
    }

    private struct Grant: Sendable {
        let size: Int
        let slots: [Int]
    }

    /// Requests of one process that may wait.
    static let mostWaiting = 1024

    private var waiting: [Waiter] = []
    private var granted: [Owner: Grant] = [:]
    private var kept: [Int: Int] = [:]

    var isWaiting: Bool { !waiting.isEmpty }

    /// Bytes that are kept for messages to a slot.
    func kept(in slot: Int) -> Int { kept[slot] ?? 0 }

    /// Puts a request in line; false when its process has too many there.
    mutating func add(_ owner: Owner, party: UInt16, size: Int) -> Bool {
        guard waiting.count(where: { $0.owner.pid == owner.pid }) < Self.mostWaiting else { return false }
        waiting.append(Waiter(owner: owner, party: party, size: size))
        return true
    }

    /// Grants what can be granted, and gives the owners.
    ///
    /// `targets` are the slots that a message of a process to a party goes to now; nil when it can go nowhere yet.
    /// `hasRoom` says whether a slot's queue has room for so many bytes.
    mutating func advance(
        targets: (Owner, UInt16) -> [Int]?,
        hasRoom: (_ slot: Int, _ bytes: Int) -> Bool
    ) -> [Owner] {
        var owners: [Owner] = []
        // Slots that somebody wants who came before.
        var wanted: Set<Int> = []
        var left: [Waiter] = []
        for waiter in waiting {
            let slots = targets(waiter.owner, waiter.party)
            let fits = slots?.allSatisfy { slot in
                !wanted.contains(slot) && hasRoom(slot, kept(in: slot) + waiter.size)
            }
            if let slots, fits == true {
                for slot in slots { kept[slot, default: 0] += waiter.size }
                granted[waiter.owner] = Grant(size: waiter.size, slots: slots)
                owners.append(waiter.owner)
            } else {
                wanted.formUnion(slots ?? [])
                left.append(waiter)
            }
        }
        waiting = left
        return owners
    }

    /// The owner's message has come, or never will: its room is no longer kept. False when it was promised none.
    mutating func release(_ owner: Owner) -> Bool {
        guard let grant = granted.removeValue(forKey: owner) else {
            waiting.removeAll { $0.owner == owner }
            return false
        }
        for slot in grant.slots {
            let left = kept(in: slot) - grant.size
            kept[slot] = left > 0 ? left : nil
        }
        return true
    }

    /// A process has ended.
    mutating func forget(pid: Int32) {
        waiting.removeAll { $0.owner.pid == pid }
        for owner in granted.keys where owner.pid == pid { _ = release(owner) }
    }

    /// Takes everybody out of the line.
    mutating func dismiss() -> [Owner] {
        defer { waiting = [] }
        return waiting.map(\.owner)
    }
}
