import Foundation
import TestSupport
import Testing

@Suite("Ends of a server that are not plain", .serialized)
struct EndTests {
    @Test("A stopped worker does not hold the end up, and those who wait for it are closed")
    func stoppedWorker() async throws {
        let server = try await FixtureServer(["workers=2", "drain=500", "unreceipted=2", "patience=20000"])
        let sources = try await server.sources(slots: 2).map { $0[0] }
        try await ProcessTree.freeze(try server.worker(0))
        let clients = try (0..<4).map { _ in try server.connect(from: sources[0]) }
        // They are accepted when one that came later is served.
        #expect(try await server.who(from: sources[1]).slot == 1)
        let everybody = ProcessTree.all(from: server.master)
        kill(server.master, SIGTERM)
        #expect(try await server.end(of: everybody, within: 10) == 0)
        #expect(server.events("dropped", ["slot=0", "reason=stopping"]).count == 4)
        for client in clients { #expect(await client.isClosed(within: 1)) }
    }

    @Test("What the backlog holds when the signal comes is served")
    func backlog() async throws {
        let server = try await FixtureServer(["workers=2"])
        let sources = try await server.sources(slots: 2)
        try await ProcessTree.freeze(server.master)
        let clients = try (0..<30).map { try server.connect(from: sources[$0 % 2][0]) }
        for client in clients { try client.send("echo served") }
        kill(server.master, SIGTERM)
        kill(server.master, SIGCONT)
        for client in clients { #expect(try await client.receive() == "served") }
        #expect(try await server.end() == 0)
    }

    @Test("stop() lets work in progress finish, as SIGTERM does")
    func stopCall() async throws {
        let server = try await FixtureServer()
        let client = try server.connect()
        try client.send("sleep 500")
        #expect(try await server.ask("tell master order stop", from: "127.0.0.2") == "told")
        #expect(try await client.receive() == "slept")
        #expect(try await server.end() == 0)
    }

    @Test("Without its master a worker is held up by a client until the deadline, and no longer")
    func orphanDeadline() async throws {
        let server = try await FixtureServer(["workers=1", "drain=500"])
        let worker = try server.worker(0)
        let client = try server.connect()
        _ = try await client.ask("who")
        try client.send("sleep 60000")
        kill(server.master, SIGKILL)
        #expect(await client.isClosed(within: 8))
        try await eventually(within: 5, "the worker ends") { !ProcessTree.exists(worker) }
    }

    @Test("Connections that come while the workers start wait in the backlog, and are served")
    func slowBoot() async throws {
        let first = try await FixtureServer(["workers=1"])
        let port = try first.port
        #expect(try await first.stop() == 0)
        let folder = try TemporaryFolder()
        let file = try folder.touch("bad")
        let server = try await FixtureServer(
            ["workers=1", "listen=127.0.0.1:\(port)", "wait-while=\(file)"],
            listening: false
        )
        try await server.event("created")
        let client = try LineClient(port: port)
        try client.send("who")
        #expect(await client.isSilent(for: 0.1))
        try folder.remove("bad")
        #expect(try await client.who().slot == 0)
        #expect(try await server.stop() == 0)
    }

    @Test(
        "An address that cannot be used is a sentence and exit status 1, before any worker is started",
        arguments: [
            ("127.0.0.1:-1", "has no port: expected ADDRESS:PORT"),
            ("127.0.0.1:http", "has no port: expected ADDRESS:PORT"),
            ("nonsense", "has no port: expected ADDRESS:PORT"),
            ("::1:80", "is ambiguous: write an IPv6 address as [ADDRESS]:PORT"),
            ("no.such.host.invalid:80", "is neither an IP address nor a name that this machine can resolve"),
            ("unix:", "names no path"),
            ("unix:/no/such/folder/s", "cannot listen on unix:/no/such/folder/s: No such file or directory"),
            ("unix:/tmp/" + String(repeating: "x", count: 120), "is longer than a Unix socket's can be"),
        ]
    )
    func badAddress(_ address: String, _ sentence: String) async throws {
        try await refuses(address, sentence)
    }

    @Test("A file that is no socket is not removed to make room for one")
    func notASocket() async throws {
        let folder = try TemporaryFolder()
        let path = try folder.touch("s")
        try await refuses("unix:\(path)", "unix:\(path) is in use by another process")
        #expect(FileManager.default.fileExists(atPath: path))
    }

    @Test("When the second address cannot be used, the file of the first, a Unix socket, is removed")
    func noFileIsLeft() async throws {
        let folder = try TemporaryFolder()
        try await refuses("unix:\(folder.file("s")),192.0.2.1:0", "192.0.2.1:0 is not an address of this machine")
        #expect(!FileManager.default.fileExists(atPath: folder.file("s")))
    }

    private static var canBeRefused: Bool {
        let first = try? String(contentsOfFile: "/proc/sys/net/ipv4/ip_unprivileged_port_start", encoding: .utf8)
        let lowest = first.flatMap { Int($0.trimmingCharacters(in: .whitespacesAndNewlines)) } ?? 0
        return getuid() == 0 && lowest > 80 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv")
    }

    @Test("A privileged port without the right is a sentence", .enabled(if: canBeRefused))
    func privilegedPort() async throws {
        try await refuses(
            "127.0.0.1:80",
            "not allowed to listen on 127.0.0.1:80: ports below 1024 need root or CAP_NET_BIND_SERVICE",
            wrapper: ["/usr/bin/setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
        )
    }

    private func refuses(_ address: String, _ sentence: String, wrapper: [String] = []) async throws {
        let fixture = try builtExecutable("ClusterFixture")
        var arguments = ["workers=1", "listen=\(address)"]
        if !wrapper.isEmpty { arguments = wrapper.dropFirst() + [fixture.path()] + arguments }
        let server = try await FixtureServer(
            arguments,
            executable: wrapper.first.map { URL(filePath: $0) } ?? fixture,
            listening: false
        )
        #expect(try await server.end() == 1)
        #expect(server.errors.text.contains(sentence), "\(server.errors.text)")
        #expect(server.events("created").isEmpty)
    }
}
