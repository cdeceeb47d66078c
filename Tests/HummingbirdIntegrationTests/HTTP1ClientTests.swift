import Foundation
import TestSupport
import Testing

@Suite("HTTP/1.1 clients")
struct HTTP1ClientTests {
    private struct Gone: Decodable {
        let answers: Int
    }

    private struct Slow: Decodable {
        let before: Int
        let during: Int
        let length: Int
    }

    @Test(
        "that go are noticed by a handler that watches for it",
        arguments: [HTTP2Variant.clear, .leanClear, .leanTLS],
        [("/watch/2000", "watch"), ("/cancelled/30000", "cancelled")]
    )
    func gone(_ variant: HTTP2Variant, _ route: (path: String, name: String)) async throws {
        let fixture = try await HTTP2Fixture(variant)
        // More than once, because what a handler watches is used again by the requests after it.
        for count in 1...3 {
            let file = FileManager.default.temporaryDirectory.appending(path: UUID().uuidString)
            defer { try? FileManager.default.removeItem(at: file) }
            async let told: Gone = fixture.client("clients", ["gone", route.path, file.path()])
            try await eventually(within: 20, "the handler begins") {
                fixture.log.components(separatedBy: "\(route.name) begins").count == count + 1
            }
            #expect(fixture.log.components(separatedBy: "\(route.name): ").count == count)
            try Data().write(to: file)
            #expect(try await told.answers == 2)
            try await eventually(within: 20, "the handler hears of it") {
                fixture.log.components(separatedBy: "\(route.name): ").count == count + 1
            }
        }
        #expect(try await fixture.stop() == 0)
    }

    @Test(
        "that read slowly hold up the handler, not the worker's memory",
        arguments: [HTTP2Variant.clear, .leanClear, .leanTLS]
    )
    func slow(_ variant: HTTP2Variant) async throws {
        let fixture = try await HTTP2Fixture(variant)
        let told: Slow = try await fixture.client("clients", ["slow", "/bytes/\(128 << 20)", "1"], within: 60)
        #expect(told.during - told.before < 16 << 10, "\(told)")
        #expect(told.length == 128 << 20)
        #expect(try await fixture.stop() == 0)
    }
}
