#if Hummingbird
import StickyHummingbird
import StickyNIO
import StickyServer
import StickyTLS

/// The bodies that are made of text.
enum Pages {
    static func index(_ site: DemoSite, _ connection: StickyConnection?) -> String {
        """
        This is sticky-demo. Slot \(site.slot) answers you\(connection.map { " (\($0.peer))" } ?? ""), and will again.

        /hello        fourteen bytes, for measuring
        /whoami       who you are, who answers, and why (JSON)
        /bytes/N      N bytes
        /echo         POST: what you send comes back while you send it
        /sleep/MS     an answer after MS milliseconds
        /counter      how often you were here, as this worker remembers (keep the cookie)
        /crash        POST: makes this worker trap\(site.allowsCrash ? "" : " (needs --dangerous)")

        """
    }

    static func whoami(_ site: DemoSite, _ connection: StickyConnection?) -> String {
        guard let connection else { return "{\"slot\":\(site.slot),\"pid\":\(site.pid)}\n" }
        return """
            {"slot":\(connection.slot),"pid":\(site.pid),"generation":\(connection.generation),\
            "client":\(json(connection.peer.description)),"routedBy":\(json(connection.info.reason.description)),\
            "tls":\(connection.tls.map(json) ?? "null"),"requestsOnConnection":\(connection.requests)}

            """
    }

    static func counter(_ site: DemoSite, count: Int) -> String {
        "{\"count\":\(count),\"slot\":\(site.slot),\"pid\":\(site.pid)}\n"
    }

    private static func json(_ tls: TLSConnectionInfo) -> String {
        """
        {"version":\(json(tls.version.description)),"cipher":\(json(tls.cipher)),"group":\(json(tls.group)),\
        "alpn":\(json(tls.applicationProtocol)),"sni":\(json(tls.serverName)),"resumed":\(tls.isResumed),\
        "clientCertificate":\(json(tls.clientCertificate?.subject))}
        """
    }

    private static func json(_ text: String?) -> String {
        guard let text else { return "null" }
        var out = "\""
        for scalar in text.unicodeScalars {
            switch scalar {
            case "\"": out += "\\\""
            case "\\": out += "\\\\"
            case let scalar where scalar.value < 0x20:
                let hex = String(scalar.value, radix: 16)
                out += "\\u" + String(repeating: "0", count: 4 - hex.count) + hex
            default: out.unicodeScalars.append(scalar)
            }
        }
        return out + "\""
    }
}
#endif
