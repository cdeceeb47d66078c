import Foundation
import TestSupport
import Testing

/// The same application on Hummingbird's own server, in the clear: what the sticky ones are compared with.
final class OwnServer: Sendable {
    let port: Int
    private let process = Process()
    private let output = OutputLines()

    init() async throws {
        process.executableURL = try builtExecutable("HummingbirdFixture")
        process.arguments = ["own", "0"]
        process.standardOutput = output.pipe
        process.standardError = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let line = try await output.line(within: 30) { $0.hasPrefix("listening ") }
        port = try #require(Int(line.dropFirst("listening ".count)))
    }

    deinit {
        if process.isRunning { kill(process.processIdentifier, SIGKILL) }
    }
}
