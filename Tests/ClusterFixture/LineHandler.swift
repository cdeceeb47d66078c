import StickyServer
import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What came by message.
final class Log: Sendable {
    private let lines = Mutex<[String]>([])

    func withLock<R>(_ body: (inout sending [String]) -> sending R) -> R { lines.withLock(body) }
}

/// Serves each connection on a thread of its own, line by line.
///
/// `who` answers slot, generation, pid and reason; `echo TEXT`; `addresses`; `sleep MS`; `crash`; `exit CODE`;
/// `bytes N`; `tell master|everyone|SLOT TEXT`; `flood COUNT BYTES`; `heard` gives what came by message;
/// `rehome SLOT`; `recycle`; `grow MIB` takes memory; `close` ends.
final class LineHandler: ConnectionHandler {
    private let options: Options
    private let worker = Mutex<Worker?>(nil)
    private let heard = Log()
    private let grown = Mutex<[[UInt8]]>([])
    private let draining = Atomic<Bool>(false)
    /// Connections that came, also those that are gone.
    private let served = Atomic<Int>(0)
    /// Told to behave as if whatever serves connections were in an endless loop.
    private let stuck = Atomic<Bool>(false)

    init(options: Options) {
        self.options = options
    }

    func start(_ worker: Worker) async throws {
        self.worker.withLock { $0 = worker }
        let news = worker.bus.subscribe(to: "news")
        Task { [heard] in
            for await item in news {
                heard.withLock { $0.append("news:\(String(decoding: item, as: UTF8.self))") }
            }
        }
        if options["boot"] == "crash" { fatalError("told to crash at boot") }
        if options["boot"] == "fail" { throw BootFailure() }
        if options["boot"] == "exit" { exit(3) }
        // As long as the file exists; for reloads that meet a program which has become bad.
        if let file = options["bad-while"], access(file, F_OK) == 0, worker.slot >= options.number("bad-from-slot", 0) {
            throw BootFailure()
        }
        // A start that lasts as long as the test wants.
        while let file = options["wait-while"], access(file, F_OK) == 0 { try await Task.sleep(for: .milliseconds(5)) }
        if options["boot"] == "hang" { try await Task.sleep(for: .seconds(1000)) }
        // One slot alone fails, as long as the file exists.
        if options["boot"] == "fail-slot-1", worker.slot == 1 { throw BootFailure() }
        if let text = options["boot-delay"], let milliseconds = Int(text) {
            try await Task.sleep(for: .milliseconds(milliseconds))
        }
    }

    struct BootFailure: Error {}

    func addConnection(_ socket: consuming PausedSocket) {
        served.add(1, ordering: .relaxed)
        // Dropping the socket ends the connection.
        if options["refuse"] == "yes" { return }
        if options["greet"] == "yes" { return greet(socket) }
        let line = "reason=\(socket.reason) peer=\(socket.peer) local=\(socket.local) listener=\(socket.listener)"
        let (entryPeer, entryLocal, listener, reason, prelude, hops) = (
            socket.peer, socket.local, socket.listener, socket.reason, socket.prelude, socket.hops
        )
        let (descriptor, lease) = socket.detach()
        let thread = Detached { [self] in
            var connection = LineConnection(descriptor: descriptor, prelude: prelude)
            serve(&connection, about: line, hops: hops) { connection, consumed in
                // Handing on: the descriptor is owned again, with what was read of it.
                PausedSocket(
                    connection: OwnedConnection(owning: connection),
                    peer: entryPeer,
                    local: entryLocal,
                    listener: listener,
                    reason: reason,
                    prelude: consumed,
                    hops: hops
                )
            }
            withExtendedLifetime(lease) {}
        }
        thread.start()
    }

    func clusterMessage(_ message: ClusterMessage) {
        let text =
            "\(message.sender.map(String.init) ?? "master"):\(String(decoding: message.payload.prefix(64), as: UTF8.self))"
        heard.withLock { $0.append("\(text)(\(message.payload.count))") }
    }

    func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        if !stuck.load(ordering: .relaxed) { answer() }
    }

    func clusterRequest(_ request: ClusterMessage) async -> [UInt8]? {
        let text = String(decoding: request.payload, as: UTF8.self)
        return text == "refuse" ? nil : Array("worker heard \(text)".utf8)
    }

    func drain(_ request: DrainRequest) {
        draining.store(true, ordering: .relaxed)
    }

    /// One line and the end, on the control thread: the least that a server can do.
    private func greet(_ socket: consuming PausedSocket) {
        let hello: StaticString = "hello\n"
        _ = send(socket.descriptor, hello.utf8Start, hello.utf8CodeUnitCount, CInt(MSG_NOSIGNAL))
    }

    private func serve(
        _ connection: inout LineConnection,
        about: String,
        hops: Int,
        pause: (CInt, [UInt8]) -> PausedSocket
    ) {
        guard let worker = worker.withLock({ $0 }) else { return }
        var answered = 0
        // A client that has just come and not spoken yet is no idle one: it has been told that somebody listens.
        while let line = connection.readLine(until: { waited in
            draining.load(ordering: .relaxed) && (answered > 0 || waited > .seconds(2))
        }) {
            answered += 1
            let words = line.split(separator: " ", maxSplits: 2).map(String.init)
            switch words.first {
            case "who":
                connection.write(
                    "slot=\(worker.slot) generation=\(worker.generation) pid=\(getpid()) \(about) hops=\(hops)\n"
                )
            case "echo":
                connection.write(line.dropFirst(5) + "\n")
            case "sleep":
                usleep(UInt32(words.count > 1 ? Int(words[1]) ?? 0 : 0) * 1000)
                connection.write("slept\n")
            case "crash":
                let empty: [Int] = []
                connection.write("\(empty[words.count])\n")
            case "exit":
                exit(CInt(words.count > 1 ? Int(words[1]) ?? 0 : 0))
            case "bytes":
                connection.write(String(repeating: "x", count: words.count > 1 ? Int(words[1]) ?? 0 : 0))
            case "tell" where words.count == 3:
                connection.write(tell(worker, words[1], Array(words[2].utf8)) + "\n")
            case "flood" where words.count == 3:
                connection.write(flood(worker, Int(words[1]) ?? 0, Int(words[2]) ?? 0) + "\n")
            case "flood-slot" where words.count == 3:
                // Twenty messages of half a megabyte or so.
                connection.write(flood(worker, 20, Int(words[2]) ?? 0, to: .slot(Int(words[1]) ?? 0)) + "\n")
            case "wait-send" where words.count == 3:
                // `wait-send SLOT|everyone|master COUNT,BYTES,MILLISECONDS`
                let numbers = words[2].split(separator: ",").compactMap { Int($0) }
                connection.write(waitingSends(worker, words[1], numbers) + "\n")
            case "wait-publish" where words.count == 3:
                let numbers = words[2].split(separator: ",").compactMap { Int($0) }
                connection.write(waitingSends(worker, words[1], numbers, publishes: true) + "\n")
            case "served":
                connection.write("served=\(served.load(ordering: .relaxed))\n")
            case "heard":
                connection.write(heard.withLock { $0.joined(separator: ",") } + "\n")
            case "open":
                connection.write("open=\(worker.openConnections)\n")
            case "rehome" where words.count == 2:
                let (descriptor, unread) = connection.release()
                let socket = pause(descriptor, Array("who\n".utf8) + unread)
                do throws(StickyServerError) {
                    try worker.rehome(socket, to: Int(words[1]) ?? 0)
                } catch {
                    complain("rehome: \(error)")
                }
                return
            case "ask" where words.count == 3:
                connection.write(ask(worker, words[1], Array(words[2].utf8)) + "\n")
            case "shared":
                connection.write(String(decoding: worker.shared.value("note") ?? [], as: UTF8.self) + "\n")
            case "publish" where words.count == 3:
                connection.write(publish(worker, words[1], Array(words[2].utf8)) + "\n")
            case "garbage":
                Garbage.send(words.count > 1 ? words[1] : "noise")
                connection.write("sent\n")
            case "spin":
                connection.write("spinning\n")
                stuck.store(true, ordering: .relaxed)
            case "big" where words.count == 3:
                let payload = [UInt8](repeating: 0x62, count: Int(words[2]) ?? 0)
                connection.write(tell(worker, words[1], payload) + "\n")
            case "grow" where words.count > 1:
                let mebibytes = [UInt8](repeating: 1, count: (Int(words[1]) ?? 0) << 20)
                grown.withLock { $0.append(mebibytes) }
                connection.write("grown\n")
            case "recycle":
                worker.requestReplacement()
                connection.write("recycling\n")
            case "close":
                return
            default:
                connection.write("what?\n")
            }
        }
    }

    private func tell(_ worker: Worker, _ to: String, _ payload: [UInt8]) -> String {
        do throws(StickyServerError) {
            try worker.send(payload, to: Self.target(to))
            return "told"
        } catch {
            return "error \(error.code)"
        }
    }

    private func ask(_ worker: Worker, _ to: String, _ payload: [UInt8]) -> String {
        let result = Mutex<String?>(nil)
        Task {
            let target: MessageTarget = to == "master" ? .master : .slot(Int(to) ?? 0)
            do {
                let answer = try await worker.request(payload, to: target, timeout: .milliseconds(500))
                result.withLock { $0 = String(decoding: answer, as: UTF8.self) }
            } catch let error as StickyServerError {
                result.withLock { $0 = "error \(error.code)" }
            }
        }
        while true {
            if let text = result.withLock({ $0 }) { return text }
            usleep(1000)
        }
    }

    /// Sends numbered messages one after the other, each as soon as there is room, and says how many went and what
    /// ended it.
    private func waitingSends(_ worker: Worker, _ to: String, _ numbers: [Int], publishes: Bool = false) -> String {
        guard numbers.count == 3 else { return "what?" }
        let result = Mutex<String?>(nil)
        Task {
            let limit = Duration.milliseconds(numbers[2])
            var sent = 0
            do {
                while sent < numbers[0] {
                    let payload = Array("\(sent) ".utf8) + [UInt8](repeating: 0x2e, count: numbers[1])
                    if publishes {
                        try await worker.bus.publish(payload, on: to, waitingAtMost: limit)
                    } else {
                        try await worker.send(payload, to: Self.target(to), waitingAtMost: limit)
                    }
                    sent += 1
                }
                result.withLock { $0 = "sent \(sent)" }
            } catch let error as StickyServerError {
                result.withLock { $0 = "sent \(sent) error \(error.code)" }
            } catch {
                result.withLock { $0 = "sent \(sent) error \(error)" }
            }
        }
        while true {
            if let text = result.withLock({ $0 }) { return text }
            usleep(1000)
        }
    }

    private static func target(_ name: String) -> MessageTarget {
        name == "master" ? .master : name == "everyone" ? .everyone : .slot(Int(name) ?? 0)
    }

    private func publish(_ worker: Worker, _ topic: String, _ payload: [UInt8]) -> String {
        Task { try? await worker.bus.publish(payload, on: topic) }
        return "published"
    }

    private func flood(_ worker: Worker, _ count: Int, _ bytes: Int, to target: MessageTarget = .master) -> String {
        for number in 0..<count {
            let payload = Array("\(number) ".utf8) + [UInt8](repeating: 0x2e, count: bytes)
            do throws(StickyServerError) { try worker.send(payload, to: target) } catch {
                return "error \(error.code) at \(number)"
            }
        }
        return "flooded"
    }
}
