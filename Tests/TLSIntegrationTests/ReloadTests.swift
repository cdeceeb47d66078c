import Foundation
import TestSupport
import Testing

@Suite("Files that change while the server runs", .serialized)
struct ReloadTests {
    /// A certificate and its key in a folder of one test, which may be spoiled.
    private struct Pair {
        let folder: URL
        var certificate: URL { folder.appending(path: "live.pem") }
        var key: URL { folder.appending(path: "live-key.pem") }
        var identity: JSON {
            .object(["certificate": .string(certificate.path()), "key": .string(key.path())])
        }

        init() async throws {
            folder = try await TestFiles.scratch()
            try put("open")
        }

        func put(_ name: String, key keyName: String? = nil) throws {
            try clear()
            try FileManager.default.copyItem(atPath: TestFiles.path("\(name).pem"), toPath: certificate.path())
            try FileManager.default.copyItem(
                atPath: TestFiles.path("\(keyName ?? name)-key.pem"),
                toPath: key.path()
            )
        }

        /// certbot's way: links to files of another folder.
        func link(_ name: String) throws {
            try clear()
            for (from, to) in [(certificate, "\(name).pem"), (key, "\(name)-key.pem")] {
                try FileManager.default.createSymbolicLink(
                    atPath: from.path(),
                    withDestinationPath: TestFiles.path(to)
                )
            }
        }

        func write(_ text: String, to file: URL) throws {
            try? FileManager.default.removeItem(at: file)
            try Data(text.utf8).write(to: file)
        }

        func clear() throws {
            for file in [certificate, key] { try? FileManager.default.removeItem(at: file) }
        }
    }

    /// What the server shows now: the subject of its certificate.
    private func subject(_ fixture: Fixture) async throws -> String {
        let client = try await Command.openssl(fixture, "-ign_eof", input: "who\nclose\n")
        try #require(client.output.contains("\"slot\":"), "\(client.all)")
        return client.output.firstMatch(of: /subject=(.+)/).map { String($0.1) } ?? ""
    }

    @Test("T21: Of pairs that do not hold none is taken, the old one serves on, and the next good one is taken")
    func brokenPairs() async throws {
        let pair = try await Pair()
        let fixture = try await Fixture(["identities": .array([pair.identity])])
        #expect(try await subject(fixture) == "CN = open")
        let good = try String(contentsOfFile: TestFiles.path("open.pem"), encoding: .utf8)
        let other = try String(contentsOfFile: TestFiles.path("stranger-ca.pem"), encoding: .utf8)
        let cases: [(String, code: String, spoil: () throws -> Void)] = [
            ("the key of nobody", "keyMismatch", { try pair.put("open", key: "wrong") }),
            ("a renewed certificate, its key not yet", "keyMismatch", { try pair.put("renewed", key: "open") }),
            (
                "half a certificate", "notPEM",
                { try pair.write(String(good.prefix(300)), to: pair.certificate) }
            ),
            ("nothing", "empty", { try pair.write("", to: pair.certificate) }),
            ("not there", "fileMissing", { try? FileManager.default.removeItem(at: pair.certificate) }),
            ("no PEM", "notPEM", { try pair.write("no certificate\n", to: pair.certificate) }),
            ("a chain of strangers", "brokenChain", { try pair.write(good + other, to: pair.certificate) }),
            ("expired", "outOfDate", { try pair.put("expired") }),
            (
                "far too large", "fileTooLarge",
                { try pair.write(good + String(repeating: "#\n", count: 5_000_000), to: pair.certificate) }
            ),
            (
                "a folder", "isDirectory",
                {
                    try? FileManager.default.removeItem(at: pair.certificate)
                    try FileManager.default.createDirectory(at: pair.certificate, withIntermediateDirectories: false)
                }
            ),
            (
                "a pipe, which would never end", "notRegularFile",
                {
                    try? FileManager.default.removeItem(at: pair.certificate)
                    #expect(mkfifo(pair.certificate.path(), 0o600) == 0)
                }
            ),
            ("no key in the key's file", "noPrivateKey", { try pair.write(good, to: pair.key) }),
        ]
        for (what, code, spoil) in cases {
            try pair.put("open")
            try spoil()
            for answer in try await fixture.reload() {
                #expect(answer["ok"] == false, "\(what)")
                #expect(answer["code"].text == code, "\(what)")
                #expect(answer["generation"] == 1, "\(what)")
            }
            #expect(try await subject(fixture) == "CN = open", "\(what)")
        }
        // One event for each failure in each worker, and no other.
        let failures = fixture.standardError.lines.count { $0.contains("was not reloaded") }
        #expect(failures == 2 * cases.count)
        try pair.link("renewed")
        for answer in try await fixture.reload() {
            #expect(answer["ok"] == true)
            #expect(answer["generation"] == 2)
        }
        #expect(try await subject(fixture) == "CN = renewed")
        try await fixture.stop()
    }

    @Test("T21: The watcher waits until both files are there, tells of a bad state once, and takes the next good one")
    func watching() async throws {
        let pair = try await Pair()
        let fixture = try await Fixture(["identities": .array([pair.identity])], ["watch": true])
        let standing = try Companion(fixture, "sessions", "kept")
        _ = try await standing.order("keep open.test")
        // Bad, and staying so for many looks.
        try pair.put("open", key: "wrong")
        try await eventually(within: 10, "both workers tell") {
            fixture.standardError.lines.count { $0.contains("was not reloaded") } == 2
        }
        try await Task.sleep(for: .milliseconds(800))
        #expect(fixture.standardError.lines.count { $0.contains("was not reloaded") } == 2)
        #expect(try await subject(fixture) == "CN = open")
        try pair.link("renewed")
        try await eventually(within: 10, "the next one is taken") {
            try await subject(fixture) == "CN = renewed"
        }
        // Tickets from before go on.
        #expect(try await standing.outcomes("resume open.test").contains("resumed"))
        try await fixture.stop()
    }

    @Test("Ticket keys in files follow them on every worker; keys that are wrong are named, and the old stay")
    func ticketKeyFiles() async throws {
        let folder = try await TestFiles.scratch()
        let files = ["current.key", "previous.key"].map { folder.appending(path: $0).path() }
        func put(_ keys: [[UInt8]]) throws {
            for (file, key) in zip(files, keys) {
                // In one step, as whoever distributes keys should.
                try Data(key).write(to: URL(filePath: file + ".new"))
                chmod(file + ".new", 0o600)
                try #require(rename(file + ".new", file) == 0)
            }
        }
        let keys = (0..<4).map { _ in (0..<80).map { _ in UInt8.random(in: 0...255) } }
        try put([keys[1], keys[0]])
        // Workers that have given up root cannot read the files again.
        let more: [String: JSON] = ["master": true]
        let fixture = try await Fixture(
            ["ticketKeys": .string("files:\(files.joined(separator: ","))")],
            geteuid() == 0 ? more.merging(["user": "nobody"]) { $1 } : more
        )
        let first = try #require(try await fixture.stats().first?["generation"].int)
        func taken(_ reloads: Int) async throws {
            try await eventually(within: 20, "\(reloads) reloads on both workers") {
                try await fixture.stats().allSatisfy { $0["generation"].int == first + reloads }
            }
        }
        let companion = try Companion(fixture, "sessions", "kept")
        let resumed = Array(repeating: "resumed", count: 8)
        _ = try await companion.order("keep open.test")
        #expect(try await companion.outcomes("resume open.test") == resumed)

        try put([keys[2], keys[1]])
        try await taken(1)
        #expect(try await companion.outcomes("resume open.test") == resumed)

        // The tickets are of keys 1 still. What is wrong changes nothing.
        try put([keys[3], Array(keys[2].prefix(79))])
        _ = try await fixture.standardError.line(within: 20) {
            $0.contains("was not reloaded") && $0.contains(files[1]) && $0.contains("79 bytes")
        }
        #expect(try await companion.outcomes("resume open.test") == resumed)
        #expect(try await fixture.stats().allSatisfy { $0["generation"].int == first + 1 })

        try put([keys[3], keys[2]])
        try await taken(2)
        #expect(try await companion.outcomes("resume open.test") == Array(repeating: "full", count: 8))
        _ = try await companion.order("keep open.test")
        #expect(try await companion.outcomes("resume open.test") == resumed)
        try await fixture.stop()
    }

    @Test("T22: 200 reloads and 200 killed workers leave no descriptor, no process and no memory behind")
    func leaks() async throws {
        let fixture = try await Fixture(Self.manyHosts)
        func memory() throws -> Int {
            try fixture.workers.map { pid in
                let text = try String(contentsOfFile: "/proc/\(pid)/status", encoding: .utf8)
                return text.firstMatch(of: /VmRSS:\s+(\d+) kB/).flatMap { Int($0.1) } ?? 0
            }.reduce(0, +)
        }
        for _ in 0..<10 { #expect(try await fixture.reload().allSatisfy { $0["ok"] == true }) }
        _ = try await subject(fixture)
        let descriptors = ProcessTree.descriptors(below: fixture.master)
        let before = try memory()
        for _ in 0..<95 { try await fixture.reload() }
        #expect(try await fixture.stats().map { $0["generation"].int } == [106, 106])
        #expect(ProcessTree.descriptors(below: fixture.master) <= descriptors)
        // A leaked generation of these six hosts would have 100 kB: 19 MB in all.
        let after = try memory()
        #expect(after - before < 6000, "\(before) kB became \(after) kB")

        let master = ProcessTree.descriptors(fixture.master)
        for round in 1...100 {
            let victims = fixture.workers
            try #require(victims.count == 2)
            for victim in victims { kill(victim, SIGKILL) }
            try await eventually(within: 20, "successors, round \(round)") {
                fixture.workers.count == 2 && !fixture.workers.contains { victims.contains($0) }
            }
            try await eventually(within: 20, "they are ready") {
                fixture.standardOutput.lines.count { $0.hasPrefix("ready ") } >= 2 + 2 * round
            }
        }
        #expect(ProcessTree.descriptors(fixture.master) <= master)
        _ = try await subject(fixture)
        try await fixture.stop()
    }

    static let manyHosts: [String: JSON] = [
        "hosts": .array([
            TestFiles.host("mtls", clients: TestFiles.clients("required", crl: "crl.pem")),
            TestFiles.host("optional", clients: TestFiles.clients("optional")),
            TestFiles.host("exact"), TestFiles.host("wild", "wild-rsa"), TestFiles.host("vanish"),
        ])
    ]

    @Test(
        "T24: After workers have given up root, a reload works by the master's files or is refused, and the old serves on",
        .enabled(if: geteuid() == 0, "only root can give up root")
    )
    func privileges() async throws {
        let pair = try await Pair()
        // Root's alone, as certbot leaves them.
        chmod(pair.folder.path(), 0o700)
        let alone = try await Fixture(["identities": .array([pair.identity])], ["user": "nobody"])
        #expect(try await subject(alone) == "CN = open")
        try pair.put("renewed")
        for answer in try await alone.reload() {
            #expect(answer["ok"] == false)
            #expect(answer["code"] == "permissionDenied")
        }
        #expect(try await subject(alone) == "CN = open")
        try await alone.stop()

        try pair.put("open")
        let shared = try await Fixture(["identities": .array([pair.identity])], ["user": "nobody", "share": true])
        try pair.put("renewed")
        #expect(try await shared.order("share")["ok"] == true)
        try await eventually(within: 10, "workers take the master's files") {
            try await subject(shared) == "CN = renewed"
        }
        // Shared files that do not hold are not even sent.
        try pair.put("open", key: "wrong")
        #expect(try await shared.order("share")["code"] == "keyMismatch")
        #expect(try await subject(shared) == "CN = renewed")
        try await shared.stop()
    }
}
