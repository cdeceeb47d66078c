import Foundation
import Synchronization
import TestSupport
import Testing

/// A running `TLSFixture`: a master and its workers, with the TLS configuration that a test wants.
final class Fixture: Sendable {
    let port: Int
    let master: pid_t
    let settings: URL
    let standardOutput = OutputLines()
    let standardError = OutputLines()
    private let process: Process
    private let orders = Pipe()
    private let answered = Mutex(0)

    /// Starts it and waits until it listens and all workers are ready.
    ///
    /// - Parameters:
    ///   - tls: What goes beside the defaults below `tls` in the settings.
    ///   - more: What goes beside it.
    init(
        _ tls: [String: JSON] = [:],
        _ more: [String: JSON] = [:],
        workers: Int = 2,
        environment: [String: String] = [:]
    ) async throws {
        settings = try await TestFiles.scratch().appending(path: "settings.json")
        try Self.write(tls, more, workers, to: settings)
        process = Command.process([])
        process.executableURL = try builtExecutable("TLSFixture")
        process.arguments = [settings.path()]
        process.environment?.merge(environment) { $1 }
        process.standardInput = orders
        process.standardOutput = standardOutput.pipe
        process.standardError = standardError.pipe
        try process.run()
        master = process.processIdentifier
        let (child, errors, output) = (process, standardError, standardOutput)
        do {
            try await eventually(within: 30, "it listens, or ends") {
                !child.isRunning || output.lines.contains { $0.hasPrefix("listening ") }
            }
            let line = try await output.line(within: 1) { $0.hasPrefix("listening ") }
            port = try #require(line.firstMatch(of: /127\.0\.0\.1:(\d+)/).flatMap { Int($0.1) })
            try await eventually(within: 30, "all workers are ready") {
                output.lines.count { $0.hasPrefix("ready ") } >= workers
            }
        } catch {
            child.terminate()
            throw TestFailure("the fixture did not start: \(error) \(errors.text)")
        }
    }

    deinit {
        if process.isRunning { for pid in ProcessTree.all(from: master) { kill(pid, SIGKILL) } }
    }

    /// Writes other settings; they hold after ``reload(_:)``.
    func change(_ tls: [String: JSON] = [:], _ more: [String: JSON] = [:], workers: Int = 2) throws {
        try Self.write(tls, more, workers, to: settings)
    }

    private static func write(_ tls: [String: JSON], _ more: [String: JSON], _ workers: Int, to file: URL) throws {
        var settings: [String: JSON] = ["workers": .number(Double(workers))]
        let defaults: [String: JSON] = [
            "identities": .array([TestFiles.identity("open")]), "ticketKeys": "master",
        ]
        settings["tls"] = .object(defaults.merging(tls) { $1 })
        settings.merge(more) { $1 }
        try JSONEncoder().encode(JSON.object(settings)).write(to: file)
        try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: file.path())
        try FileManager.default.setAttributes(
            [.posixPermissions: 0o755],
            ofItemAtPath: file.deletingLastPathComponent().path()
        )
    }

    /// Gives the master an order, and waits for its answer.
    @discardableResult
    func order(_ text: String) async throws -> JSON {
        try orders.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
        let number = answered.withLock { count in
            count += 1
            return count
        }
        var line: String?
        try await eventually(within: 30, "an answer to «\(text)»") {
            line = standardOutput.lines.filter { $0.hasPrefix("answer ") }.dropFirst(number - 1).first
            return line != nil
        }
        return try JSON.parse(String(try #require(line).dropFirst(7)))
    }

    /// Has every worker read the settings and all files again; what they say.
    @discardableResult
    func reload(workers: Int = 2) async throws -> [JSON] {
        var answers: [JSON] = []
        for slot in 0..<workers { answers.append(try await order("reload \(slot)")) }
        return answers
    }

    /// The counters of each worker.
    func stats(workers: Int = 2) async throws -> [JSON] {
        var answers: [JSON] = []
        for slot in 0..<workers { answers.append(try await order("stats \(slot)")) }
        return answers
    }

    /// The sum of a counter over the workers.
    func total(_ counter: String, workers: Int = 2) async throws -> Int {
        try await stats(workers: workers).map { $0[counter].int }.reduce(0, +)
    }

    /// The workers that run now.
    var workers: [pid_t] { ProcessTree.children(of: master) }

    func client(_ name: String, _ arguments: String..., within seconds: Double = 60) async throws -> JSON {
        try await Command.client(name, ["\(port)"] + arguments, within: seconds)
    }

    /// Lines that only a fault of the server's own would cause.
    var complaints: [String] {
        standardError.lines.filter {
            ($0.contains(" error ") || $0.contains(" critical ") || $0.contains("Fatal"))
                // Of those that the tests kill the master says so.
                && !$0.contains("end=SIGKILL")
        }
    }

    /// SIGTERM. Everything that belonged to it must end, with status 0.
    func stop() async throws {
        let everybody = ProcessTree.all(from: master)
        kill(master, SIGTERM)
        try await eventually(within: 30, "the fixture ends") { !process.isRunning }
        #expect(process.terminationStatus == 0, "\(standardError.text)")
        #expect(everybody.filter { ProcessTree.exists($0) }.isEmpty, "processes are left")
        #expect(complaints.isEmpty)
    }
}
