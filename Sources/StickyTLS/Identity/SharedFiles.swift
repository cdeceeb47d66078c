internal import CTLS

/// The contents of files that the master has read and shared, by path. They may hold private keys: wiped when they are
/// let go, and those with ticket keys locked in memory as well.
///
/// Unchecked: nothing is written to the memory after `init`.
final class SharedFile: @unchecked Sendable {
    private enum Memory: ~Copyable {
        case ordinary(SecretBytes)
        case locked(LockedMemory)
    }

    private let memory: Memory
    let bytes: UnsafeRawBufferPointer

    /// - Parameter isLocked: Whether it is kept out of swap and core dumps, as far as the system allows.
    init(copying source: UnsafeRawBufferPointer, isLocked: Bool) throws(TLSError) {
        if isLocked {
            let pages = try LockedMemory(count: source.count)
            bytes = UnsafeRawBufferPointer(start: pages.base, count: source.count)
            UnsafeMutableRawBufferPointer(start: pages.base, count: source.count).copyMemory(from: source)
            memory = .locked(pages)
        } else {
            let copy = try SecretBytes(copying: source)
            bytes = copy.bytes
            memory = .ordinary(copy)
        }
    }
}
