import Foundation
import Logging
import StickyServer
import StickyTLS

/// The JSON file that configures the fixture: all of `TLSConfiguration`, and what the cluster needs. Everything but
/// `tls.identities` may be left out.
struct FixtureSettings: Decodable, Sendable {
    /// What serves connections in workers.
    enum Transport: String, Decodable, Sendable {
        case stock, lean, threads
    }

    struct Identity: Decodable, Sendable {
        var certificate: String
        var key: String?
        var passphrase: String?
        var pkcs12: Bool?
        var ocsp: String?

        var identity: TLSIdentity {
            var identity =
                if pkcs12 == true {
                    TLSIdentity(pkcs12File: certificate, passphrase: passphrase)
                } else if let key {
                    TLSIdentity(certificateFile: certificate, privateKeyFile: key, passphrase: passphrase)
                } else {
                    TLSIdentity(file: certificate, passphrase: passphrase)
                }
            identity.ocspResponse = ocsp.map { TLSFile($0) }
            return identity
        }
    }

    struct Clients: Decodable, Sendable {
        var requirement: String
        var authorities: [String]
        var crls: [String]?
        var dns: [String]?
        var uris: [String]?
        var tickets: Int?

        var policy: TLSClientCertificates {
            let files = authorities.map { TLSFile($0) }
            var policy: TLSClientCertificates =
                switch requirement {
                case "required": .required(authorities: files)
                case "optional": .optional(authorities: files)
                default: .notAsked
                }
            policy.revocationLists = (crls ?? []).map { TLSFile($0) }
            policy.allowedDNSNames = dns ?? []
            policy.allowedURIs = uris ?? []
            policy.ticketCount = tickets ?? 0
            return policy
        }
    }

    struct Host: Decodable, Sendable {
        var identities: [Identity]
        var names: [String]?
        var clients: Clients?
    }

    struct TLS: Decodable, Sendable {
        var identities: [Identity]
        var clients: Clients?
        var hosts: [Host]?
        var refuseUnknownNames: Bool?
        var refuseMissingName: Bool?
        var alpn: [String]?
        var minimum: String?
        var maximum: String?
        var groups: [String]?
        var tickets: Int?
        var ticketLifetime: Int?
        var sessionLifetime: Int?
        /// `master`, `random`, `off`, `nginx:FILE,FILE`, `haproxy:FILE`, or `files:FILE,FILE` for such as are read again.
        var ticketKeys: String?
        var maximumCertificateList: Int?
        var maximumClientHello: Int?
        var maximumKeyUpdates: Int?
        var maximumHandshakes: Int?
        var handshakeDeadline: Double?
        var keyLog: String?
    }

    var workers: Int?
    var transport: Transport?
    var log: String?
    var user: String?
    var share: Bool?
    /// A ``TLSMaster``, which shares the files and watches them.
    var master: Bool?
    /// The watching reloader, every 0.1 s.
    var watch: Bool?
    /// SO_SNDBUF of each connection.
    var sendBuffer: Int?
    var tls: TLS

    init(contentsOf path: String) throws {
        self = try JSONDecoder().decode(FixtureSettings.self, from: Data(contentsOf: URL(filePath: path)))
    }

    func serverConfiguration() throws -> Configuration {
        var configuration = Configuration()
        configuration.listeners = [try ListenAddress(parsing: "127.0.0.1:0")]
        configuration.maxWorkers = workers ?? 2
        configuration.drainDeadline = .seconds(5)
        // Tests kill workers often, and wait for the next.
        configuration.backoff.base = .milliseconds(10)
        configuration.backoff.maximum = .milliseconds(50)
        configuration.privileges.allowsRoot = user == nil
        configuration.privileges.user = user
        return configuration
    }

    func tlsConfiguration(slot: Int) throws -> TLSConfiguration {
        var made = TLSConfiguration(identities: tls.identities.map(\.identity))
        made.clientCertificates = tls.clients?.policy ?? .notAsked
        made.hosts = (tls.hosts ?? []).map { host in
            TLSHost(
                identities: host.identities.map(\.identity),
                names: host.names ?? [],
                clientCertificates: host.clients?.policy ?? .notAsked
            )
        }
        if tls.refuseUnknownNames == true { made.unknownNames = .refuse }
        if tls.refuseMissingName == true { made.missingName = .refuse }
        if let names = tls.alpn { made.applicationProtocols = names }
        if tls.minimum == "1.3" { made.minimumVersion = .v1_3 }
        if tls.maximum == "1.2" { made.maximumVersion = .v1_2 }
        if let groups = tls.groups { made.groups = groups }
        if let count = tls.tickets { made.ticketCount = count }
        if let seconds = tls.ticketLifetime { made.ticketLifetime = .seconds(seconds) }
        if let seconds = tls.sessionLifetime { made.maximumSessionLifetime = .seconds(seconds) }
        made.ticketKeys = try ticketKeys()
        if let limit = tls.maximumCertificateList { made.maximumCertificateListSize = limit }
        if let limit = tls.maximumClientHello { made.maximumClientHelloSize = limit }
        if let limit = tls.maximumKeyUpdates { made.maximumKeyUpdatesPerSecond = limit }
        if let limit = tls.maximumHandshakes { made.maximumHandshakesInProgress = limit }
        if let seconds = tls.handshakeDeadline { made.handshakeDeadline = .seconds(seconds) }
        // The master makes a context only to check it.
        if slot >= 0 { made.insecureKeyLogFile = tls.keyLog }
        made.onEvent = { complain("event slot=\(slot) \($0)") }
        return made
    }

    private func ticketKeys() throws -> TicketKeySource {
        let parts = (tls.ticketKeys ?? "random").split(separator: ":", maxSplits: 1).map(String.init)
        switch (parts.first, parts.dropFirst().first) {
        case ("master", _): return .master
        case ("off", _): return .off
        case ("nginx", let files?): return .fixed(try files.split(separator: ",").map { try .nginxFile(String($0)) })
        case ("files", let files?): return .files(files.split(separator: ",").map(String.init))
        case ("haproxy", let file?): return .fixed(try TicketKeys.haproxyFile(file))
        default: return .random
        }
    }
}
