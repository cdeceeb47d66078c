/// A certificate chain with its private key, as PEM (RFC 7468), named by files or given as bytes.
///
/// The value only says where to look. ``TLSContext`` reads and checks it, again each time that one is made, so a new
/// context sees renewed files.
public struct TLSIdentity: Sendable {
    enum Source: Sendable {
        case file(String)
        case bytes([UInt8])

        var file: String? {
            if case .file(let path) = self { path } else { nil }
        }
    }

    let certificates: Source
    /// Nil: the key is in the same PEM as the certificates.
    let privateKey: Source?
    let passphrase: String?
    /// The certificates' source is PKCS#12 and not PEM.
    var isPKCS12 = false

    /// Asked for the passphrase of an encrypted key when none was given, each time that the key is read: at the start
    /// and at each reload, on whatever thread reads it. Nil says that there is none.
    ///
    /// - Parameter file: The key's file; nil for a key that was given as bytes.
    public var passphraseCallback: (@Sendable (_ file: String?) -> String?)?

    /// An OCSP response in DER (RFC 6960) for the certificate, which goes to clients that ask for it, until its
    /// `nextUpdate`. Renew the file before that, and reload.
    public var ocspResponse: TLSFile?

    /// Certificates and key in two files, as certbot's `fullchain.pem` and `privkey.pem`.
    ///
    /// - Parameters:
    ///   - certificateFile: The server's own certificate first, then the intermediate ones.
    ///   - privateKeyFile: The key of the first certificate.
    ///   - passphrase: What opens the key, when it is encrypted.
    public init(certificateFile: String, privateKeyFile: String, passphrase: String? = nil) {
        self.certificates = .file(certificateFile)
        self.privateKey = .file(privateKeyFile)
        self.passphrase = passphrase
    }

    /// Certificates and key in one file, in any order.
    public init(file: String, passphrase: String? = nil) {
        self.certificates = .file(file)
        self.privateKey = nil
        self.passphrase = passphrase
    }

    /// Certificates and key as PEM text that is already in memory.
    ///
    /// - Parameters:
    ///   - certificatePEM: The server's own certificate first, then the intermediate ones.
    ///   - privateKeyPEM: The key of the first certificate; nil when it is in `certificatePEM`.
    ///   - passphrase: What opens the key, when it is encrypted.
    public init(certificatePEM: [UInt8], privateKeyPEM: [UInt8]? = nil, passphrase: String? = nil) {
        self.certificates = .bytes(certificatePEM)
        self.privateKey = privateKeyPEM.map { .bytes($0) }
        self.passphrase = passphrase
    }

    func passphrase(for file: String?) -> String? {
        passphrase ?? passphraseCallback?(file)
    }

    /// Reads and checks the identity as a context would, without making one.
    public func validate() throws(TLSError) {
        _ = try LoadedIdentity(self)
    }
}
