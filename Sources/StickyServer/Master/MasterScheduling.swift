#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How the system schedules the master's thread (sched(7)). On that thread only.
///
/// By default a thread that wakes interrupts the one that runs. A master that interrupts a worker with every new connection
/// takes its caches from it, for a connection that this worker can only serve when it has finished what it does. So
/// the master's thread is one of the batch class: on a core that is free it runs at once, on a busy one when its turn
/// comes, a few milliseconds later at most, and then with all that has come meanwhile.
struct MasterScheduling {
    /// The thread was an ordinary one before. A class that somebody has chosen for it stays.
    private(set) var givesWay = false

    /// That of new workers; nil: the master's.
    var workerPolicy: CInt? { givesWay ? CInt(SCHED_OTHER) : nil }

    mutating func giveWay() {
        #if os(Linux)
        guard sched_getscheduler(0) == CInt(SCHED_OTHER) else { return }
        givesWay = Self.set(Self.batch)
        #endif
    }

    /// For what the master's thread becomes.
    mutating func restore() {
        #if os(Linux)
        if givesWay { givesWay = !Self.set(CInt(SCHED_OTHER)) }
        #endif
    }

    #if os(Linux)
    /// SCHED_BATCH, which the C library's headers keep from who does not ask for GNU's extensions.
    private static let batch: CInt = 3

    private static func set(_ policy: CInt) -> Bool {
        var parameters = sched_param()
        return sched_setscheduler(0, policy, &parameters) == 0
    }
    #endif
}
