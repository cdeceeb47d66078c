internal import CTLS

// Files of other servers, so that a client can resume at either of them.
extension TicketKeys {
    /// Reads a file of nginx (`ssl_session_ticket_key`): 48 or 80 bytes. It must be its owner's alone.
    public static func nginxFile(_ path: String) throws(TLSError) -> TicketKeys {
        let contents = try SecretBytes.contents(of: path, limit: 4096, isPrivate: true)
        guard contents.count == 48 || contents.count == 80 else {
            throw TLSError(
                .invalidTicketKeys,
                "\(path) has \(contents.count) bytes; ticket keys of nginx have 48 or 80. Make them with `openssl rand`.",
                file: path
            )
        }
        return try TicketKeys(bytes: contents.bytes)
    }

    /// Reads a file of HAProxy (`tls-ticket-keys`): a line of base64 for each key. It must be its owner's alone.
    ///
    /// - Returns: The keys of the last three lines, with that of the last line but one first, because HAProxy encrypts
    ///   with it: ready for ``TicketKeySource/fixed(_:)``.
    public static func haproxyFile(_ path: String) throws(TLSError) -> [TicketKeys] {
        let contents = try SecretBytes.contents(of: path, limit: 64 * 1024, isPrivate: true)
        var keys: [TicketKeys] = []
        for line in contents.bytes.split(whereSeparator: { $0 <= 0x20 }).suffix(3) {
            keys.append(try decode(UnsafeRawBufferPointer(rebasing: line), path))
        }
        guard !keys.isEmpty else {
            throw TLSError(.invalidTicketKeys, "\(path) has no ticket keys in it.", file: path)
        }
        keys.reverse()
        if keys.count > 1 { keys.swapAt(0, 1) }
        return keys
    }

    private static func decode(_ line: UnsafeRawBufferPointer, _ path: String) throws(TLSError) -> TicketKeys {
        let padding = line.reversed().prefix { $0 == UInt8(ascii: "=") }.count
        let decoded = try SecretBytes(capacity: line.count)
        ERR_clear_error()
        guard let base = line.baseAddress, line.count <= 256, padding <= 2,
            case let count = EVP_DecodeBlock(
                decoded.base.assumingMemoryBound(to: UInt8.self),
                base.assumingMemoryBound(to: UInt8.self),
                CInt(line.count)
            ),
            case let length = Int(count) - padding, length == 48 || length == 80
        else {
            ERR_clear_error()
            throw TLSError(
                .invalidTicketKeys,
                "\(path) has a line that is not 48 or 80 bytes in base64. Make it with `openssl rand -base64 80`.",
                file: path
            )
        }
        return try TicketKeys(bytes: UnsafeRawBufferPointer(start: decoded.base, count: length), layout: .haproxy)
    }
}
