internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One end of the socket between the master and a worker: frames with descriptors, never blocking on send.
struct ControlSocket: ~Copyable, Sendable {
    let descriptor: OwnedDescriptor

    init(owning number: CInt) {
        descriptor = OwnedDescriptor(owning: number)
    }

    /// Descriptors that one frame carries at most.
    static let maximumDescriptors = Int(STICKY_MAX_DESCRIPTORS)

    enum Outcome: Equatable {
        case done
        /// The receiver is behind: try again when poll(2) reports POLLOUT.
        case full
        /// The kernel has no room for it now, which poll(2) will not tell: try again in a while.
        case busy
        /// The other process is gone, or so broken that it must go.
        case lost(errno: CInt)
    }

    /// Both ends: the master's, and the one that the worker inherits.
    static func pair() throws(StickyServerError) -> ControlPair {
        var ends: [CInt] = [-1, -1]
        let status = sticky_control_pair(&ends)
        guard status == 0 else { throw .system(.outOfResources, "cannot make a worker's control socket", -status) }
        return ControlPair(ends[0], ends[1])
    }

    borrowing func send(_ frame: [UInt8], descriptors: [CInt] = []) -> Outcome {
        ControlSocket.send(frame, descriptors: descriptors, on: descriptor.number)
    }

    static func send(_ frame: [UInt8], descriptors: [CInt] = [], on number: CInt) -> Outcome {
        let sent = frame.withUnsafeBytes { bytes in
            sticky_send(number, bytes.baseAddress, bytes.count, descriptors, CInt(descriptors.count))
        }
        if sent >= 0 { return .done }
        switch CInt(-sent) {
        // ETOOMANYREFS: too many descriptors of this user are under way (unix(7)).
        case ENOBUFS, ENOMEM, ETOOMANYREFS: return .busy
        case EAGAIN, EWOULDBLOCK: return .full
        case let errno: return .lost(errno: errno)
        }
    }
}

/// The two ends of a new control socket.
struct ControlPair: ~Copyable {
    var master: ControlSocket
    var worker: OwnedDescriptor

    init(_ master: CInt, _ worker: CInt) {
        self.master = ControlSocket(owning: master)
        self.worker = OwnedDescriptor(owning: worker)
    }

    /// Closes the worker's end, which the worker has by now, and gives the master's.
    consuming func masterEnd() -> ControlSocket { master }
}

/// Receives frames into one reused buffer. For one thread.
final class FrameReceiver {
    private let buffer: UnsafeMutableRawBufferPointer
    private var numbers = [CInt](repeating: -1, count: ControlSocket.maximumDescriptors)

    init() {
        buffer = .allocate(byteCount: Frame.maximumLength, alignment: 16)
    }

    deinit {
        buffer.deallocate()
    }

    enum Outcome {
        case frame
        /// A frame whose descriptors the kernel could not give to this process, which has no more.
        case frameWithoutDescriptors
        /// Nothing more to read now.
        case drained
        /// A frame beyond ``Frame/maximumLength``, which no one who keeps to the protocol sends.
        case tooLong
        /// End of file, or an error that amounts to it.
        case lost(errno: CInt)
    }

    /// Receives one frame without blocking and gives its bytes to `body`, with the descriptors that came with it; nil
    /// when some of them were lost.
    func receive(
        from number: CInt,
        _ body: (UnsafeRawBufferPointer, consuming NonCopyableQueue<OwnedConnection>?) -> Void
    ) -> Outcome {
        var count = CInt(numbers.count)
        let received = sticky_receive(number, buffer.baseAddress, buffer.count, &numbers, &count, 0)
        if received < 0 {
            let errno = CInt(-received)
            switch errno {
            case EAGAIN, EWOULDBLOCK: return .drained
            case EMSGSIZE: return .tooLong
            default: return .lost(errno: errno)
            }
        }
        if count < 0 {
            body(UnsafeRawBufferPointer(rebasing: buffer[..<received]), nil)
            return .frameWithoutDescriptors
        }
        var connections = NonCopyableQueue<OwnedConnection>(minimumCapacity: max(1, Int(count)))
        for index in 0..<Int(count) { connections.append(OwnedConnection(owning: numbers[index])) }
        guard received > 0 else { return .lost(errno: 0) }
        body(UnsafeRawBufferPointer(rebasing: buffer[..<received]), connections)
        return .frame
    }
}
