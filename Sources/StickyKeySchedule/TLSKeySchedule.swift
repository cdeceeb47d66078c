internal import CTLS

/// TLS 1.3's key schedule without OpenSSL's general machinery, as an OpenSSL provider of this process.
///
/// OpenSSL 3.0 makes about twenty derivations for a handshake, and spends most of each on looking up algorithms and
/// copying parameters. This computes the same with the same SHA-256 and SHA-384 called directly.
///
/// It is off unless a program calls ``install()`` and names ``properties`` in its TLS configuration:
///
/// ```swift
/// try TLSKeySchedule.install()
/// configuration.algorithmProperties = TLSKeySchedule.properties
/// ```
///
/// It is no validated module: leave it off where OpenSSL's FIPS provider must do the work.
public enum TLSKeySchedule {
    /// What makes OpenSSL prefer this provider where it has an algorithm (property(7)); all else is OpenSSL's own.
    public static let properties = "?provider=sticky"

    /// Loads the provider, once for a process. Safe on any thread, and more than once.
    ///
    /// - Throws: When OpenSSL does not take it, or the machine's configuration wants FIPS.
    public static func install() throws(TLSKeyScheduleError) {
        if let error = outcome { throw error }
    }

    private static let outcome: TLSKeyScheduleError? = {
        guard EVP_default_properties_is_fips_enabled(nil) == 0 else {
            return TLSKeyScheduleError(description: "OpenSSL is set to FIPS; the key schedule stays OpenSSL's")
        }
        ERR_clear_error()
        // With the fallback kept: the default provider goes on serving everything else.
        guard OSSL_PROVIDER_add_builtin(nil, "sticky", initializeProvider) == 1,
            OSSL_PROVIDER_try_load(nil, "sticky", 1) != nil
        else {
            let code = ERR_peek_last_error()
            ERR_clear_error()
            let reason = ERR_reason_error_string(code).map { String(cString: $0) } ?? "no reason given"
            return TLSKeyScheduleError(description: "OpenSSL does not load the key schedule: \(reason)")
        }
        return nil
    }()
}

/// Why the key schedule cannot be installed. OpenSSL's own goes on serving.
public struct TLSKeyScheduleError: Error, Sendable, Hashable, CustomStringConvertible {
    /// A sentence for logs.
    public let description: String
}
