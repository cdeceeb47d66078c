internal import CTLS

/// The alternative names of a certificate (RFC 5280 section 4.2.1.6).
struct CertificateNames {
    private(set) var dns: [String] = []
    private(set) var uris: [String] = []
    private(set) var addresses: [[UInt8]] = []

    var isEmpty: Bool { dns.isEmpty && addresses.isEmpty }

    init(_ certificate: OpaquePointer) {
        guard let raw = X509_get_ext_d2i(certificate, NID_subject_alt_name, nil, nil) else { return }
        let names = OpaquePointer(raw)
        defer { GENERAL_NAMES_free(names) }
        for index in 0..<max(OPENSSL_sk_num(names), 0) {
            guard let raw = OPENSSL_sk_value(names, index) else { continue }
            let name = raw.assumingMemoryBound(to: GENERAL_NAME.self)
            switch name.pointee.type {
            case GEN_DNS:
                if let text = CertificateNames.text(name.pointee.d.ia5) { dns.append(text) }
            case GEN_URI:
                if let text = CertificateNames.text(name.pointee.d.ia5) { uris.append(text) }
            case GEN_IPADD:
                addresses.append(CertificateNames.bytes(name.pointee.d.ip))
            default:
                break
            }
        }
    }

    func sharesName(with other: CertificateNames) -> Bool {
        dns.contains { other.dns.contains($0) } || addresses.contains { other.addresses.contains($0) }
    }

    /// Nil for names with a NUL in them, or what else no name can have: they are not to be mistaken for their start.
    private static func text(_ string: UnsafePointer<ASN1_STRING>?) -> String? {
        let bytes = bytes(string)
        guard !bytes.isEmpty, bytes.allSatisfy({ (0x21...0x7E).contains($0) }) else { return nil }
        return String(decoding: bytes, as: UTF8.self)
    }

    private static func bytes(_ string: UnsafePointer<ASN1_STRING>?) -> [UInt8] {
        guard let string, let base = ASN1_STRING_get0_data(string) else { return [] }
        return Array(UnsafeBufferPointer(start: base, count: Int(max(ASN1_STRING_length(string), 0))))
    }
}
