import Foundation
import TestSupport
import Testing

/// A program that was run to its end.
struct Command {
    let status: Int32
    let output: String
    let errors: String

    /// Runs a program found on PATH, with text on its standard input.
    static func run(_ arguments: [String], input: String? = nil, within seconds: Double = 60) async throws -> Command {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = arguments
        process.currentDirectoryURL = DemoServer.root
        let output = OutputLines()
        let errors = OutputLines()
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        let standardInput = Pipe()
        process.standardInput = input == nil ? FileHandle.nullDevice : standardInput
        try process.run()
        if let input {
            try standardInput.fileHandleForWriting.write(contentsOf: Data(input.utf8))
            try standardInput.fileHandleForWriting.close()
        }
        do {
            try await eventually(within: seconds, "\(arguments.joined(separator: " ")) ends") { !process.isRunning }
        } catch {
            process.terminate()
            throw TestFailure("\(error): \(output.text) \(errors.text)")
        }
        try await eventually(within: 10, "the output is read") { output.isComplete && errors.isComplete }
        return Command(status: process.terminationStatus, output: output.text, errors: errors.text)
    }

    /// Runs one of the Python clients in `Clients/` and reads the JSON that it prints.
    static func client<Result: Decodable>(
        _ name: String,
        _ arguments: [String],
        within seconds: Double = 120,
        as type: Result.Type = Result.self
    ) async throws -> Result {
        let script = DemoServer.root.appending(path: "Tests/IntegrationTests/Clients/\(name).py").path()
        let command = try await run(["python3", script] + arguments, within: seconds)
        guard command.status == 0 else { throw TestFailure("\(name): \(command.output)\(command.errors)") }
        return try JSONDecoder().decode(type, from: Data(command.output.utf8))
    }

    static func curl(_ server: DemoServer, _ path: String, _ options: [String] = []) async throws -> Command {
        try await run(
            ["curl", "--silent", "--show-error", "--max-time", "30", "--cacert", "certs/ca.pem"] + options
                + ["\(server.scheme)://localhost:\(server.port)\(path)"]
        )
    }
}

/// What `/whoami` says.
struct WhoAmI: Decodable {
    struct TLS: Decodable {
        let version: String
        let cipher: String
        let group: String?
        let alpn: String?
        let sni: String?
        let resumed: Bool
    }

    let slot: Int
    let pid: pid_t
    let generation: Int
    let client: String
    let routedBy: String
    let tls: TLS?
    let requestsOnConnection: Int

    static func ask(_ server: DemoServer, _ options: [String] = []) async throws -> WhoAmI {
        let command = try await Command.curl(server, "/whoami", options)
        try #require(command.status == 0, "\(command.errors)")
        return try JSONDecoder().decode(WhoAmI.self, from: Data(command.output.utf8))
    }
}
