internal import CTLS

/// An OCSP response (RFC 6960) that goes to clients with the certificate, while it is in date.
struct OCSPStaple: Sendable {
    let der: [UInt8]
    /// Seconds since 1970; a response without an end is refused.
    let nextUpdate: Int64
    let file: String?

    /// Reads and checks a response: it must be about `certificate`, and say that it is good.
    init(_ bytes: borrowing SecretBytes, for certificate: OpaquePointer, file: String?) throws(TLSError) {
        func damaged(_ why: String) -> TLSError {
            ERR_clear_error()
            return TLSError(.damagedStaple, "The OCSP response\(file.map { " in \($0)" } ?? "") \(why).", file: file)
        }
        ERR_clear_error()
        var position = bytes.bytes.baseAddress?.assumingMemoryBound(to: UInt8.self)
        guard let response = d2i_OCSP_RESPONSE(nil, &position, bytes.count) else {
            throw damaged("cannot be read; it must be DER")
        }
        defer { OCSP_RESPONSE_free(response) }
        guard OCSP_response_status(response) == OCSP_RESPONSE_STATUS_SUCCESSFUL,
            let basic = OCSP_response_get1_basic(response)
        else { throw damaged("says that the responder failed") }
        defer { OCSP_BASICRESP_free(basic) }
        let serial = X509_get0_serialNumber(certificate)
        for index in 0..<max(OCSP_resp_count(basic), 0) {
            guard let single = OCSP_resp_get0(basic, index), let id = OCSP_SINGLERESP_get0_id(single) else { continue }
            var number: UnsafeMutablePointer<ASN1_INTEGER>?
            OCSP_id_get0_info(nil, nil, nil, &number, id)
            guard let number, ASN1_INTEGER_cmp(number, serial) == 0 else { continue }
            var end: UnsafeMutablePointer<ASN1_GENERALIZEDTIME>?
            guard OCSP_single_get0_status(single, nil, nil, nil, &end) == V_OCSP_CERTSTATUS_GOOD else {
                throw damaged("says that the certificate is not good")
            }
            guard let end, let time = secondsSince1970(end) else { throw damaged("has no end") }
            der = Array(bytes.bytes)
            nextUpdate = time
            self.file = file
            return
        }
        throw damaged("is not about the certificate")
    }
}

/// Answers a client that asks for the status of the certificate (status_request, RFC 6066 section 8).
func onStatusRequest(_ ssl: OpaquePointer?, _ argument: UnsafeMutableRawPointer?) -> CInt {
    guard let ssl, let data = ctls_get_app_data(ssl), let certificate = SSL_get_certificate(ssl) else {
        return SSL_TLSEXT_ERR_NOACK
    }
    let transport = data.assumingMemoryBound(to: Transport.self)
    let generation = transport.pointee.generation.takeUnretainedValue()
    guard let host = transport.pointee.host?.takeUnretainedValue(),
        let staple = host.identities.first(where: { $0.leaf.handle == certificate })?.staple,
        generation.configuration.clock.wall() < staple.nextUpdate,
        let copy = ctls_malloc(staple.der.count)
    else { return SSL_TLSEXT_ERR_NOACK }
    staple.der.withUnsafeBytes { UnsafeMutableRawBufferPointer(start: copy, count: $0.count).copyMemory(from: $0) }
    guard ctls_set_ocsp_response(ssl, copy, staple.der.count) == 1 else {
        ctls_clear_free(copy, staple.der.count)
        return SSL_TLSEXT_ERR_NOACK
    }
    generation.counters.staplesSent.increment()
    return SSL_TLSEXT_ERR_OK
}
