import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Control socket")
struct ControlSocketTests {
    /// What one call of ``FrameReceiver/receive(from:_:)`` gave.
    private enum Received: Equatable {
        case frame([UInt8], descriptors: Int)
        case withoutDescriptors([UInt8])
        case drained
        case tooLong, lost
    }

    private func receive(_ receiver: FrameReceiver, _ number: CInt) -> Received {
        var bytes: [UInt8] = []
        var count = 0
        let outcome = receiver.receive(from: number) { buffer, connections in
            bytes = [UInt8](buffer)
            count = connections.read { $0.count } ?? -1
        }
        return switch outcome {
        case .frame: .frame(bytes, descriptors: count)
        case .frameWithoutDescriptors: .withoutDescriptors(bytes)
        case .drained: .drained
        case .tooLong: .tooLong
        case .lost: .lost
        }
    }

    @Test("Frames arrive one by one, as they were sent")
    func frames() throws {
        let pair = try ControlSocket.pair()
        let receiver = FrameReceiver()
        let frames = [Frame.plain(.ready), Frame.number(.ping, 7), [UInt8](repeating: 1, count: Frame.maximumLength)]
        for frame in frames {
            let outcome = pair.master.send(frame)
            #expect(outcome == .done)
            #expect(receive(receiver, pair.worker.number) == .frame(frame, descriptors: 0))
        }
        #expect(receive(receiver, pair.worker.number) == .drained)
    }

    @Test("As many descriptors as a frame may carry ride on it and are the receiver's", arguments: [1, 2, 16])
    func descriptors(_ count: Int) throws {
        let pair = try ControlSocket.pair()
        let sockets = try (0..<count).map { _ in try TestPair() }
        let outcome = pair.master.send(Frame.plain(.connections), descriptors: sockets.map(\.number))
        #expect(outcome == .done)
        for socket in sockets { OwnedConnection(owning: socket.number).release() }
        #expect(sockets.allSatisfy { !$0.hasEnded })
        // Nobody keeps them, so they end with the queue that they come in.
        #expect(
            receive(FrameReceiver(), pair.worker.number) == .frame(Frame.plain(.connections), descriptors: count)
        )
        #expect(sockets.allSatisfy { $0.hasEnded })
    }

    @Test("A receiver that keeps a descriptor speaks with its peer")
    func keeps() throws {
        let pair = try ControlSocket.pair()
        let socket = try TestPair()
        _ = pair.master.send(Frame.plain(.connections), descriptors: [socket.number])
        OwnedConnection(owning: socket.number).release()
        var kept = NonCopyableQueue<OwnedConnection>()
        _ = FrameReceiver().receive(from: pair.worker.number) { _, connections in
            if var connections = connections, let first = connections.popFirst() { kept.append(first) }
        }
        #expect(!socket.hasEnded)
        let flags = kept.withElement(at: 0) { fcntl($0.number, F_GETFD) }
        #expect(flags.map { $0 & FD_CLOEXEC } == FD_CLOEXEC)
        _ = kept.popFirst()
        #expect(socket.hasEnded)
    }

    @Test("Descriptors that nobody receives end with the control socket")
    func unreceived() throws {
        let socket = try TestPair()
        do {
            let pair = try ControlSocket.pair()
            _ = pair.master.send(Frame.plain(.connections), descriptors: [socket.number])
            OwnedConnection(owning: socket.number).release()
            #expect(!socket.hasEnded)
        }
        #expect(socket.hasEnded)
    }

    @Test("A receiver that is behind makes the sender wait, and nothing is lost")
    func full() throws {
        let pair = try ControlSocket.pair()
        var sent: UInt32 = 0
        var outcome = ControlSocket.Outcome.done
        while outcome == .done, sent < 1_000_000 {
            outcome = pair.master.send(Frame.number(.ping, sent))
            if outcome == .done { sent += 1 }
        }
        #expect(outcome == .full)
        let receiver = FrameReceiver()
        for number in 0..<sent {
            let received = receive(receiver, pair.worker.number)
            guard received == .frame(Frame.number(.ping, number), descriptors: 0) else {
                Issue.record("frame \(number) is \(received)")
                return
            }
        }
        #expect(receive(receiver, pair.worker.number) == .drained)
        let again = pair.master.send(Frame.plain(.drain))
        #expect(again == .done)
    }

    @Test("A socket whose other end is gone is lost to both directions, without a signal")
    func lost() throws {
        let pair = try ControlSocket.pair()
        let number = pair.worker.number
        let master = pair.masterEnd()
        let outcome = master.send(Frame.plain(.drain))
        #expect(outcome == .lost(errno: EPIPE))
        #expect(receive(FrameReceiver(), master.descriptor.number) == .lost)
        #expect(number >= 0)
    }

    #if os(Linux)
    @Test("A message that is longer than a frame may be is no frame")
    func tooLong() throws {
        let pair = try ControlSocket.pair()
        let bytes = [UInt8](repeating: 1, count: Frame.maximumLength + 1)
        #expect(send(pair.worker.number, bytes, bytes.count, CInt(MSG_NOSIGNAL)) == bytes.count)
        #expect(receive(FrameReceiver(), pair.master.descriptor.number) == .tooLong)
    }
    #endif
}
