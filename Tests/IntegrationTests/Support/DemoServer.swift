import Foundation
import TestSupport
import Testing

/// A running `sticky-demo`: real processes, started for one test and ended by it.
final class DemoServer: Sendable {
    let port: Int
    let master: pid_t
    let scheme: String
    private let process: Process
    let standardError: OutputLines

    /// Starts the demo on a free port and waits until it says that it listens.
    init(_ arguments: [String] = [], workers: Int = 2, environment: [String: String] = [:]) async throws {
        process = Process()
        process.executableURL = try builtExecutable("sticky-demo")
        process.currentDirectoryURL = Self.root
        process.arguments = ["--listen", "127.0.0.1:0", "--workers", "\(workers)"] + arguments
        var variables = ProcessInfo.processInfo.environment
        variables.merge(environment) { $1 }
        process.environment = variables
        let output = OutputLines()
        standardError = OutputLines()
        process.standardOutput = output.pipe
        process.standardError = standardError.pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let errors = standardError
        let child = process
        let line: String
        do {
            line = try await output.line(within: 60) { $0.hasPrefix("listening ") }
        } catch {
            child.terminate()
            throw TestFailure("the demo did not listen: \(errors.text)")
        }
        let match = try #require(
            line.firstMatch(of: /^listening (https?):\/\/127\.0\.0\.1:(\d+) .*workers=\d+ master=(\d+)$/)
        )
        scheme = String(match.1)
        port = try #require(Int(match.2))
        master = try #require(pid_t(match.3))
        #expect(master == process.processIdentifier)
    }

    deinit {
        // A test that failed half-way must leave nothing behind.
        if process.isRunning { for pid in ProcessTree.all(from: master) { kill(pid, SIGKILL) } }
    }

    var isRunning: Bool { process.isRunning }

    /// The workers that run now.
    var workers: [pid_t] { ProcessTree.children(of: master) }

    /// SIGTERM, and the exit status. Everything that belonged to it must be gone then.
    func stop() async throws -> Int32 {
        let everybody = ProcessTree.all(from: master)
        kill(master, SIGTERM)
        try await eventually(within: 45, "the master ends") { !process.isRunning }
        let left = everybody.filter { ProcessTree.exists($0) }
        #expect(left.isEmpty, "processes are left: \(left)")
        return process.terminationStatus
    }

    /// The root of the package.
    static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent().deletingLastPathComponent()
}
