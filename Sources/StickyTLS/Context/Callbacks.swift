internal import CTLS

// OpenSSL's callbacks. None captures anything: each finds its connection's Transport in the SSL's application data,
// which TLSSession sets before the first call and which outlives the SSL.

private func transport(of ssl: OpaquePointer?) -> UnsafeMutablePointer<Transport>? {
    guard let ssl else { return nil }
    return ctls_get_app_data(ssl)?.assumingMemoryBound(to: Transport.self)
}

/// Runs first of all callbacks, before a ticket is opened (twice when a HelloRetryRequest is sent).
///
/// This is where a context for the name will be chosen, and not in the server name callback: that one runs after the
/// ticket was accepted, so a session of one name could resume under another (CVE-2025-23419).
func onClientHello(
    _ ssl: OpaquePointer?,
    _ alert: UnsafeMutablePointer<CInt>?,
    _ argument: UnsafeMutableRawPointer?
) -> CInt {
    guard let transport = transport(of: ssl) else { return SSL_CLIENT_HELLO_SUCCESS }
    var bytes: UnsafePointer<UInt8>?
    var count = 0
    if SSL_client_hello_get0_ext(ssl, UInt32(TLSEXT_TYPE_server_name), &bytes, &count) == 1 {
        transport.pointee.serverName = parseServerName(UnsafeBufferPointer(start: bytes, count: count))
    }
    return SSL_CLIENT_HELLO_SUCCESS
}

/// Reads the server_name extension (RFC 6066 section 3): a list of which only one host name is ever sent.
///
/// Nil for anything else. OpenSSL parses the extension too, and refuses the malformed.
func parseServerName(_ bytes: UnsafeBufferPointer<UInt8>) -> String? {
    // list length (2), type (1) = host_name, name length (2), name
    guard bytes.count > 5, bytes[2] == 0 else { return nil }
    let listLength = Int(bytes[0]) << 8 | Int(bytes[1])
    let nameLength = Int(bytes[3]) << 8 | Int(bytes[4])
    guard listLength == bytes.count - 2, nameLength == bytes.count - 5, nameLength <= 255 else { return nil }
    let name = bytes[5...]
    guard name.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
    return String(decoding: name, as: UTF8.self)
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
    let context = transport.pointee.context.takeUnretainedValue()
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
    let ring = transport.pointee.context.takeUnretainedValue().ticketKeys
    if sealing == 1 {
        return ring.seal(name: name, vector: vector, cipher: cipher, mac: mac)
    }
    // A TLS 1.3 client may use a ticket only once, so it always gets a new one.
    let renewAlways = SSL_version(ssl) >= TLS1_3_VERSION
    return ring.open(name: name, vector: vector, cipher: cipher, mac: mac, renewAlways: renewAlways)
}

/// Sees each protocol message. Alerts are remembered, for the error that follows them.
func onMessage(
    _ sent: CInt,
    _ version: CInt,
    _ contentType: CInt,
    _ bytes: UnsafeRawPointer?,
    _ count: Int,
    _ ssl: OpaquePointer?,
    _ argument: UnsafeMutableRawPointer?
) {
    guard contentType == SSL3_RT_ALERT, count == 2, let bytes, let argument else { return }
    let transport = argument.assumingMemoryBound(to: Transport.self)
    let number = bytes.load(fromByteOffset: 1, as: UInt8.self)
    transport.pointee.lastAlert = TLSAlert(number: number, wasSent: sent == 1)
}
