#if Hummingbird
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1
internal import NIOHTTPTypes
internal import NIOHTTPTypesHTTP1
internal import Synchronization

// From the task that serves, or whoever writes its answers, to the pipeline.
extension HTTP1Exchange {
    /// Writes a part of an answer. Waits while the client does not take what was written, except with the last part.
    /// Throws when the connection has ended, and when the answer is not the one in progress.
    nonisolated(nonsending) func write(_ part: HTTPResponsePart, of answer: Int) async throws {
        if loop.inEventLoop, isReady(for: part) { return try put(part, of: answer) }
        while true {
            try await waitForRoom(part)
            // Another writer may have been faster, and this may not be the loop.
            let isWritten = try await onLoop { [self] in
                guard isReady(for: part) else { return false }
                try put(part, of: answer)
                return true
            }
            if isWritten { return }
        }
    }

    private func isReady(for part: HTTPResponsePart) -> Bool {
        if case .end = part { return true }
        return outputHasEnded || channel.isWritable
    }

    private func put(_ part: HTTPResponsePart, of answer: Int) throws {
        guard context != nil, !outputHasEnded, !isHandedOver, answer == self.answer else {
            throw ChannelError.ioOnClosedChannel
        }
        switch part {
        case .head(let head):
            connection.begin(head)
            if (100..<200).contains(head.status.code) { connection.flushAnswers() } else { flushLater() }
        case .body(let bytes):
            connection.send(bytes, nil)
            flushLater()
        case .end(let trailers):
            self.answer += 1
            flushIsDue = false
            connection.end(trailers.map { HTTPHeaders($0) }, nil)
            connection.flushAnswers()
        }
    }

    /// Whatever the task writes before it waits for something leaves together.
    private func flushLater() {
        guard !flushIsDue else { return }
        flushIsDue = true
        loop.execute { self.flushIfDue() }
    }

    private func flushIfDue() {
        guard flushIsDue else { return }
        flushIsDue = false
        connection.flushAnswers()
    }

    private nonisolated(nonsending) func onLoop<Result: Sendable>(
        _ work: @escaping @Sendable () throws -> Result
    ) async throws -> Result {
        if loop.inEventLoop { return try work() }
        return try await loop.submit(work).get()
    }

    private nonisolated(nonsending) func waitForRoom(_ part: HTTPResponsePart) async throws {
        let writer = BlockedWriter()
        try await withTaskCancellationHandler {
            try await withUnsafeThrowingContinuation { continuation in
                if loop.inEventLoop {
                    block(writer, continuation, part)
                } else {
                    loop.execute { self.block(writer, continuation, part) }
                }
            }
        } onCancel: {
            writer.isCancelled.store(true, ordering: .sequentiallyConsistent)
            if loop.inEventLoop { unblock(writer) } else { loop.execute { self.unblock(writer) } }
        }
    }

    private func block(
        _ writer: BlockedWriter,
        _ continuation: UnsafeContinuation<Void, any Error>,
        _ part: HTTPResponsePart
    ) {
        // What is cancelled from now on comes to the loop behind this.
        if writer.isCancelled.load(ordering: .sequentiallyConsistent) {
            return continuation.resume(throwing: CancellationError())
        }
        if isReady(for: part) { return continuation.resume() }
        writer.continuation = continuation
        blocked.append(writer)
    }

    private func unblock(_ writer: BlockedWriter) {
        blocked.removeAll { $0 === writer }
        writer.resume(CancellationError())
    }

    func unblock(_ error: (any Error)?) {
        guard !blocked.isEmpty else { return }
        let writers = blocked
        blocked = []
        for writer in writers { writer.resume(error) }
    }
}

/// A task that waits until its client takes more of an answer. Unchecked: the continuation is only touched on the loop.
final class BlockedWriter: @unchecked Sendable {
    let isCancelled = Atomic<Bool>(false)
    var continuation: UnsafeContinuation<Void, any Error>?

    func resume(_ error: (any Error)?) {
        if let error { continuation?.resume(throwing: error) } else { continuation?.resume() }
        continuation = nil
    }
}
#endif
