#if Hummingbird
import ArgumentParser

/// The SHA-256 of a public key as people write it: 64 hexadecimal digits, with colons or without, or base64, as curl and
/// RFC 7469 do, with `sha256/` before it or without.
struct PublicKeyPin: Sendable {
    let bytes: [UInt8]

    init(parsing text: String) throws {
        guard let bytes = Self.hexadecimal(text) ?? Self.base64(text) else {
            throw ValidationError(
                """
                «\(text)» is no SHA-256 of a public key: 64 hexadecimal digits, or 44 characters of base64. Make it with \
                openssl x509 -in client.pem -noout -pubkey | openssl pkey -pubin -outform DER | openssl dgst -sha256
                """
            )
        }
        self.bytes = bytes
    }

    private static func hexadecimal(_ text: String) -> [UInt8]? {
        let digits = text.filter { $0 != ":" }.compactMap(\.hexDigitValue)
        guard digits.count == 64, text.allSatisfy({ $0 == ":" || $0.isASCII && $0.isHexDigit }) else { return nil }
        return stride(from: 0, to: 64, by: 2).map { UInt8(digits[$0] * 16 + digits[$0 + 1]) }
    }

    private static func base64(_ text: String) -> [UInt8]? {
        let alphabet = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/".utf8)
        var digits = text[...]
        if digits.hasPrefix("sha256/") { digits = digits.dropFirst(digits.hasPrefix("sha256//") ? 8 : 7) }
        guard digits.utf8.count == 44, digits.last == "=" else { return nil }
        var (bits, count) = (0, 0)
        var bytes: [UInt8] = []
        for digit in digits.utf8.dropLast() {
            guard let value = alphabet.firstIndex(of: digit) else { return nil }
            bits = (bits << 6 | value) & 0xFFFF
            count += 6
            guard count >= 8 else { continue }
            count -= 8
            bytes.append(UInt8(truncatingIfNeeded: bits >> count))
        }
        return bytes
    }
}
#endif
