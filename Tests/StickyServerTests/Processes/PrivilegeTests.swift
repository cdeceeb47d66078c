import Foundation
import TestSupport
import Testing

@Suite("Privileges", .serialized, .enabled(if: geteuid() == 0, "only root can give rights up"))
struct PrivilegeTests {
    @Test("Root is refused without a user")
    func refused() async throws {
        let server = try await FixtureServer(["root=no"], listening: false)
        #expect(try await server.end() == 1)
        #expect(server.errors.text.contains("refusing to serve as root"))
        #expect(server.events("created").isEmpty)
    }

    /// A port that only root may bind and that is free.
    private static func privilegedPort() -> UInt16? {
        (900...1023).reversed().first { port in
            let descriptor = socket(AF_INET, CInt(SOCK_STREAM.rawValue), 0)
            defer { close(descriptor) }
            var address = sockaddr_in()
            address.sin_family = sa_family_t(AF_INET)
            address.sin_port = UInt16(port).bigEndian
            inet_pton(AF_INET, "127.0.0.1", &address.sin_addr)
            return withUnsafeBytes(of: address) { bytes in
                bind(descriptor, bytes.bindMemory(to: sockaddr.self).baseAddress, socklen_t(bytes.count))
            } == 0
        }.map(UInt16.init)
    }

    @Test("A privileged port is bound as root, and workers are nobody in every thread, successors too")
    func lowPort() async throws {
        let port = try #require(Self.privilegedPort())
        let server = try await FixtureServer(["workers=2", "root=no", "user=nobody", "listen=127.0.0.1:\(port)"])
        #expect(try server.port == port)
        #expect(try await server.who().generation == 1)
        #expect(try identities(of: server.master).allSatisfy { $0.contains("Uid:\t0\t0\t0\t0") })
        try checkWorkers(server)
        kill(try server.worker(0), SIGKILL)
        try await server.event("ready", "slot=0", "generation=2")
        kill(server.master, SIGHUP)
        try await server.line(/^event reloadFinished/)
        try await eventually(within: 20, "the old ones are gone") {
            ProcessTree.children(of: server.master).count == 2
        }
        try checkWorkers(server)
        #expect(try await server.stop() == 0)
    }

    private func checkWorkers(_ server: FixtureServer) throws {
        let nobody = try #require(getpwnam("nobody")).pointee
        let (user, group) = (nobody.pw_uid, nobody.pw_gid)
        let workers = ProcessTree.children(of: server.master)
        #expect(workers.count == 2)
        for worker in workers {
            let identities = try identities(of: worker)
            #expect(identities.count > 1)
            for status in identities {
                #expect(status.contains("Uid:\t\(user)\t\(user)\t\(user)\t\(user)\n"))
                #expect(status.contains("Gid:\t\(group)\t\(group)\t\(group)\t\(group)\n"))
                #expect(status.contains("Groups:\t\(group) \n"))
                #expect(status.contains("NoNewPrivs:\t1\n"))
                #expect(status.contains("CapEff:\t0000000000000000\n"))
            }
            // The files of a process that is not dumpable belong to root (proc(5)).
            let owner = try FileManager.default.attributesOfItem(atPath: "/proc/\(worker)/maps")[.ownerAccountID]
            #expect(owner as? NSNumber == 0)
            let limits = try String(contentsOfFile: "/proc/\(worker)/limits", encoding: .utf8)
            #expect(limits.contains(/Max core file size +0 +0/))
        }
    }

    /// What the kernel says of each thread.
    private func identities(of pid: pid_t) throws -> [String] {
        try FileManager.default.contentsOfDirectory(atPath: "/proc/\(pid)/task").map { thread in
            try String(contentsOfFile: "/proc/\(pid)/task/\(thread)/status", encoding: .utf8)
        }
    }
}
