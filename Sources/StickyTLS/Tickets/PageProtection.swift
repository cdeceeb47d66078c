internal import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Asks the system to keep pages out of swap and core dumps, and remembers that it would not.
final class PageProtection: Sendable {
    /// The system's calls. Each returns 0, or errno.
    struct Calls: Sendable {
        /// mlock(2).
        var lock: @Sendable (UnsafeMutableRawPointer, Int) -> CInt = { mlock($0, $1) == 0 ? 0 : errno }
        /// madvise(2) with MADV_DONTDUMP.
        var leaveOutOfDumps: @Sendable (UnsafeMutableRawPointer, Int) -> CInt = { memory, count in
            #if os(Linux)
            madvise(memory, count, CInt(MADV_DONTDUMP)) == 0 ? 0 : errno
            #else
            0
            #endif
        }
        /// munmap(2).
        var release: @Sendable (UnsafeMutableRawPointer, Int) -> Void = { _ = munmap($0, $1) }
    }

    /// That of all keys of this process.
    static let process = PageProtection(Calls())

    private let calls: Calls
    private let lockError = Atomic<CInt>(0)
    private let dumpError = Atomic<CInt>(0)
    private let hasTold = Atomic<Bool>(false)

    init(_ calls: Calls) {
        self.calls = calls
    }

    func protect(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        let (lock, dump) = (calls.lock(memory, count), calls.leaveOutOfDumps(memory, count))
        if lock != 0 { lockError.store(lock, ordering: .relaxed) }
        if dump != 0 { dumpError.store(dump, ordering: .relaxed) }
    }

    func release(_ memory: UnsafeMutableRawPointer, _ count: Int) {
        calls.release(memory, count)
    }

    /// What was refused and what to do about it; nil when nothing was, and after the first time.
    func complaint() -> String? {
        let (lock, dump) = (lockError.load(ordering: .relaxed), dumpError.load(ordering: .relaxed))
        guard lock != 0 || dump != 0, !hasTold.exchange(true, ordering: .relaxed) else { return nil }
        var sentences: [String] = []
        if lock != 0 {
            sentences.append(
                "they are not locked in memory (mlock: \(Self.text(lock))) and may be written to swap. Allow 64 kB with "
                    + "`ulimit -l 64` or LimitMEMLOCK=, or give the capability CAP_IPC_LOCK."
            )
        }
        if dump != 0 {
            sentences.append(
                "they are not kept out of core dumps (madvise: \(Self.text(dump))). Switch those off with `ulimit -c 0`."
            )
        }
        return sentences.joined(separator: " And ")
    }

    private static func text(_ number: CInt) -> String {
        strerror(number).map { String(cString: $0) } ?? "error \(number)"
    }
}
