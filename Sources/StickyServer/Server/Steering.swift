/// Who brings a new connection to its slot.
public struct Steering: Sendable, Hashable {
    private enum Kind {
        case master
        case kernel
    }

    private let kind: Kind

    /// The master accepts and passes connections on. The default: all that this library promises.
    public static let master = Steering(kind: .master)

    /// The kernel puts a connection into the backlog of its slot, from which the slot's worker accepts it: no master in
    /// the way, and some microseconds less for each connection. Linux only.
    ///
    /// A small program in the kernel (socket(7), SO_ATTACH_REUSEPORT_CBPF) hashes the client's address. So TCP listeners
    /// alone work, every slot has the same weight, limits of connections cannot be set, there are no events and counts
    /// of connections, and the executable cannot be upgraded in place. A connection that came for a worker that has died
    /// waits for its successor, however long that takes; a slot whose worker answers late or that is parked gets no new
    /// ones meanwhile.
    public static let kernel = Steering(kind: .kernel)

    /// The most slots with ``kernel``: their scores must fit the kernel's longest program.
    static let mostSlots = 128
}
