#if NIO
import NIOCore
import NIOHTTP1
import StickyNIO

// From a request's head to the end of its answer.
extension HTTPConnection {
    func begin(_ context: ChannelHandlerContext, _ head: HTTPRequestHead) {
        requests += 1
        bodyBytes = 0
        isHEAD = head.method == .HEAD
        keepsAlive = head.isKeepAlive
        wantsKeepAliveField = head.version == .http1_0
        let fields = RequestFields(head.headers)
        // After either of these the decoder takes what follows for another protocol.
        if fields.wantsUpgrade || head.method == .CONNECT { keepsAlive = false }
        if fields.hosts != 1, head.version == .http1_1 {
            return refuse(context, Refusal(.badRequest, "HTTP/1.1 needs one Host field in each request."))
        }
        switch router.route(head) {
        case .echo: beginEcho(context, head, fields)
        case let route:
            if let length = fields.contentLength, length > site.limits.unusedBody { return refuseBody(context) }
            if fields.hasBody {
                expect(context, within: site.limits.body)
                proceed(context, head, fields)
            }
            state = .receiving(route)
        }
    }

    /// The request is complete.
    func answer(_ context: ChannelHandlerContext, _ route: Route) {
        switch route {
        case .hello:
            hello(context)
        case .index:
            text(context, Pages.index(site, connection))
        case .whoami:
            let tls = context.stickyTLS
            let page = Pages.whoami(site, connection, tls: tls, requests: requests)
            text(context, page, contentType: "application/json")
        case .bytes(let count):
            beginStream(context, count)
        case .sleep(let milliseconds):
            beginSleep(context, milliseconds)
        case .counter(let name):
            let visit = site.counters.visit(name)
            let page = Pages.counter(site, count: visit.count)
            let cookie = visit.isNew ? "\(CounterStore.cookie)=\(visit.name); Path=/; HttpOnly; SameSite=Lax" : nil
            text(context, page, contentType: "application/json", fields: cookie.map { [("Set-Cookie", $0)] } ?? [])
        case .crash:
            fatalError("POST /crash asked for it")
        case .refused(let refusal):
            let fields = refusal.allow.map { [("Allow", $0)] } ?? []
            text(context, refusal.text + "\n", status: refusal.status, fields: fields)
        case .echo:
            break
        }
    }

    /// Says no and closes: what the client still sends has no place in a request that is understood.
    func refuse(_ context: ChannelHandlerContext, _ refusal: Refusal) {
        keepsAlive = false
        text(context, refusal.text + "\n", status: refusal.status)
    }

    func refuseBody(_ context: ChannelHandlerContext) {
        refuse(context, Refusal(.payloadTooLarge, "The body is too long for this path."))
    }

    // MARK: - Short answers

    private func hello(_ context: ChannelHandlerContext) {
        let now = context.eventLoop.now
        if closesAfterThis || wantsKeepAliveField {
            head(context, now, .ok, contentType: "text/plain", contentLength: site.hello.readableBytes)
        } else {
            write(context, .head(site.headOfHello(now)))
        }
        if !isHEAD { write(context, .body(.byteBuffer(site.hello))) }
        finish(context)
    }

    private func text(
        _ context: ChannelHandlerContext,
        _ text: String,
        contentType: String = "text/plain; charset=utf-8",
        status: HTTPResponseStatus = .ok,
        fields: [(String, String)] = []
    ) {
        let body = ByteBuffer(string: text)
        head(
            context,
            context.eventLoop.now,
            status,
            contentType: contentType,
            contentLength: body.readableBytes,
            fields: fields
        )
        if !isHEAD { write(context, .body(.byteBuffer(body))) }
        finish(context)
    }

    /// Whether the connection ends with this answer; decided when its head is written.
    private var closesAfterThis: Bool {
        if isDraining || inputHasEnded { keepsAlive = false }
        return !keepsAlive
    }

    func head(
        _ context: ChannelHandlerContext,
        _ now: NIODeadline,
        _ status: HTTPResponseStatus,
        contentType: String?,
        contentLength: Int?,
        fields: [(String, String)] = []
    ) {
        var headers = site.headers(now, contentType: contentType, contentLength: contentLength)
        for (name, value) in fields { headers.add(name: name, value: value) }
        if closesAfterThis {
            headers.add(name: "Connection", value: "close")
        } else if wantsKeepAliveField {
            headers.add(name: "Connection", value: "keep-alive")
        }
        write(context, .head(HTTPResponseHead(version: .http1_1, status: status, headers: headers)))
    }

    // MARK: - Sleep

    private func beginSleep(_ context: ChannelHandlerContext, _ milliseconds: Int) {
        state = .answering
        expectNothing()
        let delay = TimeAmount.milliseconds(Int64(milliseconds))
        sleep = context.eventLoop.assumeIsolated().scheduleTask(in: delay) { [self] in
            sleep = nil
            text(context, "slept \(milliseconds) ms\n")
        }
    }

    // MARK: - Streams

    private func beginStream(_ context: ChannelHandlerContext, _ count: Int) {
        head(context, context.eventLoop.now, .ok, contentType: "application/octet-stream", contentLength: count)
        guard !isHEAD, count > 0 else { return finish(context) }
        state = .answering
        bytesLeft = count
        expectAnswerTaken(context)
        stream(context)
    }

    /// Writes for as long as the client takes it, a few megabytes at a time so that others have their turn.
    func stream(_ context: ChannelHandlerContext) {
        guard !isInStream else { return }
        isStreaming = true
        isInStream = true
        var turn = 32
        while bytesLeft > 0, turn > 0, context.channel.isWritable, isBusy {
            let piece = site.filler.getSlice(at: 0, length: min(bytesLeft, site.filler.readableBytes)) ?? site.filler
            bytesLeft -= piece.readableBytes
            turn -= 1
            write(context, .body(.byteBuffer(piece)))
            flushNow(context)
        }
        isInStream = false
        guard isBusy else { return }
        if bytesLeft == 0 {
            finish(context)
        } else if turn == 0 {
            context.eventLoop.assumeIsolated().execute { [self] in
                if isStreaming, isBusy { stream(context) }
            }
        }
    }

    private func beginEcho(_ context: ChannelHandlerContext, _ request: HTTPRequestHead, _ fields: RequestFields) {
        if let length = fields.contentLength, length > site.limits.echoBody { return refuseBody(context) }
        proceed(context, request, fields)
        let contentType = request.headers.first(name: "Content-Type") ?? "application/octet-stream"
        head(
            context,
            context.eventLoop.now,
            .ok,
            contentType: contentType,
            contentLength: fields.isChunked ? nil : fields.contentLength ?? 0
        )
        // HTTP/1.0 has no chunks: the end of the connection is the end of the body. Such requests have a length.
        state = .echoing
        expect(context, within: site.limits.body)
    }

    func echo(_ context: ChannelHandlerContext, _ body: ByteBuffer) {
        bodyBytes += body.readableBytes
        // The answer has begun, so that its missing end is all that can be said.
        if bodyBytes > site.limits.echoBody { return close(context) }
        write(context, .body(.byteBuffer(body)))
        expect(context, within: site.limits.body)
    }

    /// A client that waits to be asked for its body is asked (RFC 9110 section 10.1.1).
    private func proceed(_ context: ChannelHandlerContext, _ request: HTTPRequestHead, _ fields: RequestFields) {
        guard fields.expectsContinue, request.version == .http1_1 else { return }
        write(context, .head(HTTPResponseHead(version: .http1_1, status: .continue)))
    }
}

extension CounterStore {
    /// The client's name, from its cookies.
    static func name(in headers: HTTPHeaders) -> String? {
        for field in headers["Cookie"] {
            for pair in field.split(separator: ";") {
                let pair = pair.drop { $0 == " " }
                guard pair.hasPrefix(cookie + "=") else { continue }
                return String(pair.dropFirst(cookie.count + 1))
            }
        }
        return nil
    }
}
#endif
