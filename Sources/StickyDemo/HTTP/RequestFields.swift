#if NIO
import NIOHTTP1

/// The fields of a request that this server acts on, found in one pass.
struct RequestFields {
    private(set) var hosts = 0
    private(set) var contentLength: Int?
    private(set) var isChunked = false
    private(set) var wantsUpgrade = false
    private(set) var expectsContinue = false

    init(_ headers: HTTPHeaders) {
        for (name, value) in headers {
            // The length tells almost all fields apart.
            switch name.utf8.count {
            case 4 where Self.same(name, "host"): hosts += 1
            case 6 where Self.same(name, "expect"): expectsContinue = Self.same(value, "100-continue")
            case 7 where Self.same(name, "upgrade"): wantsUpgrade = true
            case 14 where Self.same(name, "content-length"): contentLength = Int(value)
            case 17 where Self.same(name, "transfer-encoding"): isChunked = true
            default: break
            }
        }
    }

    var hasBody: Bool { isChunked || contentLength != nil }

    private static func same(_ text: String, _ lowercase: StaticString) -> Bool {
        text.utf8.count == lowercase.utf8CodeUnitCount
            && zip(text.utf8, UnsafeBufferPointer(start: lowercase.utf8Start, count: lowercase.utf8CodeUnitCount))
                .allSatisfy { $0 | 0x20 == $1 }
    }
}
#endif
