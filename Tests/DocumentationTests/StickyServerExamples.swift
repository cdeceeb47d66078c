import Foundation
import StickyServer

// docs/stickyserver.md

struct EchoServer {
    static func main() async throws {
        let server = try StickyServer(port: 7777)
        if server.isMaster {
            try await server.listen()
        } else {
            try await server.work(EchoHandler())
        }
    }
}

struct EchoHandler: ConnectionHandler {
    func addConnection(_ socket: consuming PausedSocket) {
        let (descriptor, lease) = socket.detach()
        Thread.detachNewThread {
            var buffer = [UInt8](repeating: 0, count: 4096)
            var set = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
            while poll(&set, 1, -1) > 0 {
                let count = read(descriptor, &buffer, buffer.count)
                guard count > 0, send(descriptor, buffer, count, CInt(MSG_NOSIGNAL)) == count else { break }
            }
            shutdown(descriptor, CInt(SHUT_RDWR))
            close(descriptor)
            // The worker counts the connection until here, and waits for it when it drains.
            withExtendedLifetime(lease) {}
        }
    }
}

func makeConfiguration() throws -> Configuration {
    var configuration = Configuration()
    configuration.listeners = [try .tcp("127.0.0.1", port: 8443), .unix(path: "/run/app.sock")]
    configuration.maxWorkers = 4
    configuration.respawn = .error
    configuration.whenUnavailable = .wait(attempts: 3, interval: .seconds(1))
    configuration.connectionLimits.perSource = 100
    configuration.recycling.aboveMemory = 512 << 20
    configuration.privileges.user = "www-data"
    return configuration
}

func watch(_ server: StickyServer) async {
    for await event in server.events(.lifecycle) {
        switch event {
        case .listening(let addresses, let workers): print("\(workers) workers at \(addresses)")
        case .workerDied(let slot, _, _, let end, let returned, _): print("slot \(slot): \(end), \(returned) returned")
        default: break
        }
    }
}

func tellEverybody(_ server: StickyServer, _ worker: Worker) async throws {
    try await server.broadcast(Array("caches are stale".utf8))  // in the master
    try worker.send([1, 2, 3], to: .slot(0))  // in a worker
    let answer = try await worker.request(Array("how many?".utf8), to: .master, timeout: .seconds(1))
    print(answer)
    try await worker.bus.publish(Array("hello".utf8), on: "room/1")
    try await worker.send([4, 5, 6], to: .slot(1), waitingAtMost: .seconds(5))
    for await message in worker.bus.subscribe(to: "room/1") { print(message) }
}
