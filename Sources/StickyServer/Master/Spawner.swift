internal import CStickyServer
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A new worker's process and the master's end of its control socket.
struct SpawnedProcess: ~Copyable {
    let pid: pid_t
    let control: ControlSocket

    consuming func takeControl() -> ControlSocket { control }
}

/// Starts this executable again as a worker: same arguments, same environment, and a control socket at descriptor 3.
struct Spawner {
    /// The executable and its arguments as the system knows them.
    private let path: String
    private let arguments: [String]

    init(arguments: [String] = CommandLine.arguments) {
        self.arguments = arguments
        #if os(Linux)
        // Also right when the file was replaced or the program was found through PATH.
        path = "/proc/self/exe"
        #else
        path = arguments.first ?? ""
        #endif
    }

    func spawn(
        slot: Int, slots: Int, generation: Int
    ) throws(StickyServerError) -> SpawnedProcess {
        let pair = try ControlSocket.pair()
        var environment = WorkerEnvironment(
            slot: slot, slots: slots, generation: generation, control: WorkerEnvironment.controlDescriptor,
            master: getpid()
        ).variables
        if let inherited = sticky_environ() {
            var entry = inherited
            while let variable = entry.pointee {
                environment.append(String(cString: variable))
                entry += 1
            }
        }
        var pid: pid_t = 0
        let status = withCStrings(arguments) { argv in
            withCStrings(environment) { envp in sticky_spawn(&pid, path, argv, envp, pair.worker.number) }
        }
        guard status == 0 else { throw .system(.spawnFailed, "cannot start a worker for slot \(slot)", status) }
        return SpawnedProcess(pid: pid, control: pair.masterEnd())
    }

    private func withCStrings<R>(
        _ strings: [String], _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
    ) -> R {
        var pointers: [UnsafeMutablePointer<CChar>?] = strings.map { strdup($0) }
        pointers.append(nil)
        defer { for pointer in pointers { free(pointer) } }
        return pointers.withUnsafeBufferPointer { buffer in
            // Never empty: it ends with nil.
            withUnsafePointer(to: nil as UnsafeMutablePointer<CChar>?) { empty in body(buffer.baseAddress ?? empty) }
        }
    }
}
