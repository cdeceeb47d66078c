import Foundation
import TestSupport
import Testing

/// One application on two servers: the same question, the same answer.
@Suite("Sticky workers answer as Hummingbird's own server does", .serialized)
struct DifferentialTests {
    private struct Report: Decodable {
        struct Pair: Decodable {
            let own: String
            let sticky: String
        }

        let cases: Int
        let differences: [String: Pair]
    }

    /// What differs on purpose, and why. `docs/hummingbird.md` tells the same.
    private static let deliberate: [String: String] = [
        "close": saysClose,
        "close in capitals": saysClose,
        "close among others": saysClose,
        "close with a body": saysClose,
        "half-close during the answer": saysClose,
        "HTTP/1.0": saysClose,
        "HTTP/1.0 keep-alive": "an HTTP/1.0 client has to be told that the connection stays open",
        "100-continue, seen": "a client that waits to be asked for its body is asked (RFC 9110 section 10.1.1)",
        "watched": staysOpen,
        "watched, then nonsense": staysOpen,
        "cancelled when the client goes": staysOpen,
    ]
    private static let staysOpen = "a request without a body whose handler watched its client is not the last"
    private static let saysClose = "the last answer of a connection says so (RFC 9112 section 9.6)"
    /// As the first, if the end is seen before the answer begins.
    private static let sometimes = ["half-close"]
    /// Under TLS there is more.
    private static let deliberateWithTLS = ["GET /scheme": "the scheme of a request that came over TLS is https"]

    @Test(
        "in more than a hundred cases, but for what differs on purpose",
        arguments: [HTTP2Variant.clear, .tls, .leanClear, .leanTLS]
    )
    func answers(_ variant: HTTP2Variant) async throws {
        try await compare(variant, [], Self.deliberate)
    }

    @Test("with requests on Swift's own threads too")
    func globalThreads() async throws {
        // There Hummingbird's own loop serves every request.
        try await compare(.leanClear, ["executor=global"], Self.deliberate.filter { $0.value != Self.staysOpen })
    }

    private func compare(_ variant: HTTP2Variant, _ settings: [String], _ deliberate: [String: String]) async throws {
        let own = try await OwnServer()
        let sticky = try await HTTP2Fixture(variant, settings)
        let report: Report = try await sticky.client("differential", ["\(own.port)"], within: 120)
        #expect(report.cases >= 100)
        var expected = deliberate
        if variant.isSecure {
            expected.merge(Self.deliberateWithTLS) { $1 }
            expected = expected.filter { !$0.key.hasPrefix("half-close") }
        }
        for (name, pair) in report.differences where expected[name] == nil && !Self.sometimes.contains(name) {
            Issue.record("\(name):\n own    \(pair.own)\n sticky \(pair.sticky)")
        }
        for name in expected.keys where report.differences[name] == nil {
            Issue.record("\(name): the difference that is told is not there")
        }
        #expect(try await sticky.stop() == 0)
    }

    @Test("100 MiB each way")
    func large() async throws {
        let own = try await OwnServer()
        let sticky = try await HTTP2Fixture(.tls)
        let report: Report = try await sticky.client("differential", ["\(own.port)", "large"], within: 120)
        #expect(report.cases == 2)
        #expect(report.differences.isEmpty, "\(report.differences)")
        #expect(try await sticky.stop() == 0)
    }

    /// What curl tells of one request, without the date.
    private func curl(_ arguments: [String]) async throws -> [String] {
        let command = try await HTTP2Fixture.run(
            ["curl", "--silent", "--include", "--cacert", "certs/ca.pem"] + arguments
        )
        #expect(command.status == 0, "\(arguments) \(command.output)")
        var lines = command.output.components(separatedBy: "\r\n").map { line in
            line.hasPrefix("HTTP/") ? String(line.split(separator: " ")[1]) : line
        }
        lines.removeAll { $0.lowercased().hasPrefix("date:") || $0.lowercased() == "transfer-encoding: chunked" }
        return lines.map { $0.contains(": ") ? $0.lowercased() : $0 }
    }

    @Test("over HTTP/2 too", arguments: [HTTP2Variant.clear, .tls, .leanTLS])
    func http2(_ variant: HTTP2Variant) async throws {
        let own = try await OwnServer()
        let sticky = try await HTTP2Fixture(variant)
        let version = variant.isSecure ? "--http2" : "--http2-prior-knowledge"
        for arguments in [
            ["/hello"], ["/nothing"], ["/cookies"], ["/redirect"], ["/no-content"], ["/error/418"],
            ["/throw"], ["/query?a=1"], ["/path/a/b"], ["/chunked/3000"], ["/trailers"], ["--head", "/hello"],
            ["--request", "DELETE", "/method"], ["--request", "PATCH", "/method"], ["--data", "abc", "/echo"],
            ["--data", "abc", "/collect"], ["--data", "abc", "/ignore"], ["--data", "{}", "/json"],
        ] {
            let options = Array(arguments.dropLast())
            let path = arguments.last ?? ""
            let theirs = try await curl(options + ["http://localhost:\(own.port)\(path)"])
            let ours = try await curl(options + [version, "\(variant.scheme)://localhost:\(sticky.port)\(path)"])
            #expect(ours == theirs, "\(arguments)")
        }
        #expect(try await sticky.stop() == 0)
    }
}
