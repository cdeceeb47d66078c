#if Hummingbird
internal import HTTPTypes
internal import NIOCore
internal import NIOHTTP1

/// Writes HTTP/1.1 responses (RFC 9112) into a buffer: what NIO's `HTTPResponseEncoder` puts on the wire, byte for byte, but
/// without a write for every part, and without a pass over the fields for every question.
///
/// Differs where that one spoils the connection for the next answer: an answer to HEAD, and one with a status that has
/// no body, is sent without one (RFC 9112 section 6.3), whatever the application writes.
struct HTTP1ResponseEncoder {
    /// What the connection adds about its own end.
    enum Persistence {
        /// Nothing: what the fields say is right.
        case asWritten
        case close
        /// To a client of HTTP/1.0 that has asked for it.
        case keepAlive
    }

    /// How the client knows where the body ends.
    private enum Framing {
        case length, chunked, untilClose
        case noBody
    }

    private var framing = Framing.noBody

    /// The body is sent in chunks.
    var isChunked: Bool { framing == .chunked }
    /// What the application writes as a body is not sent.
    var dropsBody: Bool { framing == .noBody }

    mutating func write(
        _ head: HTTPResponseHead,
        _ summary: HeadSummary,
        _ persistence: Persistence,
        isToHead: Bool,
        into buffer: inout ByteBuffer
    ) {
        write(
            status: Int(clamping: head.status.code),
            head.status.reasonPhrase,
            head.headers.lazy.map { ($0.name, $0.value) },
            summary,
            persistence,
            hasMinorVersion0: head.version.major == 1 && head.version.minor == 0,
            isToHead: isToHead,
            into: &buffer
        )
    }

    mutating func write(
        _ head: HTTPResponse,
        _ summary: HeadSummary,
        _ persistence: Persistence,
        isToHead: Bool,
        into buffer: inout ByteBuffer
    ) {
        write(
            status: head.status.code,
            head.status.reasonPhrase,
            head.headerFields.lazy.map { ($0.name.rawName, $0.value) },
            summary,
            persistence,
            hasMinorVersion0: false,
            isToHead: isToHead,
            into: &buffer
        )
    }

    private mutating func write(
        status: Int,
        _ reason: String,
        _ fields: some Sequence<(String, String)>,
        _ summary: HeadSummary,
        _ persistence: Persistence,
        hasMinorVersion0: Bool,
        isToHead: Bool,
        into buffer: inout ByteBuffer
    ) {
        let mayHaveBody = status >= 200 && status != 204 && status != 304
        let framing: Framing =
            !mayHaveBody ? .noBody : summary.hasContentLength ? .length : hasMinorVersion0 ? .untilClose : .chunked
        self.framing = isToHead ? .noBody : framing
        let isWrittenAsItIs = persistence == .asWritten && framing == .length && !summary.hasTransferEncoding
        // The most that is written besides the fields: the status line, two fields of ours and the end.
        let room = summary.byteCount + reason.utf8.count + 96
        buffer.writeWithUnsafeMutableBytes(minimumWritableBytes: room) { target in
            var writer = LineWriter(target)
            writer.put(hasMinorVersion0 ? "HTTP/1.0 " : "HTTP/1.1 ")
            writer.put(status)
            writer.put(" ")
            writer.put(reason)
            writer.endLine()
            for (name, value) in fields {
                if isWrittenAsItIs {
                    writer.put(name, value)
                    continue
                }
                switch FieldKind(name) {
                case .connection where persistence != .asWritten: continue
                case .contentLength where framing == .noBody: continue
                case .transferEncoding where framing != .untilClose: continue
                default: writer.put(name, value)
                }
            }
            switch persistence {
            case .asWritten: break
            case .close: writer.put("connection", "close")
            case .keepAlive: writer.put("connection", "keep-alive")
            }
            if framing == .chunked { writer.put("transfer-encoding", "chunked") }
            writer.endLine()
            return writer.count
        }
    }

    /// What stands before so many bytes of a body.
    func writeChunkHead(_ count: Int, into buffer: inout ByteBuffer) {
        buffer.writeString(String(count, radix: 16))
        buffer.writeStaticString("\r\n")
    }

    /// What stands behind the body.
    func writeEnd(trailers: HTTPHeaders?, into buffer: inout ByteBuffer) {
        guard isChunked else { return }
        buffer.writeStaticString("0\r\n")
        for field in trailers ?? [:] { buffer.writeString("\(field.name): \(field.value)\r\n") }
        buffer.writeStaticString("\r\n")
    }
}

/// Puts lines into memory that is known to suffice. What does not fit, by a mistake, is left out and never overruns.
private struct LineWriter {
    private let target: UnsafeMutableRawBufferPointer
    private(set) var count = 0

    init(_ target: UnsafeMutableRawBufferPointer) {
        self.target = target
    }

    @inline(__always)
    mutating func put(_ bytes: UnsafeRawBufferPointer) {
        guard bytes.count <= target.count - count, let from = bytes.baseAddress, let base = target.baseAddress else {
            return
        }
        (base + count).copyMemory(from: from, byteCount: bytes.count)
        count += bytes.count
    }

    @inline(__always)
    mutating func put(_ text: StaticString) {
        text.withUTF8Buffer { put(UnsafeRawBufferPointer($0)) }
    }

    @inline(__always)
    mutating func put(_ text: String) {
        // Swift's own strings are contiguous; others are made so.
        if text.utf8.withContiguousStorageIfAvailable({ put(UnsafeRawBufferPointer($0)) }) == nil {
            var copy = text
            copy.withUTF8 { put(UnsafeRawBufferPointer($0)) }
        }
    }

    /// A status.
    mutating func put(_ number: Int) {
        guard (100...999).contains(number) else { return put(String(number)) }
        withUnsafeTemporaryAllocation(byteCount: 3, alignment: 1) { digits in
            digits[0] = UInt8(48 + number / 100)
            digits[1] = UInt8(48 + number / 10 % 10)
            digits[2] = UInt8(48 + number % 10)
            put(UnsafeRawBufferPointer(digits))
        }
    }

    @inline(__always)
    mutating func put(_ name: String, _ value: String) {
        put(name)
        put(": " as StaticString)
        put(value)
        endLine()
    }

    @inline(__always)
    mutating func endLine() {
        put("\r\n" as StaticString)
    }
}
#endif
