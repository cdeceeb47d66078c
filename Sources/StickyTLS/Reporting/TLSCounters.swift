internal import CTLS
internal import Synchronization

/// Counts what the TLS connections of a context do, since the context was made; reloading does not reset it. Safe on
/// any thread.
public final class TLSCounters: Sendable {
    private let counts = Mutex(TLSCounts())

    init() {}

    /// The numbers at this moment.
    public var snapshot: TLSCounts { counts.withLock { $0 } }

    func update(_ body: (inout TLSCounts) -> Void) {
        counts.withLock { body(&$0) }
    }

    /// - Parameter nanoseconds: From the session's beginning.
    func completed(_ ssl: OpaquePointer, after nanoseconds: Int64) {
        let version = SSL_version(ssl)
        let cipher = SSL_get_current_cipher(ssl).map { SSL_CIPHER_get_id($0) } ?? 0
        let group = ctls_negotiated_group(ssl)
        let isResumed = SSL_session_reused(ssl) == 1
        counts.withLock { counts in
            if isResumed {
                counts.resumedHandshakes += 1
                counts.ticketsAccepted += 1
            } else {
                counts.fullHandshakes += 1
            }
            counts.handshakeTimes.add(nanoseconds)
            if version == TLS1_3_VERSION { counts.handshakesTLS13 += 1 } else { counts.handshakesTLS12 += 1 }
            counts.cipherNumbers[cipher, default: 0] += 1
            if group > 0 { counts.groupNumbers[group, default: 0] += 1 }
        }
    }

    func failed(_ failure: TLSFailure, inHandshake: Bool) {
        counts.withLock { counts in
            if failure.kind == .plainHTTP { counts.plainHTTP += 1 }
            if failure.kind == .clientCertificate {
                counts.clientCertificateFailures += 1
                counts.clientCertificateFailuresByReason[failure.reason, default: 0] += 1
            }
            if inHandshake {
                counts.failedHandshakes += 1
                counts.failuresByReason[failure.reason, default: 0] += 1
            }
        }
    }
}

/// Numbers of a ``TLSCounters``. All count up from 0; ``TLSContext/handshakesInProgress`` is not among them.
public struct TLSCounts: Sendable {
    /// Handshakes that were completed with a proof of the certificate.
    public internal(set) var fullHandshakes = 0
    /// Handshakes that resumed an earlier session.
    public internal(set) var resumedHandshakes = 0
    /// Handshakes that failed; those that were given up without a word are not among them.
    public internal(set) var failedHandshakes = 0
    /// ``failedHandshakes`` by OpenSSL's reason, such as `no shared cipher`.
    public internal(set) var failuresByReason: [String: Int] = [:]
    /// Completed handshakes with TLS 1.2.
    public internal(set) var handshakesTLS12 = 0
    /// Completed handshakes with TLS 1.3.
    public internal(set) var handshakesTLS13 = 0
    /// How long completed handshakes took, from the first look at the connection to the last word, the client's and the
    /// network's time included.
    public internal(set) var handshakeTimes = TLSHistogram()
    /// Tickets that were made.
    public internal(set) var ticketsIssued = 0
    /// Tickets that were resumed.
    public internal(set) var ticketsAccepted = 0
    /// Tickets that no key opens: older than the keys, of another server, or damaged.
    public internal(set) var ticketsUnknown = 0
    /// Tickets that were opened but not resumed: the session is too old, or was for another name.
    public internal(set) var ticketsExpired = 0
    /// Handshakes that failed for the client's certificate: none, not trusted, revoked, not allowed.
    public internal(set) var clientCertificateFailures = 0
    /// ``clientCertificateFailures`` by OpenSSL's reason, such as `certificate revoked`.
    public internal(set) var clientCertificateFailuresByReason: [String: Int] = [:]
    /// Reloads that were put to use; ``TLSContext/generation`` counts them from 1, with the first state.
    public internal(set) var reloads = 0
    /// Reloads that changed nothing because something was wrong.
    public internal(set) var failedReloads = 0
    /// Hellos that ask for a name that is not served.
    public internal(set) var unknownNames = 0
    /// Hellos without a name.
    public internal(set) var missingNames = 0
    /// OCSP responses that were sent.
    public internal(set) var staplesSent = 0
    /// Clients that spoke plain HTTP.
    public internal(set) var plainHTTP = 0
    /// KeyUpdate messages that were received.
    public internal(set) var keyUpdates = 0
    /// Connections that the client ended without close_notify.
    public internal(set) var truncated = 0
    /// Connections that were refused because too many handshakes were in progress.
    public internal(set) var handshakesRefused = 0

    var cipherNumbers: [UInt32: Int] = [:]
    var groupNumbers: [CInt: Int] = [:]

    /// Completed handshakes by the key exchange's group, such as `X25519`.
    public var groups: [String: Int] {
        var named: [String: Int] = [:]
        for (number, count) in groupNumbers { named[TLSConnectionInfo.groupName(number) ?? "other"] = count }
        return named
    }

    /// Completed handshakes by cipher number in the IANA registry, such as 0x1301 for TLS_AES_128_GCM_SHA256.
    public var ciphers: [UInt16: Int] {
        var numbers: [UInt16: Int] = [:]
        for (number, count) in cipherNumbers { numbers[UInt16(truncatingIfNeeded: number)] = count }
        return numbers
    }
}
