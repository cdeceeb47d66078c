/// What a server speaks and proves on its TLS connections. A value: changing a copy changes nothing that runs.
///
/// The defaults are Mozilla's "intermediate" profile 6.0 with the server's preference. Everything is set explicitly,
/// so the machine's openssl.cnf can neither weaken nor break it. Never offered: renegotiation, compression, 0-RTT.
/// Make a ``TLSContext`` from it, which reads the files and reports what is wrong with them.
public struct TLSConfiguration: Sendable {
    /// The certificates with their keys. Several with keys of different kinds (RSA, ECDSA) serve the same names, and
    /// each client gets the one that it can verify.
    ///
    /// Several names work as well: a client gets the certificate that has the name it asks for (SNI), an exact name
    /// before a wildcard. The first one is the default, for clients that ask for another name or for none.
    public var identities: [TLSIdentity]
    /// What is asked of clients that want one of ``identities``.
    public var clientCertificates = TLSClientCertificates.notAsked
    /// More names, with certificates and a policy of their own.
    public var hosts: [TLSHost] = []
    /// What becomes of clients that ask for a name that is not served.
    public var unknownNames = TLSNamePolicy.serveDefault
    /// What becomes of clients that ask for no name, such as those that connect to an address.
    public var missingName = TLSNamePolicy.serveDefault

    /// The protocols that the server speaks, best first (ALPN, RFC 7301). A client that offers others only is refused
    /// with the alert `no_application_protocol`; one that offers none is served. Empty: the extension is ignored.
    public var applicationProtocols: [String] = ["http/1.1"]

    /// The oldest version that is accepted.
    public var minimumVersion: TLSVersion = .v1_2
    /// The newest version that is offered.
    public var maximumVersion: TLSVersion = .v1_3

    /// Cipher suites of TLS 1.3 in OpenSSL's names, best first. AES-128-GCM leads: its hash makes a handshake 4-7 %
    /// cheaper than SHA-384.
    public var cipherSuites = [
        "TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256",
    ]
    /// Ciphers of TLS 1.2 in OpenSSL's names, best first; ECDHE with AEAD only.
    public var ciphersForTLS12 = [
        "ECDHE-ECDSA-AES128-GCM-SHA256", "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384", "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305", "ECDHE-RSA-CHACHA20-POLY1305",
    ]
    /// Key exchange groups in OpenSSL's names, best first. P-384 is left out on purpose: a client that offers nothing
    /// else costs the server 2 ms of CPU for each handshake.
    public var groups = ["X25519", "P-256"]
    /// Signature algorithms in OpenSSL's names, best first.
    public var signatureAlgorithms = [
        "ECDSA+SHA256", "RSA-PSS+SHA256", "RSA+SHA256", "ed25519",
        "ECDSA+SHA384", "RSA-PSS+SHA384", "RSA+SHA384",
        "ECDSA+SHA512", "RSA-PSS+SHA512", "RSA+SHA512",
    ]
    /// OpenSSL's security level, 0 ... 5: 2 refuses RSA keys below 2048 bits and SHA-1 (SSL_CTX_set_security_level(3)).
    public var securityLevel = 2

    /// OpenSSL's property query for the algorithms of its connections (property(7)), such as `fips=yes` or
    /// `?provider=NAME`; nil means what the process has.
    public var algorithmProperties: String?

    /// Session tickets sent after a full TLS 1.3 handshake. Each costs the server 20-25 µs. 0 means no resumption, in
    /// TLS 1.2 also.
    public var ticketCount = 1
    /// How long a ticket may be used.
    public var ticketLifetime: Duration = .seconds(2 * 3600)
    /// How long after its full handshake a session may be resumed, however often it was in between. In TLS 1.3 each
    /// resumption brings a new ticket, which would otherwise go on for ever.
    public var maximumSessionLifetime: Duration = .seconds(24 * 3600)
    /// Where the keys of tickets come from.
    public var ticketKeys = TicketKeySource.random

    /// The longest certificate chain that a client may send, in bytes.
    public var maximumCertificateListSize = 32 * 1024

    /// The longest first message of a client, in bytes as they come from the network.
    public var maximumClientHelloSize = 64 * 1024
    /// Requests for new keys (KeyUpdate, RFC 8446 section 4.6.3) that a client may send in a second. Each costs 10-20
    /// times what a small record does.
    public var maximumKeyUpdatesPerSecond = 100
    /// Handshakes that may be in progress at a time. Beyond it each new one ends another, the one whose client has kept
    /// it waiting for longest: first those that have said nothing, then those whose hello is not complete, then those
    /// that were answered. When none waits for its client, new connections are refused.
    public var maximumHandshakesInProgress = 1024

    /// The time that a client has from being accepted to the end of its handshake, however it spreads its bytes.
    /// ``TLSContext`` and ``TLSSession`` know no clock: whoever feeds them keeps this.
    public var handshakeDeadline: Duration = .seconds(10)

    /// A file to which the keys of all sessions are appended, for debugging with a packet analyser. Whoever reads it can
    /// read all traffic. It is made with mode 0600, is refused when others may read it or when it is a link, and each
    /// start says that it is on (``TLSEvent/keyLogIsOn(file:)``). No environment variable switches it on.
    public var insecureKeyLogFile: String?

    /// Called for everything that an operator would want to know, on whatever thread it happens; must not block. The
    /// default writes log lines.
    public var onEvent: @Sendable (TLSEvent) -> Void = TLSEvent.log

    var clock = TLSClock.system

    /// A configuration with the defaults.
    public init(identities: [TLSIdentity]) {
        self.identities = identities
    }

    /// TLS 1.2 and 1.3, for all clients of the last ten years. Same as ``init(identities:)``.
    public static func intermediate(identities: [TLSIdentity]) -> TLSConfiguration {
        TLSConfiguration(identities: identities)
    }

    /// TLS 1.3 only.
    public static func modern(identities: [TLSIdentity]) -> TLSConfiguration {
        var configuration = TLSConfiguration(identities: identities)
        configuration.minimumVersion = .v1_3
        return configuration
    }
}
