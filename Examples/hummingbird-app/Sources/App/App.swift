import Hummingbird
import StickyHummingbird
import StickyTLS

/// A chat room's worth of state in one process: it stays correct because each client always reaches the same worker.
actor Visits {
    private var counts: [String: Int] = [:]

    func count(_ name: String) -> Int {
        counts[name, default: 0] += 1
        return counts[name, default: 0]
    }
}

@main
struct App {
    static func main() async throws {
        let visits = Visits()
        let router = Router()
        router.middlewares.add(LogRequestsMiddleware(.debug))
        router.get("/") { _, _ in "hello\n" }
        router.get("visits/:name") { _, context in
            let name = try context.parameters.require("name")
            let slot = StickyConnection.current?.slot ?? 0
            return "\(name) was here \(await visits.count(name)) times, says worker \(slot)\n"
        }
        let app = Application(router: router, configuration: .init(serverName: "example"))

        // With Hummingbird alone: try await app.runService()
        // PORT and CERTIFICATE (a PEM file with chain and key) are for trying it out; see README.md.
        let environment = Environment()
        let tls = environment.get("CERTIFICATE").map { TLSConfiguration(identities: [TLSIdentity(file: $0)]) }
        try await app.runStickyService(port: environment.get("PORT", as: Int.self) ?? 8080, tls: tls)
    }
}
