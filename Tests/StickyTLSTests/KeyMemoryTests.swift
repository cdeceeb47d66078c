import CTLS
import Synchronization
import TLSTestSupport
import TestSupport
import Testing

@testable import StickyTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("The memory of ticket keys (T33)")
struct KeyMemoryTests {
    #if os(Linux)
    /// The kernel's flags of the mapping that an address lies in (proc_pid_smaps(5)).
    private func flags(of address: UnsafeRawPointer) throws -> [Substring] {
        let file = try #require(fopen("/proc/self/smaps", "r"))
        defer { fclose(file) }
        var text = [UInt8]()
        var buffer = [UInt8](repeating: 0, count: 65_536)
        while case let count = fread(&buffer, 1, buffer.count, file), count > 0 { text += buffer.prefix(count) }
        var isInside = false
        for line in String(decoding: text, as: UTF8.self).split(separator: "\n") {
            let words = line.split(separator: " ")
            let ends = words[0].split(separator: "-").map { UInt(String($0), radix: 16) }
            if ends.count == 2, let start = ends[0], let end = ends[1] {
                isInside = (start..<end).contains(UInt(bitPattern: address))
            } else if isInside, words[0] == "VmFlags:" {
                return Array(words.dropFirst())
            }
        }
        return []
    }

    @Test("T33: the page of each key is locked and left out of core dumps")
    func pages() throws {
        let ring = try TicketKeyRing(now: 0).rotated(now: 1)
        let previous = try #require(ring.previous)
        let given = try TicketKeys([UInt8](repeating: 7, count: 48))
        var pages = [previous, ring.current, ring.next, given].map { UnsafeRawPointer($0.storage.base) }
        pages.append(UnsafeRawPointer(ring.routing.memory.base))
        for page in pages {
            let flags = try flags(of: page)
            #expect(flags.contains("lo"), "not locked; is `ulimit -l` too small here? \(flags)")
            #expect(flags.contains("dd"), "not left out of dumps: \(flags)")
        }
        // The test itself can tell: ordinary memory is neither.
        let ordinary = UnsafeMutableRawPointer.allocate(byteCount: 80, alignment: 16)
        defer { ordinary.deallocate() }
        let flags = try flags(of: ordinary)
        #expect(!flags.isEmpty && !flags.contains("lo") && !flags.contains("dd"))
    }
    #endif

    #if os(Linux)
    /// Random bytes that are nowhere else.
    private static func secret() throws -> LockedMemory {
        let secret = try LockedMemory(count: 80)
        RAND_bytes(secret.base, 80)
        return secret
    }

    private static func wipe(_ bytes: inout [UInt8]) {
        bytes.withUnsafeMutableBytes { OPENSSL_cleanse($0.baseAddress, $0.count) }
    }

    @Test("T33: files of ticket keys that the master shares leave nothing in ordinary memory")
    func sharedFiles() throws {
        let secret = try Self.secret()
        let key = UnsafeRawBufferPointer(start: secret.base + 16, count: 32)
        let folder = try TemporaryFolder()
        let file = try folder.file("keys", [])
        let descriptor = open(file, O_WRONLY)
        #expect(write(descriptor, secret.base, 80) == 80)
        close(descriptor)
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.ticketKeys = .files([file])
        let master = try TLSContext(configuration)
        var shared = try TLSFileShare.encode(master.configuration)
        let worker = try TLSContext(configuration)
        worker.take(shared, sharedAs: TLSFileShare.shareName)
        #expect(worker.generation == 2)
        Self.wipe(&shared)
        let found = try ProcessMemory.copies(of: key, in: getpid())
        // This test's, the master's, the worker's twice: the file, for reloads, and the keys.
        #expect(found.protected == 4 && found.ordinary == 0, "\(found)")
        // The test itself can tell.
        var copy = Array(key)
        #expect(try ProcessMemory.copies(of: key, in: getpid()).ordinary == 1)
        Self.wipe(&copy)
        withExtendedLifetime((master, worker, secret)) {}
    }

    @Test("T33: a ring that was given to another process leaves nothing in ordinary memory there")
    func decodedRing() throws {
        let ring = try TicketKeyRing(now: 0)
        var bytes = ring.encoded
        let received = try TicketKeyRing(encoded: bytes)
        Self.wipe(&bytes)
        for keys in [ring.current, ring.next] {
            let key = UnsafeRawBufferPointer(start: keys.storage.base + 16, count: 64)
            let found = try ProcessMemory.copies(of: key, in: getpid())
            #expect(found.protected == 2 && found.ordinary == 0, "\(found)")
        }
        let routing = UnsafeRawBufferPointer(start: ring.routing.memory.base, count: 16)
        #expect(try ProcessMemory.copies(of: routing, in: getpid()).ordinary == 0)
        withExtendedLifetime(received) {}
    }
    #endif

    @Test("T33: when the last copy of a key is gone its bytes are, before the page is given back")
    func wiping() throws {
        // What the page holds at the moment when it is given back.
        let seen = Mutex<[[UInt8]]>([])
        var calls = PageProtection.Calls()
        let release = calls.release
        calls.release = { memory, count in
            seen.withLock { $0.append(Array(UnsafeRawBufferPointer(start: memory, count: count))) }
            release(memory, count)
        }
        var first: TicketKeys.Storage? = try TicketKeys.Storage(
            count: 80,
            encryptionFirst: false,
            protection: PageProtection(calls)
        )
        first?.base.update(repeating: 0xAB, count: 80)
        var second = first
        first = nil
        #expect(seen.withLock { $0.isEmpty })
        #expect(second?.base[79] == 0xAB)
        second = nil
        let pages = seen.withLock { $0 }
        #expect(pages.count == 1)
        #expect(pages.allSatisfy { $0.count >= 4096 && $0.allSatisfy { $0 == 0 } })
    }

    @Test("What the system refuses is told once, with what to do, and the keys serve")
    func refusal() throws {
        var calls = PageProtection.Calls()
        calls.lock = { _, _ in ENOMEM }
        let protection = PageProtection(calls)
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        let events = EventList()
        configuration.onEvent = events.sink
        let context = try TLSContext(configuration)
        func told() -> [TLSEvent] {
            context.tellOfUnprotectedKeys(protection)
            return events.all.filter { if case .ticketKeysUnprotected = $0 { true } else { false } }
        }
        let before = told().count
        let memory = try LockedMemory(count: 16, protection: protection)
        memory.base.update(repeating: 1, count: 16)
        _ = try LockedMemory(count: 16, protection: protection)
        #expect(told().count == before + 1)
        #expect(told().count == before + 1)
        let event = try #require(told().last)
        #expect(event.isAlarm)
        for part in ["not locked in memory", "ulimit -l", "LimitMEMLOCK="] { #expect("\(event)".contains(part)) }
        #expect(!"\(event)".contains("core dumps"))
        calls.leaveOutOfDumps = { _, _ in EINVAL }
        let both = PageProtection(calls)
        _ = try LockedMemory(count: 16, protection: both)
        let complaint = try #require(both.complaint())
        #expect(complaint.contains("ulimit -l") && complaint.contains("core dumps"))
    }
}
