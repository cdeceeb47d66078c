#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

extension TLSIdentity {
    /// A certificate with its chain and key in a PKCS#12 file (`.p12`, `.pfx`).
    ///
    /// - Parameters:
    ///   - pkcs12File: The file.
    ///   - passphrase: What opens it; nil or empty for none.
    public init(pkcs12File: String, passphrase: String? = nil) {
        self.init(file: pkcs12File, passphrase: passphrase)
        isPKCS12 = true
    }

    /// What certbot keeps for a name: `fullchain.pem` and `privkey.pem` in `directory/name`.
    public static func certbot(_ name: String, directory: String = "/etc/letsencrypt/live") -> TLSIdentity {
        let folder = "\(directory)/\(name)"
        return TLSIdentity(certificateFile: "\(folder)/fullchain.pem", privateKeyFile: "\(folder)/privkey.pem")
    }

    /// One identity for each `.pem` file of a directory that has certificates and key together, in the order of their
    /// names: the first one is the default. Files that come later are not seen; make the configuration again for that.
    public static func directory(_ path: String) throws(TLSError) -> [TLSIdentity] {
        guard let folder = opendir(path) else {
            throw TLSError(
                .fileUnreadable,
                "The directory \(path) cannot be read. Check its path and mode.",
                file: path
            )
        }
        defer { closedir(folder) }
        var names: [String] = []
        while let entry = readdir(folder) {
            let name = withUnsafeBytes(of: entry.pointee.d_name) {
                String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self)
            }
            if name.hasSuffix(".pem"), !name.hasPrefix(".") { names.append(name) }
        }
        guard !names.isEmpty else {
            throw TLSError(.noIdentity, "The directory \(path) has no file that ends in .pem.", file: path)
        }
        return names.sorted().map { TLSIdentity(file: "\(path)/\($0)") }
    }
}
