public import Foundation

/// The processes below one, as the kernel lists them (proc(5)).
public enum ProcessTree {
    public static func children(of pid: pid_t) -> [pid_t] {
        let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
        return tasks.flatMap { task -> [pid_t] in
            let text = (try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/children", encoding: .utf8)) ?? ""
            return text.split(separator: " ").compactMap { pid_t($0) }
        }.sorted()
    }

    public static func all(from pid: pid_t) -> [pid_t] {
        [pid] + children(of: pid).flatMap { all(from: $0) }
    }

    public static func exists(_ pid: pid_t) -> Bool {
        guard let status = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8) else { return false }
        // A zombie that its parent has yet to reap is no process any more; the state follows the name in brackets.
        return !(status.split(separator: ")").last?.hasPrefix(" Z") ?? true)
    }

    /// Stops a process (SIGSTOP) and waits until every thread of it stands still, which takes a moment.
    public static func freeze(_ pid: pid_t) async throws {
        kill(pid, SIGSTOP)
        try await eventually(within: 10, "process \(pid) stands still") {
            let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
            return !tasks.isEmpty
                && tasks.allSatisfy { task in
                    let text = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/stat", encoding: .utf8)
                    return text?.split(separator: ")").last?.hasPrefix(" T") ?? true
                }
        }
    }

    /// Open descriptors of a process.
    public static func descriptors(_ pid: pid_t) -> Int {
        (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/fd"))?.count ?? 0
    }

    /// Open descriptors of a process and all below it.
    public static func descriptors(below pid: pid_t) -> Int {
        all(from: pid).map { descriptors($0) }.reduce(0, +)
    }

    /// User and system time of a process and all below it, in seconds.
    public static func cpuTime(below pid: pid_t) -> Double {
        all(from: pid).map { cpuTime(of: $0) }.reduce(0, +)
    }

    /// User and system time of a process alone, in seconds.
    public static func cpuTime(of pid: pid_t) -> Double {
        let stat = try? String(contentsOfFile: "/proc/\(pid)/stat", encoding: .utf8)
        let fields = stat?.split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 12, let user = Double(fields[11]), let system = Double(fields[12]) else { return 0 }
        return (user + system) / Double(sysconf(CInt(_SC_CLK_TCK)))
    }
}
