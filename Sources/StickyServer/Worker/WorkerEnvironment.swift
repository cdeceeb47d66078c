#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What the master tells a worker before it runs: its environment variables.
struct WorkerEnvironment: Hashable {
    let slot: Int
    let slots: Int
    let generation: Int
    let control: CInt
    let master: pid_t

    static let controlDescriptor: CInt = 3
    private static let prefix = "STICKY_"

    /// `NAME=value` for each.
    var variables: [String] {
        [
            "STICKY_SLOT=\(slot)", "STICKY_SLOTS=\(slots)", "STICKY_GENERATION=\(generation)",
            "STICKY_CONTROL=\(control)", "STICKY_MASTER=\(master)",
        ]
    }

    init(slot: Int, slots: Int, generation: Int, control: CInt, master: pid_t) {
        self.slot = slot
        self.slots = slots
        self.generation = generation
        self.control = control
        self.master = master
    }

    /// Reads them; nil when this process is no worker.
    init?(read: (String) -> String?) {
        func number(_ name: String) -> Int? { read(Self.prefix + name).flatMap { Int($0) } }
        guard
            let slot = number("SLOT"), slot >= 0, slot < Configuration.mostWorkers,
            let slots = number("SLOTS"), slots > slot,
            let generation = number("GENERATION"),
            let control = number("CONTROL").flatMap({ CInt(exactly: $0) }),
            let master = number("MASTER").flatMap({ pid_t(exactly: $0) })
        else { return nil }
        self.init(slot: slot, slots: slots, generation: generation, control: control, master: master)
    }

    /// Reads them from this process and takes them out, so that programs which the worker starts are not mistaken for
    /// workers. Call before other threads run: setenv(3) is not safe beside getenv(3).
    static func take() -> WorkerEnvironment? {
        guard let environment = WorkerEnvironment(read: { name in getenv(name).map { String(cString: $0) } }) else {
            return nil
        }
        for variable in environment.variables {
            if let name = variable.split(separator: "=").first { unsetenv(String(name)) }
        }
        return environment
    }
}
