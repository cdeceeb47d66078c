import Foundation
import TestSupport
import Testing

@Suite("Listeners", .serialized)
struct ListenerTests {
    @Test("Two TCP addresses and a Unix socket; peers without an address take turns")
    func several() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "s-\(UUID().uuidString.prefix(8)).sock")
            .path()
        let server = try await FixtureServer(["workers=2", "listen=127.0.0.1:0,[::1]:0,unix:\(path)"])
        #expect(try await server.who().reason == "address")
        var slots: [Int] = []
        for _ in 0..<6 {
            let who = try Who(await LineClient(unixPath: path).ask("who"))
            #expect(who.reason == "round-robin")
            slots.append(who.slot)
        }
        #expect(slots == [slots[0], slots[1], slots[0], slots[1], slots[0], slots[1]])
        #expect(slots[0] != slots[1])
        #expect(try await server.stop() == 0)
        #expect(!FileManager.default.fileExists(atPath: path))
    }

    @Test("The file that a killed server has left is taken over, and one in use is not")
    func staleFile() async throws {
        let path = FileManager.default.temporaryDirectory.appending(path: "s-\(UUID().uuidString.prefix(8)).sock")
            .path()
        let first = try await FixtureServer(["workers=1", "listen=127.0.0.1:0,unix:\(path)"])
        let second = try await FixtureServer(["workers=1", "listen=unix:\(path)"], listening: false)
        #expect(try await second.end() == 1)
        #expect(second.errors.text.contains("is in use by another process"), "\(second.errors.text)")
        let workers = ProcessTree.children(of: first.master)
        kill(first.master, SIGKILL)
        try await eventually(within: 10, "the workers end") { workers.allSatisfy { !ProcessTree.exists($0) } }
        #expect(FileManager.default.fileExists(atPath: path))
        let third = try await FixtureServer(["workers=1", "listen=127.0.0.1:0,unix:\(path)"])
        #expect(try Who(await LineClient(unixPath: path).ask("who")).slot == 0)
        #expect(try await third.stop() == 0)
    }

    @Test("A wildcard listener takes IPv4 clients as what they are, and knows which address they came to")
    func dualStack() async throws {
        let server = try await FixtureServer(["workers=2", "listen=*:0"])
        let client = try LineClient(port: server.port, source: "127.0.0.5", host: "127.0.0.9")
        let answer = try await client.ask("who")
        #expect(answer.contains("127.0.0.5"), "\(answer)")
        #expect(answer.contains("127.0.0.9"), "\(answer)")
        #expect(try await server.stop() == 0)
    }

    @Test("A port in use and an address that is not ours are sentences, with exit status 1")
    func errors() async throws {
        let server = try await FixtureServer()
        let port = try server.port
        for (address, sentence) in [
            ("127.0.0.1:\(port)", "127.0.0.1:\(port) is in use by another process"),
            ("192.0.2.1:0", "is not an address of this machine"),
            ("127.0.0.1:99999", "99999 is not a port"),
            ("inherited:web", "no listener named «web» was handed over"),
        ] {
            let failed = try await FixtureServer(["listen=\(address)"], listening: false)
            #expect(try await failed.end() == 1)
            #expect(failed.errors.text.contains(sentence), "\(failed.errors.text)")
        }
        #expect(try await server.stop() == 0)
    }

    @Test("A service manager's listener is taken by name, and it is told how things go")
    func serviceManager() async throws {
        let folder = FileManager.default.temporaryDirectory.appending(path: "sd-\(UUID().uuidString.prefix(8))")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        // Plays the service manager: a listening socket at descriptor 3, and a socket for notifications.
        let script = """
            import os, socket, sys
            listener = socket.socket(); listener.bind(("127.0.0.1", 0)); listener.listen()
            os.environ.update(LISTEN_FDS="1", LISTEN_FDNAMES="web", LISTEN_PID=str(os.getpid()))
            if listener.fileno() == 3:
                os.set_inheritable(3, True)
            else:
                os.dup2(listener.fileno(), 3)
            os.execv(sys.argv[1], sys.argv[1:])
            """
        let notifications = folder.appending(path: "notify").path()
        let manager = try Notifications(path: notifications)
        let file = folder.appending(path: "manager.py")
        try script.write(to: file, atomically: true, encoding: .utf8)
        let server = try await FixtureServer(
            [file.path(), try builtExecutable("ClusterFixture").path(), "workers=1", "listen=inherited:web"],
            environment: ["NOTIFY_SOCKET": notifications, "WATCHDOG_USEC": "200000"],
            executable: URL(filePath: "/usr/bin/python3")
        )
        #expect(try await server.who().slot == 0)
        try await manager.expect("READY=1\nSTATUS=1 of 1 workers serve")
        // Again and again.
        for _ in 0..<3 { try await manager.expect("WATCHDOG=1") }
        kill(server.master, SIGHUP)
        try await manager.expect("RELOADING=1\nMONOTONIC_USEC=")
        try await manager.expect("READY=1\nSTATUS=reloaded, 1 workers serve")
        kill(server.master, SIGUSR2)
        try await manager.expect("MAINPID=\(server.master)\nREADY=1\nSTATUS=upgraded")
        try await manager.expect("READY=1\nSTATUS=reloaded, 1 workers serve")
        // The new binary goes on with it.
        try await manager.expect("WATCHDOG=1")
        #expect(try await server.who().slot == 0)
        kill(server.master, SIGTERM)
        try await manager.expect("STOPPING=1")
        #expect(try await server.end() == 0)
    }

    /// The receiving end of sd_notify(3).
    private final class Notifications {
        private let descriptor: CInt
        private var seen = ""

        init(path: String) throws {
            descriptor = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
            var address = sockaddr_un()
            address.sun_family = sa_family_t(AF_UNIX)
            withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
            let status = withUnsafeBytes(of: address) { bytes in
                bind(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
            }
            guard status == 0 else { throw TestFailure("cannot bind \(path): \(errno)") }
        }

        deinit { close(descriptor) }

        func expect(_ text: String) async throws {
            try await eventually(within: 10, "the service manager is told \(text)") {
                var chunk = [UInt8](repeating: 0, count: 4096)
                let count = recv(descriptor, &chunk, chunk.count, CInt(MSG_DONTWAIT))
                if count > 0 { seen += String(decoding: chunk[..<count], as: UTF8.self) + "\n" }
                guard let found = seen.range(of: text) else { return false }
                // What comes next is looked for behind it.
                seen.removeSubrange(..<found.upperBound)
                return true
            }
        }
    }
}
