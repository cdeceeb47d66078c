internal import Synchronization

/// What other threads ask of the master's loop.
enum MasterCommand: Sendable {
    case stop
    case reload
    case upgrade
    case share(name: String, value: [UInt8])
    case scale(to: Int)
    /// The envelope's party is the receiver.
    case send(Envelope, done: @Sendable (StickyServerError?) -> Void)
    /// The master's own wish to wait for room; answered through its request table.
    case reserve(request: UInt32, party: UInt16, size: Int)
    case release(request: UInt32)
}

/// Who gets a message.
public struct MessageTarget: Sendable, Hashable {
    let party: UInt16

    /// The worker of one slot.
    public static func slot(_ number: Int) -> MessageTarget {
        MessageTarget(party: UInt16(clamping: min(max(number, 0), Int(Envelope.everyone) - 1)))
    }

    /// Every worker; a worker that sends it is not among them.
    public static let everyone = MessageTarget(party: Envelope.everyone)

    /// The master.
    public static let master = MessageTarget(party: Envelope.master)
}

/// Carries commands to the master's loop. Safe on any thread.
final class Mailbox: Sendable {
    private struct State: Sendable {
        var commands: [MasterCommand] = []
        var isClosed = false
    }

    private let state = Mutex(State())
    let wakePipe: WakePipe
    /// The master's own requests to workers.
    let requests = RequestTable()
    /// Answers workers' requests to the master.
    let requestHandler = Mutex<(@Sendable (ClusterMessage) async -> [UInt8]?)?>(nil)

    init() throws(StickyServerError) {
        wakePipe = try WakePipe()
    }

    /// False when the loop has ended and nobody will look.
    @discardableResult
    func post(_ command: MasterCommand) -> Bool {
        let isOpen = state.withLock { state in
            if !state.isClosed { state.commands.append(command) }
            return !state.isClosed
        }
        if isOpen { wakePipe.wake() }
        return isOpen
    }

    func take() -> [MasterCommand] {
        state.withLock { state in
            defer { state.commands = [] }
            return state.commands
        }
    }

    /// Ends the mailbox. Those who wait for a message to be sent are told that nobody will.
    func end() {
        for case .send(_, let done) in close() {
            done(StickyServerError(.workersGone, "the server has stopped"))
        }
    }

    /// Ends the mailbox and gives what nobody will do.
    func close() -> [MasterCommand] {
        state.withLock { state in
            state.isClosed = true
            defer { state.commands = [] }
            return state.commands
        }
    }
}
