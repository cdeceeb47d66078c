import Synchronization
import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Ownership of descriptors")
struct DescriptorTests {
    @Test("A descriptor is closed when its owner ends")
    func closes() throws {
        let pair = try TestPair()
        do {
            let descriptor = OwnedDescriptor(owning: pair.number)
            #expect(descriptor.number == pair.number)
            #expect(!pair.hasEnded)
        }
        #expect(pair.hasEnded)
    }

    @Test("A descriptor that is given up stays open")
    func relinquishes() throws {
        let pair = try TestPair()
        let number = OwnedDescriptor(owning: pair.number).relinquish()
        #expect(number == pair.number)
        #expect(!pair.hasEnded)
        close(number)
        #expect(pair.hasEnded)
    }

    @Test("Closing a descriptor leaves the connection to another copy of it")
    func descriptorLeavesCopy() throws {
        let pair = try TestPair()
        let copy = try pair.copy()
        _ = OwnedDescriptor(owning: pair.number)
        #expect(!pair.hasEnded)
        _ = consume copy
        #expect(pair.hasEnded)
    }

    @Test("A connection ends with its owner, even while another process still has a copy")
    func connectionEnds() throws {
        let pair = try TestPair()
        let copy = try pair.copy()
        do {
            let connection = OwnedConnection(owning: pair.number)
            #expect(connection.number == pair.number)
            #expect(!pair.hasEnded)
        }
        #expect(pair.hasEnded)
        _ = consume copy
    }

    @Test("A connection that is released belongs to the other copy")
    func connectionReleased() throws {
        let pair = try TestPair()
        let copy = try pair.copy()
        OwnedConnection(owning: pair.number).release()
        #expect(!pair.hasEnded)
        _ = consume copy
        #expect(pair.hasEnded)
    }

    @Test("A connection that is given up stays open")
    func connectionRelinquished() throws {
        let pair = try TestPair()
        let number = OwnedConnection(owning: pair.number).relinquish()
        #expect(!pair.hasEnded)
        close(number)
        #expect(pair.hasEnded)
    }

    @Test("A paused socket that nobody takes ends its connection and its lease")
    func pausedEnds() throws {
        let pair = try TestPair()
        let copy = try pair.copy()
        let ended = Flag()
        do {
            let socket = pair.pausedSocket(lease: ConnectionLease { ended.set() })
            #expect(socket.descriptor == pair.number)
            #expect(!pair.hasEnded)
            #expect(!ended.isSet)
        }
        #expect(pair.hasEnded)
        #expect(ended.isSet)
        _ = consume copy
    }

    @Test("A paused socket that is taken apart stays open, and its lease counts on")
    func detach() throws {
        let pair = try TestPair()
        let ended = Flag()
        do {
            let (descriptor, lease) = pair.pausedSocket(lease: ConnectionLease { ended.set() }).detach()
            #expect(descriptor == pair.number)
            #expect(!pair.hasEnded)
            withExtendedLifetime(lease) { #expect(!ended.isSet) }
            close(descriptor)
        }
        #expect(ended.isSet)
        #expect(pair.hasEnded)
    }

    @Test("Another reason or home changes nothing else of a held socket")
    func held() throws {
        let pair = try TestPair()
        let held = pair.heldSocket(home: 3)
        let arrived = held.arrived
        let changed = held.with(reason: .rerouted).with(home: 5)
        let (home, hash, sameTime) = (changed.route.home, changed.route.hash, changed.arrived == arrived)
        #expect(home == 5)
        #expect(hash == 3000)
        #expect(sameTime)
        #expect(!pair.hasEnded)
        let socket = changed.takeSocket()
        #expect(socket.reason == .rerouted)
        #expect(socket.peer == .ipv4(1, port: 2))
        #expect(socket.local == .ipv6(high: 3, low: 4, port: 5))
        #expect(socket.listener == 6)
        #expect(socket.hops == 0)
        #expect(!pair.hasEnded)
        socket.release()
        #expect(pair.hasEnded)
    }

    @Test("A wake pipe gives its signals, and is quiet once drained")
    func wakePipe() throws {
        let pipe = try WakePipe()
        for _ in 0..<1000 { pipe.wake() }
        var signal: UInt8 = 15
        _ = write(pipe.writeEnd.number, &signal, 1)
        var signals: [CInt] = []
        pipe.drain { signals.append($0) }
        #expect(signals == [15])
        pipe.drain { signals.append($0) }
        #expect(signals == [15])
    }

    @Test("A full wake pipe neither blocks nor fails")
    func fullWakePipe() throws {
        let pipe = try WakePipe()
        for _ in 0..<200_000 { pipe.wake() }
        pipe.drain { _ in Issue.record("a wake-up is no signal") }
        var byte: UInt8 = 0
        #expect(read(pipe.readEnd.number, &byte, 1) == -1)
    }
}

/// Set once, by whichever thread ends the lease.
private final class Flag: Sendable {
    private let value = Atomic<Bool>(false)
    var isSet: Bool { value.load(ordering: .acquiring) }
    func set() { value.store(true, ordering: .releasing) }
}
