import Foundation
import TestSupport
import Testing

/// How a fixture carries HTTP/2.
struct HTTP2Variant: Sendable, CustomTestStringConvertible, CaseIterable {
    let isSecure: Bool
    let transport: String

    static let tls = HTTP2Variant(isSecure: true, transport: "stock")
    static let clear = HTTP2Variant(isSecure: false, transport: "stock")
    static let leanTLS = HTTP2Variant(isSecure: true, transport: "lean")
    static let leanClear = HTTP2Variant(isSecure: false, transport: "lean")
    static let allCases = [tls, clear, leanTLS, leanClear]

    var scheme: String { isSecure ? "https" : "http" }
    var testDescription: String { "\(isSecure ? "TLS" : "clear") \(transport)" }
}

/// A running `HummingbirdFixture sticky`: real processes, started for one test and ended by it.
final class HTTP2Fixture: Sendable {
    let port: Int
    let variant: HTTP2Variant
    private let process: Process
    private let errors = OutputLines()

    init(_ variant: HTTP2Variant = .tls, _ settings: [String] = [], workers: Int = 1) async throws {
        self.variant = variant
        process = Process()
        process.executableURL = try builtExecutable("HummingbirdFixture")
        process.currentDirectoryURL = Self.root
        process.arguments = ["sticky", "workers=\(workers)", "log=info", "transport=\(variant.transport)"] + settings
        if variant.isSecure { process.arguments?.append("certificate=certs/localhost.pem") }
        process.standardError = errors.pipe
        process.standardOutput = FileHandle.nullDevice
        process.standardInput = FileHandle.nullDevice
        try process.run()
        let line: String
        do {
            line = try await errors.line(within: 30) { $0.contains("listening") }
        } catch {
            process.terminate()
            throw TestFailure("the fixture did not listen: \(errors.text)")
        }
        port = try #require(line.firstMatch(of: /addresses=127\.0\.0\.1:(\d+)/).flatMap { Int($0.1) }, "\(line)")
    }

    deinit {
        // A test that failed half-way must leave nothing behind.
        if process.isRunning { for pid in ProcessTree.all(from: master) { kill(pid, SIGKILL) } }
    }

    var master: pid_t { process.processIdentifier }
    var isRunning: Bool { process.isRunning }
    var log: String { errors.text }

    /// SIGTERM, if a client has not sent it, and the exit status.
    func stop() async throws -> Int32 {
        let everybody = ProcessTree.all(from: master)
        if process.isRunning { kill(master, SIGTERM) }
        try await eventually(within: 30, "the master ends") { !process.isRunning }
        let left = everybody.filter { ProcessTree.exists($0) }
        #expect(left.isEmpty, "processes are left: \(left)")
        return process.terminationStatus
    }

    /// Runs one of the Python clients in `Clients/` and reads the JSON that it prints.
    func client<Result: Decodable>(
        _ name: String,
        _ arguments: [String],
        within seconds: Double = 40,
        as type: Result.Type = Result.self
    ) async throws -> Result {
        let script = Self.root.appending(path: "Tests/HummingbirdIntegrationTests/Clients/\(name).py").path()
        let command = try await Self.run(
            [Python.withH2(), script, "\(port)", variant.scheme] + arguments,
            within: seconds
        )
        guard command.status == 0 else { throw TestFailure("\(name) \(arguments): \(command.output)\(log)") }
        return try JSONDecoder().decode(type, from: Data(command.output.utf8))
    }

    /// Runs a program found on PATH to its end.
    static func run(
        _ arguments: [String],
        input: Data? = nil,
        within seconds: Double = 40
    ) async throws -> (status: Int32, output: String) {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = root
        let output = OutputLines()
        process.standardOutput = output.pipe
        process.standardError = output.pipe
        let file = URL.temporaryDirectory.appending(path: "sticky-\(UUID().uuidString)")
        if let input {
            try input.write(to: file)
            process.standardInput = try FileHandle(forReadingFrom: file)
        } else {
            process.standardInput = FileHandle.nullDevice
        }
        defer { if input != nil { try? FileManager.default.removeItem(at: file) } }
        try process.run()
        do {
            try await eventually(within: seconds, "\(arguments.joined(separator: " ")) ends") { !process.isRunning }
        } catch {
            process.terminate()
            throw TestFailure("\(error): \(output.text)")
        }
        try await eventually(within: 10, "the output is read") { output.isComplete }
        return (process.terminationStatus, output.text)
    }

    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()
}

/// Debian's python3-h2 is a module of Debian's Python, which need not be the one that PATH names.
enum Python {
    private static let found = Task {
        for python in ["python3", "/usr/bin/python3"] {
            if try await HTTP2Fixture.run([python, "-c", "import h2"]).status == 0 { return python }
        }
        throw TestFailure("no Python here has h2: run scripts/dependencies.sh test, which installs python3-h2")
    }

    static func withH2() async throws -> String { try await found.value }
}

/// One stream as a client saw it.
struct HTTP2Stream: Decodable {
    let status: String?
    let length: Int
    let ended: Bool
    let reset: Int?
}

struct GoAway: Decodable, Equatable {
    let last: Int
    let code: Int

    /// The one that refuses nothing (RFC 9113 section 6.8).
    static let warning = GoAway(last: Int(Int32.max), code: 0)
}
