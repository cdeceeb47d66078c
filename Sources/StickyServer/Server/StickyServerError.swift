/// What went wrong with a server, in a sentence that says what to do about it.
public struct StickyServerError: Error, Sendable, CustomStringConvertible {
    /// The kind of failure. More may be added, so compare with `==` and do not expect to list them all.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        private enum Kind: String, Sendable {
            case invalidPort, invalidAddress, invalidConfiguration
            case addressInUse, addressNotAvailable, permissionDenied, outOfResources, listenFailed
            case spawnFailed, workersFailedToStart, workersGone
            case notTheMaster, notAWorker, alreadyRunning, controlSocketLost
            case messageTooLarge, messageQueueFull, noSuchSlot
            case rehomeRefused
            case requestTimedOut, requestRefused
        }

        private let kind: Kind

        /// The port is missing or not in 0 ... 65535.
        public static let invalidPort = Code(kind: .invalidPort)
        /// The text is no address that can be listened on.
        public static let invalidAddress = Code(kind: .invalidAddress)
        /// Two settings contradict each other, or one is out of its range.
        public static let invalidConfiguration = Code(kind: .invalidConfiguration)
        /// Another process listens on this address.
        public static let addressInUse = Code(kind: .addressInUse)
        /// The address does not belong to this machine.
        public static let addressNotAvailable = Code(kind: .addressNotAvailable)
        /// The system forbids it to this user, such as a port below 1024.
        public static let permissionDenied = Code(kind: .permissionDenied)
        /// No more descriptors, processes, threads or memory.
        public static let outOfResources = Code(kind: .outOfResources)
        /// The listener could not be opened for another reason.
        public static let listenFailed = Code(kind: .listenFailed)
        /// A worker process could not be started.
        public static let spawnFailed = Code(kind: .spawnFailed)
        /// Every worker ended before it was ready.
        public static let workersFailedToStart = Code(kind: .workersFailedToStart)
        /// Every worker has ended and the respawn policy starts no more.
        public static let workersGone = Code(kind: .workersGone)
        /// The call belongs to the master, and this process is a worker.
        public static let notTheMaster = Code(kind: .notTheMaster)
        /// The call belongs to a worker, and this process is the master.
        public static let notAWorker = Code(kind: .notAWorker)
        /// `listen` or `work` was called before.
        public static let alreadyRunning = Code(kind: .alreadyRunning)
        /// The control socket that the environment names is none.
        public static let controlSocketLost = Code(kind: .controlSocketLost)
        /// The message is longer than ``Configuration/maximumMessageLength``.
        public static let messageTooLarge = Code(kind: .messageTooLarge)
        /// The receiver does not keep up; nothing of the message was sent.
        public static let messageQueueFull = Code(kind: .messageQueueFull)
        /// There is no slot of this number.
        public static let noSuchSlot = Code(kind: .noSuchSlot)
        /// The socket cannot be handed to another slot: it has been already, or its prelude is too long.
        public static let rehomeRefused = Code(kind: .rehomeRefused)

        /// No answer came in time.
        public static let requestTimedOut = Code(kind: .requestTimedOut)
        /// The receiver of a request is gone, or answers none.
        public static let requestRefused = Code(kind: .requestRefused)

        /// The name of the code, such as `addressInUse`.
        public var description: String { kind.rawValue }
    }

    /// The kind of failure.
    public let code: Code
    /// The sentence for people.
    public let message: String
    /// The system's error number (errno(3)), where a system call failed.
    public let errno: CInt?

    init(_ code: Code, _ message: String, errno: CInt? = nil) {
        self.code = code
        self.message = message
        self.errno = errno
    }

    static var noThread: StickyServerError {
        StickyServerError(.outOfResources, "the system refuses another thread («ulimit -u» shows the limit)")
    }

    static func system(_ code: Code, _ message: String, _ errno: CInt) -> StickyServerError {
        StickyServerError(code, "\(message): \(Libc.describe(errno: errno))", errno: errno)
    }

    /// The sentence.
    public var description: String { message }
}
