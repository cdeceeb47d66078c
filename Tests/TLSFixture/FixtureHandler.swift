import Foundation
import StickyNIO
import StickyServer
import StickyTLS
import Synchronization

/// Serves a worker's connections by the transport that the settings name, and answers the master's orders.
struct FixtureHandler: ConnectionHandler {
    private let path: String
    private let slot: Int
    private let context: TLSContext
    private let watches: Bool
    private let serving: any ConnectionHandler

    init(_ settings: FixtureSettings, path: String, worker: Worker) throws {
        self.path = path
        slot = worker.slot
        watches = settings.watch == true
        context = try TLSContext(settings.tlsConfiguration(slot: slot))
        switch settings.transport ?? .stock {
        case .threads:
            serving = FixtureHandler.threads(context, Facts(worker))
        #if NIO
        case .stock, .lean:
            serving = ConversationHandler.serving(
                context,
                settings.transport == .lean ? .lean : .stock,
                Facts(worker),
                sendBuffer: settings.sendBuffer
            )
        #else
        case .stock, .lean:
            throw FixtureError("built without NIO: only the transport «threads» is there")
        #endif
        }
    }

    func start(_ worker: Worker) async throws {
        try await serving.start(worker)
        guard watches else { return }
        let reloader = TLSReloader(context, every: .milliseconds(100), settleTime: .milliseconds(200))
        Task { try await reloader.run() }
    }

    func addConnection(_ socket: consuming PausedSocket) {
        serving.addConnection(socket)
    }

    func drain(_ request: DrainRequest) {
        serving.drain(request)
    }

    func checkHealth(_ answer: @escaping @Sendable () -> Void) {
        serving.checkHealth(answer)
    }

    func clusterRequest(_ request: ClusterMessage) async -> [UInt8]? {
        switch String(decoding: request.payload, as: UTF8.self) {
        case "reload": Array(reload().utf8)
        case "stats": Array(stats().utf8)
        default: nil
        }
    }

    /// Reads the settings again, so that the file may ask for another policy too.
    private func reload() -> String {
        do {
            try context.reload(FixtureSettings(contentsOf: path).tlsConfiguration(slot: slot))
            return JSON.text(["ok": true, "generation": context.generation])
        } catch let error as TLSError {
            return JSON.text([
                "ok": false, "code": "\(error.code)", "file": error.file ?? "", "generation": context.generation,
            ])
        } catch {
            return JSON.text(["ok": false, "code": "settings", "why": "\(error)", "generation": context.generation])
        }
    }

    private func stats() -> String {
        let counts = context.counters.snapshot
        return JSON.text([
            "ok": true,
            "pid": Int(getpid()),
            "generation": context.generation,
            "questions": questions.load(ordering: .relaxed),
            "handshakesInProgress": context.handshakesInProgress,
            "full": counts.fullHandshakes,
            "resumed": counts.resumedHandshakes,
            "failed": counts.failedHandshakes,
            "refused": counts.handshakesRefused,
            "passedOver": counts.handshakesPassedOver,
            "ticketsUnknown": counts.ticketsUnknown,
            "ticketsExpired": counts.ticketsExpired,
            "ticketsIssued": counts.ticketsIssued,
            "truncated": counts.truncated,
            "keyUpdates": counts.keyUpdates,
            "staples": counts.staplesSent,
            "clientCertificateFailures": counts.clientCertificateFailures,
            "unknownNames": counts.unknownNames,
            "plainHTTP": counts.plainHTTP,
        ])
    }

    private static func threads(_ context: TLSContext, _ facts: Facts) -> TLSWorker<ThreadPerConnection> {
        let application = ThreadPerConnection { connection in
            try connection.handshake()
            let (peer, info) = ("\(connection.socket.peer)", connection.info)
            var conversation = Conversation(facts: facts.text(peer, info))
            while true {
                var outputs: [Conversation.Output] = []
                do {
                    let bytes = try connection.read()
                    outputs = bytes.isEmpty ? conversation.end(isClean: true) : conversation.receive(bytes)
                } catch let error as TLSConnectionError where error.code == .truncated {
                    outputs = conversation.end(isClean: false)
                }
                for output in outputs {
                    switch output {
                    case .bytes(let bytes): try connection.write(bytes)
                    case .close: return
                    case .pattern(let count):
                        for start in stride(from: 0, to: count, by: Conversation.patternPiece) {
                            try connection.write(Conversation.pattern(start, count: count - start))
                        }
                    }
                }
            }
        }
        return TLSWorker(context, application: application)
    }
}

/// What the fixture knows of a connection.
struct Facts: Sendable {
    private let slot: Int
    private let generation: Int

    init(_ worker: Worker) {
        slot = worker.slot
        generation = worker.generation
    }

    func text(_ peer: String, _ info: TLSConnectionInfo?) -> String {
        var values: [String: Any] = ["slot": slot, "start": generation, "pid": Int(getpid()), "peer": peer]
        if let info {
            values["version"] = "\(info.version)"
            values["cipher"] = info.cipher
            values["group"] = info.group ?? ""
            values["alpn"] = info.applicationProtocol ?? ""
            values["sni"] = info.serverName ?? ""
            values["resumed"] = info.isResumed
        }
        if let certificate = info?.clientCertificate {
            values["subject"] = certificate.subject
            values["uris"] = certificate.uris
            values["verified"] = certificate.isVerified
            values["verifiedHere"] = certificate.isVerifiedOnThisConnection
        }
        return JSON.text(values)
    }
}

struct FixtureError: Error, CustomStringConvertible {
    let description: String

    init(_ description: String) {
        self.description = description
    }
}
