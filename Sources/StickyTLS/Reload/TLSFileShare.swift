public import StickyServer

/// Gives the files of a configuration to workers that may not read them.
///
/// ```swift
/// if server.isMaster { try TLSFileShare.share(configuration, with: server) }
/// ```
///
/// The master reads them, as root perhaps, and shares their contents; they go to workers through their control sockets
/// and not to disk. A worker's context takes them when it is attached, and again each time that the master shares.
public enum TLSFileShare {
    /// The name under which the master shares the files.
    public static let shareName = "StickyTLS.files"

    /// Reads the files, checks what is in them, and shares them. Call it again when they have changed.
    ///
    /// - Throws: What is wrong with them (`TLSError`); nothing is shared then.
    public static func share(_ configuration: TLSConfiguration, with server: StickyServer) throws {
        try server.share(encode(configuration), as: shareName)
    }

    static func encode(_ configuration: TLSConfiguration) throws(TLSError) -> [UInt8] {
        var files: [String: [UInt8]] = [:]
        let ticketKeyFiles = configuration.ticketKeyFiles
        for path in configuration.files {
            // A value of its own: the bytes live no longer than it does.
            let contents = try SecretBytes.contents(
                of: path,
                limit: LoadedIdentity.fileLimit,
                isPrivate: ticketKeyFiles.contains(path)
            )
            files[path] = Array(contents.bytes)
        }
        let reader = TLSFileReader(shared: files)
        _ = try TLSGeneration.hosts(for: configuration, files: reader)
        _ = try TicketSealer(configuration.ticketKeys, files: reader)
        var bytes: [UInt8] = []
        for (path, contents) in files.sorted(by: { $0.key < $1.key }) {
            for part in [Array(path.utf8), contents] {
                withUnsafeBytes(of: UInt32(part.count).littleEndian) { bytes.append(contentsOf: $0) }
                bytes.append(contentsOf: part)
            }
        }
        return bytes
    }

    /// Nil for bytes of another kind.
    static func decode(_ bytes: [UInt8]) -> [String: [UInt8]]? {
        var files: [String: [UInt8]] = [:]
        var rest = bytes[...]
        func part() -> [UInt8]? {
            guard rest.count >= 4 else { return nil }
            let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
            rest = rest.dropFirst(4)
            guard rest.count >= count else { return nil }
            defer { rest = rest.dropFirst(count) }
            return Array(rest.prefix(count))
        }
        while !rest.isEmpty {
            guard let path = part(), let contents = part() else { return nil }
            files[String(decoding: path, as: UTF8.self)] = contents
        }
        return files
    }
}
