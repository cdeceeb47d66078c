#if Hummingbird
internal import NIOCore
internal import NIOHTTP2

/// How an HTTP/2 connection comes to its end (RFC 9113 section 6.8). Knows no clock and no channel.
///
/// A client may have sent requests before it sees GOAWAY. So the first GOAWAY refuses nothing and comes with a PING; when
/// that is answered the client knows, and the second one names the last stream that is served.
struct HTTP2Lifecycle {
    enum Action: Equatable {
        case none
        /// GOAWAY that refuses nothing, and a PING with this data.
        case warn(HTTP2PingData)
        /// GOAWAY with the last stream.
        case goAway(last: HTTP2StreamID)
        case goAwayAndClose(last: HTTP2StreamID)
        case close
    }

    private enum Phase: Equatable {
        case open
        case warned(HTTP2PingData)
        /// No new streams.
        case leaving
        case closed
    }

    private var phase = Phase.open
    private(set) var openStreams = 0
    private(set) var requests = 0
    private var lastStream = HTTP2StreamID.rootStream

    var isOpen: Bool { phase == .open }
    var isWarned: Bool { if case .warned = phase { true } else { false } }
    var isClosed: Bool { phase == .closed }

    mutating func streamOpened(_ id: HTTP2StreamID) {
        openStreams += 1
        requests += 1
        lastStream = max(lastStream, id)
    }

    mutating func streamClosed() -> Action {
        openStreams = max(0, openStreams - 1)
        return phase == .leaving && openStreams == 0 ? close(.close) : .none
    }

    /// No more requests, please. `data` should be hard to guess.
    mutating func leave(_ data: HTTP2PingData) -> Action {
        guard phase == .open else { return .none }
        phase = .warned(data)
        return .warn(data)
    }

    /// The client answered a PING.
    mutating func pingAnswered(_ data: HTTP2PingData) -> Action {
        phase == .warned(data) ? leaveNow() : .none
    }

    /// The client has had time enough to answer.
    mutating func patienceEnded() -> Action {
        isWarned ? leaveNow() : .none
    }

    /// The client has said its last word; what it asked for is still answered.
    mutating func inputEnded() -> Action {
        guard phase != .closed else { return .none }
        phase = .leaving
        return openStreams == 0 ? close(.close) : .none
    }

    mutating func closed() {
        phase = .closed
    }

    private mutating func leaveNow() -> Action {
        phase = .leaving
        return openStreams == 0 ? close(.goAwayAndClose(last: lastStream)) : .goAway(last: lastStream)
    }

    private mutating func close(_ action: Action) -> Action {
        phase = .closed
        return action
    }
}
#endif
