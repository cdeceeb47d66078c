import Foundation
import TestSupport
import Testing

@Suite("HTTP/2 clients that keep the rules", .serialized)
struct HTTP2ClientTests {
    private struct Settings: Decodable {
        let concurrentStreams: Int
        let headerList: Int
        let streamWindow: Int
        let connectionWindow: Int
    }

    private struct Answers: Decodable {
        let answers: [HTTP2Stream]
        let goaways: [GoAway]?
    }

    @Test("h2load: 10,000 requests on 100 concurrent streams over TLS, none fails")
    func load() async throws {
        let server = try await HTTP2Fixture(.tls)
        try await load(server, requests: 10_000)
        #expect(try await server.stop() == 0)
    }

    @Test("h2load on the other variants, none fails", arguments: [HTTP2Variant.clear, .leanTLS, .leanClear])
    func loadElsewhere(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        try await load(server, requests: 500)
        #expect(try await server.stop() == 0)
    }

    private func load(_ server: HTTP2Fixture, requests: Int) async throws {
        let url = "\(server.variant.scheme)://127.0.0.1:\(server.port)/hello"
        let result = try await HTTP2Fixture.run(["h2load", "-n", "\(requests)", "-c", "1", "-m", "100", url])
        #expect(result.status == 0)
        #expect(
            result.output.contains(
                "requests: \(requests) total, \(requests) started, \(requests) done, \(requests) succeeded, 0 failed, "
                    + "0 errored, 0 timeout"
            ),
            "\(result.output)"
        )
        #expect(result.output.contains("status codes: \(requests) 2xx, 0 3xx, 0 4xx, 0 5xx"), "\(result.output)")
        if server.variant.isSecure { #expect(result.output.contains("Application protocol: h2")) }
    }

    @Test("Settings and windows are the documented ones; bodies beyond them arrive", arguments: HTTP2Variant.allCases)
    func windows(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        let settings: Settings = try await server.client("h2client", ["settings"])
        #expect(settings.concurrentStreams == 100)
        #expect(settings.headerList == 64 * 1024)
        #expect(settings.streamWindow == 256 * 1024)
        #expect(settings.connectionWindow == 1024 * 1024)

        let size = 3_000_000
        let counted: Answers = try await server.client("h2client", ["upload", "\(size)", "/count"])
        #expect(counted.answers.map(\.status) == ["200"])
        let echoed: Answers = try await server.client("h2client", ["upload", "\(size)", "/echo"])
        #expect(echoed.answers.map(\.length) == [size])
        #expect(echoed.answers.map(\.ended) == [true])

        let halfClosed: Answers = try await server.client("h2client", ["half-close"])
        #expect(halfClosed.answers.map(\.status) == ["200"])
        #expect(halfClosed.answers.map(\.ended) == [true])
        #expect(try await server.stop() == 0)
    }

    @Test("At a drain GOAWAY comes twice, and answers in flight arrive whole", arguments: HTTP2Variant.allCases)
    func drain(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        let result: Answers = try await server.client("h2client", ["drain", "\(server.master)", "SIGTERM"])
        #expect(result.answers.map(\.ended) == [true, true])
        #expect(result.answers.map(\.length) == [6, 3_000_000])
        // Streams 1, 3 and 5.
        #expect(result.goaways == [.warning, GoAway(last: 5, code: 0)])
        #expect(try await server.stop() == 0)
    }

    @Test("curl gets its answer from a server that drains", arguments: HTTP2Variant.allCases)
    func curl(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        var options = ["curl", "--silent", "--show-error", "--max-time", "20", "--cacert", "certs/ca.pem"]
        options += [variant.isSecure ? "--http2" : "--http2-prior-knowledge"]
        options += ["--write-out", "%{http_version} %{size_download}"]
        let url = "\(variant.scheme)://localhost:\(server.port)/slow-bytes/800/2000000"
        async let answer = HTTP2Fixture.run(options + ["--output", "/dev/null", url])
        try await eventually(within: 10, "the request has arrived") { server.log.contains("slow-bytes begins") }
        kill(server.master, SIGTERM)
        let result = try await answer
        #expect(result.status == 0, "\(result.output)")
        #expect(result.output == "2 2000000")
        #expect(try await server.stop() == 0)
    }

    @Test("Every stream knows its connection", arguments: [HTTP2Variant.tls, .leanTLS])
    func facts(_ variant: HTTP2Variant) async throws {
        let server = try await HTTP2Fixture(variant)
        let url = "https://localhost:\(server.port)/whoami"
        let options = ["curl", "--silent", "--show-error", "--http2", "--cacert", "certs/ca.pem"]
        let told = try await HTTP2Fixture.run(options + [url, url])
        let lines = told.output.split(separator: "\n")
        try #require(lines.count == 2)
        for line in lines {
            for fact in ["peer=127.0.0.1:", "slot=0", "scheme=https", "version=TLSv1.3", "alpn=h2", "sni=localhost"] {
                #expect(line.contains(fact), "\(line)")
            }
            #expect(line.contains("same=true"), "\(line)")
        }
        // Two streams of one connection.
        #expect(lines[0] == lines[1])
        #expect(try await server.stop() == 0)
    }
}
