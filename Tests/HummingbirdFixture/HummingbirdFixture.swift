#if Hummingbird
import Hummingbird
import Logging
import ServiceLifecycle
import StickyHummingbird
import StickyNIO
import StickyServer
import StickyTLS

/// One Hummingbird application on two servers: Hummingbird's own (`own`), and sticky workers (`sticky`). Tests run it as
/// real processes and compare.
///
///     hummingbird-fixture own PORT
///     hummingbird-fixture sticky [key=value...]
///
/// Keys: port, workers, certificate, transport (stock, lean), executor (loop, global), drain, spread (milliseconds), log, first, idle, body,
/// response (seconds), bodyLimit, requests, http2 (off), patience (seconds, for the answer to GOAWAY's PING).
@main
struct HummingbirdFixture {
    static func main() async throws {
        let arguments = Array(CommandLine.arguments.dropFirst())
        let settings = Settings(arguments.dropFirst())
        LoggingSystem.bootstrap { label in
            var handler = StreamLogHandler.standardError(label: label)
            handler.logLevel = Logger.Level(rawValue: settings["log"] ?? "notice") ?? .notice
            return handler
        }
        switch arguments.first {
        case "own": try await runOwn(port: arguments.dropFirst().first.flatMap { Int($0) } ?? 0)
        case "sticky": try await runSticky(settings)
        default: throw Usage()
        }
    }

    private static func runOwn(port: Int) async throws {
        let app = Application(
            router: Routes.build(),
            configuration: .init(address: .hostname("127.0.0.1", port: port), serverName: "fixture"),
            onServerRunning: { channel in Output.line("listening \(channel.localAddress?.port ?? 0)") }
        )
        try await app.runService()
    }

    private static func runSticky(_ settings: Settings) async throws {
        var app = Application(router: Routes.build(), configuration: .init(serverName: "fixture"))
        app.addServices(NotedService(name: "first"), NotedService(name: "second"))
        app.beforeServerStarts { Output.note("before the server") }
        var configuration = StickyConfiguration()
        configuration.listeners = [try ListenAddress(parsing: "127.0.0.1:\(settings.number("port") ?? 0)")]
        configuration.maxWorkers = settings.number("workers") ?? 2
        configuration.privileges.allowsRoot = true
        configuration.drainDeadline = .seconds(settings.number("drain") ?? 10)
        if let milliseconds = settings.number("spread") { configuration.drainSpread = .milliseconds(milliseconds) }
        configuration.logger = Logger(label: "fixture")
        let tls = settings["certificate"].map { TLSConfiguration(identities: [TLSIdentity(file: $0)]) }
        try await app.runStickyService(configuration: configuration, tls: tls, options: settings.options)
    }

    struct Usage: Error {}
}

/// `key=value` arguments.
struct Settings {
    private var values: [String: String] = [:]

    init(_ arguments: some Sequence<String>) {
        for argument in arguments {
            let parts = argument.split(separator: "=", maxSplits: 1)
            if parts.count == 2 { values[String(parts[0])] = String(parts[1]) }
        }
    }

    subscript(_ key: String) -> String? { values[key] }

    func number(_ key: String) -> Int? { values[key].flatMap { Int($0) } }

    var options: HTTPOptions {
        var options = HTTPOptions()
        if let transport = self["transport"].flatMap(NIOTransport.init(rawValue:)) { options.transport = transport }
        options.runsRequestsOnEventLoop = self["executor"] != "global"
        if let seconds = number("first") { options.timeouts.firstRequest = .seconds(Int64(seconds)) }
        if let seconds = number("idle") { options.timeouts.keepAlive = .seconds(Int64(seconds)) }
        if let seconds = number("body") { options.timeouts.requestBody = .seconds(Int64(seconds)) }
        if let seconds = number("response") { options.timeouts.response = .seconds(Int64(seconds)) }
        options.limits.requestBody = number("bodyLimit")
        options.limits.requestsPerConnection = number("requests")
        if let seconds = number("patience") { options.http2?.goAwayPatience = .seconds(Int64(seconds)) }
        if self["http2"] == "off" { options.http2 = nil }
        return options
    }
}

/// A service that says when it runs and when it ends.
struct NotedService: Service {
    let name: String

    func run() async throws {
        Output.note("service \(name) runs")
        try await gracefulShutdown()
        Output.note("service \(name) ends")
    }
}
#else
@main
struct HummingbirdFixture {
    static func main() {
        print("built without the trait Hummingbird")
    }
}
#endif
