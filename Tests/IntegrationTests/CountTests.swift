import Foundation
import TestSupport
import Testing

/// System calls repeat exactly where times do not. strace counts those of one worker; what a start, an end or a
/// heartbeat costs cancels out between a long run and a short one.
@Suite("System calls of a worker", .serialized, .enabled(if: Strace.works, "strace is missing or may not trace here"))
struct CountTests {
    private struct Sequence: Decodable {
        let answered: Int
    }

    /// What one more connection of `requests` requests costs, by name.
    private func perConnection(transport: String, isTLS: Bool, requests: Int) async throws -> [String: Double] {
        let options = ["--bare", "--transport", transport] + (isTLS ? [] : ["--plain"])
        var runs: [[String: Int]] = []
        let (few, many) = (10, 50)
        for connections in [few, many] {
            let server = try await DemoServer(options, workers: 1)
            let trace = try await Strace(#require(server.workers.first))
            let result: Sequence = try await Command.client(
                "sequence",
                ["\(server.port)", server.scheme, "\(connections)", "\(requests)"]
            )
            #expect(result.answered == connections * requests)
            #expect(try await server.stop() == 0)
            runs.append(try await trace.end())
        }
        return runs[1].merging(runs[0].mapValues { -$0 }) { $0 + $1 }.mapValues { Double($0) / Double(many - few) }
    }

    private func total(_ calls: [String: Double]) -> Double {
        // OpenSSL's random numbers ask for the process; a debug build's locks and memory are not the point.
        calls.filter {
            !["getpid", "gettid", "futex", "madvise", "mprotect", "brk", "mmap", "munmap"].contains($0.key)
        }
        .values.reduce(0, +)
    }

    // Measured: 14 with TLS and 11 without. Stock: 26 and 22.
    @Test(
        "of a connection with one request",
        arguments: [("lean", true, 16.0), ("lean", false, 13.0), ("stock", true, 30.0)]
    )
    func connection(transport: String, isTLS: Bool, limit: Double) async throws {
        let calls = try await perConnection(transport: transport, isTLS: isTLS, requests: 1)
        #expect(total(calls) <= limit, "\(calls)")
        #expect(total(calls) > 5, "strace saw nothing: \(calls)")
        // A receipt is a store in shared memory.
        #expect(calls["sendmsg", default: 0] < 0.5)
        if transport == "lean" {
            // One registration a life. One send for the handshake, one for tickets and answer, one for the goodbye.
            #expect(calls["epoll_ctl", default: 0] < 2.3)
            #expect(calls["sendto", default: 0] < (isTLS ? 3.3 : 1.3))
            // Nothing is asked that the hand-off has told.
            #expect(calls["getpeername", default: 0] + calls["getsockname", default: 0] < 0.1)
        }
    }

    @Test("of a request on a kept connection: wait, receive, send", arguments: ["lean", "stock"], [true, false])
    func request(transport: String, isTLS: Bool) async throws {
        let short = try await perConnection(transport: transport, isTLS: isTLS, requests: 1)
        let long = try await perConnection(transport: transport, isTLS: isTLS, requests: 21)
        let each = (total(long) - total(short)) / 20
        #expect(each > 2.5 && each < 3.5, "\(each)")
    }
}

/// strace on all threads of a process.
private final class Strace {
    private let tracer = Process()
    private let directory: URL

    /// Whether this machine lets one process look at another.
    static let works: Bool = {
        let process = Process()
        process.executableURL = URL(filePath: "/usr/bin/env")
        process.arguments = ["strace", "-qq", "-o", "/dev/null", "true"]
        process.standardError = FileHandle.nullDevice
        guard (try? process.run()) != nil else { return false }
        process.waitUntilExit()
        return process.terminationStatus == 0
    }()

    init(_ pid: pid_t) async throws {
        directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        tracer.executableURL = URL(filePath: "/usr/bin/env")
        tracer.arguments = ["strace", "-qq", "-ff", "-o", directory.appending(path: "calls").path(), "-p", "\(pid)"]
        tracer.standardError = FileHandle.nullDevice
        try tracer.run()
        try await eventually(within: 30, "strace is attached") {
            let tasks = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task")) ?? []
            return !tasks.isEmpty
                && tasks.allSatisfy { task in
                    let status = try? String(contentsOfFile: "/proc/\(pid)/task/\(task)/status", encoding: .utf8)
                    return status?.contains("TracerPid:\t0\n") == false
                }
        }
    }

    deinit {
        if tracer.isRunning { tracer.terminate() }
        try? FileManager.default.removeItem(at: directory)
    }

    /// How often each was called, when the process has ended.
    func end() async throws -> [String: Int] {
        try await eventually(within: 30, "strace ends") { !tracer.isRunning }
        var counts: [String: Int] = [:]
        for file in try FileManager.default.contentsOfDirectory(at: directory, includingPropertiesForKeys: nil) {
            for line in try String(contentsOf: file, encoding: .utf8).split(separator: "\n") {
                if let name = line.firstMatch(of: /^(\w+)\(/) { counts[String(name.1), default: 0] += 1 }
            }
        }
        return counts
    }
}
