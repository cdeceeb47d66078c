internal import Synchronization

// How a worker speaks to the master and to the others.
extension Worker {
    /// Sends bytes to the master, to another slot or to all others, in order.
    ///
    /// Throws `messageTooLarge`, or `messageQueueFull` when the master does not keep up; nothing was sent then. Whether
    /// the receiver is alive is not known here: the master tells it as ``MasterEvent/messageDropped(from:to:bytes:)``.
    public func send(_ payload: [UInt8], to target: MessageTarget = .master) throws(StickyServerError) {
        try send(Envelope(party: target.party, payload: payload))
    }

    /// Sends bytes to the master, to another slot or to all others, as soon as every queue on the way has room for
    /// them; meanwhile nothing of them is held but by the caller. A receiver that does not keep up makes only those wait
    /// who send to it. Messages whose calls follow each other arrive in that order.
    ///
    /// Throws `messageTooLarge`, `messageQueueFull` when there is no room within `limit`, `requestRefused` for a slot
    /// that does not exist or when too many wait, or `CancellationError`; nothing was sent then.
    public func send(
        _ payload: [UInt8],
        to target: MessageTarget = .master,
        waitingAtMost limit: Duration
    ) async throws {
        try await send(Envelope(party: target.party, payload: payload), waitingAtMost: limit)
    }

    /// Asks the master or another slot, and waits for the answer at most for `timeout`.
    ///
    /// Throws what ``send(_:to:)`` throws, `requestRefused` when the receiver is gone or answers no requests, and
    /// `requestTimedOut`.
    public func request(
        _ payload: [UInt8],
        to target: MessageTarget = .master,
        timeout: Duration = .seconds(5)
    ) async throws -> [UInt8] {
        guard target != .everyone else {
            throw StickyServerError(.noSuchSlot, "a request goes to one receiver, not to everyone")
        }
        return try await requests.perform(timeout: timeout) { [self] number in
            try send(Envelope(kind: .request, request: number, party: target.party, payload: payload))
        }
    }

    func send(_ envelope: Envelope) throws(StickyServerError) {
        let count = envelope.payload.count
        guard count <= maximumMessageLength else { throw .messageTooLarge(count, maximumMessageLength) }
        let frames = MessageFragment.frames(.messageToMaster, envelope)
        let outcome: Result<Bool, StickyServerError> = outbox.withLock { outbox in
            guard outbox.hasRoom(for: count) else {
                return .failure(
                    StickyServerError(.messageQueueFull, "the master does not keep up with this worker's messages")
                )
            }
            for frame in frames { outbox.append(frame) }
            return .success(outbox.flush { control.send($0) } != .done)
        }
        // What did not fit now is sent by the control loop.
        if try outcome.get() { wakePipe.wake() }
    }

    func send(_ envelope: Envelope, waitingAtMost limit: Duration) async throws {
        let count = envelope.payload.count
        guard count <= maximumMessageLength else {
            throw StickyServerError.messageTooLarge(count, maximumMessageLength)
        }
        let deadline = ContinuousClock.now + min(max(limit, .zero), Configuration.longestTime)
        var envelope = envelope
        do {
            // The master itself takes what has come to it at once.
            if envelope.party != Envelope.master {
                envelope.request = requests.nextNumber()
                let size = UInt32(clamping: count)
                let wish = Envelope(
                    kind: .reserve,
                    request: envelope.request,
                    party: envelope.party,
                    payload: (0..<4).map { UInt8(truncatingIfNeeded: size >> (8 * $0)) }
                )
                _ = try await requests.perform(number: wish.request, timeout: deadline - .now) { [self] _ in
                    try await sendWhenRoom(wish, until: deadline)
                }
            }
            try await sendWhenRoom(envelope, until: deadline)
        } catch {
            if envelope.request != 0 { giveUp(envelope.request) }
            throw StickyServerError.reservationFailed(error, limit)
        }
    }

    /// The room that the master keeps for a message is not needed.
    func giveUp(_ request: UInt32) {
        let release = Envelope(kind: .release, request: request, party: Envelope.master, payload: [])
        for frame in MessageFragment.frames(.messageToMaster, release) { post(frame) }
        wakePipe.wake()
    }

    private func sendWhenRoom(_ envelope: Envelope, until deadline: ContinuousClock.Instant) async throws {
        while true {
            do throws(StickyServerError) {
                return try send(envelope)
            } catch {
                guard error.code == .messageQueueFull, deadline > .now else { throw error }
            }
            _ = try await room.perform(timeout: deadline - .now) { [self] number in
                // It may have come before anybody waited for it.
                if outbox.withLock({ $0.hasRoom(for: envelope.payload.count) }) { room.answer(number, []) }
            }
        }
    }
}

extension StickyServerError {
    static func messageTooLarge(_ count: Int, _ limit: Int) -> StickyServerError {
        StickyServerError(
            .messageTooLarge,
            "the message has \(count) bytes; at most \(limit) are allowed (configuration.maximumMessageLength)"
        )
    }

    /// What the sender of a message is told for whom there was no room in time.
    static func reservationFailed(_ error: any Error, _ limit: Duration) -> any Error {
        switch (error as? StickyServerError)?.code {
        case .requestTimedOut, .messageQueueFull:
            StickyServerError(
                .messageQueueFull,
                "the receiver does not keep up: no room for the message within \(limit)"
            )
        case .requestRefused:
            StickyServerError(
                .requestRefused,
                "there is no such slot, too many messages wait already, or the server is being upgraded"
            )
        default:
            error
        }
    }
}
