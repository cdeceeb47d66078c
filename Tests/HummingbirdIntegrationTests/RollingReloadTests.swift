import Foundation
import TestSupport
import Testing

@Suite("Rolling reloads under load", .serialized)
struct RollingReloadTests {
    private struct Progress: Decodable {
        let requests: [String: Int]
        let connections: [String: Int]

        /// What the slower of the two protocols has done.
        var leastRequests: Int { min(requests["1.1"] ?? 0, requests["2"] ?? 0) }
        var leastConnections: Int { min(connections["1.1"] ?? 0, connections["2"] ?? 0) }
    }

    private struct Load: Decodable {
        let failures: [String]
        let failed: Int
    }

    @Test("50 of them fail no request of clients without retries", arguments: [HTTP2Variant.tls])
    func reloads(_ variant: HTTP2Variant) async throws {
        // Reloads that follow each other this fast leave no time to spread drains: a fourth generation of one slot would
        // end the first.
        let fixture = try await HTTP2Fixture(variant, ["drain=10", "spread=0"], workers: 2)
        let directory = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        try FileManager.default.createDirectory(at: directory, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: directory) }
        let stop = directory.appending(path: "stop")
        let file = directory.appending(path: "progress")
        func progress() -> Progress? {
            (try? Data(contentsOf: file)).flatMap { try? JSONDecoder().decode(Progress.self, from: $0) }
        }
        async let load: Load = fixture.client("reloadload", [stop.path(), file.path()], within: 300)
        for count in 1...50 {
            // However fast the machine is, every reload meets clients that are at work, on connections that the reload
            // before has made them open.
            try await eventually(within: 60, "clients are at work before reload \(count)") {
                progress().map { $0.leastRequests >= 10 * count && $0.leastConnections > count } ?? false
            }
            kill(fixture.master, SIGHUP)
            try await eventually(within: 60, "reload \(count) ends") {
                fixture.log.components(separatedBy: "reload finished").count == count + 1
            }
        }
        try Data().write(to: stop)
        let told = try await load
        #expect(told.failed == 0, "\(told.failures)")
        #expect(try await fixture.stop() == 0)
    }
}
