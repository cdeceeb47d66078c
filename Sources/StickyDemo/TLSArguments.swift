#if Hummingbird
import ArgumentParser
import StickyTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The options about TLS, and the configuration that they make.
struct TLSArguments: ParsableArguments {
    private static let defaults = ["certs/localhost-ecdsa", "certs/localhost-rsa"]

    @Option(
        help: ArgumentHelp(
            "Certificate chain in PEM, the server's own first. Repeatable, for keys of different kinds and for other "
                + "names. (default: certs/localhost-ecdsa.pem and certs/localhost-rsa.pem)",
            valueName: "file"
        )
    )
    var certificate: [String] = []

    @Option(
        help: ArgumentHelp(
            "Private key of the certificate, in the same order. Not needed when the certificate's file has it too.",
            valueName: "file"
        )
    )
    var privateKey: [String] = []

    @Option(help: ArgumentHelp("Every .pem file of a folder, each with chain and key.", valueName: "folder"))
    var certificateDirectory: String?

    @Option(
        name: .customLong("pkcs12"),
        help: ArgumentHelp("Certificate, chain and key in one PKCS#12 file. Repeatable.", valueName: "file")
    )
    var pkcs12: [String] = []

    @Option(
        help: ArgumentHelp("Its first line opens private keys and PKCS#12 files that are encrypted.", valueName: "file")
    )
    var passphraseFile: String?

    @Option(
        name: .customLong("ocsp-response"),
        help: ArgumentHelp("OCSP response (DER) for the first certificate, for clients that ask.", valueName: "file")
    )
    var ocspResponse: String?

    @Flag(name: .customLong("strict-sni"), help: "Refuse clients that ask for a name of no certificate, or for none.")
    var strictSNI = false

    @Option(
        name: .customLong("client-ca"),
        help: ArgumentHelp(
            "Ask clients for a certificate of these authorities (PEM). Repeatable.",
            valueName: "file"
        )
    )
    var clientAuthorities: [String] = []

    @Option(
        name: .customLong("client-crl"),
        help: ArgumentHelp("Refuse client certificates that these lists revoke (PEM). Repeatable.", valueName: "file")
    )
    var clientRevocations: [String] = []

    @Flag(name: .customLong("client-optional"), help: "Serve clients without a certificate too.")
    var clientsAreOptional = false

    @Option(
        name: .customLong("client-allow-san"),
        help: ArgumentHelp(
            "Of those certificates take only such with this DNS name. Repeatable; with the two next ones any match is enough.",
            valueName: "name"
        )
    )
    var allowedNames: [String] = []

    @Option(
        name: .customLong("client-allow-uri"),
        help: ArgumentHelp(
            "Take only such with this URI, as SPIFFE's; one that ends in /* allows everything below. Repeatable.",
            valueName: "uri"
        )
    )
    var allowedURIs: [String] = []

    @Option(
        name: .customLong("client-allow-pin"),
        help: ArgumentHelp(
            "Take only such with this public key: its SHA-256 in hexadecimal digits or base64. Repeatable.",
            valueName: "hash"
        ),
        transform: PublicKeyPin.init(parsing:)
    )
    var allowedPins: [PublicKeyPin] = []

    @Option(
        help: ArgumentHelp(
            "Ticket keys of nginx (48 or 80 bytes) or HAProxy (lines of base64), shared with other servers and read again "
                + "when they change. The first file encrypts. Repeatable. (default: made and rotated by the master)",
            valueName: "file"
        )
    )
    var ticketKeys: [String] = []

    @Option(
        help: ArgumentHelp(
            "Close clients that have not done their handshake so many seconds after they were accepted. (default: 10)",
            valueName: "seconds"
        )
    )
    var handshakeTimeout: Double?

    @Option(
        name: .customLong("handshakes-at-once"),
        help: ArgumentHelp(
            "Close new clients while so many handshakes are in progress in a worker. (default: 1024)",
            valueName: "n"
        )
    )
    var handshakesAtOnce: Int?

    @Option(
        help: ArgumentHelp(
            "Append the keys of all sessions to a file, for debugging: whoever reads it reads all traffic.",
            valueName: "file"
        )
    )
    var insecureKeyLog: String?

    /// Whether any of them was given.
    var isEmpty: Bool {
        certificate.isEmpty && privateKey.isEmpty && certificateDirectory == nil && pkcs12.isEmpty
            && passphraseFile == nil && ocspResponse == nil && !strictSNI && clientAuthorities.isEmpty
            && clientRevocations.isEmpty && !clientsAreOptional && !hasAllowList && ticketKeys.isEmpty
            && handshakeTimeout == nil && handshakesAtOnce == nil && insecureKeyLog == nil
    }

    private var hasAllowList: Bool { !allowedNames.isEmpty || !allowedURIs.isEmpty || !allowedPins.isEmpty }

    func validate() throws {
        guard privateKey.isEmpty || privateKey.count == certificate.count else {
            throw ValidationError(
                "\(certificate.count) --certificate and \(privateKey.count) --private-key: each needs its partner."
            )
        }
        guard !clientAuthorities.isEmpty || clientRevocations.isEmpty && !clientsAreOptional && !hasAllowList else {
            throw ValidationError("--client-crl, --client-optional and --client-allow-... need --client-ca.")
        }
        if let seconds = handshakeTimeout, !(seconds >= 0.1 && seconds <= 3600) {
            throw ValidationError("--handshake-timeout is \(seconds); expected 0.1 to 3600 seconds.")
        }
        if let count = handshakesAtOnce, !(1...1_000_000).contains(count) {
            throw ValidationError("--handshakes-at-once is \(count); expected 1 to 1000000.")
        }
    }

    /// Reads only what must be known before the context reads the rest.
    func configuration() throws -> TLSConfiguration {
        var configuration = TLSConfiguration(identities: try identities())
        if let ocspResponse { configuration.identities[0].ocspResponse = TLSFile(ocspResponse) }
        if strictSNI {
            configuration.unknownNames = .refuse
            configuration.missingName = .refuse
        }
        if !clientAuthorities.isEmpty {
            let authorities = clientAuthorities.map { TLSFile($0) }
            configuration.clientCertificates =
                clientsAreOptional ? .optional(authorities: authorities) : .required(authorities: authorities)
            configuration.clientCertificates.revocationLists = clientRevocations.map { TLSFile($0) }
            configuration.clientCertificates.allowedDNSNames = allowedNames
            configuration.clientCertificates.allowedURIs = allowedURIs
            configuration.clientCertificates.allowedPublicKeys = allowedPins.map(\.bytes)
        }
        // A ticket of any worker resumes on any other, and outlives each.
        configuration.ticketKeys = .master
        if !ticketKeys.isEmpty { configuration.ticketKeys = .files(ticketKeys) }
        if let handshakeTimeout { configuration.handshakeDeadline = .seconds(handshakeTimeout) }
        if let handshakesAtOnce { configuration.maximumHandshakesInProgress = handshakesAtOnce }
        configuration.insecureKeyLogFile = insecureKeyLog
        return configuration
    }

    private func identities() throws -> [TLSIdentity] {
        var identities = certificate.indices.map { index in
            privateKey.isEmpty
                ? TLSIdentity(file: certificate[index])
                : TLSIdentity(certificateFile: certificate[index], privateKeyFile: privateKey[index])
        }
        if let certificateDirectory { identities += try TLSIdentity.directory(certificateDirectory) }
        if identities.isEmpty, pkcs12.isEmpty { identities = try Self.testIdentities() }
        let passphrase = try passphraseFile.map { try Self.firstLine($0) }
        for index in identities.indices { identities[index].passphraseCallback = { _ in passphrase } }
        return identities + pkcs12.map { TLSIdentity(pkcs12File: $0, passphrase: passphrase) }
    }

    private static func testIdentities() throws -> [TLSIdentity] {
        try defaults.map { name in
            for file in ["\(name).pem", "\(name)-key.pem"] where access(file, F_OK) != 0 {
                throw Problem(
                    description: """
                        there is no \(file) here. Start in the repository's folder, make the test certificates with \
                        «make certs», name your own with --certificate and --private-key, or serve without TLS with \
                        --plain.
                        """
                )
            }
            return TLSIdentity(certificateFile: "\(name).pem", privateKeyFile: "\(name)-key.pem")
        }
    }

    private static func firstLine(_ file: String) throws -> String {
        guard let stream = fopen(file, "r") else {
            throw Problem(description: "--passphrase-file \(file) cannot be read: \(String(cString: strerror(errno)))")
        }
        defer { fclose(stream) }
        var line = [CChar](repeating: 0, count: 1025)
        guard fgets(&line, CInt(line.count), stream) != nil else {
            throw Problem(description: "--passphrase-file \(file) is empty; its first line is the passphrase")
        }
        return String(
            decoding: line.prefix { $0 != 0 && $0 != 10 && $0 != 13 }.map { UInt8(bitPattern: $0) },
            as: UTF8.self
        )
    }

    private struct Problem: Error, CustomStringConvertible {
        let description: String
    }
}
#endif
