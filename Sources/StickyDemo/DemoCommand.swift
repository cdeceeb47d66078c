#if Hummingbird
import ArgumentParser
import Logging
import StickyNIO
import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The command line of `sticky-demo`.
@main
struct DemoCommand: AsyncParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "sticky-demo",
        abstract: "An HTTPS server of several worker processes, where each client always reaches the same one.",
        discussion: """
            Start it, and ask it who you are:

              sticky-demo --workers 4
              curl --cacert certs/ca.pem https://localhost:8443/whoami

            Every response says in X-Sticky-Slot which worker answered. Ask from other addresses, and others answer:

              curl --cacert certs/ca.pem --interface 127.0.0.2 https://localhost:8443/whoami

            A worker keeps what it knows in its own memory, and finds it again because you come back to it:

              curl --cacert certs/ca.pem --cookie-jar jar --cookie jar https://localhost:8443/counter

            Kill a worker (the pid is in /whoami): only its connections end, and its slot is back at once. With
            --dangerous you can make it trap instead:

              curl --cacert certs/ca.pem -X POST https://localhost:8443/crash

            Paths: / /hello /whoami /bytes/N /echo /sleep/MS /counter /crash. The first one explains them.
            Ctrl-C or SIGTERM lets requests in progress finish; a second one ends at once.
            """
    )

    @Option(
        name: .customLong("listen"),
        help: ArgumentHelp(
            "Where to listen: ADDRESS:PORT, [IPV6]:PORT, *:PORT or unix:PATH. Port 0 takes a free one. Repeatable. "
                + "(default: 127.0.0.1:8443)",
            valueName: "address"
        )
    )
    var listen: [String] = []

    @Option(help: ArgumentHelp("Number of worker processes; 0 means one for each usable core.", valueName: "n"))
    var workers = 0

    @Flag(help: "Serve HTTP in the clear instead of HTTPS.")
    var plain = false

    @Option(
        help: ArgumentHelp("What to log: \(DemoCommand.levels). (default: notice)", valueName: "level"),
        transform: DemoCommand.level
    )
    var logLevel = Logger.Level.notice

    @Option(
        help: ArgumentHelp(
            "The user that workers become when root starts the server. (default: nobody)",
            valueName: "name"
        )
    )
    var user: String?

    @Flag(help: "Let workers stay root, which nobody should.")
    var allowRoot = false

    @Option(
        help: ArgumentHelp(
            "What carries connections: lean (Linux only; elsewhere stock) or stock (NIOPosix). (default: lean)",
            valueName: "kind"
        ),
        transform: DemoCommand.transport
    )
    var transport = NIOTransport.lean

    @Flag(help: "Derive TLS 1.3 keys by StickyKeySchedule instead of OpenSSL's slower way to the same.")
    var ownKeySchedule = false

    @Flag(help: "On SIGHUP read the certificates anew, and keep the workers.")
    var keepWorkers = false

    @Option(
        help: ArgumentHelp(
            "How long a client waits for its own worker's successor before it gets another worker.",
            valueName: "seconds"
        )
    )
    var patience = 1.0

    @Option(
        help: ArgumentHelp(
            "Who brings connections to workers: «master» or the «kernel», which costs less and cannot do as much.",
            valueName: "who"
        ),
        transform: DemoCommand.steering
    )
    var steering = Steering.master

    @OptionGroup(title: "TLS")
    var tls: TLSArguments

    @Flag(help: "Allow POST /crash, which makes the worker trap.")
    var dangerous = false

    @Flag(help: "Serve /hello alone, on NIO's HTTP/1.1 without Hummingbird: for measuring.")
    var bare = false

    private static func level(_ text: String) throws -> Logger.Level {
        guard let level = Logger.Level(rawValue: text.lowercased()) else {
            throw ValidationError("«\(text)» is no level; expected one of \(levels).")
        }
        return level
    }

    private static func transport(_ text: String) throws -> NIOTransport {
        guard let transport = NIOTransport(rawValue: text) else {
            throw ValidationError("«\(text)» is no transport; expected stock or lean.")
        }
        return transport
    }

    private static func steering(_ text: String) throws -> Steering {
        switch text {
        case "master": return .master
        case "kernel": return .kernel
        default: throw ValidationError("«\(text)» steers nothing; expected master or kernel.")
        }
    }

    private static var levels: String { Logger.Level.allCases.map(\.rawValue).joined(separator: ", ") }

    /// Everything that can be wrong with the arguments alone: exit 64 and a sentence.
    func validate() throws {
        guard (0...1024).contains(workers) else {
            throw ValidationError("--workers is \(workers); expected 0 (one for each core) to 1024.")
        }
        guard (0...3600).contains(patience) else {
            throw ValidationError("--patience is \(patience); expected 0 to 3600 seconds.")
        }
        guard !plain || tls.isEmpty else {
            throw ValidationError("--plain serves without TLS, so the options about TLS have no use.")
        }
        _ = try addresses()
    }

    func run() async throws {
        do {
            let level = logLevel
            LoggingSystem.bootstrap { label in
                var handler = StreamLogHandler.standardError(label: label)
                handler.logLevel = level
                return handler
            }
            var configuration = Configuration()
            configuration.listeners = try addresses()
            configuration.maxWorkers = workers
            configuration.logger = Logger(label: "sticky")
            configuration.whenUnavailable = .waitThenReroute(.seconds(patience))
            configuration.steering = steering
            if keepWorkers { configuration.onHangup = .tell }
            configuration.privileges.allowsRoot = allowRoot
            if geteuid() == 0, !allowRoot { configuration.privileges.user = user ?? "nobody" }
            try await DemoServer(
                configuration: configuration,
                tls: plain ? nil : tls,
                transport: transport,
                hasOwnKeySchedule: ownKeySchedule,
                allowsCrash: dangerous,
                isBare: bare
            ).run()
        } catch {
            DemoCommand.complain("sticky-demo: \(error)")
            throw ExitCode(1)
        }
    }

    private func addresses() throws -> [ListenAddress] {
        do {
            return try (listen.isEmpty ? ["127.0.0.1:8443"] : listen).map { try ListenAddress(parsing: $0) }
        } catch {
            throw ValidationError("--listen: \(error).")
        }
    }

    static func complain(_ text: String) {
        _ = (text + "\n").withCString { write(2, $0, strlen($0)) }
    }
}
#endif
