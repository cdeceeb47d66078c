internal import CTLS

// OpenSSL's callbacks. None captures anything: each finds its connection's Transport in the SSL's application data,
// which TLSSession sets before the first call and which outlives the SSL.

private func transport(of ssl: OpaquePointer?) -> UnsafeMutablePointer<Transport>? {
    guard let ssl else { return nil }
    return ctls_get_app_data(ssl)?.assumingMemoryBound(to: Transport.self)
}

/// Runs first of all callbacks, before a ticket is opened (twice when a HelloRetryRequest is sent), and chooses the
/// context for the name.
///
/// Not in the server name callback: that one runs after the ticket was accepted, so a session of one name could resume
/// under another (CVE-2025-23419).
func onClientHello(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<CInt>?,
    _ argument: UnsafeMutableRawPointer?
) -> CInt {
    guard let ssl, let transport = transport(of: ssl) else { return SSL_CLIENT_HELLO_ERROR }
    func refuse(_ number: CInt, _ refusal: Transport.Refusal) -> CInt {
        alert?.pointee = number
        transport.pointee.refusal = refusal
        return SSL_CLIENT_HELLO_ERROR
    }
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    var name = ServerName.absent
    if SSL_client_hello_get0_ext(ssl, UInt32(TLSEXT_TYPE_server_name), &bytes, &count) == 1 {
        name = ServerName(extension: UnsafeBufferPointer(start: bytes, count: count))
    }
    transport.pointee.helloIsComplete = true
    if let before = transport.pointee.requestedName {
        // The second hello of a retry repeats the first (RFC 8446 section 4.1.2); the context is chosen already.
        return before == name ? SSL_CLIENT_HELLO_SUCCESS : refuse(SSL_AD_ILLEGAL_PARAMETER, .changedName)
    }
    transport.pointee.requestedName = name
    let generation = transport.pointee.generation.takeUnretainedValue()
    if case .name(let text) = name { transport.pointee.serverName = text }
    guard let host = generation.host(for: name) else { return refuse(SSL_AD_UNRECOGNIZED_NAME, .unknownName) }
    transport.pointee.host = Unmanaged.passUnretained(host)
    return host.take(ssl) ? SSL_CLIENT_HELLO_SUCCESS : refuse(SSL_AD_INTERNAL_ERROR, .none)
}

extension TLSGeneration {
    /// Nil: the client is refused.
    fileprivate func host(for name: ServerName) -> HostContext? {
        switch name {
        case .name(let text):
            if let host = hosts.find(text) { return host }
        case .absent:
            counters.missingNames.increment()
            return configuration.missingName == .serveDefault ? hosts.fallback : nil
        case .unusable:
            break
        }
        counters.unknownNames.increment()
        return configuration.unknownNames == .serveDefault ? hosts.fallback : nil
    }
}

/// Acknowledges the name, so that a TLS 1.2 session is bound to it (RFC 6066 section 3).
func onServerName(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<CInt>?,
    _ argument: UnsafeMutableRawPointer?
) -> CInt {
    SSL_get_servername(ssl, TLSEXT_NAMETYPE_host_name) == nil ? SSL_TLSEXT_ERR_NOACK : SSL_TLSEXT_ERR_OK
}

/// Chooses the protocol by our order (RFC 7301). No overlap is fatal: else a client could be led to talk HTTP to a
/// server of another protocol (ALPACA).
func onProtocolOffer(
    _ ssl: OpaquePointer?,
    _ chosen: UnsafeMutablePointer<UnsafePointer<UInt8>?>?,
    _ chosenCount: UnsafeMutablePointer<UInt8>?,
    _ offer: UnsafePointer<UInt8>?,
    _ offerCount: UInt32,
    _ argument: UnsafeMutableRawPointer?
) -> CInt {
    guard let transport = transport(of: ssl), let chosen, let chosenCount else { return SSL_TLSEXT_ERR_ALERT_FATAL }
    let context = transport.pointee.generation.takeUnretainedValue()
    guard !context.applicationProtocols.isEmpty else { return SSL_TLSEXT_ERR_NOACK }
    let offer = UnsafeBufferPointer(start: offer, count: Int(offerCount))
    for name in context.applicationProtocols {
        var position = 0
        while position < offer.count {
            let length = Int(offer[position])
            let start = position + 1
            guard length > 0, start + length <= offer.count else { return SSL_TLSEXT_ERR_ALERT_FATAL }
            if offer[start..<(start + length)].elementsEqual(name) {
                chosen.pointee = offer.baseAddress.map { $0 + start }
                chosenCount.pointee = UInt8(length)
                return SSL_TLSEXT_ERR_OK
            }
            position = start + length
        }
    }
    return SSL_TLSEXT_ERR_ALERT_FATAL
}

/// Seals and opens tickets with the keys of the context that the connection began with.
func onTicketKey(
    _ ssl: OpaquePointer?,
    _ name: UnsafeMutablePointer<UInt8>?,
    _ vector: UnsafeMutablePointer<UInt8>?,
    _ cipher: OpaquePointer?,
    _ mac: OpaquePointer?,
    _ sealing: CInt
) -> CInt {
    guard let transport = transport(of: ssl), let name, let vector, let cipher, let mac else { return 0 }
    let generation = transport.pointee.generation.takeUnretainedValue()
    let ring = generation.tickets
    if sealing == 1 {
        let answer = ring.seal(name: name, vector: vector, cipher: cipher, mac: mac)
        if answer == 1 { generation.counters.ticketsIssued.increment() }
        return answer
    }
    // A TLS 1.3 client may use a ticket only once, so it always gets a new one.
    let renewAlways = SSL_version(ssl) >= TLS1_3_VERSION
    return ring.open(name: name, vector: vector, cipher: cipher, mac: mac, renewAlways: renewAlways)
}

/// Sees each protocol message. KeyUpdates are counted: OpenSSL sets them no limit. Alerts are remembered, for the error that follows them.
func onMessage(
    _ sent: CInt,
    _ version: CInt,
    _ contentType: CInt,
    _ bytes: UnsafeRawPointer?,
    _ count: Int,
    _ ssl: OpaquePointer?,
    _ argument: UnsafeMutableRawPointer?
) {
    guard let bytes, let argument else { return }
    if contentType == SSL3_RT_HANDSHAKE, sent == 0, count > 0, bytes.load(as: UInt8.self) == UInt8(SSL3_MT_KEY_UPDATE) {
        argument.assumingMemoryBound(to: Transport.self).pointee.didReceiveKeyUpdate()
    }
    guard contentType == SSL3_RT_ALERT, count == 2 else { return }
    let transport = argument.assumingMemoryBound(to: Transport.self)
    let number = bytes.load(fromByteOffset: 1, as: UInt8.self)
    transport.pointee.lastAlert = TLSAlert(number: number, wasSent: sent == 1)
}
