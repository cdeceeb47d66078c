#if Hummingbird
import NIOCore
import NIOEmbedded
import StickyNIO
import StickyServer

@testable import StickyDemo

/// The demo's bare HTTP/1.1 over an embedded channel: text in, text out.
final class Visitor {
    let channel = EmbeddedChannel()

    init() throws {
        channel.allowRemoteHalfClosure = true
        try BareHandler.install(on: channel, site: BareSite(slot: 5))
        try channel.connect(to: .init(ipAddress: "127.0.0.1", port: 1)).wait()
    }

    deinit {
        channel.close(promise: nil)
        channel.embeddedEventLoop.run()
    }

    func send(_ text: String) {
        _ = try? channel.writeInbound(ByteBuffer(string: text))
    }

    func answer() -> String {
        var text = ""
        while let part = try? channel.readOutbound(as: ByteBuffer.self) { text += String(buffer: part) }
        return text
    }

    func ask(_ text: String) -> String {
        send(text)
        return answer()
    }

    func get(_ path: String, _ fields: String = "") -> String {
        ask("GET \(path) HTTP/1.1\r\nHost: localhost\r\n\(fields)\r\n")
    }

    func drain(_ reason: DrainRequest.Reason) {
        let event = StickyDrainEvent(DrainRequest(reason: reason, deadline: .now + .seconds(30)))
        channel.pipeline.fireUserInboundEventTriggered(event)
    }
}

extension String {
    func components(_ text: String) -> Int {
        var count = 0
        var rest = self[...]
        while let range = rest.range(of: text) {
            count += 1
            rest = rest[range.upperBound...]
        }
        return count
    }

    func range(of text: String) -> Range<Index>? { self[...].range(of: text) }
}

extension Substring {
    func range(of text: String) -> Range<Index>? {
        var start = startIndex
        while start < endIndex {
            if self[start...].hasPrefix(text) { return start..<index(start, offsetBy: text.count) }
            start = index(after: start)
        }
        return nil
    }
}
#endif
