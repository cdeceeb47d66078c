import Synchronization
import TestSupport
import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#endif

@Suite("Shared state")
struct SharedStateTests {
    #if os(Linux)
    @Test("A value that is replaced leaves nothing in memory")
    func wiping() throws {
        let size = 4096
        let page = try #require(mmap(nil, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0))
        defer { munmap(page, size) }
        // Locked, so that the search knows it for the needle.
        #expect(mlock(page, size) == 0 && madvise(page, size, CInt(MADV_DONTDUMP)) == 0)
        let needle = UnsafeMutableRawBufferPointer(start: page, count: 64)
        for index in needle.indices { needle[index] = UInt8.random(in: 0...255) }
        let secret = UnsafeRawBufferPointer(needle)
        let shared = SharedState()
        shared.set("keys", Array(secret))
        #expect(try ProcessMemory.copies(of: secret, in: getpid()).ordinary == 1)
        shared.set("keys", [1])
        #expect(try ProcessMemory.copies(of: secret, in: getpid()).ordinary == 0)
    }
    #endif

    @Test("The last value of a name counts, and observers see every change")
    func values() {
        let shared = SharedState()
        let seen = Mutex<[String]>([])
        #expect(shared.value("keys") == nil)
        shared.set("keys", [1])
        shared.observe { name, value in seen.withLock { $0.append("\(name) \(value)") } }
        shared.set("keys", [2])
        shared.set("", [])
        #expect(shared.value("keys") == [2])
        #expect(shared.value("") == [])
        #expect(shared.value("other") == nil)
        #expect(seen.withLock { $0 } == ["keys [2]", " []"])
    }

    @Test("An observer may read and observe")
    func reentrant() {
        let shared = SharedState()
        let seen = Mutex<[UInt8]>([])
        // Observers live as long as what they observe, and must not keep it alive.
        shared.observe { [weak shared] name, _ in
            seen.withLock { $0 += shared?.value(name) ?? [] }
            shared?.observe { _, _ in }
        }
        shared.set("a", [7])
        #expect(seen.withLock { $0 } == [7])
    }

    @Test("An observation ends when it is cancelled, also from within, and others go on")
    func cancelled() {
        let shared = SharedState()
        let seen = Mutex<[String]>([])
        let own = Mutex<SharedState.Observation?>(nil)
        let first = shared.observe { name, _ in seen.withLock { $0.append("first \(name)") } }
        own.withLock {
            $0 = shared.observe { name, _ in
                seen.withLock { $0.append("once \(name)") }
                own.withLock { $0 }?.cancel()
            }
        }
        shared.observe { name, _ in seen.withLock { $0.append("last \(name)") } }
        shared.set("a", [])
        first.cancel()
        first.cancel()
        shared.set("b", [])
        #expect(seen.withLock { $0 } == ["first a", "once a", "last a", "last b"])
    }

    @Test("A stream of changes holds the newest of its name, and its end ends the observation")
    func changes() async {
        let shared = SharedState()
        shared.set("keys", [1])
        do {
            let changes = shared.changes(of: "keys")
            shared.set("keys", [2])
            shared.set("other", [9])
            shared.set("keys", [3])
            for await value in changes {
                #expect(value == [3])
                break
            }
        }
        #expect(shared.observerCount == 0)
    }
}
