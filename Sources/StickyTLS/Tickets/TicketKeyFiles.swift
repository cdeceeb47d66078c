internal import CTLS

// Files of other servers, so that a client can resume at either of them.
extension TicketKeys {
    /// More than any number of keys that a server would share.
    private static let fileLimit = 64 * 1024

    /// Reads a file of nginx (`ssl_session_ticket_key`): 48 or 80 bytes. It must be its owner's alone.
    public static func nginxFile(_ path: String) throws(TLSError) -> TicketKeys {
        let contents = try SecretBytes.contents(of: path, limit: fileLimit, isPrivate: true)
        return try nginx(contents.bytes, path)
    }

    /// Reads a file of HAProxy (`tls-ticket-keys`): a line of base64 for each key. It must be its owner's alone.
    ///
    /// - Returns: The keys of the last three lines, with that of the last line but one first, because HAProxy encrypts
    ///   with it: ready for ``TicketKeySource/fixed(_:)``.
    public static func haproxyFile(_ path: String) throws(TLSError) -> [TicketKeys] {
        let contents = try SecretBytes.contents(of: path, limit: fileLimit, isPrivate: true)
        return try haproxy(contents.bytes, path)
    }

    /// Reads a file of either kind: one that is text is HAProxy's (``haproxyFile(_:)``), any other one is nginx's
    /// (``nginxFile(_:)``).
    public static func file(_ path: String) throws(TLSError) -> [TicketKeys] {
        try read([path], TLSFileReader())
    }

    /// The keys of several files, in their order. No name may come twice.
    static func read(_ paths: [String], _ files: TLSFileReader) throws(TLSError) -> [TicketKeys] {
        guard !paths.isEmpty else {
            throw TLSError(.invalidConfiguration, "The list of files with ticket keys is empty. Name one.")
        }
        var all: [TicketKeys] = []
        for path in paths {
            let contents = try files.read(.file(path), what: "ticket keys", limit: fileLimit, isPrivate: true)
            let keys = isText(contents.bytes) ? try haproxy(contents.bytes, path) : [try nginx(contents.bytes, path)]
            for key in keys {
                guard !all.contains(where: { $0.name == key.name }) else {
                    throw TLSError(
                        .invalidTicketKeys,
                        "\(path) has a ticket key whose name was there before (the first 16 bytes). Each key needs its own.",
                        file: path
                    )
                }
                all.append(key)
            }
        }
        return all
    }

    /// Keys are random: among 48 random bytes one is no text, but for one time in 10^19.
    private static func isText(_ bytes: UnsafeRawBufferPointer) -> Bool {
        bytes.allSatisfy { (0x20...0x7E).contains($0) || (0x09...0x0D).contains($0) }
    }

    private static func nginx(_ bytes: UnsafeRawBufferPointer, _ path: String) throws(TLSError) -> TicketKeys {
        guard bytes.count == 48 || bytes.count == 80 else {
            throw TLSError(
                .invalidTicketKeys,
                "\(path) has \(bytes.count) bytes; ticket keys of nginx have 48 or 80. Make them with `openssl rand`.",
                file: path
            )
        }
        return try TicketKeys(bytes: bytes)
    }

    private static func haproxy(_ bytes: UnsafeRawBufferPointer, _ path: String) throws(TLSError) -> [TicketKeys] {
        var keys: [TicketKeys] = []
        for line in bytes.split(whereSeparator: { $0 <= 0x20 }).suffix(3) {
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
