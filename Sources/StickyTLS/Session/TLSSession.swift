internal import CTLS

/// The server's side of one TLS connection, without any input or output of its own.
///
/// Bytes go in and bytes come out, in the caller's buffers, as with zlib: feed what the client sent to
/// ``receive(_:plaintext:output:)``, give what is to be sent to ``send(_:output:)``, and after each call send what is
/// in the output. The calls never block, touch no descriptor, raise no signal and keep no pointer.
///
/// Gather output where you can: the tickets that a completed handshake leaves in the output cost a system call and a
/// packet of their own unless they leave together with the first answer.
///
/// The value belongs to one thread at a time.
public struct TLSSession: ~Copyable {
    private enum Phase {
        case handshake
        case open
        case failed(TLSFailure)
    }

    // First on purpose: the thread sanitizer takes a change of the pointee for one of whatever the first property
    // refers to, and would see all sessions change one context.
    let transport: UnsafeMutablePointer<Transport>
    private let ssl: OpaquePointer
    let context: TLSContext
    /// Keeps the contexts, and the ticket keys that their callbacks use.
    private let generation: TLSGeneration
    private let began: Int64
    /// Among the handshakes in progress; nil when it is over.
    var place: HandshakeLine.Place?
    private var phase = Phase.handshake
    private var isEstablished = false
    private var hasPeerClosed = false
    private var hasClosed = false
    /// What could not be said before, because the output was full.
    private var deferred: TLSStatus?

    /// Begins a connection. Costs one SSL object, about 4 µs.
    ///
    /// - Throws: `tooManyHandshakes` when as many are in progress as may be and none of them waits for its client;
    ///   else OpenSSL's word.
    public init(_ context: TLSContext) throws(TLSError) {
        ERR_clear_error()
        let (generation, place) = try context.beginHandshake()
        guard let method = TransportMethod.shared, let ssl = SSL_new(generation.hosts.fallback.handle.pointer) else {
            context.endHandshake(place)
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot begin a session.")
        }
        guard let bio = BIO_new(method) else {
            SSL_free(ssl)
            context.endHandshake(place)
            throw TLSError.fromQueue(.openSSL, "OpenSSL cannot begin a session.")
        }
        let transport = UnsafeMutablePointer<Transport>.allocate(capacity: 1)
        transport.initialize(to: Transport(generation))
        BIO_set_data(bio, transport)
        BIO_set_init(bio, 1)
        // One BIO for both directions: the SSL owns it once.
        SSL_set_bio(ssl, bio, bio)
        SSL_set_accept_state(ssl)
        ctls_set_app_data(ssl, transport)
        ctls_set_msg_callback_arg(ssl, transport)
        self.context = context
        self.place = place
        began = generation.configuration.clock.monotonic()
        self.generation = generation
        self.ssl = ssl
        self.transport = transport
    }

    deinit {
        if let place { context.endHandshake(place) }
        SSL_free(ssl)
        transport.pointee.free()
        transport.deinitialize(count: 1)
        transport.deallocate()
    }

    /// Feeds what the client sent, and yields plaintext and what must be sent back.
    ///
    /// - Parameters:
    ///   - input: Ciphertext as it came, in pieces of any size. May be empty.
    ///   - plaintext: Where the client's data go. May be empty until the handshake is complete.
    ///   - output: Where ciphertext to be sent goes. Any size works; 16 KiB hold any usual handshake.
    public mutating func receive(
        _ input: UnsafeRawBufferPointer,
        plaintext: UnsafeMutableRawBufferPointer,
        output: UnsafeMutableRawBufferPointer
    ) -> TLSStep {
        transport.pointee.begin(input: input, output: output)
        var produced = 0
        let status = advance(plaintext, &produced)
        return finish(status, plaintext: produced)
    }

    /// Encrypts data for the client.
    ///
    /// After ``TLSStatus/outputFull`` send the output and call again with what was not consumed, even if that is
    /// nothing, until it says ``TLSStatus/done``. The bytes may lie elsewhere then. ``receive(_:plaintext:output:)``
    /// may be called in between.
    ///
    /// - Parameters:
    ///   - plaintext: What to send. May be empty, which only flushes.
    ///   - output: Where ciphertext goes: see ``outputCapacity(forPlaintext:)``.
    public mutating func send(
        _ plaintext: UnsafeRawBufferPointer,
        output: UnsafeMutableRawBufferPointer
    ) -> TLSStep {
        transport.pointee.begin(input: UnsafeRawBufferPointer(start: nil, count: 0), output: output)
        var consumed = 0
        let status = encrypt(plaintext, &consumed)
        var step = finish(status, plaintext: 0)
        step.consumed = consumed
        return step
    }

    /// Ends our direction: close_notify, once. Receiving still works.
    ///
    /// Before the handshake is complete, and after a failure, there is nothing to say and the output stays empty
    /// but for what an earlier call left.
    public mutating func close(output: UnsafeMutableRawBufferPointer) -> TLSStep {
        transport.pointee.begin(input: UnsafeRawBufferPointer(start: nil, count: 0), output: output)
        if case .open = phase, !hasClosed {
            hasClosed = true
            if ctls_shutdown(ssl) != SSL_ERROR_NONE { ERR_clear_error() }
        }
        return finish(transport.pointee.hasOverflow ? .outputFull : .done, plaintext: 0)
    }

    /// Says that the client's TCP stream has ended. Call it when ``receive(_:plaintext:output:)`` has had everything.
    ///
    /// Nothing is written: OpenSSL itself would answer with an alert, into a socket that may be gone.
    public mutating func endOfInput() -> TLSStep {
        if case .failed(let failure) = phase {
            return TLSStep(consumed: 0, plaintext: 0, output: 0, status: .failed(failure))
        }
        if !hasPeerClosed { context.counters.truncated.increment() }
        return TLSStep(consumed: 0, plaintext: 0, output: 0, status: hasPeerClosed ? .peerClosed : .truncated)
    }

    /// Room with which ``send(_:output:)`` never reports ``TLSStatus/outputFull``, if nothing is left from before.
    public static func outputCapacity(forPlaintext count: Int) -> Int {
        // A record holds 2^14 bytes. Header, vector, padding and tag take 22 bytes with TLS 1.3 and at most 85 with
        // the oldest cipher that can be configured; an answer to a KeyUpdate may go first.
        let records = max(count, 0) / 16_384 + 1
        return max(count, 0) + records * 96 + 128
    }

    /// What was agreed on; nil before the handshake is complete.
    public var info: TLSConnectionInfo? {
        guard isEstablished else { return nil }
        let certificate = transport.pointee.clientCertificate(of: ssl)
        return TLSConnectionInfo(ssl, serverName: transport.pointee.serverName, clientCertificate: certificate)
    }

    /// The application protocol that was agreed on, without the rest of ``info``; nil before the handshake is complete.
    public var applicationProtocol: String? {
        isEstablished ? TLSConnectionInfo.applicationProtocol(ssl) : nil
    }

    /// The version that was agreed on, without the rest of ``info``; nil before the handshake is complete.
    public var version: TLSVersion? {
        isEstablished ? TLSVersion(rawValue: UInt16(truncatingIfNeeded: SSL_version(ssl))) : nil
    }

    /// How long the client has for its handshake, by the configuration that the session began with.
    public var handshakeDeadline: Duration { generation.configuration.handshakeDeadline }

    /// The name that the client asked for (SNI), as soon as its hello was read.
    public var serverName: String? { transport.pointee.serverName }

    private mutating func advance(_ plaintext: UnsafeMutableRawBufferPointer, _ produced: inout Int) -> TLSStatus {
        if transport.pointee.hasOverflow { return .outputFull }
        if let status = deferred.take() { return status }
        switch phase {
        case .handshake: return handshake()
        case .open: return decrypt(plaintext, &produced)
        case .failed(let failure): return .failed(failure)
        }
    }

    private mutating func handshake() -> TLSStatus {
        switch ctls_do_handshake(ssl) {
        case SSL_ERROR_NONE:
            phase = .open
            isEstablished = true
            giveUpHandshake()
            context.counters.completed(ssl, after: generation.configuration.clock.monotonic() - began)
            return .handshakeCompleted
        case SSL_ERROR_WANT_READ:
            return transport.pointee.isStopped ? fail() : .wantsInput
        default:
            return fail()
        }
    }

    private mutating func decrypt(_ plaintext: UnsafeMutableRawBufferPointer, _ produced: inout Int) -> TLSStatus {
        if hasPeerClosed {
            transport.pointee.discardInput()
            return .peerClosed
        }
        while produced < plaintext.count, let base = plaintext.baseAddress {
            var count = 0
            switch ctls_read(ssl, base + produced, plaintext.count - produced, &count) {
            case SSL_ERROR_NONE:
                produced += count
            case SSL_ERROR_WANT_READ:
                return transport.pointee.isStopped ? fail() : .wantsInput
            case SSL_ERROR_ZERO_RETURN:
                hasPeerClosed = true
                transport.pointee.discardInput()
                return .peerClosed
            default:
                return fail()
            }
            if transport.pointee.hasOverflow { return .outputFull }
            // Without read-ahead nothing is left then, and OpenSSL need not be asked again to say so.
            if !transport.pointee.hasInput, SSL_pending(ssl) == 0 { return .wantsInput }
        }
        return transport.pointee.hasInput || SSL_pending(ssl) > 0 ? .plaintextFull : .wantsInput
    }

    private mutating func encrypt(_ plaintext: UnsafeRawBufferPointer, _ consumed: inout Int) -> TLSStatus {
        if transport.pointee.hasOverflow { return .outputFull }
        switch phase {
        case .handshake: return .wantsInput
        case .failed(let failure): return .failed(failure)
        case .open: break
        }
        if hasClosed, plaintext.count > 0 {
            return .failed(TLSFailure(kind: .misuse, reason: "send after close"))
        }
        while consumed < plaintext.count, let base = plaintext.baseAddress {
            var count = 0
            switch ctls_write(ssl, base + consumed, plaintext.count - consumed, &count) {
            case SSL_ERROR_NONE:
                consumed += count
            case SSL_ERROR_WANT_READ:
                return .wantsInput
            default:
                return fail()
            }
            if transport.pointee.hasOverflow { return .outputFull }
        }
        return .done
    }

    /// After this nothing is asked of OpenSSL any more, not even to shut down.
    private mutating func fail() -> TLSStatus {
        let failure = TLSFailure(ssl, transport: transport)
        context.counters.failed(failure, inHandshake: !isEstablished)
        giveUpHandshake()
        phase = .failed(failure)
        return .failed(failure)
    }

    /// Takes the buffers back. What cannot be said now, because there is output to be sent first, is said later.
    private mutating func finish(_ status: TLSStatus, plaintext: Int) -> TLSStep {
        transport.pointee.end()
        var said = status
        if transport.pointee.hasOverflow {
            switch status {
            case .handshakeCompleted: deferred = status
            default: break
            }
            said = .outputFull
        }
        return TLSStep(
            consumed: transport.pointee.inputOffset,
            plaintext: plaintext,
            output: transport.pointee.outputCount,
            status: said
        )
    }
}
