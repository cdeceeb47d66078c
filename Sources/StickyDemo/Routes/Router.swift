#if NIO
import NIOCore
import NIOHTTP1

/// What a request asks for.
enum Route: Equatable {
    case index
    case hello
    case whoami
    case bytes(Int)
    case echo
    case sleep(milliseconds: Int)
    /// With the name by which the client is known.
    case counter(String?)
    case crash
    case refused(Refusal)
}

/// An answer that says no.
struct Refusal: Equatable, Error {
    let status: HTTPResponseStatus
    let text: String
    var allow: String?

    init(_ status: HTTPResponseStatus, _ text: String, allow: String? = nil) {
        self.status = status
        self.text = text
        self.allow = allow
    }
}

/// Finds the route of a request head.
struct Router {
    let limits: HTTPLimits
    let allowsCrash: Bool

    func route(_ head: HTTPRequestHead) -> Route {
        // The leanest path first.
        if head.uri == "/hello", head.method == .GET { return .hello }
        let path = Self.path(of: head.uri)
        switch path {
        case "/": return reading(head, .index)
        case "/hello": return reading(head, .hello)
        case "/whoami": return reading(head, .whoami)
        case "/counter": return reading(head, .counter(CounterStore.name(in: head.headers)))
        case "/echo": return only([.POST, .PUT], head, .echo)
        case "/crash": return only([.POST], head, crash)
        default: break
        }
        if path.hasPrefix("/bytes/") {
            return reading(head, number(path.dropFirst(7), upTo: limits.bytes).map { .bytes($0) })
        }
        if path.hasPrefix("/sleep/") {
            return reading(
                head,
                number(path.dropFirst(7), upTo: limits.sleepMilliseconds).map { .sleep(milliseconds: $0) }
            )
        }
        return .refused(Refusal(.notFound, "There is nothing at this path. / lists what there is."))
    }

    /// The path in origin form (RFC 9112 section 3.2), without the query.
    static func path(of target: String) -> Substring {
        var rest = Substring(target)
        for scheme in ["http://", "https://"] where rest.lowercased().hasPrefix(scheme) {
            rest = rest.dropFirst(scheme.count).drop { $0 != "/" && $0 != "?" }
            if rest.first != "/" { return "/" }
        }
        return rest.prefix { $0 != "?" }
    }

    private var crash: Route {
        allowsCrash ? .crash : .refused(Refusal(.forbidden, "Start the server with --dangerous to allow this."))
    }

    private func reading(_ head: HTTPRequestHead, _ route: Route?) -> Route {
        guard let route else {
            return .refused(
                Refusal(
                    .badRequest,
                    "Expected a number: /bytes/N with N up to \(limits.bytes), /sleep/MS with MS up to "
                        + "\(limits.sleepMilliseconds)."
                )
            )
        }
        return only([.GET, .HEAD], head, route)
    }

    private func only(_ methods: [HTTPMethod], _ head: HTTPRequestHead, _ route: Route) -> Route {
        if methods.contains(head.method) { return route }
        let allow = methods.map(\.rawValue).joined(separator: ", ")
        return .refused(Refusal(.methodNotAllowed, "This path takes \(allow).", allow: allow))
    }

    private func number(_ text: Substring, upTo limit: Int) -> Int? {
        // Digits alone: Int() would take a sign too.
        guard !text.isEmpty, text.utf8.allSatisfy({ (48...57).contains($0) }), let number = Int(text) else {
            return nil
        }
        return number <= limit ? number : nil
    }
}
#endif
