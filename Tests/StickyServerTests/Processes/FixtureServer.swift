import Foundation
import TestSupport
import Testing

/// A running `ClusterFixture`: real processes, started for one test and ended by it.
final class FixtureServer: Sendable {
    let process: Process
    let output = OutputLines()
    let errors = OutputLines()

    var master: pid_t { process.processIdentifier }

    /// Starts the fixture; with `listening` waits until it accepts connections.
    init(
        _ arguments: [String] = [],
        environment: [String: String] = [:],
        executable: URL? = nil,
        listening: Bool = true,
        descriptorLimit: Int? = nil
    ) async throws {
        process = Process()
        let fixture = try executable ?? builtExecutable("ClusterFixture")
        if let descriptorLimit {
            process.executableURL = URL(filePath: "/bin/sh")
            process.arguments = ["-c", "ulimit -n \(descriptorLimit); exec \"$0\" \"$@\"", fixture.path()] + arguments
        } else {
            process.executableURL = fixture
            process.arguments = arguments
        }
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        process.standardOutput = output.pipe
        process.standardError = errors.pipe
        process.standardInput = FileHandle.nullDevice
        try process.run()
        if listening {
            do {
                _ = try await line(/^listening\s/, within: 60)
            } catch {
                throw TestFailure("\(error); standard error: \(errors.text)")
            }
        }
    }

    deinit {
        if process.isRunning { for pid in ProcessTree.all(from: master) { kill(pid, SIGKILL) } }
    }

    var isRunning: Bool { process.isRunning }

    /// The address that it listens on first.
    var port: UInt16 {
        get throws {
            let line = try #require(output.lines.first { $0.hasPrefix("listening ") })
            return try #require(line.firstMatch(of: /:(\d+)[ ]/).flatMap { UInt16($0.1) }, "\(line)")
        }
    }

    /// All lines so far that fit.
    func lines(_ pattern: Regex<Substring>) -> [String] {
        output.lines.filter { $0.contains(pattern) }
    }

    /// The `count`-th line that fits, as soon as it is there.
    @discardableResult
    func line(_ pattern: Regex<Substring>, count: Int = 1, within seconds: Double = 20) async throws -> String {
        var found: [String] = []
        do {
            try await eventually(within: seconds, "line \(count) of a kind") {
                found = lines(pattern)
                return found.count >= count
            }
        } catch {
            throw TestFailure("\(error): \(output.lines.filter { !$0.hasPrefix("routed") }.suffix(20)) \(errors.text)")
        }
        return found[count - 1]
    }

    /// One connection, one question, one answer.
    func ask(_ question: String, from source: String = "127.0.0.1") async throws -> String {
        let client = try LineClient(port: port, source: source)
        return try await client.ask(question)
    }

    /// The slot, generation and pid that answer an address.
    func who(from source: String = "127.0.0.1") async throws -> Who {
        try Who(await ask("who", from: source))
    }

    /// The slot of each of 127.0.0.1, 127.0.0.2 …
    func mapping(_ count: Int) async throws -> [Int] {
        var slots: [Int] = []
        for index in 1...count { slots.append(try await who(from: "127.0.0.\(index)").slot) }
        return slots
    }

    /// SIGTERM, and the exit status; nothing may be left then.
    func stop() async throws -> Int32 {
        let everybody = ProcessTree.all(from: master)
        kill(master, SIGTERM)
        return try await end(of: everybody)
    }

    func end(of everybody: [pid_t] = [], within seconds: Double = 30) async throws -> Int32 {
        try await eventually(within: seconds, "the master ends") { !process.isRunning }
        // Everybody who had the other end of the pipes is gone, so what is left in them is all.
        try await eventually(within: 10, "the output is read") { output.isComplete && errors.isComplete }
        let left = everybody.filter { ProcessTree.exists($0) }
        #expect(left.isEmpty, "processes are left: \(left)")
        return process.terminationStatus
    }
}

/// What `who` answers.
struct Who: Equatable {
    let slot: Int
    let generation: Int
    let pid: pid_t
    let reason: String
    let hops: Int

    init(_ line: String) throws {
        let match = try #require(
            line.firstMatch(of: /slot=(\d+) generation=(\d+) pid=(\d+) reason=(\S+) .*hops=(\d+)/),
            "\(line)"
        )
        slot = try #require(Int(match.1))
        generation = try #require(Int(match.2))
        pid = try #require(pid_t(match.3))
        reason = String(match.4)
        hops = try #require(Int(match.5))
    }
}
