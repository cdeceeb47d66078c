#if NIO
import NIOCore
import NIOHTTP1

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What all connections of a worker share. Lives on the worker's event loop.
final class DemoSite {
    let slot: Int
    let allowsCrash: Bool
    let limits: HTTPLimits
    let counters = CounterStore()
    let pid = Int(getpid())
    /// What `/hello` answers.
    let hello = ByteBuffer(string: "Hello, world!\n")
    /// What `/bytes/N` is made of.
    let filler: ByteBuffer

    private let slotText: String
    private var date = HTTPDate()
    private var helloHead = HTTPResponseHead(version: .http1_1, status: .ok)
    private var helloHeadChanges = 0

    init(slot: Int, allowsCrash: Bool, limits: HTTPLimits = HTTPLimits()) {
        self.slot = slot
        self.allowsCrash = allowsCrash
        self.limits = limits
        slotText = String(slot)
        let line = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-\n"
        filler = ByteBuffer(string: String(repeating: line, count: 2048))
    }

    /// The fields of every response.
    func headers(_ now: NIODeadline, contentType: String?, contentLength: Int?) -> HTTPHeaders {
        var headers = HTTPHeaders()
        headers.reserveCapacity(6)
        headers.add(name: "Date", value: date.text(now))
        headers.add(name: "X-Sticky-Slot", value: slotText)
        if let contentType { headers.add(name: "Content-Type", value: contentType) }
        if let contentLength { headers.add(name: "Content-Length", value: String(contentLength)) }
        return headers
    }

    /// The head of `/hello` on a connection that stays open. It changes once a second.
    func headOfHello(_ now: NIODeadline) -> HTTPResponseHead {
        date.refresh(now)
        if date.changes != helloHeadChanges {
            helloHeadChanges = date.changes
            helloHead.headers = headers(now, contentType: "text/plain", contentLength: hello.readableBytes)
        }
        return helloHead
    }
}
#endif
