#if Hummingbird
import Hummingbird
import NIOCore
import StickyHummingbird
import StickyNIO
import StickyServer
import StickyTLS

// docs/hummingbird.md

struct MovedApplication {
    static func main() async throws {
        let router = Router()
        router.get("hello") { _, _ in "hello\n" }
        let app = Application(router: router)
        let tls = TLSConfiguration(identities: [TLSIdentity(file: "certs/localhost.pem")])
        try await app.runStickyService(port: 8443, tls: tls)
    }
}

struct AppContext: StickyRequestContext {
    var coreContext: CoreRequestContextStorage

    init(source: Source) {
        coreContext = .init(source: source)
    }
}

func addWhoAmI(to router: Router<AppContext>) {
    router.get("whoami") { _, context in
        guard let connection = context.connection else { return "not on a sticky worker\n" }
        let name = connection.tls?.clientCertificate?.subject ?? "no certificate"
        return "\(connection.peer) on slot \(connection.slot), \(connection.scheme), \(name)\n"
    }
}

func strict() -> HTTPOptions {
    var options = HTTPOptions()
    options.timeouts.keepAlive = .seconds(20)
    options.limits.requestBody = 10 << 20
    options.http2?.concurrentStreams = 50
    return options
}
#endif
