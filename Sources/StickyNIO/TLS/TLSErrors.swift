#if NIO
/// The client's TCP stream ended without close_notify: what it sent may have been cut short by somebody on the way
/// (RFC 8446 section 6.1). Goes through the pipeline as an error before `ChannelEvent.inputClosed` or the channel's end.
///
/// Answers can still be sent. Whoever knows from the protocol that the message is complete may ignore it.
public struct TLSTruncatedError: Error, Sendable, Hashable, CustomStringConvertible {
    /// The error.
    public init() {}

    /// A sentence for logs.
    public var description: String { "the client's stream ended without close_notify" }
}

/// The client did not complete its handshake: it took too long, or left in the middle. Failures in which TLS itself
/// says no go through the pipeline as a `TLSFailure`.
public struct TLSHandshakeError: Error, Sendable, Hashable, CustomStringConvertible {
    private let sentence: String

    private init(_ sentence: String) {
        self.sentence = sentence
    }

    /// The absolute deadline passed, however the client spread its bytes.
    public static let timedOut = TLSHandshakeError("the handshake was not complete at its deadline")
    /// The client's stream ended, or its connection was reset.
    public static let abandoned = TLSHandshakeError("the client left before the handshake was complete")
    /// More handshakes came than may be in progress, and this one's client had kept it waiting for longest.
    public static let passedOver = TLSHandshakeError("the handshake made room for others, of which there are too many")
    /// The application closed the channel.
    public static let cancelled = TLSHandshakeError("the channel was closed before the handshake was complete")

    /// A sentence for logs.
    public var description: String { sentence }
}
#endif
