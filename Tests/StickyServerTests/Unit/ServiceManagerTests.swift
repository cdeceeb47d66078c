import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Service manager")
struct ServiceManagerTests {
    private func watchdog(_ variables: [String: String]) -> Duration? {
        ServiceManager(read: { variables[$0] }, pid: 42).watchdogInterval
    }

    @Test("Half the watchdog's limit is the interval")
    func interval() {
        #expect(watchdog(["WATCHDOG_USEC": "3000000"]) == .milliseconds(1500))
        #expect(watchdog(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "42"]) == .milliseconds(1500))
    }

    @Test("No watchdog, one for another process and limits that are none give no interval")
    func noInterval() {
        #expect(watchdog([:]) == nil)
        #expect(watchdog(["WATCHDOG_USEC": "3000000", "WATCHDOG_PID": "43"]) == nil)
        for limit in ["0", "-5", "", "x", "99999999999999999999"] {
            #expect(watchdog(["WATCHDOG_USEC": limit]) == nil)
        }
    }

    @Test("The shortest limit is no interval of zero, which would never rest")
    func shortest() {
        #expect(watchdog(["WATCHDOG_USEC": "1"]).map { $0 > .zero } ?? true)
    }

    private func listeners(_ variables: [String: String]) -> [String] {
        ServiceManager.inheritedListeners(read: { variables[$0] }, pid: 42).map { "\($0.descriptor)=\($0.name)" }
    }

    @Test("Listeners are handed over from descriptor 3 on, by name")
    func inherited() {
        #expect(
            listeners(["LISTEN_FDS": "3", "LISTEN_PID": "42", "LISTEN_FDNAMES": "web::admin"])
                == ["3=web", "4=", "5=admin"]
        )
        #expect(listeners(["LISTEN_FDS": "2", "LISTEN_PID": "42"]) == ["3=unknown", "4=unknown"])
        #expect(
            listeners(["LISTEN_FDS": "2", "LISTEN_PID": "42", "LISTEN_FDNAMES": "web"]) == ["3=web", "4=unknown"]
        )
    }

    @Test(
        "Listeners for another process and senseless counts give none",
        arguments: [
            ["LISTEN_FDS": "1", "LISTEN_PID": "43"], ["LISTEN_FDS": "1"], ["LISTEN_PID": "42"], [:],
            ["LISTEN_FDS": "0", "LISTEN_PID": "42"], ["LISTEN_FDS": "-1", "LISTEN_PID": "42"],
            ["LISTEN_FDS": "1025", "LISTEN_PID": "42"], ["LISTEN_FDS": "x", "LISTEN_PID": "42"],
            ["LISTEN_FDS": "1", "LISTEN_PID": "x"],
        ]
    )
    func notInherited(_ variables: [String: String]) {
        #expect(listeners(variables).isEmpty)
    }

    @Test("A notification is one datagram of lines")
    func notify() throws {
        let socket = try DatagramSocket(path: "/tmp/sticky-unit-\(getpid())-\(UInt32.random(in: 0 ... .max)).sock")
        let manager = ServiceManager(read: { $0 == "NOTIFY_SOCKET" ? socket.path : nil }, pid: 42)
        manager.notify("READY=1", "STATUS=serving")
        #expect(socket.receive() == "READY=1\nSTATUS=serving")
        manager.notifyReloading()
        let reloading = try #require(socket.receive())
        let lines = reloading.split(separator: "\n")
        #expect(lines.first == "RELOADING=1")
        let time = try #require(lines.last?.split(separator: "=").last.flatMap { UInt64($0) })
        #expect(time > 0)
        #expect(socket.receive() == nil)
    }

    #if os(Linux)
    @Test("A notification reaches an abstract socket, whose path begins with @")
    func abstract() throws {
        let name = "sticky-unit-\(getpid())-\(UInt32.random(in: 0 ... .max))"
        let socket = try DatagramSocket(abstract: name)
        ServiceManager(read: { $0 == "NOTIFY_SOCKET" ? "@\(name)" : nil }, pid: 42).notify("READY=1")
        #expect(socket.receive() == "READY=1")
    }
    #endif

    @Test("Nobody to notify is no failure")
    func nobody() {
        ServiceManager(read: { _ in nil }, pid: 42).notify("READY=1")
        ServiceManager(read: { _ in "/nonexistent/socket" }, pid: 42).notify("READY=1")
        ServiceManager(read: { _ in String(repeating: "x", count: 5000) }, pid: 42).notify("READY=1")
        ServiceManager(read: { _ in "" }, pid: 42).notify("READY=1")
        ServiceManager(read: { _ in "@" }, pid: 42).notify("READY=1")
        ServiceManager(read: { _ in "@" + String(repeating: "x", count: 5000) }, pid: 42).notify("READY=1")
    }
}

/// The receiving end, as a service manager has it.
private final class DatagramSocket {
    struct Failure: Error {}

    let path: String
    private let number: CInt
    private let isFile: Bool

    init(path: String) throws {
        self.path = path
        isFile = true
        number = try DatagramSocket.open()
        let status = SocketAddress.unix(path: path).withNative { bind(number, $0, $1) }
        guard status == 0 else { throw Failure() }
    }

    init(abstract name: String) throws {
        path = "@\(name)"
        isFile = false
        number = try DatagramSocket.open()
        var address = sockaddr_un()
        address.sun_family = sa_family_t(AF_UNIX)
        withUnsafeMutableBytes(of: &address.sun_path) { room in
            room[1..<1 + name.utf8.count].copyBytes(from: Array(name.utf8))
        }
        let length = (MemoryLayout<sockaddr_un>.offset(of: \.sun_path) ?? 2) + 1 + name.utf8.count
        let number = number
        let status = withUnsafePointer(to: &address) { pointer in
            pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(number, $0, socklen_t(length)) }
        }
        guard status == 0 else { throw Failure() }
    }

    deinit {
        close(number)
        if isFile { unlink(path) }
    }

    private static func open() throws -> CInt {
        #if canImport(Glibc)
        let number = socket(AF_UNIX, CInt(SOCK_DGRAM.rawValue), 0)
        #else
        let number = socket(AF_UNIX, SOCK_DGRAM, 0)
        #endif
        guard number >= 0 else { throw Failure() }
        return number
    }

    /// A Unix datagram is there as soon as it was sent, so nothing has to be waited for.
    func receive() -> String? {
        var buffer = [UInt8](repeating: 0, count: 4096)
        let count = recv(number, &buffer, buffer.count, CInt(MSG_DONTWAIT))
        return count < 0 ? nil : String(decoding: buffer[..<count], as: UTF8.self)
    }
}
