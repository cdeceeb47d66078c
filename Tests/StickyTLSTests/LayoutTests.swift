import CTLS
import TLSTestSupport
import Testing

@testable import StickyTLS

@Suite("PKCS#12, directories and certbot")
struct LayoutTests {
    private func pkcs12(_ identity: TestIdentity, _ passphrase: String) -> [UInt8] {
        identity.withObjects { certificate, key in
            let container = PKCS12_create(passphrase, "name", key, certificate, nil, 0, 0, 0, 0, 0)
            defer { PKCS12_free(container) }
            var bytes = [UInt8](repeating: 0, count: Int(i2d_PKCS12(container, nil)))
            bytes.withUnsafeMutableBufferPointer { buffer in
                var position = buffer.baseAddress
                _ = i2d_PKCS12(container, &position)
            }
            return bytes
        }
    }

    @Test("PKCS#12 is read, with and without a passphrase")
    func pkcs12() throws {
        let folder = try TemporaryFolder()
        for passphrase in ["", "open sesame"] {
            let file = try folder.file("a\(passphrase.count).p12", pkcs12(.ecdsa, passphrase))
            let identity = TLSIdentity(pkcs12File: file, passphrase: passphrase.isEmpty ? nil : passphrase)
            let context = try TLSContext(TLSConfiguration(identities: [identity]))
            #expect(try Dialogue(context).client.serverCertificate == TestIdentity.ecdsa.certificatePEM)
            let wrong = TLSIdentity(pkcs12File: file, passphrase: "shut")
            #expect(#expect(throws: TLSError.self) { try wrong.validate() }?.code == .passphraseWrong)
        }
        let locked = TLSIdentity(pkcs12File: "\(folder.path)/a11.p12")
        #expect(#expect(throws: TLSError.self) { try locked.validate() }?.code == .passphraseMissing)
        for bytes in [[], [1, 2, 3], TestIdentity.ecdsa.certificatePEM, Array(pkcs12(.ecdsa, "").dropLast(9))] {
            let identity = TLSIdentity(pkcs12File: try folder.file("bad.p12", bytes))
            #expect(#expect(throws: TLSError.self) { try identity.validate() }?.code == .damagedPrivateKey)
        }
    }

    @Test("A directory of PEM files, and certbot's layout")
    func directories() throws {
        let folder = try TemporaryFolder()
        #expect(#expect(throws: TLSError.self) { try TLSIdentity.directory(folder.path) }?.code == .noIdentity)
        let b = TestIdentity(.ecdsa, names: "DNS:b.test")
        _ = try folder.file("b.pem", b.certificatePEM + b.privateKeyPEM)
        _ = try folder.file("a.pem", TestIdentity.ecdsa.certificatePEM + TestIdentity.ecdsa.privateKeyPEM)
        _ = try folder.file("notes.txt", [1])
        let context = try TLSContext(TLSConfiguration(identities: TLSIdentity.directory(folder.path)))
        #expect(try Dialogue(context, serverName: "b.test").client.serverCertificate == b.certificatePEM)
        #expect(try Dialogue(context, serverName: nil).client.serverCertificate == TestIdentity.ecdsa.certificatePEM)
        #expect(throws: TLSError.self) { try TLSIdentity.directory("\(folder.path)/none") }

        let live = try TemporaryFolder()
        _ = try live.file("fullchain.pem", b.certificatePEM)
        _ = try live.file("privkey.pem", b.privateKeyPEM)
        let name = String(live.path.split(separator: "/").last ?? "")
        try TLSIdentity.certbot(name, directory: "/tmp").validate()
    }
}
