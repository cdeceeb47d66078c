import Foundation
import TestSupport
import Testing

@Suite("HTTP/2 floods", .serialized)
struct HTTP2FloodTests {
    private struct Result: Decodable {
        let goaways: [GoAway]
        let sent: Int
        let ended: Bool
        let otherServed: Int
        let otherFailed: Int
        let otherSlowest: Double
        /// KiB of the worker's memory.
        let growth: Int
    }

    /// What is sent, how often, and the error code of GOAWAY.
    private static let floods: [(kind: String, count: Int, code: Int)] = [
        ("reset", 2_000, 0xb),  // CVE-2023-44487
        ("stream-errors", 2_000, 0xb),  // CVE-2025-8671
        ("continuation", 2_000, 0xb),  // CVE-2024-27316
        ("settings", 2_000, 0xb),  // CVE-2019-9515
        ("ping", 2_000, 0xb),  // CVE-2019-9512
        ("priority", 2_000, 0xb),
        ("empty-data", 2_000, 0xb),  // CVE-2019-9518
        ("header-list", 40, 0x1),
        ("header-bomb", 10_000, 0x9),  // CVE-2016-6581
    ]

    @Test(
        "end the connection with the right code, and others are served meanwhile",
        arguments: [HTTP2Variant.tls, .leanTLS, .leanClear]
    )
    func floods(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        for flood in Self.floods {
            let result: Result = try await server.client("h2flood", [flood.kind, "\(flood.count)"])
            let what = "\(flood.kind): \(result)"
            #expect(result.goaways.first?.code == flood.code, "\(what)")
            #expect(result.ended, "\(what)")
            #expect(result.otherServed > 0 && result.otherFailed == 0, "\(what)")
            #expect(result.otherSlowest < 5, "\(what)")
            #expect(result.growth < 16_384, "\(what)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("As many resets and PINGs as the limits allow are no flood")
    func limits() async throws {
        let server = try await HTTP2Fixture(.clear)
        for kind in ["reset", "ping", "stream-errors"] {
            let result: Result = try await server.client("h2flood", [kind, "180", "leave"])
            #expect(result.goaways == [], "\(kind): \(result)")
        }
        #expect(try await server.stop() == 0)
    }
}
