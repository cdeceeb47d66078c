import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("Client certificates (T4, T29, T30)")
struct ClientCertificateTests {
    static let versions = [TLS1_2_VERSION, TLS1_3_VERSION]
    static let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
    static let stranger = TestIdentity(.ecdsa, names: nil, subject: "stranger", isAuthority: true)
    static let good = TestIdentity(
        .ecdsa,
        names: "DNS:Worker.test,URI:spiffe://test/worker/1",
        subject: "worker",
        by: authority
    )
    static let other = TestIdentity(
        .rsa,
        names: "DNS:other.test,URI:spiffe://test/other",
        subject: "other",
        by: authority
    )
    static let foreign = TestIdentity(.ecdsa, names: "DNS:worker.test", by: stranger)
    static let expired = TestIdentity(.ecdsa, names: "DNS:worker.test", from: -7200, until: -3600, by: authority)

    private func context(
        _ requirement: TLSClientCertificates.Requirement,
        _ change: (inout TLSClientCertificates) -> Void = { _ in }
    ) throws -> TLSContext {
        var clients = TLSClientCertificates(requirement, authorities: [TLSFile(bytes: Self.authority.certificatePEM)])
        change(&clients)
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.clientCertificates = clients
        return try TLSContext(configuration)
    }

    private func verdict(_ context: TLSContext, _ version: CInt, _ identity: TestIdentity?) throws -> String {
        let dialogue = try Dialogue(context, version: version, identity: identity)
        if let failure = dialogue.server.failure { return "\(failure.reason), \(failure.alert?.name ?? "no alert")" }
        guard dialogue.isOpen else { return "not open" }
        return dialogue.info?.clientCertificate.map { $0.isVerified ? $0.subject : "not verified" } ?? "nobody"
    }

    @Test("T30: what each kind of certificate gets with none, optional and required", arguments: versions)
    func table(version: CInt) throws {
        let none = try context(.none)
        for identity in [nil, Self.good, Self.foreign, Self.expired] {
            #expect(try verdict(none, version, identity) == "nobody")
        }
        let optional = try context(.optional)
        let required = try context(.required)
        #expect(try verdict(optional, version, nil) == "nobody")
        let lack = version == TLS1_3_VERSION ? "certificate_required" : "handshake_failure"
        #expect(try verdict(required, version, nil) == "peer did not return a certificate, \(lack)")
        for context in [optional, required] {
            #expect(try verdict(context, version, Self.good) == "CN=worker")
            #expect(try verdict(context, version, Self.other) == "CN=other")
            #expect(try verdict(context, version, Self.foreign) == "unable to get local issuer certificate, unknown_ca")
            #expect(try verdict(context, version, Self.expired) == "certificate has expired, certificate_expired")
        }
        #expect(optional.counters.snapshot.clientCertificateFailures == 2)
        #expect(required.counters.snapshot.clientCertificateFailures == 3)
        #expect(required.counters.snapshot.clientCertificateFailuresByReason.values.reduce(0, +) == 3)
    }

    @Test(
        "T29: no certificate is asked for where none is wanted, also beside a host that wants one",
        arguments: versions
    )
    func notAsked(version: CInt) throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        let closed = TestIdentity(.ecdsa, names: "DNS:closed.test")
        configuration.hosts = [
            TLSHost(
                identities: [closed.identity],
                clientCertificates: .required(authorities: [TLSFile(bytes: Self.authority.certificatePEM)])
            )
        ]
        let context = try TLSContext(configuration)
        func asks(_ name: String) throws -> Bool {
            let dialogue = try Dialogue(context, version: version, serverName: name, identity: Self.good)
            #expect(dialogue.isOpen)
            return dialogue.info?.clientCertificate != nil
        }
        #expect(try !asks("localhost"))
        #expect(try asks("closed.test"))
        #expect(try !asks("localhost"))
        // The other way round: the default asks, another host does not.
        var reversed = TLSConfiguration(identities: [closed.identity])
        reversed.clientCertificates = configuration.hosts[0].clientCertificates
        reversed.hosts = [TLSHost(identities: [TestIdentity.ecdsa.identity])]
        let second = try TLSContext(reversed)
        let open = try Dialogue(second, version: version)
        #expect(open.isOpen && open.info?.clientCertificate == nil)
        // Tickets too are those of the host: the default of the second has none.
        #expect(try #require(Dialogue(second, version: version, session: open.session).info).isResumed)
        #expect(try !Dialogue(second, version: version, serverName: "closed.test").isOpen)
        #expect(try !Dialogue(second, version: version, serverName: nil).isOpen)
    }

    @Test("The application gets the certificate")
    func facts() throws {
        let dialogue = try Dialogue(context(.required), identity: Self.good)
        let certificate = try #require(dialogue.info?.clientCertificate)
        #expect(certificate.subject == "CN=worker")
        #expect(certificate.issuer == "CN=authority")
        #expect(certificate.dnsNames == ["Worker.test"])
        #expect(certificate.uris == ["spiffe://test/worker/1"])
        #expect(certificate.isVerified && certificate.isVerifiedOnThisConnection)
        #expect(certificate.fingerprint == certificate.der.withUnsafeBytes { sha256($0) })
        let serial = Self.good.withObjects { certificate, _ in ASN1_INTEGER_get(X509_get_serialNumber(certificate)) }
        #expect(Int(certificate.serialNumber, radix: 16) == serial)
        #expect(
            certificate.publicKeyHash
                == Self.good.withObjects { certificate, _ in TLSClientCertificate.publicKeyHash(certificate) }
        )
    }

    @Test("The certificate is decoded once for a connection, and goes with it", arguments: versions)
    func decodedOnce(version: CInt) throws {
        var dialogue: Dialogue? = try Dialogue(context(.required), version: version, identity: Self.good)
        let first = try #require(dialogue?.info?.clientCertificate)
        let second = try #require(dialogue?.info?.clientCertificate)
        #expect(first.storage === second.storage)
        #expect(first == second && first.subject == "CN=worker")
        weak let storage = try Dialogue(context(.required), version: version, identity: Self.good)
            .info?.clientCertificate?.storage
        #expect(storage == nil)
        // Another connection has its own, and they say the same.
        dialogue = try Dialogue(context(.required), version: version, identity: Self.good)
        let other = try #require(dialogue?.info?.clientCertificate)
        #expect(other.storage !== first.storage && other == first && other.hashValue == first.hashValue)
    }

    @Test("Allow-lists: DNS name, URI, everything below a URI, public key; any of them is enough", arguments: versions)
    func allowLists(version: CInt) throws {
        let pin = Self.good.withObjects { certificate, _ in TLSClientCertificate.publicKeyHash(certificate) }
        let lists: [(inout TLSClientCertificates) -> Void] = [
            { $0.allowedDNSNames = ["x.test", "worker.TEST"] },
            { $0.allowedURIs = ["spiffe://test/worker/1"] },
            { $0.allowedURIs = ["spiffe://test/worker/*"] },
            { $0.allowedPublicKeys = [pin] },
            {
                $0.allowedDNSNames = ["x.test"]
                $0.allowedPublicKeys = [pin]
            },
        ]
        for list in lists {
            let context = try context(.required, list)
            #expect(try verdict(context, version, Self.good) == "CN=worker")
            #expect(try verdict(context, version, Self.other).hasPrefix("client certificate not allowed"))
            #expect(try verdict(context, version, Self.foreign).hasPrefix("unable to get local issuer"))
        }
        let near = try context(.optional) {
            $0.allowedDNSNames = ["worker.tes", "*.test", "test"]
            $0.allowedURIs = ["spiffe://test/worker", "spiffe://test/worker/1/*", "spiffe://test/work/*", "/*"]
        }
        #expect(try verdict(near, version, Self.good).hasPrefix("client certificate not allowed"))
        #expect(try verdict(near, version, nil) == "nobody")
    }

    @Test(
        "Revocation lists: who is on it is refused, and so is everyone when there is none of the issuer",
        arguments: versions
    )
    func revocation(version: CInt) throws {
        let list = Self.authority.revocationList([Self.other])
        let context = try context(.required) { $0.revocationLists = [TLSFile(bytes: list)] }
        #expect(try verdict(context, version, Self.good) == "CN=worker")
        #expect(try verdict(context, version, Self.other) == "certificate revoked, certificate_revoked")
        let foreign = Self.stranger.revocationList([])
        let without = try self.context(.required) { $0.revocationLists = [TLSFile(bytes: foreign)] }
        #expect(try verdict(without, version, Self.good).hasPrefix("unable to get certificate CRL"))
    }

    @Test("No tickets unless they are wanted; then a session resumes with the certificate in it", arguments: versions)
    func tickets(version: CInt) throws {
        let without = try context(.optional)
        let first = try Dialogue(without, version: version, identity: Self.good)
        #expect(
            try !#require(Dialogue(without, version: version, session: first.session, identity: Self.good).info)
                .isResumed
        )
        for identity in [Self.good, nil] {
            let with = try context(.optional) { $0.ticketCount = 1 }
            let session = try Dialogue(with, version: version, identity: identity).session
            let second = try Dialogue(with, version: version, session: session, identity: identity)
            #expect(try #require(second.info).isResumed)
            #expect(second.info?.clientCertificate?.subject == (identity == nil ? nil : "CN=worker"))
            #expect(second.info?.clientCertificate?.isVerifiedOnThisConnection != true)
        }
    }

    @Test("Files that are missing, damaged or of another kind are named")
    func files() throws {
        let folder = try TemporaryFolder()
        func code(_ authorities: [TLSFile], _ lists: [TLSFile] = []) -> TLSError.Code? {
            var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
            configuration.clientCertificates = .required(authorities: authorities)
            configuration.clientCertificates.revocationLists = lists
            do throws(TLSError) {
                _ = try TLSContext(configuration)
                return nil
            } catch {
                return error.code
            }
        }
        let ca = try TLSFile(folder.file("ca.pem", Self.authority.certificatePEM))
        #expect(code([ca]) == nil)
        #expect(code([]) == .invalidConfiguration)
        #expect(code(["/none"]) == .fileMissing)
        #expect(code([TLSFile(bytes: Self.authority.privateKeyPEM)]) == .noCertificate)
        #expect(code([ca], [ca]) == .damagedRevocationList)
        var damaged = Self.authority.certificatePEM
        damaged[60] = UInt8(ascii: "!")
        #expect(code([TLSFile(bytes: damaged)]) == .damagedCertificate)
        var damagedList = Self.authority.revocationList([])
        damagedList[60] = UInt8(ascii: "!")
        #expect(code([ca], [TLSFile(bytes: damagedList)]) == .damagedRevocationList)
    }
}
