import Foundation
import TestSupport
import Testing

@Suite("Rolling reloads under load", .serialized)
struct RollingReloadTests {
    private struct Load: Decodable {
        let requests: [String: Int]
        let connections: [String: Int]
        let failures: [String]
        let failed: Int
    }

    @Test("50 of them fail no request of clients without retries", arguments: [HTTP2Variant.tls])
    func reloads(_ variant: HTTP2Variant) async throws {
        // Reloads that follow each other this fast leave no time to spread drains: a fourth generation of one slot would
        // end the first.
        let fixture = try await HTTP2Fixture(variant, ["drain=10", "spread=0"], workers: 2)
        let stop = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
        defer { try? FileManager.default.removeItem(at: stop) }
        async let load: Load = fixture.client("reloadload", [stop.path()], within: 300)
        for count in 1...50 {
            kill(fixture.master, SIGHUP)
            try await eventually(within: 60, "reload \(count) ends") {
                fixture.log.components(separatedBy: "reload finished").count == count + 1
            }
        }
        try Data().write(to: stop)
        let told = try await load
        #expect(told.failed == 0, "\(told.failures)")
        #expect((told.requests["1.1"] ?? 0) > 500 && (told.requests["2"] ?? 0) > 500, "\(told.requests)")
        // Every client had to leave most of the workers that were replaced under it.
        #expect((told.connections["1.1"] ?? 0) > 50 && (told.connections["2"] ?? 0) > 50, "\(told.connections)")
        #expect(try await fixture.stop() == 0)
    }
}
