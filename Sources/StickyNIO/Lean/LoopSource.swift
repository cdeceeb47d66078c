#if NIO && os(Linux)
/// Something that a loop watches a descriptor for. All on the loop's thread.
protocol LoopSource: AnyObject {
    /// Something happened: EPOLLIN and so on.
    func ready(_ events: UInt32)
    /// The others have had their turn.
    func goOn()
    /// The tasks of this turn are done.
    func settle()
    /// The loop ends: stop being watched.
    func loopEnds()
}

/// Who is watched. A place is reused with another generation, so that an event that was on its way to the one before
/// finds nobody.
struct SourceTable {
    struct Place {
        let index: UInt32
        let generation: UInt32
    }

    private struct Entry {
        var source: (any LoopSource)?
        var generation: UInt32
    }

    /// The index of the loop's own eventfd.
    static let bell = UInt32.max

    private var entries: [Entry] = []
    private var free: [UInt32] = []

    var isEmpty: Bool { entries.count == free.count }
    var count: Int { entries.count - free.count }

    mutating func add(_ source: any LoopSource) -> Place {
        if let index = free.popLast() {
            entries[Int(index)].source = source
            return Place(index: index, generation: entries[Int(index)].generation)
        }
        entries.append(Entry(source: source, generation: 0))
        return Place(index: UInt32(entries.count - 1), generation: 0)
    }

    mutating func remove(_ place: Place) {
        guard self[place] != nil else { return }
        entries[Int(place.index)].source = nil
        entries[Int(place.index)].generation &+= 1
        free.append(place.index)
    }

    subscript(_ place: Place) -> (any LoopSource)? {
        guard Int(place.index) < entries.count, entries[Int(place.index)].generation == place.generation else {
            return nil
        }
        return entries[Int(place.index)].source
    }

    /// A copy: sources leave while one goes through them.
    var all: [any LoopSource] { entries.compactMap(\.source) }
}
#endif
