internal import CTLS

extension LoadedIdentity {
    /// Seconds since 1970 at which the certificate ends.
    var notAfter: Int64 { secondsSince1970(X509_get0_notAfter(leaf.handle)) ?? 0 }

    /// What makes clients refuse a certificate, although the server could serve it.
    ///
    /// - Parameter now: Seconds since 1970.
    func check(at now: Int64) throws(TLSError) {
        let place = file.map { " in \($0)" } ?? ""
        guard now < notAfter else {
            throw TLSError(.outOfDate, "The certificate\(place) has expired. Renew it.", file: file)
        }
        // Clocks of a minute's difference are usual.
        guard (secondsSince1970(X509_get0_notBefore(leaf.handle)) ?? .max) <= now + 60 else {
            throw TLSError(.outOfDate, "The certificate\(place) is not valid yet. Check the clock.", file: file)
        }
        var subject = leaf.handle
        for index in 0..<max(OPENSSL_sk_num(chain.handle), 0) {
            guard let raw = OPENSSL_sk_value(chain.handle, index) else { continue }
            let issuer = OpaquePointer(raw)
            guard X509_check_issued(issuer, subject) == X509_V_OK,
                X509_verify(subject, X509_get0_pubkey(issuer)) == 1
            else {
                ERR_clear_error()
                throw TLSError(
                    .brokenChain,
                    "Certificate \(index + 2)\(place) has not issued the one before it. Put the server's own first, "
                        + "then each one's issuer.",
                    file: file
                )
            }
            subject = issuer
        }
    }
}
