import Foundation
import TestSupport
import Testing

// T34's tlsfuzzer cannot run here: it is in no package of Debian's or PyPI's. What its scripts look at stands in
// HelloTests (hellos, records, retries), AbuseTests (renegotiation, KeyUpdate, CCS), and SessionTests (tickets).
@Suite("Judges from outside", .serialized)
struct AuditTests {
    static let both: [String: JSON] = ["identities": .array([TestFiles.identity("open"), TestFiles.identity("rsa")])]

    @Test("S2: sslscan sees what is written down, and nothing else")
    func sslscan() async throws {
        try await TestFiles.make()
        let fixture = try await Fixture(Self.both)
        let scan = try await Command.run([
            "sslscan", "--no-colour", "--no-check-certificate", "localhost:\(fixture.port)",
        ])
        let wanted = [
            "SSLv2     disabled", "SSLv3     disabled", "TLSv1.0   disabled", "TLSv1.1   disabled",
            "TLSv1.2   enabled", "TLSv1.3   enabled", "Server supports TLS Fallback SCSV",
            "Session renegotiation not supported", "TLSv1.3 not vulnerable to heartbleed",
            "TLSv1.2 not vulnerable to heartbleed",
        ]
        for line in wanted { #expect(scan.output.contains(line), "\(line)\n\(scan.output)") }
        let suites = scan.output.matches(of: /(Preferred|Accepted)\s+(TLSv1\.\d)\s+\d+ bits\s+(\S+)/).map {
            "\($0.2) \($0.3)"
        }
        #expect(
            suites == [
                "TLSv1.3 TLS_AES_128_GCM_SHA256", "TLSv1.3 TLS_AES_256_GCM_SHA384",
                "TLSv1.3 TLS_CHACHA20_POLY1305_SHA256",
                "TLSv1.2 ECDHE-ECDSA-AES128-GCM-SHA256", "TLSv1.2 ECDHE-RSA-AES128-GCM-SHA256",
                "TLSv1.2 ECDHE-ECDSA-AES256-GCM-SHA384", "TLSv1.2 ECDHE-RSA-AES256-GCM-SHA384",
                "TLSv1.2 ECDHE-ECDSA-CHACHA20-POLY1305", "TLSv1.2 ECDHE-RSA-CHACHA20-POLY1305",
            ]
        )
        let groups = scan.output.matches(of: /TLSv1\.\d\s+\d+ bits\s+(secp\S+|x\d+|ffdhe\d+|sect\S+)/).map {
            String($0.1)
        }
        #expect(Set(groups) == ["secp256r1", "x25519"])
        try await fixture.stop()
    }

    /// `make audit` runs all of testssl.sh, which takes a minute or more; this is a part.
    @Test("S2: testssl.sh reports nothing above LOW about protocols, renegotiation and compression")
    func testssl() async throws {
        try await TestFiles.make()
        let fixture = try await Fixture(Self.both)
        let report = try await TestFiles.scratch().appending(path: "report.json")
        _ = try await Command.run(
            [
                "testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca",
                TestFiles.path("roots.pem"), "--jsonfile", report.path(), "--protocols", "--renegotiation", "--crime",
                "https://localhost:\(fixture.port)",
            ],
            within: 120
        )
        let findings = try JSON.parse(String(contentsOf: report, encoding: .utf8)).array
        #expect(findings.count > 10)
        #expect(findings.contains { $0["id"] == "TLS1_3" && $0["severity"] == "OK" })
        let bad = findings.filter { ["MEDIUM", "HIGH", "CRITICAL", "FATAL"].contains($0["severity"].text) }
        #expect(bad.isEmpty, "\(bad.map { "\($0["id"].text): \($0["finding"].text)" })")
        try await fixture.stop()
    }
}
