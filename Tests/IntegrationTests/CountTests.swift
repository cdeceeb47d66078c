import Foundation
import TestSupport
import Testing

/// System calls repeat exactly where times do not. strace counts those of one worker and its master; what a start, an
/// end or a heartbeat costs cancels out between a long run and a short one.
@Suite(
    "System calls of worker and master",
    .serialized,
    .enabled(if: Strace.works, "strace is missing or may not trace here")
)
struct CountTests {
    private struct Sequence: Decodable {
        let answered: Int
    }

    private struct Calls: CustomStringConvertible {
        var worker: [String: Double]
        var master: [String: Double]

        var description: String {
            "worker \(worker.filter { $0.value != 0 }), master \(master.filter { $0.value != 0 })"
        }
    }

    /// What one more connection of `requests` requests costs, by name.
    private func perConnection(transport: String, isTLS: Bool, requests: Int) async throws -> Calls {
        let options = ["--bare", "--transport", transport] + (isTLS ? [] : ["--plain"])
        var runs: [(worker: [String: Int], master: [String: Int])] = []
        let (few, many) = (10, 50)
        for connections in [few, many] {
            let server = try await DemoServer(options, workers: 1)
            let worker = try await Strace(#require(server.workers.first))
            let master = try await Strace(server.master)
            let result: Sequence = try await Command.client(
                "sequence",
                ["\(server.port)", server.scheme, "\(connections)", "\(requests)"]
            )
            #expect(result.answered == connections * requests)
            #expect(try await server.stop() == 0)
            runs.append((try await worker.end(), try await master.end()))
        }
        func each(_ long: [String: Int], _ short: [String: Int]) -> [String: Double] {
            long.merging(short.mapValues { -$0 }) { $0 + $1 }.mapValues { Double($0) / Double(many - few) }
        }
        return Calls(worker: each(runs[1].worker, runs[0].worker), master: each(runs[1].master, runs[0].master))
    }

    private func total(_ calls: [String: Double]) -> Double {
        // OpenSSL's random numbers ask for the process; a debug build's locks and memory are not the point.
        calls.filter {
            !["getpid", "gettid", "futex", "madvise", "mprotect", "brk", "mmap", "munmap"].contains($0.key)
        }
        .values.reduce(0, +)
    }

    /// Calls that wait for something to happen: one a wake-up.
    private func waits(_ calls: [String: Double]) -> Double {
        ["epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll"].reduce(0) { $0 + calls[$1, default: 0] }
    }

    // Measured: 14.0 with 3.0 wake-ups, without TLS 10.0 with 2.0. Stock: 25 to 27 with 4 to 5, as it happens to wake.
    @Test(
        "of a connection with one request",
        arguments: [("lean", true, 14.6, 3.3), ("lean", false, 10.6, 2.3), ("stock", true, 30.0, 5.6)]
    )
    func connection(transport: String, isTLS: Bool, limit: Double, wakeUps: Double) async throws {
        var both = try await perConnection(transport: transport, isTLS: isTLS, requests: 1)
        // Heartbeats count too, and a slow machine has more of them in the same work: one good run of three is proof.
        for _ in 1...2 where total(both.worker) > limit || waits(both.worker) > wakeUps || total(both.master) > 6.6 {
            both = try await perConnection(transport: transport, isTLS: isTLS, requests: 1)
        }
        let calls = both.worker
        #expect(total(calls) <= limit, "\(both)")
        #expect(total(calls) > 5, "strace saw nothing: \(both)")
        #expect(waits(calls) <= wakeUps && waits(calls) > 1, "\(both)")
        // The master accepts, looks whether there is another, sends, closes its copy, and waits: for the next
        // connection, and where that is late once more for the receipt.
        #expect(total(both.master) <= 6.6 && total(both.master) > 3, "\(both)")
        #expect(waits(both.master) <= 2.4, "\(both)")
        #expect(both.master["sendmsg", default: 0] < 1.1)
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
        let each = (total(long.worker) - total(short.worker)) / 20
        #expect(each > 2.6 && each < 3.4, "\(long), \(short)")
        let wakeUps = (waits(long.worker) - waits(short.worker)) / 20
        #expect(wakeUps > 0.8 && wakeUps < 1.2, "\(long), \(short)")
        // It has passed the connection on, and has nothing to do with its requests.
        #expect(total(long.master) - total(short.master) < 10, "\(long), \(short)")
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
