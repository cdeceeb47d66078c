import Foundation
import TestSupport

/// A program that was run to its end.
struct Command {
    let status: Int32
    let output: String
    let errors: String

    /// Everything that it said.
    var all: String { output + errors }

    static let clients = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .appending(path: "Clients")

    static func script(_ name: String) -> String { clients.appending(path: "\(name).py").path() }

    static func isInstalled(_ name: String) -> Bool {
        (ProcessInfo.processInfo.environment["PATH"] ?? "").split(separator: ":").contains {
            FileManager.default.isExecutableFile(atPath: "\($0)/\(name)")
        }
    }

    static func process(_ arguments: [String]) -> Process {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        var environment = ProcessInfo.processInfo.environment
        environment["STICKY_TEST_FILES"] = TestFiles.folder.path()
        environment["PYTHONDONTWRITEBYTECODE"] = "1"
        process.environment = environment
        return process
    }

    /// Runs a program found on PATH, with text on its standard input.
    static func run(_ arguments: [String], input: String = "", within seconds: Double = 60) async throws -> Command {
        let process = process(arguments)
        let output = OutputLines()
        let errors = OutputLines()
        let standardInput = Pipe()
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        process.standardInput = standardInput
        try process.run()
        try? standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
        try? standardInput.fileHandleForWriting.close()
        do {
            try await eventually(within: seconds, "\(arguments.joined(separator: " ")) ends") { !process.isRunning }
        } catch {
            process.terminate()
            throw TestFailure("\(error): \(output.text) \(errors.text)")
        }
        try await eventually(within: 10, "the output is read") { output.isComplete && errors.isComplete }
        return Command(status: process.terminationStatus, output: output.text, errors: errors.text)
    }

    /// Runs one of the Python clients in `Clients/` and reads the facts that it prints.
    static func client(_ name: String, _ arguments: [String], within seconds: Double = 60) async throws -> JSON {
        let command = try await run(["python3", script(name)] + arguments, within: seconds)
        guard command.status == 0 else { throw TestFailure("\(name) \(arguments): \(command.all)") }
        return try JSON.parse(command.output)
    }

    /// openssl s_client to a fixture, by the name `name`.
    static func openssl(
        _ fixture: Fixture,
        name: String? = "open.test",
        _ options: String...,
        input: String = ""
    ) async throws -> Command {
        var arguments = ["openssl", "s_client", "-connect", "127.0.0.1:\(fixture.port)"]
        arguments += ["-CAfile", TestFiles.path("roots.pem")]
        arguments += name.map { ["-servername", $0] } ?? ["-noservername"]
        return try await run(arguments + options, input: input, within: 30)
    }
}
