#if Hummingbird
import Logging
import NIOCore
import StickyHummingbird
import StickyKeySchedule
import StickyNIO
import StickyServer
import StickyTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The demo in both its roles.
struct DemoServer: Sendable {
    let configuration: Configuration
    /// Nil serves in the clear.
    let tls: TLSArguments?
    let transport: NIOTransport
    let hasOwnKeySchedule: Bool
    let allowsCrash: Bool
    /// Serves `/hello` alone, without Hummingbird.
    let isBare: Bool

    func run() async throws {
        let server = try StickyServer(configuration: configuration)
        // Made in the master too, before it starts anything: a wrong file is reported once and not by every worker.
        let context = try tls.map { arguments in
            var configuration = try arguments.configuration()
            if !isBare { configuration.applicationProtocols = ["h2", "http/1.1"] }
            if hasOwnKeySchedule {
                try TLSKeySchedule.install()
                configuration.algorithmProperties = TLSKeySchedule.properties
            }
            return try TLSContext(configuration)
        }
        guard let worker = server.worker else { return try await listen(server, context) }
        if isBare {
            try await server.work(try bareHandler(worker, context))
        } else {
            let site = DemoSite(slot: worker.slot, allowsCrash: allowsCrash)
            var options = HTTPOptions()
            options.transport = transport
            let app = site.application(configuration.logger)
            try await server.work(HummingbirdHandler(app, tls: context, options: options))
        }
    }

    private func listen(_ server: StickyServer, _ context: TLSContext?) async throws {
        let scheme = tls == nil ? "http" : "https"
        let events = server.events()
        let announcing = Task {
            for await event in events {
                guard case .listening(let addresses, let workers) = event else { continue }
                let names = addresses.map { $0.port == nil ? "\($0)" : "\(scheme)://\($0)" }
                Self.say("listening \(names.joined(separator: " ")) workers=\(workers) master=\(getpid())")
            }
        }
        let master = try context.map { try TLSMaster($0, of: server) }
        let running = Task { try await master?.run() }
        defer { running.cancel() }
        try await server.listen()
        await announcing.value
    }

    private func bareHandler(_ worker: Worker, _ tls: TLSContext?) throws -> NIOConnectionHandler {
        // One loop, so that what the worker keeps in memory needs no lock.
        let group = try transport.makeGroup()
        let site = NIOLoopBoundBox.makeBoxSendingValue(BareSite(slot: worker.slot), eventLoop: group.next())
        return NIOConnectionHandler(group: group, tls: tls, logger: configuration.logger) { channel, _ in
            channel.eventLoop.makePreparedFuture { try BareHandler.install(on: channel, site: site.value) }
        }
    }

    private static func say(_ line: String) {
        _ = (line + "\n").withCString { write(1, $0, strlen($0)) }
    }
}
#endif
