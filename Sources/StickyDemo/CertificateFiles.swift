#if Hummingbird
import StickyTLS

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Which certificates the demo serves: those of the command line, or the test certificates of the repository.
struct CertificateFiles: Sendable {
    struct Missing: Error, CustomStringConvertible {
        let description: String
    }

    private static let defaults = ["certs/localhost-ecdsa", "certs/localhost-rsa"]

    let certificates: [String]
    let privateKeys: [String]

    /// The identities. Says which file is missing, and what to do about it.
    func identities() throws -> [TLSIdentity] {
        guard certificates.isEmpty else {
            return certificates.indices.map { index in
                privateKeys.isEmpty
                    ? TLSIdentity(file: certificates[index])
                    : TLSIdentity(certificateFile: certificates[index], privateKeyFile: privateKeys[index])
            }
        }
        return try Self.defaults.map { name in
            for file in ["\(name).pem", "\(name)-key.pem"] where access(file, F_OK) != 0 {
                throw Missing(
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
}
#endif
