import CTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("Handshakes in progress, and who makes room (S1)")
struct HandshakeLineTests {
    /// Stands for a connection, and notes that it has to end.
    private final class Owner: TLSHandshakeOwner {
        private let isTold = Atomic<Bool>(false)
        var isPassedOver: Bool { isTold.load(ordering: .relaxed) }
        func handshakeIsPassedOver() { isTold.store(true, ordering: .relaxed) }
    }

    /// A session whose adapter says for whom it waits.
    private struct Waiting {
        let server: TestServer
        let owner = Owner()
        /// What the server says to the hello.
        var answer: [UInt8] = []

        init(_ context: TLSContext, hello: [UInt8] = []) throws {
            server = try TestServer(context)
            if !hello.isEmpty { answer = server.receive(hello) }
            server.waitForClient(owner)
        }
    }

    private func context(_ events: EventList = EventList(), limit: Int) throws -> TLSContext {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.maximumHandshakesInProgress = limit
        configuration.onEvent = events.sink
        configuration.clock = TestClock().clock
        return try TLSContext(configuration)
    }

    @Test("Beyond the limit the handshake that has waited for longest makes room for the new one")
    func oldestFirst() throws {
        let context = try context(limit: 3)
        let waiting = try (0..<5).map { _ in try Waiting(context) }
        #expect(waiting.map(\.owner.isPassedOver) == [true, true, false, false, false])
        #expect(context.handshakesInProgress == 3)
        #expect(context.counters.snapshot.handshakesPassedOver == 2)
        #expect(context.counters.snapshot.handshakesRefused == 0)
    }

    @Test("A flood of silent clients ends no handshake that goes on, and the new ones are served")
    func flood() throws {
        let context = try context(limit: 10)
        let client = TestClient()
        let healthy = try Waiting(context, hello: client.step())
        let flood = try (0..<500).map { _ in try Waiting(context) }
        #expect(!healthy.owner.isPassedOver)
        #expect(flood.count(where: \.owner.isPassedOver) == 491)
        let other = try Waiting(context, hello: TestClient().step())
        #expect(!other.owner.isPassedOver && !healthy.owner.isPassedOver)
        _ = healthy.server.receive(client.step(healthy.answer))
        #expect(healthy.server.info != nil)
        #expect(context.handshakesInProgress == 9 + 1 - 1)
    }

    @Test("Bytes that complete nothing improve no place; part of a hello is more than nothing, and all of it is more")
    func order() throws {
        let context = try context(limit: 4)
        let hello = TestClient().step()
        let answered = try Waiting(context, hello: hello)
        let trickling = try Waiting(context, hello: [0x16])
        let talking = try Waiting(context, hello: [0x16])
        let silent = try Waiting(context)
        for byte in hello[1..<20] {
            trickling.server.hearFromClient()
            _ = trickling.server.receive([byte])
            trickling.server.waitForClient(trickling.owner)
        }
        var new = [try Waiting(context, hello: hello)]
        #expect(silent.owner.isPassedOver && !trickling.owner.isPassedOver)
        new.append(try Waiting(context, hello: hello))
        #expect(trickling.owner.isPassedOver && !talking.owner.isPassedOver)
        new.append(try Waiting(context, hello: hello))
        #expect(talking.owner.isPassedOver && !answered.owner.isPassedOver)
        new.append(try Waiting(context, hello: hello))
        #expect(answered.owner.isPassedOver)
        #expect(new.allSatisfy { !$0.owner.isPassedOver })
    }

    @Test("Whom the server keeps waiting is not passed over; when that is everybody, the new one is refused")
    func behind() throws {
        let events = EventList()
        let context = try context(events, limit: 3)
        let heard = try (0..<3).map { _ in try Waiting(context) }
        for waiting in heard { waiting.server.hearFromClient() }
        for _ in 0..<2 {
            let error = #expect(throws: TLSError.self) { try TestServer(context) }
            #expect(error?.code == .tooManyHandshakes)
        }
        #expect(heard.allSatisfy { !$0.owner.isPassedOver })
        #expect(context.counters.snapshot.handshakesRefused == 2)
        // Told once, and not for each of a flood.
        #expect(events.texts.count { $0.hasPrefix("3 TLS handshakes are in progress") } == 1)
        heard[1].server.waitForClient(heard[1].owner)
        let new = try Waiting(context)
        #expect(heard.map(\.owner.isPassedOver) == [false, true, false])
        #expect(!new.owner.isPassedOver)
    }

    @Test("New connections, of which nobody knows yet whether they speak, do not push out those that have spoken")
    func burst() throws {
        let context = try context(limit: 10)
        let answered = try (0..<10).map { _ in try Waiting(context, hello: TestClient().step()) }
        // They get half of the places, but not those of the newest.
        let new = try (0..<6).map { _ in try TestServer(context) }
        #expect(throws: TLSError.self) { try TestServer(context) }
        #expect(answered.map(\.owner.isPassedOver) == (0..<10).map { $0 < 6 })
        let owner = Owner()
        new[0].waitForClient(owner)
        let last = try TestServer(context)
        #expect(owner.isPassedOver && answered.count(where: \.owner.isPassedOver) == 6)
        withExtendedLifetime(last) {}
    }

    @Test("A session whose adapter says nothing of waiting is never passed over")
    func plain() throws {
        let context = try context(limit: 2)
        let sessions = try (0..<2).map { _ in try TestServer(context) }
        #expect(throws: TLSError.self) { try TestServer(context) }
        exchange(TestClient(), sessions[0])
        #expect(try Dialogue(context).isOpen)
    }

    @Test("One that completes although it was passed over is counted once, and nobody stays in line")
    func lateCompletion() throws {
        let context = try context(limit: 1)
        let client = TestClient()
        do {
            let late = try Waiting(context, hello: client.step())
            let new = try Waiting(context)
            #expect(late.owner.isPassedOver && context.handshakesInProgress == 1)
            withExtendedLifetime(new) {}
        }
        #expect(context.handshakesInProgress == 0)
        let other = TestClient()
        let late = try Waiting(context)
        let new = try Waiting(context)
        #expect(late.owner.isPassedOver)
        exchange(other, late.server)
        #expect(late.server.info != nil && context.handshakesInProgress == 1)
        new.server.giveUpHandshake()
        #expect(context.handshakesInProgress == 0)
        new.server.waitForClient(new.owner)
        #expect(context.handshakesInProgress == 0)
        // The line lets everybody go.
        weak var gone: Owner?
        do {
            let waiting = try Waiting(context)
            gone = waiting.owner
        }
        #expect(gone == nil)
    }

    @Test("A limit that was lowered is reached again")
    func lowered() throws {
        let context = try context(limit: 50)
        let waiting = try (0..<50).map { _ in try Waiting(context) }
        var configuration = context.configuration
        configuration.maximumHandshakesInProgress = 5
        try context.reload(configuration)
        let more = try (0..<60).map { _ in try Waiting(context) }
        #expect(waiting.count(where: \.owner.isPassedOver) == 50)
        #expect(context.handshakesInProgress == 5)
        withExtendedLifetime(more) {}
    }

    @Test("The line keeps its order through any sequence of steps")
    func model() {
        final class Client: TLSHandshakeOwner {
            let number: Int
            init(_ number: Int) { self.number = number }
            func handshakeIsPassedOver() {}
        }
        var random = SystemRandomNumberGenerator()
        var line = HandshakeLine()
        var all: [(client: Client, place: HandshakeLine.Place, stage: HandshakeLine.Stage?)] = []
        var queues: [[Int]] = [[], [], []]
        for number in 0..<20_000 {
            switch UInt8.random(in: 0...9, using: &random) {
            case 0...3:
                all.append((Client(number), line.begin(), nil))
            case 4...6:
                guard let index = all.indices.randomElement(using: &random),
                    let stage = HandshakeLine.Stage.allCases.randomElement(using: &random)
                else { continue }
                line.wait(all[index].place, stage, all[index].client)
                guard all[index].stage != stage else { continue }
                for old in queues.indices { queues[old].removeAll { $0 == all[index].client.number } }
                queues[stage.rawValue].append(all[index].client.number)
                all[index].stage = stage
            case 7:
                guard let index = all.indices.randomElement(using: &random) else { continue }
                let ended = all.remove(at: index)
                _ = line.end(ended.place)
                // Twice changes nothing, nor does anything else that is said of it.
                _ = line.end(ended.place)
                line.wait(ended.place, .silent, ended.client)
                for old in queues.indices { queues[old].removeAll { $0 == ended.client.number } }
            default:
                let isBehind = all.count - queues.reduce(0) { $0 + $1.count } > all.count / 2
                let expected = queues[0].first ?? (isBehind ? nil : queues[1].first ?? queues[2].first)
                let passedOver = (line.passOver() as? Client)?.number
                #expect(passedOver == expected)
                guard let passedOver else { continue }
                all.removeAll { $0.client.number == passedOver }
                for old in queues.indices { queues[old].removeAll { $0 == passedOver } }
            }
            #expect(line.count == all.count)
        }
    }
}
