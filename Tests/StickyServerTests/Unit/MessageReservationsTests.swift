import Testing

@testable import StickyServer

@Suite("Reservations of room for messages")
struct MessageReservationsTests {
    private typealias Owner = MessageReservations.Owner

    /// Queues by slot, with the room that each has.
    private struct Queues {
        var room: [Int: Int]
        var reservations = MessageReservations()

        mutating func advance() -> [Owner] {
            let room = room
            return reservations.advance { _, party in
                if party == Envelope.everyone { return room.keys.sorted() }
                return room[Int(party)] == nil ? nil : [Int(party)]
            } hasRoom: { slot, bytes in
                bytes <= room[slot] ?? 0
            }
        }

        mutating func ask(_ owner: Owner, _ party: UInt16, _ size: Int) -> [Owner] {
            let isTaken = reservations.add(owner, party: party, size: size)
            return isTaken ? advance() : []
        }
    }

    private func owner(_ pid: Int32, _ request: UInt32 = 1) -> Owner { Owner(pid: pid, request: request) }

    @Test("Room is granted at once where there is some, and kept until the message comes")
    func grants() {
        var queues = Queues(room: [0: 100])
        let first = queues.ask(owner(1), 0, 60)
        #expect(first == [owner(1)])
        #expect(queues.reservations.kept(in: 0) == 60)
        let second = queues.ask(owner(2), 0, 60)
        #expect(second.isEmpty && queues.reservations.isWaiting)
        let isGranted = queues.reservations.release(owner(1))
        #expect(isGranted)
        let later = queues.advance()
        #expect(later == [owner(2)] && !queues.reservations.isWaiting)
    }

    @Test("Those who want the same queue are served in their order, a small one behind a large one too")
    func order() {
        var queues = Queues(room: [0: 50])
        let none = queues.ask(owner(1), 0, 60) + queues.ask(owner(2), 0, 10)
        #expect(none.isEmpty)
        queues.room[0] = 65
        let first = queues.advance()
        #expect(first == [owner(1)])
        queues.room[0] = 70
        let second = queues.advance()
        #expect(second == [owner(2)])
    }

    @Test("A full queue keeps nobody from another")
    func independent() {
        var queues = Queues(room: [0: 0, 1: 100])
        let none = queues.ask(owner(1), 0, 10)
        let other = queues.ask(owner(2), 1, 10)
        #expect(none.isEmpty)
        #expect(other == [owner(2)])
    }

    @Test("A message for everyone waits for every queue, keeps room in all, and nobody overtakes it")
    func everyone() {
        var queues = Queues(room: [0: 100, 1: 0])
        let none = queues.ask(owner(1), Envelope.everyone, 10) + queues.ask(owner(2), 0, 10)
        #expect(none.isEmpty)
        queues.room[1] = 100
        let all = queues.advance()
        #expect(all == [owner(1), owner(2)])
        #expect(queues.reservations.kept(in: 0) == 20 && queues.reservations.kept(in: 1) == 10)
        _ = queues.reservations.release(owner(1))
        #expect(queues.reservations.kept(in: 0) == 10 && queues.reservations.kept(in: 1) == 0)
    }

    @Test("A slot without a process is waited for, and holds nobody up")
    func absent() {
        var queues = Queues(room: [0: 100])
        let none = queues.ask(owner(1), 5, 10)
        let other = queues.ask(owner(2), Envelope.everyone, 10)
        #expect(none.isEmpty && other == [owner(2)])
        queues.room[5] = 100
        let later = queues.advance()
        #expect(later == [owner(1)])
    }

    @Test("A process that ends leaves neither a wish nor room that is kept")
    func forget() {
        var queues = Queues(room: [0: 100])
        _ = queues.ask(owner(1, 1), 0, 60)
        _ = queues.ask(owner(1, 2), 0, 60)
        _ = queues.ask(owner(2), 0, 60)
        queues.reservations.forget(pid: 1)
        #expect(queues.reservations.kept(in: 0) == 0)
        let next = queues.advance()
        #expect(next == [owner(2)])
    }

    @Test("A wish that is taken back is not granted later; one that never was changes nothing")
    func takenBack() {
        var queues = Queues(room: [0: 0])
        _ = queues.ask(owner(1), 0, 10)
        let results = (queues.reservations.release(owner(1)), queues.reservations.release(owner(9)))
        #expect(results == (false, false))
        queues.room[0] = 100
        let none = queues.advance()
        #expect(none.isEmpty && !queues.reservations.isWaiting)
    }

    @Test("One process may have so many in line, and others theirs")
    func bounded() {
        var reservations = MessageReservations()
        var taken = 0
        for request in 0..<2000 {
            if reservations.add(owner(1, UInt32(request)), party: 0, size: 1) { taken += 1 }
        }
        #expect(taken == MessageReservations.mostWaiting)
        let other = reservations.add(owner(2), party: 0, size: 1)
        #expect(other)
        #expect(reservations.dismiss().count == taken + 1)
        #expect(!reservations.isWaiting)
    }
}
