import Foundation
import Logging
import StickyServer
import StickyTLS

/// The server that the TLS tests run as real processes: a cluster that is configured by a JSON file
/// (``FixtureSettings``) and speaks a line protocol, or HTTP, over TLS (``Conversation``).
///
/// The master takes orders on standard input, one a line, and answers each on standard output with `answer` and JSON:
/// `reload SLOT` and `stats SLOT` go to the worker of a slot; `rotate` makes new ticket keys; `share` gives the files
/// to all workers.
@main
struct TLSFixture {
    static func main() async {
        do {
            let path = CommandLine.arguments.dropFirst().first ?? ""
            let settings = try FixtureSettings(contentsOf: path)
            LoggingSystem.bootstrap { label in
                var handler = StreamLogHandler.standardError(label: label)
                handler.logLevel = settings.log.flatMap { Logger.Level(rawValue: $0) } ?? .info
                return handler
            }
            let server = try StickyServer(configuration: try settings.serverConfiguration())
            if let worker = server.worker {
                try await server.work(FixtureHandler(settings, path: path, worker: worker))
            } else {
                try await runMaster(server, settings)
            }
        } catch {
            complain("fixture: \(error)")
            exit(1)
        }
    }

    private static func runMaster(_ server: StickyServer, _ settings: FixtureSettings) async throws {
        let configuration = try settings.tlsConfiguration(slot: -1)
        // As a server should: a wrong file is reported once and not by every worker.
        let context = try TLSContext(configuration)
        if settings.share == true { try TLSFileShare.share(configuration, with: server) }
        let master = settings.master == true ? try TLSMaster(context, of: server) : nil
        let rotation =
            settings.tls.ticketKeys == "master" && master == nil
            ? try TicketKeyRotation(sharingWith: server) : master?.rotation
        let watching = Task { try await master?.run() }
        let events = server.events()
        let printing = Task {
            for await event in events { tell(event) }
        }
        let orders = AsyncStream<String> { stream in
            Thread.detachNewThread {
                while let line = readLine() { stream.yield(line) }
                stream.finish()
            }
        }
        let obeying = Task {
            for await order in orders { say("answer \(await obey(order, server, configuration, rotation))") }
        }
        defer {
            obeying.cancel()
            watching.cancel()
        }
        try await server.listen()
        await printing.value
    }

    private static func obey(
        _ order: String,
        _ server: StickyServer,
        _ configuration: TLSConfiguration,
        _ rotation: TicketKeyRotation?
    ) async -> String {
        let words = order.split(separator: " ").map(String.init)
        do {
            switch words.first {
            case "rotate":
                try rotation?.rotate()
                return #"{"ok":true}"#
            case "share":
                try TLSFileShare.share(configuration, with: server)
                return #"{"ok":true}"#
            case "reload", "stats":
                guard words.count == 2, let slot = Int(words[1]) else { return #"{"ok":false,"why":"no slot"}"# }
                let answer = try await server.request(Array(words[0].utf8), to: slot, timeout: .seconds(20))
                return String(decoding: answer, as: UTF8.self)
            default:
                return #"{"ok":false,"why":"no such order"}"#
            }
        } catch let error as TLSError {
            return JSON.text(["ok": false, "code": "\(error.code)", "why": "\(error)"])
        } catch {
            return JSON.text(["ok": false, "why": "\(error)"])
        }
    }

    private static func tell(_ event: MasterEvent) {
        switch event {
        case .listening(let addresses, let workers):
            say("listening \(addresses.map(\.description).joined(separator: " ")) workers=\(workers)")
        case .workerReady(let slot, _, let pid):
            say("ready slot=\(slot) pid=\(pid)")
        default:
            break
        }
    }
}

/// JSON without a type for each answer.
enum JSON {
    static func text(_ values: [String: Any]) -> String {
        let data = try? JSONSerialization.data(withJSONObject: values, options: [.sortedKeys, .withoutEscapingSlashes])
        return String(decoding: data ?? Data(), as: UTF8.self)
    }
}

func say(_ text: String) {
    writeLine(text, to: 1)
}

func complain(_ text: String) {
    writeLine(text, to: 2)
}

/// Unbuffered, so that the tests see it at once.
private func writeLine(_ text: String, to descriptor: CInt) {
    let line = Array((text + "\n").utf8)
    _ = line.withUnsafeBytes { write(descriptor, $0.baseAddress, $0.count) }
}
