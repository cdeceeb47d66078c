internal import Synchronization

// What the master shares with its workers and tells them.
extension StickyServer {
    /// Gives named bytes to every worker, and to each later one before it can be ready: ``Worker/shared``. Call it
    /// before ``listen()`` for what workers need from the start. Safe on any thread.
    ///
    /// Throws `messageTooLarge`, and `notTheMaster` in a worker.
    public func share(_ value: [UInt8], as name: String) throws(StickyServerError) {
        guard isMaster else {
            throw StickyServerError(.notTheMaster, "this process is a worker: only the master shares")
        }
        let count = value.count + name.utf8.count + 2
        guard count <= configuration.maximumMessageLength, name.utf8.count <= Int(UInt16.max) else {
            throw .messageTooLarge(count, configuration.maximumMessageLength)
        }
        mailbox.post(.share(name: name, value: value))
    }

    /// What the binary before this one had shared under `name`, after an upgrade; else nil.
    public func inheritedShare(_ name: String) -> [UInt8]? {
        inherited?.shared[name]
    }

    /// Sends bytes from the master to every worker. Throws `messageTooLarge`, or the last problem of those that did not
    /// get it.
    public func broadcast(_ payload: [UInt8]) async throws {
        try await send(payload, to: .everyone)
    }

    /// Sends bytes from the master to the worker of one slot, in order.
    ///
    /// Throws `noSuchSlot`, `messageTooLarge`, or `messageQueueFull` when the worker does not keep up.
    public func send(_ payload: [UInt8], to target: MessageTarget) async throws {
        guard isMaster else {
            throw StickyServerError(.notTheMaster, "this process is a worker: use worker.send(_:to:)")
        }
        try await post(Envelope(party: target.party, payload: payload))
    }

    /// Sends bytes from the master to every worker, or to nobody, as soon as every worker's queue has room for them.
    ///
    /// Throws `messageTooLarge`, `messageQueueFull` when there is no room within `limit`, or `CancellationError`;
    /// nothing was sent then.
    public func broadcast(_ payload: [UInt8], waitingAtMost limit: Duration) async throws {
        try await send(payload, to: .everyone, waitingAtMost: limit)
    }

    /// Sends bytes from the master to the worker of one slot as soon as its queue has room for them, also to one that
    /// is only being started. Messages whose calls follow each other arrive in that order.
    ///
    /// Throws `noSuchSlot`, `messageTooLarge`, `messageQueueFull` when there is no room within `limit`, or
    /// `CancellationError`; nothing was sent then.
    public func send(_ payload: [UInt8], to target: MessageTarget, waitingAtMost limit: Duration) async throws {
        guard isMaster else {
            throw StickyServerError(.notTheMaster, "this process is a worker: use worker.send(_:to:waitingAtMost:)")
        }
        try checkLength(payload)
        let party = target.party
        let number = mailbox.requests.nextNumber()
        do {
            _ = try await mailbox.requests.perform(number: number, timeout: limit) { [mailbox] number in
                guard mailbox.post(.reserve(request: number, party: party, size: payload.count)) else {
                    throw StickyServerError(.workersGone, "the server has stopped")
                }
            }
            try await post(Envelope(request: number, party: party, payload: payload))
        } catch {
            mailbox.post(.release(request: number))
            throw StickyServerError.reservationFailed(error, limit)
        }
    }

    /// Asks the worker of one slot, and waits for the answer at most for `timeout`.
    ///
    /// Throws what ``send(_:to:)`` throws, `requestRefused` when the worker answers no requests, and `requestTimedOut`.
    public func request(
        _ payload: [UInt8],
        to slot: Int,
        timeout: Duration = .seconds(5)
    ) async throws -> [UInt8] {
        try await mailbox.requests.perform(timeout: timeout) { [self] number in
            try await post(
                Envelope(kind: .request, request: number, party: MessageTarget.slot(slot).party, payload: payload)
            )
        }
    }

    /// Answers the workers' requests to the master: the bytes returned are the answer, nil refuses. Runs in a task for
    /// each request; a later call replaces the handler.
    public func onRequest(_ handler: @escaping @Sendable (ClusterMessage) async -> [UInt8]?) {
        mailbox.requestHandler.withLock { $0 = handler }
    }

    private func checkLength(_ payload: [UInt8]) throws(StickyServerError) {
        guard payload.count <= configuration.maximumMessageLength else {
            throw .messageTooLarge(payload.count, configuration.maximumMessageLength)
        }
    }

    private func post(_ envelope: Envelope) async throws {
        try checkLength(envelope.payload)
        try await withCheckedThrowingContinuation { (continuation: CheckedContinuation<Void, any Error>) in
            let done: @Sendable (StickyServerError?) -> Void = { error in
                if let error { continuation.resume(throwing: error) } else { continuation.resume() }
            }
            if !mailbox.post(.send(envelope, done: done)) {
                done(StickyServerError(.workersGone, "the server has stopped"))
            }
        }
    }
}
