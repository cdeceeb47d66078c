#if Hummingbird
internal import NIOCore
internal import StickyServer

/// When an HTTP/1.1 connection goes on and when it ends (RFC 9112 section 9). Knows no clock and no channel.
struct HTTP1Lifecycle {
    /// What becomes of the connection.
    enum Action: Equatable {
        case none
        case close
        /// It may have one more request, for as long as there is time.
        case waitForOneMore
    }

    /// What the client is to send next.
    enum Expectation: Equatable {
        case firstRequest, nextRequest, body, nothing
    }

    let maximumRequests: Int?
    /// Requests whose head came.
    private(set) var requests = 0
    /// Those among them whose answer is not finished.
    private(set) var unanswered = 0
    /// A request's body is coming.
    private(set) var isReceiving = false
    /// Nothing that the client sends is of interest any more.
    private(set) var isClosing = false
    private var drainReason: DrainRequest.Reason?
    /// The request was the connection's last one: it said so, or there are no more for it.
    private var hadLastRequest = false
    /// The answer in progress says that the connection closes after it.
    private var closeIsAnnounced = false
    private var inputHasEnded = false

    init(maximumRequests: Int? = nil) {
        self.maximumRequests = maximumRequests
    }

    var isDraining: Bool { drainReason != nil }

    var expectation: Expectation {
        if isClosing { return .nothing }
        if isReceiving { return .body }
        if unanswered > 0 { return .nothing }
        return requests == 0 ? .firstRequest : .nextRequest
    }

    /// False when it came behind the connection's last request: it is not answered (RFC 9112 section 9.6).
    mutating func requestHead(isKeepAlive: Bool) -> Bool {
        guard !isClosing, !hadLastRequest else { return false }
        requests += 1
        unanswered += 1
        isReceiving = true
        hadLastRequest = !isKeepAlive || requests == maximumRequests
        return true
    }

    mutating func requestEnd() {
        isReceiving = false
    }

    /// Whether the answer must say that the connection closes. `saysClose`: the application has written so.
    mutating func responseHead(isInformational: Bool, saysClose: Bool) -> Bool {
        guard !isInformational else { return false }
        // With more requests in the pipeline the last answer says it.
        if saysClose || unanswered <= 1 && (hadLastRequest || isDraining || inputHasEnded) { closeIsAnnounced = true }
        return closeIsAnnounced
    }

    mutating func responseEnd() -> Action {
        unanswered = max(0, unanswered - 1)
        if closeIsAnnounced { return close() }
        guard unanswered == 0 else { return .none }
        if inputHasEnded { return close() }
        return drainReason.map { whenIdle($0) } ?? .none
    }

    mutating func drain(_ reason: DrainRequest.Reason) -> Action {
        guard drainReason == nil, !isClosing else { return .none }
        drainReason = reason
        return unanswered > 0 ? .none : whenIdle(reason)
    }

    /// The client has said its last word, and may still listen.
    mutating func inputEnded() {
        inputHasEnded = true
    }

    private mutating func whenIdle(_ reason: DrainRequest.Reason) -> Action {
        // A successor is there: a connection that closes now may meet a request that is on its way. One that has asked
        // nothing yet is about to.
        if reason == .replaced || requests == 0 { return .waitForOneMore }
        return close()
    }

    private mutating func close() -> Action {
        isClosing = true
        return .close
    }
}
#endif
