internal import CTLS

/// Runs for each certificate of a client's chain once it was checked, the client's own last. Adds the allow-lists.
func onVerify(_ isGood: CInt, _ verification: OpaquePointer?) -> CInt {
    guard isGood == 1, let verification, X509_STORE_CTX_get_error_depth(verification) == 0 else { return isGood }
    guard let raw = X509_STORE_CTX_get_ex_data(verification, SSL_get_ex_data_X509_STORE_CTX_idx()),
        let data = ctls_get_app_data(OpaquePointer(raw)),
        let certificate = X509_STORE_CTX_get_current_cert(verification)
    else { return refuse(verification) }
    let transport = data.assumingMemoryBound(to: Transport.self)
    guard let host = transport.pointee.host?.takeUnretainedValue(), host.policy.allows(certificate) else {
        return refuse(verification)
    }
    return 1
}

private func refuse(_ verification: OpaquePointer) -> CInt {
    X509_STORE_CTX_set_error(verification, X509_V_ERR_APPLICATION_VERIFICATION)
    return 0
}
