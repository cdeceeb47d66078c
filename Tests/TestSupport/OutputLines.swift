public import Foundation
import Synchronization

/// Collects what a process prints, line by line, on a thread of its own.
public final class OutputLines: Sendable {
    private struct State {
        var bytes = Data()
        var isComplete = false
    }

    public let pipe = Pipe()
    private let state = Mutex(State())

    public init() {
        let reading = pipe.fileHandleForReading
        Thread.detachNewThread { [weak self] in
            var chunk: Data
            repeat {
                chunk = reading.availableData
                self?.state.withLock { state in
                    state.bytes.append(chunk)
                    state.isComplete = chunk.isEmpty
                }
            } while !chunk.isEmpty
            // A thread's closure outlives the thread here. Foundation's `Process` reads over the end of its memory when
            // a process has some 1,360 descriptors.
            try? reading.close()
        }
    }

    /// Whether the process, and everybody who inherited its output, has closed it.
    public var isComplete: Bool { state.withLock { $0.isComplete } }

    public var text: String { state.withLock { String(decoding: $0.bytes, as: UTF8.self) } }

    public var lines: [String] { text.split(separator: "\n").map(String.init) }

    /// The first line that fits, as soon as it is there.
    public func line(within seconds: Double, _ fits: (String) -> Bool) async throws -> String {
        var found: String?
        try await eventually(within: seconds, "a line of output") {
            found = lines.first(where: fits)
            return found != nil
        }
        guard let found else { throw TestFailure("no such line") }
        return found
    }
}
