internal import CTLS
internal import Synchronization

/// Counts what the TLS connections of a context do, since the context was made; reloading does not reset it. Safe on
/// any thread. Counting takes no lock, but for the reasons of failures.
public final class TLSCounters: Sendable {
    private struct Failures {
        var handshakes: [String: Int] = [:]
        var clientCertificates: [String: Int] = [:]
    }

    let fullHandshakes = AtomicCount()
    let resumedHandshakes = AtomicCount()
    let handshakesTLS12 = AtomicCount()
    let handshakesTLS13 = AtomicCount()
    let handshakeTimes = AtomicHistogram()
    let ticketsIssued = AtomicCount()
    let ticketsUnknown = AtomicCount()
    let ticketsExpired = AtomicCount()
    let reloads = AtomicCount()
    let failedReloads = AtomicCount()
    let unknownNames = AtomicCount()
    let missingNames = AtomicCount()
    let staplesSent = AtomicCount()
    let plainHTTP = AtomicCount()
    let keyUpdates = AtomicCount()
    let truncated = AtomicCount()
    let handshakesRefused = AtomicCount()
    let handshakesPassedOver = AtomicCount()
    // More than OpenSSL has to choose from.
    private let ciphers = AtomicTally(capacity: 256)
    private let groups = AtomicTally(capacity: 64)
    private let failures = Mutex(Failures())

    init() {}

    /// The numbers at this moment. They are read one after the other: a handshake that ends meanwhile may be in some of
    /// them and not yet in others.
    public var snapshot: TLSCounts {
        var counts = TLSCounts(handshakeTimes: handshakeTimes.snapshot)
        counts.fullHandshakes = fullHandshakes.value
        counts.resumedHandshakes = resumedHandshakes.value
        counts.handshakesTLS12 = handshakesTLS12.value
        counts.handshakesTLS13 = handshakesTLS13.value
        counts.ticketsIssued = ticketsIssued.value
        counts.ticketsUnknown = ticketsUnknown.value
        counts.ticketsExpired = ticketsExpired.value
        counts.reloads = reloads.value
        counts.failedReloads = failedReloads.value
        counts.unknownNames = unknownNames.value
        counts.missingNames = missingNames.value
        counts.staplesSent = staplesSent.value
        counts.plainHTTP = plainHTTP.value
        counts.keyUpdates = keyUpdates.value
        counts.truncated = truncated.value
        counts.handshakesRefused = handshakesRefused.value
        counts.handshakesPassedOver = handshakesPassedOver.value
        counts.cipherNumbers = ciphers.snapshot
        counts.groupNumbers = groups.snapshot
        let failures = failures.withLock { $0 }
        counts.failuresByReason = failures.handshakes
        counts.clientCertificateFailuresByReason = failures.clientCertificates
        return counts
    }

    /// - Parameter nanoseconds: From the session's beginning.
    func completed(_ ssl: OpaquePointer, after nanoseconds: Int64) {
        (SSL_session_reused(ssl) == 1 ? resumedHandshakes : fullHandshakes).increment()
        (SSL_version(ssl) == TLS1_3_VERSION ? handshakesTLS13 : handshakesTLS12).increment()
        handshakeTimes.add(nanoseconds)
        ciphers.count(SSL_get_current_cipher(ssl).map { SSL_CIPHER_get_id($0) } ?? 0)
        let group = ctls_negotiated_group(ssl)
        if group > 0 { groups.count(UInt32(group)) }
    }

    func failed(_ failure: TLSFailure, inHandshake: Bool) {
        if failure.kind == .plainHTTP { plainHTTP.increment() }
        guard inHandshake || failure.kind == .clientCertificate else { return }
        failures.withLock { failures in
            if failure.kind == .clientCertificate {
                failures.clientCertificates[failure.reason, default: 0] += 1
            }
            if inHandshake { failures.handshakes[failure.reason, default: 0] += 1 }
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
    public var failedHandshakes: Int { failuresByReason.values.reduce(0, +) }
    /// ``failedHandshakes`` by OpenSSL's reason, such as `no shared cipher`.
    public internal(set) var failuresByReason: [String: Int] = [:]
    /// Completed handshakes with TLS 1.2.
    public internal(set) var handshakesTLS12 = 0
    /// Completed handshakes with TLS 1.3.
    public internal(set) var handshakesTLS13 = 0
    /// How long completed handshakes took, from the first look at the connection to the last word, the client's and the
    /// network's time included.
    public let handshakeTimes: TLSHistogram
    /// Tickets that were made.
    public internal(set) var ticketsIssued = 0
    /// Tickets that were resumed.
    public var ticketsAccepted: Int { resumedHandshakes }
    /// Tickets that no key opens: older than the keys, of another server, or damaged.
    public internal(set) var ticketsUnknown = 0
    /// Tickets that were opened but not resumed: the session is too old, or was for another name.
    public internal(set) var ticketsExpired = 0
    /// Handshakes that failed for the client's certificate: none, not trusted, revoked, not allowed.
    public var clientCertificateFailures: Int { clientCertificateFailuresByReason.values.reduce(0, +) }
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
    /// Connections that were refused because too many handshakes were in progress, and the server was behind with all
    /// of them.
    public internal(set) var handshakesRefused = 0
    /// Handshakes that were ended to make room for new ones, because their clients had kept them waiting for longest.
    public internal(set) var handshakesPassedOver = 0

    var cipherNumbers: [UInt32: Int] = [:]
    var groupNumbers: [UInt32: Int] = [:]

    init(handshakeTimes: TLSHistogram) {
        self.handshakeTimes = handshakeTimes
    }

    /// Completed handshakes by the key exchange's group, such as `X25519`.
    public var groups: [String: Int] {
        var named: [String: Int] = [:]
        for (number, count) in groupNumbers {
            named[TLSConnectionInfo.groupName(CInt(truncatingIfNeeded: number)) ?? "other", default: 0] += count
        }
        return named
    }

    /// Completed handshakes by cipher number in the IANA registry, such as 0x1301 for TLS_AES_128_GCM_SHA256.
    public var ciphers: [UInt16: Int] {
        var numbers: [UInt16: Int] = [:]
        for (number, count) in cipherNumbers { numbers[UInt16(truncatingIfNeeded: number)] = count }
        return numbers
    }
}
