#if os(Linux)
public import Foundation
import Glibc

/// Looks for a secret in the memory of this process or of one that it has started.
public enum ProcessMemory {
    /// How often it was found.
    public struct Copies: Equatable, Sendable {
        /// In mappings that are locked in memory and left out of core dumps.
        public var protected = 0
        /// In all others that can be written to.
        public var ordinary = 0
    }

    /// Throws when the system does not let us look (ptrace(2), "Ptrace access mode checking").
    ///
    /// - Parameter needle: Must itself lie in protected memory, if it is to be looked for in this process.
    public static func copies(of needle: UnsafeRawBufferPointer, in process: pid_t) throws -> Copies {
        // A file of the kernel's says that it has no length, and is read in pieces.
        let maps = String(
            decoding: try FileHandle(forReadingFrom: file(process, "smaps")).readToEnd() ?? Data(),
            as: UTF8.self
        )
        let descriptor = open(file(process, "mem").path(), O_RDONLY | O_CLOEXEC)
        guard descriptor >= 0 else { throw TestFailure("no look into the memory of \(process): errno \(errno)") }
        defer { close(descriptor) }
        let size = 1 << 20
        guard let buffer = mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
            buffer != MAP_FAILED, let start = needle.baseAddress
        else { throw TestFailure("no memory") }
        defer { munmap(buffer, size) }
        let own = process == getpid() ? UInt(bitPattern: buffer)..<UInt(bitPattern: buffer) + UInt(size) : 0..<0
        var copies = Copies()
        for mapping in mappings(maps) where mapping.isWritable {
            var place = mapping.range.lowerBound
            while place < mapping.range.upperBound {
                let wanted = min(UInt(size), mapping.range.upperBound - place)
                let count = pread(descriptor, buffer, Int(wanted), off_t(bitPattern: place))
                // Gone meanwhile, or not there for anybody.
                guard count >= needle.count else { break }
                var from = buffer
                let end = buffer + count
                while let hit = find(start, needle.count, from: from, to: end) {
                    let address = place + UInt(hit - buffer)
                    if mapping.isProtected {
                        copies.protected += 1
                    } else if !own.contains(address) {
                        copies.ordinary += 1
                    }
                    from = hit + 1
                }
                guard UInt(count) == wanted, wanted == UInt(size) else { break }
                place += UInt(count - needle.count + 1)
            }
        }
        return copies
    }

    private static func find(
        _ needle: UnsafeRawPointer,
        _ count: Int,
        from: UnsafeMutableRawPointer,
        to end: UnsafeMutableRawPointer
    ) -> UnsafeMutableRawPointer? {
        let first = CInt(needle.load(as: UInt8.self))
        var from = from
        while end - from >= count, let hit = memchr(from, first, end - from - count + 1) {
            if memcmp(hit, needle, count) == 0 { return hit }
            from = hit + 1
        }
        return nil
    }

    private struct Mapping {
        var range: Range<UInt>
        var isWritable: Bool
        var isProtected = false
    }

    /// proc_pid_smaps(5): a line for each mapping, and its flags at the end of what follows.
    private static func mappings(_ smaps: String) -> [Mapping] {
        var found: [Mapping] = []
        for line in smaps.split(separator: "\n") {
            let words = line.split(separator: " ")
            let ends = words[0].split(separator: "-").compactMap { UInt($0, radix: 16) }
            if ends.count == 2, ends[0] < ends[1], words.count > 1 {
                found.append(Mapping(range: ends[0]..<ends[1], isWritable: words[1].hasPrefix("rw")))
            } else if words[0] == "VmFlags:", !found.isEmpty {
                found[found.count - 1].isProtected = words.contains("lo") && words.contains("dd")
            }
        }
        return found
    }

    private static func file(_ process: pid_t, _ name: String) -> URL {
        URL(filePath: "/proc/\(process)/\(name)")
    }
}
#endif
