#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Small files of the kernel, read whole.
enum SmallFile {
    static func read(_ path: String) -> String? {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { return nil }
        defer { Libc.close(descriptor) }
        return withUnsafeTemporaryAllocation(byteCount: 4096, alignment: 1) { buffer in
            let count = Libc.read(descriptor, buffer)
            guard count > 0 else { return nil }
            return String(decoding: buffer[..<count], as: UTF8.self)
        }
    }
}

/// The memory of this process that is in RAM, in bytes; nil off Linux.
enum ResidentMemory {
    static func bytes() -> Int? {
        SmallFile.read("/proc/self/statm").flatMap { parse($0, pageSize: sysconf(CInt(_SC_PAGESIZE))) }
    }

    /// The second field of /proc/PID/statm counts resident pages (proc(5)).
    static func parse(_ statm: String, pageSize: Int) -> Int? {
        let fields = statm.split(whereSeparator: \.isWhitespace)
        guard fields.count > 1, let pages = Int(fields[1]), pages >= 0 else { return nil }
        let (bytes, overflow) = pages.multipliedReportingOverflow(by: pageSize)
        return overflow ? nil : bytes
    }
}
