#if NIO
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Holds a thread.
final class Gate: Sendable {
    private let standing = Atomic<Bool>(false)
    private let isOpen = Atomic<Bool>(false)

    func stand() {
        standing.store(true, ordering: .releasing)
        while !isOpen.load(ordering: .acquiring) { usleep(1000) }
    }

    func awaitStanding() {
        while !standing.load(ordering: .acquiring) { usleep(1000) }
    }

    func open() {
        isOpen.store(true, ordering: .releasing)
    }
}
#endif
