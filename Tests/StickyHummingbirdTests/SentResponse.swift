#if Hummingbird
import NIOCore
import NIOEmbedded
import NIOHTTP1

extension EmbeddedChannel {
    /// What was written and not read yet, as text.
    func sentText() throws -> String {
        var text = ""
        while let data = try readOutbound(as: IOData.self) {
            if case .byteBuffer(let bytes) = data { text += String(buffer: bytes) }
        }
        return text
    }
}

/// The first response of a text.
struct SentResponse {
    let head: HTTPResponseHead
    let rest: String

    /// Nil for no text at all.
    init?(_ text: String) {
        guard let end = text.firstRange(of: "\r\n\r\n") else { return nil }
        let lines = text[..<end.lowerBound].split(separator: "\r\n")
        let status = lines[0].split(separator: " ").compactMap { Int($0) }.first ?? 0
        var head = HTTPResponseHead(version: .http1_1, status: .init(statusCode: status))
        for line in lines.dropFirst() {
            let colon = line.firstIndex(of: ":") ?? line.endIndex
            head.headers.add(
                name: String(line[..<colon]),
                value: line[colon...].dropFirst().trimmingPrefix(" ").description
            )
        }
        self.head = head
        rest = String(text[end.upperBound...])
    }
}
#endif
