internal import CTLS

/// Why a TLS configuration cannot be used: what is wrong, with which file, and what to do about it.
///
/// ``description`` is a sentence for the operator; ``code`` is for programs.
public struct TLSError: Error, Sendable, CustomStringConvertible {
    /// What went wrong. More codes may come, so compare and keep a default.
    public struct Code: Sendable, Hashable, CustomStringConvertible {
        let name: String

        /// No file has this name.
        public static let fileMissing = Code(name: "fileMissing")
        /// The process may not read the file.
        public static let permissionDenied = Code(name: "permissionDenied")
        /// The name belongs to a directory.
        public static let isDirectory = Code(name: "isDirectory")
        /// The name belongs to a pipe, a socket or a device. It was not opened for reading, so nothing hangs.
        public static let notRegularFile = Code(name: "notRegularFile")
        /// The file is larger than a certificate or key can be.
        public static let fileTooLarge = Code(name: "fileTooLarge")
        /// The file could not be read for another reason (errno in the text).
        public static let fileUnreadable = Code(name: "fileUnreadable")
        /// There is nothing in the file, or only blank space.
        public static let empty = Code(name: "empty")
        /// There is no PEM block in it; it may be DER or PKCS#12.
        public static let notPEM = Code(name: "notPEM")
        /// It is PEM, but has no certificate in it.
        public static let noCertificate = Code(name: "noCertificate")
        /// It is PEM, but has no private key in it.
        public static let noPrivateKey = Code(name: "noPrivateKey")
        /// A certificate block cannot be read.
        public static let damagedCertificate = Code(name: "damagedCertificate")
        /// A private key block cannot be read.
        public static let damagedPrivateKey = Code(name: "damagedPrivateKey")
        /// The private key is encrypted and no passphrase was given.
        public static let passphraseMissing = Code(name: "passphraseMissing")
        /// The passphrase does not open the private key.
        public static let passphraseWrong = Code(name: "passphraseWrong")
        /// The private key is not the one of the first certificate.
        public static let keyMismatch = Code(name: "keyMismatch")
        /// OpenSSL refuses the certificate, for instance because its key is too small for the security level.
        public static let certificateRejected = Code(name: "certificateRejected")
        /// Two identities with keys of the same kind (two RSA, two ECDSA) have the same names, or an identity has none,
        /// or two hosts claim one name.
        public static let identityConflict = Code(name: "identityConflict")
        /// The configuration has no identity.
        public static let noIdentity = Code(name: "noIdentity")
        /// A revocation list cannot be read.
        public static let damagedRevocationList = Code(name: "damagedRevocationList")
        /// Certificates of a chain are not in order: each must be signed by the next.
        public static let brokenChain = Code(name: "brokenChain")
        /// A certificate is no longer valid, or not yet.
        public static let outOfDate = Code(name: "outOfDate")
        /// A file of secrets may be read by others than its owner.
        public static let readableByOthers = Code(name: "readableByOthers")
        /// An OCSP response cannot be read, or is not for the certificate.
        public static let damagedStaple = Code(name: "damagedStaple")
        /// A certificate and its key changed while they were read. Try again.
        public static let changedMeanwhile = Code(name: "changedMeanwhile")
        /// As many handshakes are in progress as may be.
        public static let tooManyHandshakes = Code(name: "tooManyHandshakes")
        /// A value of ``TLSConfiguration`` cannot be used: versions, ciphers, groups, protocols or durations.
        public static let invalidConfiguration = Code(name: "invalidConfiguration")
        /// Ticket keys have the wrong length, or two have the same name.
        public static let invalidTicketKeys = Code(name: "invalidTicketKeys")
        /// OpenSSL failed for a reason of its own, such as missing memory.
        public static let openSSL = Code(name: "openSSL")

        /// The code's name in Swift.
        public var description: String { name }
    }

    /// What went wrong.
    public let code: Code
    /// The file that it went wrong with; nil when bytes were given, or when no file is to blame.
    public let file: String?
    /// OpenSSL's word for it, such as `bad decrypt`; nil when OpenSSL was not asked.
    public let reason: String?
    /// A sentence that says what is wrong and what to do.
    public let description: String

    init(_ code: Code, _ description: String, file: String? = nil, reason: String? = nil) {
        self.code = code
        self.file = file
        self.reason = reason
        self.description = description
    }

    /// An error for which OpenSSL has put the reason in the thread's queue. The queue is emptied.
    static func fromQueue(_ code: Code, _ description: String, file: String? = nil) -> TLSError {
        let reason = openSSLReason(ERR_peek_last_error())
        ERR_clear_error()
        let text = reason.map { "\(description) OpenSSL says: \($0)." } ?? description
        return TLSError(code, text, file: file, reason: reason)
    }
}

/// OpenSSL's text for the reason in an error of its queue; nil for no error, a number when it has no text.
func openSSLReason(_ error: UInt) -> String? {
    guard error != 0 else { return nil }
    guard let text = ERR_reason_error_string(error) else { return "error \(error)" }
    return String(cString: text)
}
