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
    /// This executable, whatever became of its file.
    private let path: String
    private let arguments: [String]
    /// Where a newer version of this executable is looked for.
    let replacement: String

    init(arguments: [String] = CommandLine.arguments) {
        self.arguments = arguments
        #if os(Linux)
        // Also right when the file was replaced or the program was found through PATH.
        path = "/proc/self/exe"
        replacement = Spawner.resolve(path) ?? arguments.first ?? ""
        #else
        path = arguments.first ?? ""
        replacement = path
        #endif
    }

    func spawn(
        slot: Int,
        slots: Int,
        generation: Int,
        policy: CInt? = nil,
        path: String? = nil
    ) throws(StickyServerError) -> SpawnedProcess {
        let pair = try ControlSocket.pair()
        var environment = WorkerEnvironment(
            slot: slot,
            slots: slots,
            generation: generation,
            control: WorkerEnvironment.controlDescriptor,
            master: getpid()
        ).variables
        if let inherited = sticky_environ() {
            var entry = inherited
            while let variable = entry.pointee {
                let text = String(cString: variable)
                // A worker's notification socket would tell the manager about the wrong process.
                if !["NOTIFY_SOCKET=", "WATCHDOG_", "LISTEN_"].contains(where: text.hasPrefix) {
                    environment.append(text)
                }
                entry += 1
            }
        }
        var pid: pid_t = 0
        let status = withCStrings(arguments) { argv in
            withCStrings(environment) { envp in
                sticky_spawn(&pid, path ?? executable, argv, envp, pair.worker.number, policy ?? -1)
            }
        }
        guard status == 0 else { throw .system(.spawnFailed, "cannot start a worker for slot \(slot)", status) }
        return SpawnedProcess(pid: pid, control: pair.masterEnd())
    }

    /// By its own name while the file is still the one that runs, so that `ps` shows the program's name.
    private var executable: String {
        var here = stat()
        var there = stat()
        guard stat(path, &here) == 0, stat(replacement, &there) == 0 else { return path }
        return here.st_dev == there.st_dev && here.st_ino == there.st_ino ? replacement : path
    }

    /// Turns this process into the executable at ``replacement`` (execve(2)). Returns the error, if at all.
    func become() -> CInt {
        withCStrings(arguments) { argv in
            _ = execve(replacement, argv, sticky_environ())
            return errno
        }
    }

    /// The path behind a symbolic link of /proc. When the file was replaced before this process started, the kernel
    /// marks the old one, and the mark is not part of the name.
    private static func resolve(_ link: String) -> String? {
        let path = withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer -> String? in
            guard let base = buffer.baseAddress else { return nil }
            let count = readlink(link, base.assumingMemoryBound(to: CChar.self), buffer.count)
            return count > 0 ? String(decoding: buffer[..<count], as: UTF8.self) : nil
        }
        let mark = " (deleted)"
        return path.map { $0.hasSuffix(mark) ? String($0.dropLast(mark.count)) : $0 }
    }

    private func withCStrings<R>(
        _ strings: [String],
        _ body: (UnsafePointer<UnsafeMutablePointer<CChar>?>) -> R
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
