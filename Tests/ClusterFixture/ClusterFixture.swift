import Logging
import StickyServer

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The server that the cluster tests run as real processes: a line protocol on plain TCP, no TLS and no NIO.
///
/// The master prints one line for each event on standard output. Options are `name=value` arguments.
@main
struct ClusterFixture {
    static func main() async {
        let options = Options(CommandLine.arguments.dropFirst())
        do {
            var configuration = try options.configuration()
            configuration.logger = Logger(label: "fixture") { StreamLogHandler.standardError(label: $0) }
            configuration.logger.logLevel = options["log"].flatMap { Logger.Level(rawValue: $0) } ?? .error
            let server = try StickyServer(configuration: configuration)
            if server.isMaster {
                try await runMaster(server, options)
            } else {
                try await server.work(LineHandler(options: options))
            }
        } catch {
            complain("fixture: \(error)")
            exit(1)
        }
    }

    private static func runMaster(_ server: StickyServer, _ options: Options) async throws {
        try server.share(Array("shared by \(getpid())".utf8), as: "note")
        server.onRequest { request in
            let text = String(decoding: request.payload, as: UTF8.self)
            if text == "refuse" { return nil }
            if text == "slow" { try? await Task.sleep(for: .seconds(60)) }
            return Array("master heard \(text) from \(request.sender.map(String.init) ?? "nobody")".utf8)
        }
        // One line for each connection costs more than the connection.
        let events = server.events(options["events"] == "lifecycle" ? .lifecycle : .all)
        let printing = Task {
            for await event in events { await handle(event, server) }
        }
        do {
            try await server.listen()
        } catch {
            // What happened is told before why it ended.
            await printing.value
            throw error
        }
        await printing.value
    }

    private static func handle(_ event: MasterEvent, _ server: StickyServer) async {
        switch event {
        case .listening(let addresses, let workers):
            say("listening \(addresses.map(\.description).joined(separator: " ")) workers=\(workers)")
        case .workerCreated(let slot, let generation, let pid):
            say("created slot=\(slot) generation=\(generation) pid=\(pid)")
        case .workerReady(let slot, let generation, let pid):
            say("ready slot=\(slot) generation=\(generation) pid=\(pid)")
        case .workerDied(let slot, let generation, let pid, let end, let returned, let failures):
            say(
                "died slot=\(slot) generation=\(generation) pid=\(pid) end=\(end) returned=\(returned) failures=\(failures)"
            )
        case .workerRespawned(let slot, let generation, let pid, _):
            say("respawned slot=\(slot) generation=\(generation) pid=\(pid)")
        case .workerParked(let slot, let failures, _):
            say("parked slot=\(slot) failures=\(failures)")
        case .workerMessage(let slot, let payload):
            say(
                "message slot=\(slot) bytes=\(payload.count) text=\(String(decoding: payload.prefix(100), as: UTF8.self))"
            )
            // The master's answers, so that tests see both directions.
            if payload.starts(with: Array("broadcast ".utf8)) {
                try? await server.broadcast(Array(payload.dropFirst(10)))
            } else if payload.starts(with: Array("reply ".utf8)) {
                try? await server.send(Array(payload.dropFirst(6)), to: .slot(slot))
            } else if payload.starts(with: Array("order ".utf8)) {
                await obey(String(decoding: payload.dropFirst(6), as: UTF8.self), server)
            }
        case .connectionRouted(let slot, let reason, let peer):
            say("routed slot=\(slot) reason=\(reason) peer=\(peer)")
        case .connectionDropped(let slot, let reason, let peer):
            say("dropped slot=\(slot) reason=\(reason) peer=\(peer)")
        case .acceptPaused(let reason):
            say("paused reason=\(reason)")
        case .acceptResumed:
            say("resumed")
        case .stopping:
            say("stopping")
        default:
            say("event \(event)")
        }
    }
}

extension ClusterFixture {
    /// `SLOT|everyone COUNT BYTES MILLISECONDS`, whose outcome is told as `waited ...`.
    private static func sendWaiting(_ words: [String], _ server: StickyServer) async {
        let numbers = words.dropFirst().compactMap { Int($0) }
        guard numbers.count == 3 else { return }
        let target: MessageTarget = words[0] == "everyone" ? .everyone : .slot(Int(words[0]) ?? 0)
        var sent = 0
        do {
            while sent < numbers[0] {
                let payload = Array("\(sent) ".utf8) + [UInt8](repeating: 0x2e, count: numbers[1])
                try await server.send(payload, to: target, waitingAtMost: .milliseconds(numbers[2]))
                sent += 1
            }
            say("waited sent=\(sent) ok")
        } catch let error as StickyServerError {
            say("waited sent=\(sent) error=\(error.code)")
        } catch {
            say("waited sent=\(sent) error=\(error)")
        }
    }

    /// What a test has the master do: `stop`, `counts`, or `send SLOT BYTES`, whose outcome is told as `sent ...`.
    private static func obey(_ order: String, _ server: StickyServer) async {
        let words = order.split(separator: " ")
        if words == ["stop"] { server.stop() }
        if words == ["counts"] {
            let counts = server.counts
            let dropped = counts.dropped.map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            say("counts accepted=\(counts.accepted) counted=\(counts.counted) \(dropped)")
        }
        if words.count == 5, words[0] == "wait-send" {
            // The events that say how it goes are read by whoever called this.
            Task { await sendWaiting(words.dropFirst().map(String.init), server) }
        }
        guard words.count == 3, words[0] == "send", let slot = Int(words[1]), let count = Int(words[2]) else { return }
        do {
            try await server.send([UInt8](repeating: 0x6d, count: count), to: .slot(slot))
            say("sent ok")
        } catch let error as StickyServerError {
            say("sent error \(error.code)")
        } catch {
            say("sent error \(error)")
        }
    }
}

/// `name=value` arguments.
struct Options: Sendable {
    private var values: [String: String] = [:]

    init(_ arguments: ArraySlice<String>) {
        for argument in arguments {
            guard let sign = argument.firstIndex(of: "=") else { continue }
            values[String(argument[..<sign])] = String(argument[argument.index(after: sign)...])
        }
    }

    subscript(_ name: String) -> String? { values[name] }

    func number(_ name: String, _ fallback: Int) -> Int { values[name].flatMap { Int($0) } ?? fallback }

    func configuration() throws -> Configuration {
        var configuration = Configuration()
        configuration.listeners = try (values["listen"] ?? "127.0.0.1:0").split(separator: ",")
            .map { try ListenAddress(parsing: String($0)) }
        configuration.maxWorkers = number("workers", 2)
        configuration.respawn = values["respawn"].flatMap { RespawnPolicy(parsing: $0) } ?? .always
        configuration.bootLimit = .milliseconds(number("boot-limit", 30_000))
        configuration.limits.unreceiptedPerWorker = number("unreceipted", 128)
        configuration.limits.waitingPerSlot = number("waiting", 1024)
        configuration.limits.held = number("held", 4096)
        let patience = Duration.milliseconds(number("patience", 1000))
        switch values["unavailable"] {
        case "wait": configuration.whenUnavailable = .wait(attempts: 1, interval: patience)
        case "reroute": configuration.whenUnavailable = .reroute
        default: configuration.whenUnavailable = .waitThenReroute(patience)
        }
        configuration.backoff.base = .milliseconds(number("backoff", 100))
        configuration.backoff.maximum = .milliseconds(number("backoff-max", 30_000))
        configuration.backoff.parking = .milliseconds(number("parking", 60_000))
        configuration.heartbeat.interval = .milliseconds(number("beat", 1000))
        configuration.heartbeat.lateAfter = .milliseconds(number("late", 5000))
        configuration.heartbeat.hungAfter = .milliseconds(number("hung", 30_000))
        configuration.heartbeat.abortGrace = .milliseconds(number("abort-grace", 5000))
        configuration.drainDeadline = values["drain"] == "none" ? nil : .milliseconds(number("drain", 5000))
        configuration.drainSpread = .milliseconds(number("spread", 0))
        configuration.connectionLimits.total = values["limit-total"].flatMap { Int($0) }
        configuration.connectionLimits.perWorker = values["limit-worker"].flatMap { Int($0) }
        configuration.connectionLimits.perSource = values["limit-source"].flatMap { Int($0) }
        configuration.recycling.afterTime = values["recycle-time"].flatMap { Int($0) }.map { .milliseconds($0) }
        configuration.recycling.aboveMemory = values["recycle-memory"].flatMap { Int($0) }
        configuration.recycling.jitter = Double(number("recycle-jitter", 10)) / 100
        configuration.recycling.afterConnections = values["recycle-after"].flatMap { Int($0) }
        configuration.crashReportLimit = .milliseconds(number("crash-report-limit", 60_000))
        configuration.messageQueueLimit = number("message-queue", configuration.messageQueueLimit)
        configuration.maximumDrainingGenerations = number("generations", 3)
        configuration.privileges.allowsRoot = values["root"] != "no"
        configuration.privileges.user = values["user"]
        if values["steering"] == "kernel" { configuration.steering = .kernel }
        if values["key"] == "fixed" { configuration.routing.key = Array(0..<16) }
        return configuration
    }
}

/// One line on standard output, unbuffered, so that the tests see it at once.
func say(_ text: String) {
    writeLine(text, to: 1)
}

func complain(_ text: String) {
    writeLine(text, to: 2)
}

private func writeLine(_ text: String, to descriptor: CInt) {
    let line = Array((text + "\n").utf8)
    _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
}
