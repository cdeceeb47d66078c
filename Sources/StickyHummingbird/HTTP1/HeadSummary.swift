#if Hummingbird
internal import HTTPTypes
internal import NIOHTTP1

/// The fields of a head that concern the connection.
enum FieldKind {
    case connection, contentLength, transferEncoding, other

    @inline(__always)
    init(_ name: String) {
        switch name.utf8.count {
        case 10: self = Self.isEqual(name, "connection") ? .connection : .other
        case 14: self = Self.isEqual(name, "content-length") ? .contentLength : .other
        case 17: self = Self.isEqual(name, "transfer-encoding") ? .transferEncoding : .other
        default: self = .other
        }
    }

    private static func isEqual(_ name: String, _ lowercased: StaticString) -> Bool {
        // Swift's own strings are contiguous.
        name.utf8.withContiguousStorageIfAvailable { bytes in
            lowercased.withUTF8Buffer { expected in
                guard bytes.count == expected.count else { return false }
                for index in bytes.indices {
                    let byte = bytes[index]
                    guard (byte &- 65 < 26 ? byte | 32 : byte) == expected[index] else { return false }
                }
                return true
            }
        } ?? (name.lowercased() == "\(lowercased)")
    }
}

/// What has to be known of a head before it is written.
struct HeadSummary {
    /// Of all lines of fields.
    private(set) var byteCount = 0
    private(set) var hasContentLength = false
    private(set) var hasTransferEncoding = false
    /// The application wants the connection to close.
    private(set) var saysClose = false

    init(_ headers: HTTPHeaders) {
        for field in headers { add(field.name, field.value) }
    }

    init(_ fields: HTTPFields) {
        for field in fields { add(field.name.rawName, field.value) }
    }

    @inline(__always)
    private mutating func add(_ name: String, _ value: String) {
        byteCount += name.utf8.count + value.utf8.count + 4
        switch FieldKind(name) {
        case .contentLength: hasContentLength = true
        case .connection:
            if HTTPHeaders([("connection", value)])[canonicalForm: "connection"].contains(where: {
                $0.lowercased() == "close"
            }) {
                saysClose = true
            }
        case .transferEncoding: hasTransferEncoding = true
        case .other: break
        }
    }
}
#endif
