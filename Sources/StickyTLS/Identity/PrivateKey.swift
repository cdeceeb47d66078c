internal import CTLS

/// An `EVP_PKEY` with one owner.
struct PrivateKey: ~Copyable {
    let handle: OpaquePointer

    /// Reads the first private key in a PEM text. `passphrase` is asked only if the key is encrypted.
    init(pem: borrowing SecretBytes, file: String?, passphrase: () -> String?) throws(TLSError) {
        let blocks = PEMBlocks(pem).blocks
        guard let block = blocks.first(where: \.isPrivateKey) else {
            throw TLSError(
                .noPrivateKey,
                "\(file ?? "The PEM text") has no private key in it, only \(LoadedIdentity.list(blocks)). "
                    + "Name the file with the BEGIN PRIVATE KEY block.",
                file: file
            )
        }
        let request = PassphraseRequest()
        let context = Unmanaged.passUnretained(request).toOpaque()
        let handle = try withoutActuallyEscaping(passphrase) { passphrase throws(TLSError) in
            request.ask = passphrase
            defer { request.ask = nil }
            return try withReader(over: pem, block.range) { reader in
                withExtendedLifetime(request) { PEM_read_bio_PrivateKey(reader, nil, answerPassphrase, context) }
            }
        }
        if let handle {
            ERR_clear_error()
            self.handle = handle
            return
        }
        let place = file.map { "in \($0) " } ?? ""
        if !request.asked {
            throw TLSError.fromQueue(
                .damagedPrivateKey,
                "The private key \(place)is damaged or of a kind that OpenSSL does not know.",
                file: file
            )
        }
        guard request.answered else {
            ERR_clear_error()
            throw TLSError(
                .passphraseMissing,
                "The private key \(place)is encrypted and there is no passphrase. "
                    + "Give one, or decrypt the key with `openssl pkey`.",
                file: file
            )
        }
        throw TLSError.fromQueue(
            .passphraseWrong,
            "The passphrase does not open the private key \(place)- check it.",
            file: file
        )
    }

    init(owning handle: OpaquePointer) {
        self.handle = handle
    }

    deinit {
        EVP_PKEY_free(handle)
    }
}

/// What OpenSSL's passphrase callback is given, and whether it was called at all.
private final class PassphraseRequest {
    var ask: (() -> String?)?
    var asked = false
    var answered = false
}

private func answerPassphrase(
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ capacity: CInt,
    _ writing: CInt,
    _ context: UnsafeMutableRawPointer?
) -> CInt {
    guard let buffer, let context else { return -1 }
    let request = Unmanaged<PassphraseRequest>.fromOpaque(context).takeUnretainedValue()
    request.asked = true
    guard let passphrase = request.ask?() else { return -1 }
    request.answered = true
    let bytes = Array(passphrase.utf8)
    guard bytes.count <= Int(capacity) else { return -1 }
    for (index, byte) in bytes.enumerated() {
        buffer[index] = CChar(bitPattern: byte)
    }
    return CInt(bytes.count)
}
