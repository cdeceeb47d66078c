import Foundation
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
        process.executableURL = try Self.executable("sticky-demo")
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
            throw Failure("the demo did not listen: \(errors.text)")
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

    struct Failure: Error, CustomStringConvertible {
        let description: String
        init(_ description: String) { self.description = description }
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

    /// A product of the same build as this test.
    static func executable(_ name: String) throws -> URL {
        let tests = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let url = URL(filePath: tests).deletingLastPathComponent().appending(path: name)
        guard FileManager.default.isExecutableFile(atPath: url.path()) else {
            throw Failure("\(url.path()) is missing: run «make test», which builds it")
        }
        return url
    }
}

/// Waits for a condition, and fails by name when it does not come true in time.
func eventually(within seconds: Double, _ what: String, _ condition: () async throws -> Bool) async throws {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while try await !condition() {
        guard ContinuousClock.now < deadline else { throw DemoServer.Failure("not within \(seconds) s: \(what)") }
        try await Task.sleep(for: .milliseconds(10))
    }
}
