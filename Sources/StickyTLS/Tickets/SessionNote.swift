internal import CTLS

/// What a ticket carries of ours besides OpenSSL's session, and keeps through every resumption: when the client last
/// did a full handshake, how long its certificate holds, and for which name the session is.
struct SessionNote: Equatable {
    static let length = 33
    private static let version: UInt8 = 1

    /// Seconds since 1970.
    var start: Int64
    /// The end of the client's certificate, in seconds since 1970.
    var certificateEnd: Int64
    /// SHA-256 of the name, the first 16 bytes.
    var name: [UInt8]

    init(start: Int64, certificateEnd: Int64, serverName: String?) {
        self.start = start
        self.certificateEnd = certificateEnd
        name = SessionNote.hash(serverName)
    }

    init?(_ session: OpaquePointer?) {
        var raw: UnsafeMutableRawPointer?
        var count = 0
        guard let session, SSL_SESSION_get0_ticket_appdata(session, &raw, &count) == 1, let raw,
            count == SessionNote.length, raw.load(as: UInt8.self) == SessionNote.version
        else { return nil }
        start = Int64(littleEndian: raw.loadUnaligned(fromByteOffset: 1, as: Int64.self))
        certificateEnd = Int64(littleEndian: raw.loadUnaligned(fromByteOffset: 9, as: Int64.self))
        name = Array(UnsafeRawBufferPointer(start: raw + 17, count: 16))
    }

    func store(in session: OpaquePointer) {
        var bytes: [UInt8] = [SessionNote.version]
        bytes.reserveCapacity(SessionNote.length)
        withUnsafeBytes(of: start.littleEndian) { bytes.append(contentsOf: $0) }
        withUnsafeBytes(of: certificateEnd.littleEndian) { bytes.append(contentsOf: $0) }
        bytes.append(contentsOf: name)
        SSL_SESSION_set1_ticket_appdata(session, bytes, bytes.count)
    }

    func allowsResumption(at now: Int64, lifetime: Int64, serverName: String?) -> Bool {
        // Against clocks that were set back: a session of the future is none.
        now >= start - 300 && now - start < lifetime && now < certificateEnd && name == SessionNote.hash(serverName)
    }

    private static func hash(_ serverName: String?) -> [UInt8] {
        var text = serverName ?? ""
        return text.withUTF8 { Array(sha256(UnsafeRawBufferPointer($0)).prefix(16)) }
    }
}

/// Seconds since 1970 of a time in a certificate; nil for one that cannot be read.
func secondsSince1970(_ time: UnsafePointer<ASN1_TIME>?) -> Int64? {
    guard let time, let epoch = ASN1_TIME_set(nil, 0) else { return nil }
    defer { ASN1_STRING_free(epoch) }
    var days: CInt = 0
    var seconds: CInt = 0
    guard ASN1_TIME_diff(&days, &seconds, epoch, time) == 1 else { return nil }
    return Int64(days) * 86_400 + Int64(seconds)
}

/// Runs before a ticket is sealed. The note of the full handshake stays the same in every later ticket.
func onTicketMade(_ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> CInt {
    guard let ssl, let data = ctls_get_app_data(ssl), let session = SSL_get_session(ssl) else { return 1 }
    let transport = data.assumingMemoryBound(to: Transport.self)
    let generation = transport.pointee.generation.takeUnretainedValue()
    guard SSL_session_reused(ssl) == 0 || SessionNote(session) == nil else { return 1 }
    let certificateEnd = SSL_get0_peer_certificate(ssl).map { secondsSince1970(X509_get0_notAfter($0)) ?? 0 }
    SessionNote(
        start: generation.configuration.clock.wall(),
        certificateEnd: certificateEnd ?? .max,
        serverName: transport.pointee.serverName
    ).store(in: session)
    return 1
}

/// Runs after a ticket was opened, or not, and decides whether its session goes on.
func onTicketOpened(
    _ ssl: OpaquePointer?,
    _ session: OpaquePointer?,
    _ name: UnsafePointer<UInt8>?,
    _ nameLength: Int,
    _ status: SSL_TICKET_STATUS,
    _ argument: UnsafeMutableRawPointer?
) -> SSL_TICKET_RETURN {
    guard let ssl, let data = ctls_get_app_data(ssl) else { return SSL_TICKET_RETURN_IGNORE_RENEW }
    let transport = data.assumingMemoryBound(to: Transport.self)
    let generation = transport.pointee.generation.takeUnretainedValue()
    switch status {
    case SSL_TICKET_SUCCESS, SSL_TICKET_SUCCESS_RENEW:
        break
    case SSL_TICKET_NO_DECRYPT:
        generation.counters.ticketsUnknown.increment()
        return SSL_TICKET_RETURN_IGNORE_RENEW
    default:
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    let note = SessionNote(session)
    let isGood =
        note?.allowsResumption(
            at: generation.configuration.clock.wall(),
            lifetime: generation.configuration.maximumSessionLifetime.components.seconds,
            serverName: transport.pointee.serverName
        ) ?? false
    guard isGood else {
        generation.counters.ticketsExpired.increment()
        return SSL_TICKET_RETURN_IGNORE_RENEW
    }
    return status == SSL_TICKET_SUCCESS ? SSL_TICKET_RETURN_USE : SSL_TICKET_RETURN_USE_RENEW
}
