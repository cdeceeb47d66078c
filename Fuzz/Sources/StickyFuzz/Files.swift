import Glibc

@testable import StickyTLS

private let folder = String(cString: getenv("TMPDIR") ?? strdup("/tmp")) + "/sticky-fuzz-\(getpid())"

/// The first byte says which parser gets the rest.
func fuzzFiles(_ bytes: [UInt8]) {
    guard let kind = bytes.first else { return }
    let rest = Array(bytes.dropFirst())
    do throws(TLSError) {
        switch kind % 9 {
        case 0: try TLSIdentity(certificatePEM: rest).validate()
        case 1: try TLSIdentity(certificatePEM: Array(identityPEM.utf8), privateKeyPEM: rest).validate()
        case 2:
            var identity = TLSIdentity(certificatePEM: Array(identityPEM.utf8))
            identity.ocspResponse = TLSFile(bytes: rest)
            try identity.validate()
        case 3:
            var clients = TLSClientCertificates.required(authorities: [TLSFile(bytes: Array(identityPEM.utf8))])
            clients.revocationLists = [TLSFile(bytes: rest)]
            _ = try ClientPolicy(clients, files: TLSFileReader())
        case 4: try TLSIdentity(pkcs12File: write(rest), passphrase: "secret").validate()
        case 5: _ = try TicketKeys.nginxFile(write(rest))
        case 6: _ = try TicketKeys.haproxyFile(write(rest))
        case 7: _ = try TicketKeyRing(encoded: rest)
        default:
            _ = TLSFileShare.decode(rest)
            _ = PlainHTTPAnswer.answer(to: rest) { _ in true }
            rest.withUnsafeBufferPointer { _ = ServerName(extension: $0) }
        }
    } catch {
        // A sentence for the operator, of whatever was in the file.
        _ = error.description
    }
}

private func write(_ bytes: [UInt8]) -> String {
    let descriptor = open(folder, O_WRONLY | O_CREAT | O_TRUNC, 0o600)
    guard descriptor >= 0 else { fatalError("no file \(folder)") }
    _ = bytes.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
    close(descriptor)
    return folder
}
