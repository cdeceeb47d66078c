#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The threads of this process as the kernel lists them (proc(5)); empty off Linux.
enum ThreadList {
    static func threads() -> [pid_t] {
        guard let directory = opendir("/proc/self/task") else { return [] }
        defer { closedir(directory) }
        var threads: [pid_t] = []
        while let entry = readdir(directory) {
            let name = withUnsafeBytes(of: &entry.pointee.d_name) { bytes in
                String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
            }
            if let thread = pid_t(name) { threads.append(thread) }
        }
        return threads
    }

    /// The effective user of a thread; nil when the thread has ended.
    static func user(of thread: pid_t) -> uid_t? {
        SmallFile.read("/proc/self/task/\(thread)/status").flatMap(parseUser)
    }

    /// «Uid:» is followed by the real, effective, saved and file-system user.
    static func parseUser(_ status: String) -> uid_t? {
        for line in status.split(separator: "\n") where line.hasPrefix("Uid:") {
            let fields = line.split(whereSeparator: \.isWhitespace)
            return fields.count > 2 ? uid_t(fields[2]) : nil
        }
        return nil
    }
}
