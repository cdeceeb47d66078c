internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The listeners of kernel steering: for each address one for each slot, of which a program in the kernel chooses.
///
/// None is closed as long as the server runs: the kernel would put another one into its place, and what is in its
/// backlog would be lost. Their order is that in which they began to listen.
final class SteeredListeners {
    private struct Group {
        let wanted: ListenAddress
        var listeners: [Listener]
    }

    private var groups: [Group] = []
    /// The slots that the program in the kernel chooses among.
    private(set) var steered: [Int] = []

    init(_ addresses: [ListenAddress], slots: Int, program: SteeringProgram) throws(StickyServerError) {
        for (index, wanted) in addresses.enumerated() {
            // Sharing an address is what the option is for, so the kernel would also let a second server in, whose program
            // would replace ours.
            try Listener.checkFree(wanted)
            let first = try Listener(wanted, index: index, sharesAddress: true)
            groups.append(Group(wanted: wanted.at(first.address), listeners: [first]))
        }
        try grow(to: slots)
        try steer(to: Array(0..<slots), program)
    }

    /// One for each address.
    var first: [Listener] { groups.compactMap(\.listeners.first) }

    /// Those of one slot, one for each address.
    func listeners(of slot: Int) -> [Listener] {
        groups.compactMap { slot < $0.listeners.count ? $0.listeners[slot] : nil }
    }

    /// Those of all slots from this one on.
    func listeners(from slot: Int) -> [Listener] {
        groups.flatMap { $0.listeners.dropFirst(slot) }
    }

    func grow(to slots: Int) throws(StickyServerError) {
        for index in groups.indices {
            while groups[index].listeners.count < slots {
                groups[index].listeners.append(
                    try Listener(groups[index].wanted, index: index, sharesAddress: true)
                )
            }
        }
    }

    /// From now on new connections go to these slots alone.
    func steer(to slots: [Int], _ program: SteeringProgram) throws(StickyServerError) {
        for group in groups {
            guard let listener = group.listeners.first else { continue }
            let status = program.instructions.withUnsafeBufferPointer { instructions in
                sticky_attach_steering(
                    listener.descriptor.number,
                    instructions.baseAddress,
                    UInt16(clamping: instructions.count)
                )
            }
            guard status == 0 else {
                throw .system(.listenFailed, "the kernel does not take the program that steers connections", -status)
            }
        }
        steered = slots
    }
}
