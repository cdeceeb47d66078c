import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

@Suite("Certificates and keys")
struct IdentityTests {
    let folder: TemporaryFolder
    let certificate: String
    let key: String

    init() throws {
        folder = try TemporaryFolder()
        certificate = try folder.file("certificate.pem", TestIdentity.ecdsa.certificatePEM)
        key = try folder.file("key.pem", TestIdentity.ecdsa.privateKeyPEM)
    }

    private func error(certificate: String? = nil, key: String? = nil, passphrase: String? = nil) -> TLSError? {
        do throws(TLSError) {
            let identity = TLSIdentity(
                certificateFile: certificate ?? self.certificate,
                privateKeyFile: key ?? self.key,
                passphrase: passphrase
            )
            try identity.validate()
            return nil
        } catch {
            return error
        }
    }

    @Test("Two files, one file in either order, and bytes all work")
    func goodForms() throws {
        #expect(error() == nil)
        let both = TestIdentity.ecdsa.certificatePEM + TestIdentity.ecdsa.privateKeyPEM
        let reversed = TestIdentity.ecdsa.privateKeyPEM + TestIdentity.ecdsa.certificatePEM
        try TLSIdentity(file: folder.file("both.pem", both)).validate()
        try TLSIdentity(file: folder.file("reversed.pem", reversed)).validate()
        try TLSIdentity(certificatePEM: both).validate()
        try TestIdentity.rsa.identity.validate()
        let link = try folder.link("link.pem", to: certificate)
        #expect(error(certificate: link) == nil)
    }

    @Test("Text around the blocks, CRLF and further certificates are fine")
    func tolerated() throws {
        let chain = TestIdentity.ecdsa.certificatePEM + TestIdentity.rsa.certificatePEM
        let text = Array("Subject: CN=localhost\n".utf8) + chain
        let crlf = text.flatMap { $0 == 10 ? [13, 10] : [$0] }
        #expect(try error(certificate: folder.file("crlf.pem", crlf)) == nil)
    }

    @Test("A missing file is named")
    func missing() {
        for path in ["\(folder.path)/none.pem", "\(certificate)/below", ""] {
            let error = error(certificate: path)
            #expect(error?.code == .fileMissing)
            #expect(error?.file == path)
        }
        #expect(error(key: "\(folder.path)/none.pem")?.code == .fileMissing)
        #expect(
            error(key: "\(folder.path)/none.pem")?.description
                == "\(folder.path)/none.pem does not exist. Check the path."
        )
    }

    @Test("A file that may not be read is named")
    func permission() throws {
        let file = try folder.file("secret.pem", TestIdentity.ecdsa.privateKeyPEM, mode: 0)
        let error = asNobody { self.error(certificate: file) }
        #expect(error?.code == .permissionDenied)
        #expect(error?.file == file)
    }

    @Test("A directory, a pipe and a device are refused at once", .timeLimit(.minutes(1)))
    func notFiles() throws {
        #expect(error(certificate: folder.path)?.code == .isDirectory)
        #expect(try error(certificate: folder.pipe("pipe"))?.code == .notRegularFile)
        #expect(error(key: "/dev/zero")?.code == .notRegularFile)
        #expect(error(key: "/dev/null")?.code == .notRegularFile)
    }

    @Test("A link that leads to itself is unreadable")
    func loop() throws {
        let link = try folder.link("loop", to: "\(folder.path)/loop")
        #expect(error(certificate: link)?.code == .fileUnreadable)
    }

    @Test("An empty file, also one of blanks, is said to be empty")
    func empty() throws {
        #expect(try error(certificate: folder.file("empty.pem", []))?.code == .empty)
        #expect(try error(key: folder.file("blank.pem", Array(" \n\r\n\t".utf8)))?.code == .empty)
        #expect(throws: TLSError.self) { try TLSIdentity(certificatePEM: []).validate() }
    }

    @Test("What is not PEM is said to be so")
    func notPEM() throws {
        let binary = (0..<500).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        #expect(try error(certificate: folder.file("der", binary))?.code == .notPEM)
        #expect(try error(key: folder.file("text", Array("hello\n".utf8)))?.code == .notPEM)
        let cut = Array(TestIdentity.ecdsa.certificatePEM.dropLast(30))
        #expect(try error(certificate: folder.file("cut.pem", cut))?.code == .notPEM)
    }

    @Test("A file without a certificate, or without a key, is said to lack it")
    func lacking() {
        #expect(error(certificate: key)?.code == .noCertificate)
        #expect(error(key: certificate)?.code == .noPrivateKey)
        let alone = #expect(throws: TLSError.self) { try TLSIdentity(file: certificate).validate() }
        #expect(alone?.code == .noPrivateKey)
    }

    @Test("Damaged blocks are told apart")
    func damaged() throws {
        var broken = TestIdentity.ecdsa.certificatePEM
        broken[60] = UInt8(ascii: "!")
        let badCertificate = try error(certificate: folder.file("bad.pem", broken))
        #expect(badCertificate?.code == .damagedCertificate)
        #expect(badCertificate?.reason != nil)
        let second = try error(certificate: folder.file("second.pem", TestIdentity.ecdsa.certificatePEM + broken))
        #expect(second?.code == .damagedCertificate)
        #expect(second?.description.hasPrefix("Certificate 2 in ") == true)
        var brokenKey = TestIdentity.ecdsa.privateKeyPEM
        brokenKey[50] = UInt8(ascii: "!")
        #expect(try error(key: folder.file("badkey.pem", brokenKey))?.code == .damagedPrivateKey)
    }

    @Test("A key of another certificate is refused")
    func mismatch() throws {
        let other = try folder.file("other.pem", TestIdentity.otherECDSA.privateKeyPEM)
        #expect(error(key: other)?.code == .keyMismatch)
        #expect(error(key: other)?.file == other)
        let rsa = try folder.file("rsa.pem", TestIdentity.rsa.privateKeyPEM)
        #expect(error(key: rsa)?.code == .keyMismatch)
    }

    @Test("An encrypted key needs its passphrase, and never asks at the terminal")
    func encrypted() throws {
        let file = try folder.file("encrypted.pem", TestIdentity.ecdsa.encryptedKey(passphrase: "open sesame"))
        #expect(error(key: file)?.code == .passphraseMissing)
        #expect(error(key: file, passphrase: "shut")?.code == .passphraseWrong)
        #expect(error(key: file, passphrase: "")?.code == .passphraseWrong)
        #expect(error(key: file, passphrase: String(repeating: "long", count: 2000))?.code == .passphraseWrong)
        #expect(error(key: file, passphrase: "open sesame") == nil)
        #expect(error(passphrase: "not needed") == nil)
    }

    @Test("A passphrase that was not given is asked for, once, and only when the key is encrypted")
    func passphraseCallback() throws {
        let file = try folder.file("encrypted.pem", TestIdentity.ecdsa.encryptedKey(passphrase: "open sesame"))
        let asked = Mutex<[String?]>([])
        func identity(_ key: String, _ answer: String?) throws -> TLSIdentity {
            let chain = try folder.file("chain.pem", TestIdentity.ecdsa.certificatePEM)
            var identity = TLSIdentity(certificateFile: chain, privateKeyFile: key)
            identity.passphraseCallback = { file in
                asked.withLock { $0.append(file) }
                return answer
            }
            return identity
        }
        try identity(file, "open sesame").validate()
        #expect(asked.withLock { $0 } == [file])
        #expect(#expect(throws: TLSError.self) { try identity(file, "shut").validate() }?.code == .passphraseWrong)
        #expect(#expect(throws: TLSError.self) { try identity(file, nil).validate() }?.code == .passphraseMissing)
        asked.withLock { $0 = [] }
        try identity(try folder.file("plain.pem", TestIdentity.ecdsa.privateKeyPEM), "not needed").validate()
        #expect(asked.withLock { $0 }.isEmpty)
    }

    @Test("A file that is too large is not read")
    func tooLarge() throws {
        let file = try folder.file("large.pem", [UInt8](repeating: 10, count: 1024 * 1024 + 1))
        #expect(error(certificate: file)?.code == .fileTooLarge)
        let bytes = TLSIdentity(certificatePEM: [UInt8](repeating: 10, count: 1024 * 1024 + 1))
        #expect(#expect(throws: TLSError.self) { try bytes.validate() }?.code == .fileTooLarge)
    }

    @Test("A key below the security level is refused by the context, with OpenSSL's reason")
    func weak() throws {
        let configuration = TLSConfiguration(identities: [TestIdentity(.weakRSA).identity])
        let error = #expect(throws: TLSError.self) { try TLSContext(configuration) }
        #expect(error?.code == .certificateRejected)
        #expect(error?.reason == "ee key too small")
    }

    @Test("Two identities of one kind conflict")
    func conflict() {
        let configuration = TLSConfiguration(
            identities: [TestIdentity.ecdsa.identity, TestIdentity.otherECDSA.identity]
        )
        let error = #expect(throws: TLSError.self) { try TLSContext(configuration) }
        #expect(error?.code == .identityConflict)
    }

    /// Root may read everything. On Linux one thread alone can give that up: setfsuid(2), which Swift does not import.
    private func asNobody<R>(_ body: () -> R) -> R {
        guard geteuid() == 0, let symbol = dlsym(nil, "setfsuid") else { return body() }
        let setfsuid = unsafeBitCast(symbol, to: (@convention(c) (uid_t) -> CInt).self)
        _ = setfsuid(65_534)
        defer { _ = setfsuid(0) }
        return body()
    }
}
