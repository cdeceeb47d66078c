import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Worker", .timeLimit(.minutes(1)))
struct WorkerTests {
    /// A worker beside the master's end of its control socket.
    private final class Cluster: Sendable {
        struct Failure: Error {}

        let worker: Worker
        private let master: ControlSocket

        init(_ configuration: Configuration = Configuration()) throws {
            let pair = try ControlSocket.pair()
            let control = fcntl(pair.worker.number, F_DUPFD_CLOEXEC, 0)
            guard control >= 0 else { throw Failure() }
            let environment = WorkerEnvironment(slot: 1, slots: 3, generation: 5, control: control, master: 1)
            worker = try Worker(environment, configuration: configuration)
            master = pair.masterEnd()
        }

        /// The next frame that the master has, with the number of its descriptors, which it closes.
        func next() throws -> (frame: ParsedFrame, descriptors: Int) {
            var bytes: [UInt8] = []
            var count = 0
            let outcome = FrameReceiver().receive(from: master.descriptor.number) { buffer, connections in
                bytes = [UInt8](buffer)
                count = connections.read { $0.count } ?? -1
            }
            guard case .frame = outcome else { throw Failure() }
            return (try ParsedFrame(bytes), count)
        }

        /// The next message that the master has, joined.
        func nextMessage() throws -> Envelope {
            var assembler = MessageAssembler(limit: 64 << 20)
            while true {
                let payload = try next().frame.payload
                let message: Envelope? = try payload.withUnsafeBytes { try assembler.add(FrameReader($0)) }
                if let message { return message }
            }
        }

        /// The next message, which another task is about to send.
        func waitForMessage() async throws -> Envelope {
            var watched = pollfd(fd: master.descriptor.number, events: Int16(POLLIN), revents: 0)
            while poll(&watched, 1, 0) == 0 { await Task.yield() }
            return try nextMessage()
        }

        /// Whether the master has nothing to read.
        var isQuiet: Bool {
            guard case .drained = FrameReceiver().receive(from: master.descriptor.number, { _, _ in }) else {
                return false
            }
            return true
        }
    }

    private func code(_ body: () throws(StickyServerError) -> Void) -> StickyServerError.Code? {
        do throws(StickyServerError) {
            try body()
            return nil
        } catch {
            return error.code
        }
    }

    @Test("Knows its place")
    func place() throws {
        let worker = try Cluster().worker
        #expect((worker.slot, worker.slots, worker.generation) == (1, 3, 5))
        #expect(worker.openConnections == 0)
        #expect(!worker.isDraining)
    }

    @Test("A message names its receiver, and a long one arrives whole")
    func sends() throws {
        let cluster = try Cluster()
        let long = [UInt8](repeating: 7, count: 100_000)
        try cluster.worker.send([1, 2])
        try cluster.worker.send(long, to: .slot(2))
        try cluster.worker.send([], to: .everyone)
        #expect(try cluster.nextMessage() == Envelope(party: Envelope.master, payload: [1, 2]))
        #expect(try cluster.nextMessage() == Envelope(party: 2, payload: long))
        #expect(try cluster.nextMessage() == Envelope(party: Envelope.everyone, payload: []))
        #expect(cluster.isQuiet)
    }

    @Test("A message beyond the limit is refused, and nothing of it is sent")
    func tooLarge() throws {
        var configuration = Configuration()
        configuration.maximumMessageLength = 10
        let cluster = try Cluster(configuration)
        #expect(
            code { () throws(StickyServerError) in
                try cluster.worker.send([UInt8](repeating: 0, count: 11))
            } == .messageTooLarge
        )
        #expect(cluster.isQuiet)
        try cluster.worker.send([UInt8](repeating: 0, count: 10))
        #expect(try cluster.nextMessage().payload.count == 10)
    }

    @Test("A master that does not keep up makes the queue full, and what was taken arrives in order")
    func queueFull() throws {
        var configuration = Configuration()
        configuration.maximumMessageLength = 1000
        configuration.messageQueueLimit = 10_000
        let cluster = try Cluster(configuration)
        var sent = 0
        var refusal: StickyServerError.Code?
        while refusal == nil, sent < 1_000_000 {
            let payload = withUnsafeBytes(of: sent) { [UInt8]($0) } + [UInt8](repeating: 0, count: 500)
            refusal = code { () throws(StickyServerError) in try cluster.worker.send(payload) }
            if refusal == nil { sent += 1 }
        }
        #expect(refusal == .messageQueueFull)
        #expect(cluster.worker.hasOutbound)
        for number in 0..<sent {
            _ = cluster.worker.flushOutbox()
            let payload = try cluster.nextMessage().payload
            #expect(payload.starts(with: withUnsafeBytes(of: number) { [UInt8]($0) }))
        }
        #expect(!cluster.worker.hasOutbound)
        #expect(cluster.isQuiet)
    }

    @Test("A message that waits asks for room first, and travels when it is granted")
    func waits() async throws {
        let cluster = try Cluster()
        async let sending: Void = cluster.worker.send([7, 8, 9], to: .slot(2), waitingAtMost: .seconds(3600))
        let wish = try await cluster.waitForMessage()
        #expect(wish.kind == .reserve && wish.party == 2 && wish.payload == [3, 0, 0, 0] && wish.request != 0)
        #expect(cluster.isQuiet)
        #expect(
            cluster.worker.absorb(
                Envelope(kind: .response, request: wish.request, party: Envelope.master, payload: [])
            )
        )
        try await sending
        #expect(try cluster.nextMessage() == Envelope(request: wish.request, party: 2, payload: [7, 8, 9]))
        #expect(cluster.isQuiet)
    }

    @Test("A message to the master needs no grant")
    func waitsForMaster() async throws {
        let cluster = try Cluster()
        try await cluster.worker.send([1], waitingAtMost: .seconds(3600))
        #expect(try cluster.nextMessage() == Envelope(party: Envelope.master, payload: [1]))
        #expect(cluster.isQuiet)
    }

    @Test("Without room in time the wish is taken back, and a grant that comes later too")
    func waitsInVain() async throws {
        let cluster = try Cluster()
        let error = await #expect(throws: StickyServerError.self) {
            try await cluster.worker.send([1], to: .slot(0), waitingAtMost: .milliseconds(20))
        }
        #expect(error?.code == .messageQueueFull)
        let number = try cluster.nextMessage().request
        _ = cluster.worker.flushOutbox()
        let release = try cluster.nextMessage()
        #expect(release.kind == .release && release.request == number)
        #expect(
            cluster.worker.absorb(Envelope(kind: .response, request: number, party: Envelope.master, payload: []))
        )
        _ = cluster.worker.flushOutbox()
        #expect(try cluster.nextMessage() == release)
        // An answer of another worker that comes too late has nothing to do with room.
        #expect(cluster.worker.absorb(Envelope(kind: .response, request: number, party: 2, payload: [])))
        _ = cluster.worker.flushOutbox()
        #expect(cluster.isQuiet)
    }

    @Test("A full way to the master makes a message wait, and a cancelled one goes nowhere")
    func waitsForOutbox() async throws {
        var configuration = Configuration()
        configuration.maximumMessageLength = 1000
        configuration.messageQueueLimit = 10_000
        let cluster = try Cluster(configuration)
        let payload = [UInt8](repeating: 0, count: 900)
        var sent = 0
        while code({ () throws(StickyServerError) in try cluster.worker.send(payload) }) == nil { sent += 1 }
        let cancelled = Task { try await cluster.worker.send(payload, waitingAtMost: .seconds(3600)) }
        cancelled.cancel()
        await #expect(throws: CancellationError.self) { try await cancelled.value }
        let waiting = Task { try await cluster.worker.send([4], waitingAtMost: .seconds(3600)) }
        for _ in 0..<sent {
            _ = cluster.worker.flushOutbox()
            #expect(try cluster.nextMessage().payload == payload)
        }
        _ = cluster.worker.flushOutbox()
        try await waiting.value
        _ = cluster.worker.flushOutbox()
        #expect(try cluster.nextMessage().payload == [4])
        #expect(cluster.isQuiet)
    }

    @Test("A request gets the answer that has its number")
    func request() async throws {
        let cluster = try Cluster()
        async let answer = cluster.worker.request([1], to: .slot(2), timeout: .seconds(3600))
        let request = try await cluster.waitForMessage()
        #expect(request.kind == .request)
        #expect(request.party == 2)
        #expect(request.payload == [1])
        let number = request.request
        #expect(cluster.worker.absorb(Envelope(kind: .response, request: number &+ 1, party: 2, payload: [8])))
        #expect(cluster.worker.absorb(Envelope(kind: .response, request: number, party: 2, payload: [9])))
        #expect(try await answer == [9])
    }

    @Test("A request that is refused says so, and everyone cannot be asked")
    func refused() async throws {
        let cluster = try Cluster()
        let task = Task { try await cluster.worker.request([1], timeout: .seconds(3600)) }
        let number = try await cluster.waitForMessage().request
        #expect(cluster.worker.absorb(Envelope(kind: .refusal, request: number, party: 0, payload: [])))
        let refusal = await #expect(throws: StickyServerError.self) { try await task.value }
        #expect(refusal?.code == .requestRefused)
        let everyone = await #expect(throws: StickyServerError.self) {
            try await cluster.worker.request([1], to: .everyone)
        }
        #expect(everyone?.code == .noSuchSlot)
    }

    @Test("Shared values and publications are taken in, and messages are left to the handler")
    func absorbs() async throws {
        let worker = try Cluster().worker
        let stream = worker.bus.subscribe(to: "a")
        #expect(worker.absorb(Envelope(kind: .shared, party: 0, payload: NamedBytes.encode("keys", [1]))))
        #expect(worker.absorb(Envelope(kind: .shared, party: 0, payload: [])))
        #expect(worker.absorb(Envelope(kind: .publication, party: 0, payload: NamedBytes.encode("a", [2]))))
        #expect(!worker.absorb(Envelope(kind: .plain, party: 0, payload: [])))
        #expect(!worker.absorb(Envelope(kind: .request, party: 0, payload: [])))
        #expect(worker.shared.value("keys") == [1])
        for await payload in stream {
            #expect(payload == [2])
            break
        }
    }

    @Test("Connections count for as long as their leases live")
    func leases() throws {
        let worker = try Cluster().worker
        var leases = [worker.makeLease(), worker.makeLease()]
        #expect(worker.openConnections == 2)
        leases.removeLast()
        #expect(worker.openConnections == 1)
        leases.removeLast()
        #expect(worker.openConnections == 0)
        #expect(leases.isEmpty)
    }

    @Test("Readiness and the wish for a successor are told once")
    func once() throws {
        let worker = try Cluster().worker
        #expect(!worker.takeReady())
        #expect(!worker.takeReplacementRequest())
        worker.announceReady()
        worker.requestReplacement()
        worker.requestReplacement()
        #expect(worker.takeReady())
        #expect(worker.takeReplacementRequest())
        #expect(!worker.takeReady())
        #expect(!worker.takeReplacementRequest())
    }

    @Test("A connection that is handed on travels with its bytes, and stays connected")
    func rehome() throws {
        let cluster = try Cluster()
        let pair = try TestPair()
        let copy = try pair.copy()
        try cluster.worker.rehome(pair.pausedSocket(prelude: [1]), to: 2, prelude: [1, 2, 3])
        #expect(!pair.hasEnded)
        let (frame, descriptors) = try cluster.next()
        #expect(frame.kind == .rehome)
        #expect(descriptors == 1)
        let (slot, entry) = try withReader(frame.payload) { reader throws(FrameError) in
            (try reader.read(UInt16.self), try ConnectionEntry(from: &reader))
        }
        #expect(slot == 2)
        #expect(entry.prelude == [1, 2, 3])
        #expect(entry.peer == .ipv4(1, port: 2))
        #expect(entry.listener == 6)
        _ = consume copy
        #expect(pair.hasEnded)
    }

    @Test("Without other bytes those that came with the connection travel on")
    func rehomeKeepsPrelude() throws {
        let cluster = try Cluster()
        let pair = try TestPair()
        try cluster.worker.rehome(pair.pausedSocket(prelude: [4, 5]), to: 0)
        let entry = try withReader(try cluster.next().frame.payload) { reader throws(FrameError) in
            _ = try reader.read(UInt16.self)
            return try ConnectionEntry(from: &reader)
        }
        #expect(entry.prelude == [4, 5])
    }

    @Test("A connection that cannot be handed on ends", arguments: ["hops", "prelude", "negative", "large"])
    func rehomeRefused(_ cause: String) throws {
        let cluster = try Cluster()
        let pair = try TestPair()
        let socket = PausedSocket(
            connection: OwnedConnection(owning: pair.number),
            peer: .ipv4(1, port: 2),
            local: .ipv4(3, port: 4),
            hops: cause == "hops" ? 1 : 0
        )
        let prelude = [UInt8](repeating: 0, count: ConnectionEntry.maximumPrelude + (cause == "prelude" ? 1 : 0))
        let slot = cause == "negative" ? -1 : cause == "large" ? 65_536 : 0
        var refusal: StickyServerError.Code?
        do throws(StickyServerError) {
            try cluster.worker.rehome(socket, to: slot, prelude: prelude)
        } catch {
            refusal = error.code
        }
        #expect(refusal == .rehomeRefused)
        #expect(pair.hasEnded)
        #expect(cluster.isQuiet)
    }
}
