#if Hummingbird
import HTTPTypes
import NIOHTTP1
import NIOHTTPTypesHTTP1
@testable import StickyHummingbird
import Testing

@Suite("A request in Hummingbird's types")
struct RequestConversionTests {
    @Test(
        "is what NIO's codec makes of it",
        arguments: [
            "/", "/a/b?c=d#e", "//host/path", "/http://other/x", "*", "", "http://other:8080/x?y", "https://other",
            "a:b",
            "/%zz", "/caf\u{e9}",
        ]
    )
    func equal(_ uri: String) throws {
        for headers: HTTPHeaders in [[:], ["Host": "one", "host": "two", "cookie": "a; b", "x y": "z"]] {
            let head = HTTPRequestHead(version: .http1_1, method: .RAW(value: "BREW"), uri: uri, headers: headers)
            for isSecure in [true, false] {
                let request = try HTTPRequest(serving: head, isSecure: isSecure)
                #expect(try request == HTTPRequest(head, secure: isSecure, splitCookie: false))
            }
        }
        let broken = HTTPRequestHead(version: .http1_1, method: .RAW(value: "no token"), uri: uri)
        #expect(throws: HTTP1TypeConversionError.self) { try HTTPRequest(serving: broken, isSecure: true) }
    }
}
#endif
