import Foundation
import TestSupport
import Testing

@Suite("How HTTP/2 connections and streams end", .serialized)
struct HTTP2EndTests {
    private struct Result: Decodable {
        let streams: [HTTP2Stream]
        let goaways: [GoAway]
        let after: String?
        let lastServed: Int?
    }

    private struct Silence: Decodable {
        let goaways: [GoAway]
        let seconds: Double
    }

    private struct Upload: Decodable {
        let answers: [HTTP2Stream]
        let left: Int
        let ended: Bool
    }

    private static let both = [HTTP2Variant.tls, .leanClear]

    @Test("A request on its way at the first GOAWAY is served; after the second one it is not", arguments: both)
    func late(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        let result: Result = try await server.client("h2slow", ["late", "\(server.master)"])
        #expect(result.streams.map(\.status) == ["200", "200", nil])
        #expect(result.streams.map(\.ended) == [true, true, false])
        let last = try #require(result.lastServed)
        #expect(result.goaways == [.warning, GoAway(last: last, code: 0)])
        #expect(try await server.stop() == 0)
    }

    @Test("A client that does not answer the PING is told the last stream anyway, and gets its answer", arguments: both)
    func deaf(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant, ["patience=1"])
        let result: Result = try await server.client("h2slow", ["deaf", "\(server.master)"])
        #expect(result.streams.map(\.ended) == [true])
        #expect(result.goaways == [.warning, GoAway(last: 3, code: 0)])
        #expect(try await server.stop() == 0)
    }

    @Test("After the greatest number of requests comes GOAWAY")
    func limit() async throws {
        let server = try await HTTP2Fixture(.clear, ["requests=5"])
        let result: Result = try await server.client("h2slow", ["limit"])
        #expect(result.streams.map(\.status) == Array(repeating: "200", count: 5))
        #expect(result.goaways == [.warning, GoAway(last: 9, code: 0)])
        #expect(try await server.stop() == 0)
    }

    @Test(
        "A malformed request ends its stream and no other (RFC 9113 section 8.1.1)",
        arguments: ["length", "uppercase", "connection", "no-path", "window", "target"]
    )
    func wrong(_ kind: String) async throws {
        let server = try await HTTP2Fixture(.clear)
        let result: Result = try await server.client("h2slow", ["wrong", kind])
        #expect(result.streams.map(\.status) == ["200", nil])
        #expect(result.streams.map(\.ended) == [true, false])
        // PROTOCOL_ERROR.
        #expect(result.streams.map(\.reset) == [nil, 1])
        #expect(result.after == "200")
        #expect(result.goaways == [])
        #expect(try await server.stop() == 0)
    }

    @Test("Clients that take nothing, stall, or never ask are given up, and only they", arguments: both)
    func givenUp(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant, ["first=1", "body=1", "response=1", "patience=1"])
        async let untaken: Result = server.client("h2slow", ["zero-window"])
        async let stalled: Result = server.client("h2slow", ["stalled-upload"])
        async let silent: Silence = server.client("h2slow", ["silent"])
        async let trickled: Silence = server.client("h2slow", ["trickle"])

        // CANCEL: short answers and long ones, with a length and without.
        #expect(try await untaken.streams.map(\.reset) == [8, 8, 8])
        #expect(try await untaken.after == "204")
        #expect(try await untaken.goaways == [])

        // The whole answer, then NO_ERROR: send no more.
        #expect(try await stalled.streams.map(\.status) == ["408"])
        #expect(try await stalled.streams.map(\.ended) == [true])
        #expect(try await stalled.streams.map(\.reset) == [0])
        #expect(try await stalled.after == "200")

        #expect(try await silent.goaways == [.warning, GoAway(last: 0, code: 0)])
        #expect(try await trickled.goaways == [.warning, GoAway(last: 0, code: 0)])
        #expect(try await server.stop() == 0)
    }

    @Test("Slow is not stuck: neither a client that takes a little at a time nor a handler that rests", arguments: both)
    func slow(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant, ["body=1", "response=1"])
        // One buffer, of which a tenth is taken every 0.4 s.
        async let reader: Result = server.client("h2slow", ["slow-reader", "3000000"])
        // The windows are full after 1 MiB, and the handler reads on after 2.5 s.
        async let handler: Upload = server.client("h2client", ["upload", "4000000", "/rest/2500"])
        #expect(try await reader.streams.map(\.length) == [3_000_000])
        #expect(try await reader.streams.map(\.ended) == [true])
        #expect(try await handler.answers.map(\.status) == ["200"])
        #expect(try await server.stop() == 0)
    }

    @Test("A body that is too long is answered 413, and the connection goes on", arguments: both)
    func tooLong(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant, ["bodyLimit=100000"])
        let result: Upload = try await server.client("h2client", ["upload", "3000000", "/count"])
        #expect(result.answers.map(\.status) == ["413"])
        #expect(result.answers.map(\.ended) == [true])
        #expect(result.left > 0)
        #expect(!result.ended)
        // curl fails when the stream ends with anything but NO_ERROR.
        var options = ["curl", "--silent", "--show-error", "--cacert", "certs/ca.pem", "--write-out", "%{http_code}"]
        options += [variant.isSecure ? "--http2" : "--http2-prior-knowledge", "--header", "Expect:"]
        options += ["--data-binary", "@-", "\(variant.scheme)://localhost:\(server.port)/count"]
        let curl = try await HTTP2Fixture.run(options, input: Data(count: 3_000_000))
        #expect(curl.status == 0)
        #expect(curl.output == "413")
        #expect(try await server.stop() == 0)
    }

    @Test("The worker's memory does not grow with an answer that its client takes late", arguments: both)
    func memory(_ variant: HTTP2Variant) async throws {
        struct Memory: Decodable {
            let received: Int
            let before: Int
            let highest: Int
        }
        let server = try await HTTP2Fixture(variant)
        let size = variant.isSecure ? 256 << 20 : 64 << 20
        // The client's windows are as wide as they can be; it takes nothing for a second, then all.
        let result: Memory = try await server.client("h2slow", ["memory", "\(size)", "1"])
        #expect(result.received == size)
        // KiB.
        #expect(result.highest - result.before < 8_192, "from \(result.before) to \(result.highest) KiB")
        #expect(try await server.stop() == 0)
    }
}
