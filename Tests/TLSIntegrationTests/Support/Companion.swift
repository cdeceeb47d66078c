import Foundation
import TestSupport
import Testing

/// A Python client that stays while the server changes, and takes orders on its standard input: it keeps sessions in
/// its memory, which no file can hold for Python.
final class Companion: Sendable {
    private let process: Process
    private let orders = Pipe()
    private let output = OutputLines()
    private let errors = OutputLines()

    init(_ fixture: Fixture, _ script: String, _ arguments: String...) throws {
        process = Command.process(["python3", Command.script(script), "\(fixture.port)"] + arguments)
        process.standardInput = orders
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        try process.run()
    }

    deinit {
        if process.isRunning { process.terminate() }
    }

    /// One line in, one line of facts back. One order at a time.
    func order(_ text: String) async throws -> JSON {
        let before = output.lines.count
        try orders.fileHandleForWriting.write(contentsOf: Data((text + "\n").utf8))
        do {
            try await eventually(within: 30, "an answer to «\(text)»") { output.lines.count > before }
        } catch {
            throw TestFailure("\(error): \(errors.text)")
        }
        return try JSON.parse(output.lines[before])
    }

    func outcomes(_ order: String) async throws -> [String] {
        try await self.order(order)["outcomes"].array.map(\.text)
    }
}
