/// What one call of a ``TLSSession`` did.
public struct TLSStep: Sendable {
    /// Bytes taken from the front of the input. The others must be given again.
    public var consumed: Int
    /// Bytes of plaintext that were written to the plaintext buffer.
    public var plaintext: Int
    /// Bytes of ciphertext that were written to the output buffer and must be sent, whatever the status.
    public var output: Int
    /// How things stand.
    public var status: TLSStatus
}

/// How a ``TLSSession`` stands after a call.
@nonexhaustive
public enum TLSStatus: Sendable {
    /// Everything was consumed: give more when it arrives. From ``TLSSession/send(_:output:)``: the handshake is not
    /// complete, so nothing was taken.
    case wantsInput
    /// The plaintext buffer is full. Call again with another, also when the input is all consumed: more may sit
    /// decrypted in the session.
    case plaintextFull
    /// The output buffer is full. Send what is in it, then call again with whatever was not consumed, even if that is
    /// nothing.
    case outputFull
    /// The handshake is complete. Said once; call again with the rest of the input.
    case handshakeCompleted
    /// The client's close_notify arrived: no more plaintext comes. Sending still works (RFC 8446 section 6.1).
    case peerClosed
    /// The client's TCP stream ended without close_notify: what it sent may have been cut. Sending still works.
    case truncated
    /// Everything was taken, and all that it became is in the output.
    case done
    /// The connection cannot go on. The output may hold an alert: send it, then close.
    case failed(TLSFailure)
}
