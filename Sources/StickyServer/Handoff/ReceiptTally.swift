internal import CStickyServer
internal import Synchronization

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// How many connections one worker process has receipted in its life, in memory that it shares with the master.
///
/// A receipt is then one store, where a frame would be a system call in the worker and would wake the master for every
/// connection. The master looks whenever it is awake, and the last word of a worker that was killed stays readable.
/// The worker writes and the master reads; what it reads it believes no more than a frame.
struct ReceiptTally: ~Copyable {
    private static let length = 4096

    /// The memory's file (memfd_create(2)), for the worker and for the next binary.
    let file: OwnedDescriptor
    private let count: UnsafeMutablePointer<Atomic<UInt64>>

    /// New memory with a count of 0; nil where the system has none to give. Its size is sealed: a worker that could cut
    /// the file would end the master at its next look (SIGBUS).
    static func make() -> ReceiptTally? {
        let number = sticky_memory_file()
        guard number >= 0 else { return nil }
        let file = OwnedDescriptor(owning: number)
        guard ftruncate(number, off_t(length)) == 0, sticky_seal_size(number) == 0 else { return nil }
        return ReceiptTally(mapping: file)
    }

    /// The memory of a file that ``make()`` has made, perhaps in another process; nil when it cannot be mapped.
    init?(mapping file: consuming OwnedDescriptor) {
        let memory = mmap(nil, Self.length, PROT_READ | PROT_WRITE, MAP_SHARED, file.number, 0)
        guard let memory, memory != MAP_FAILED else { return nil }
        // A new file holds zeros, and an atomic integer is laid out as the integer: there is nothing to initialize.
        count = memory.bindMemory(to: Atomic<UInt64>.self, capacity: 1)
        self.file = file
    }

    deinit {
        munmap(count, Self.length)
    }

    /// So many more are receipted. For the worker, before a byte of them is read.
    borrowing func add(_ connections: Int) {
        count.pointee.wrappingAdd(UInt64(clamping: connections), ordering: .releasing)
    }

    borrowing func read() -> UInt64 {
        count.pointee.load(ordering: .acquiring)
    }
}
