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
        var files: [String: SharedFile] = [:]
        let ticketKeyFiles = configuration.ticketKeyFiles
        for path in configuration.files {
            let isTicketKeys = ticketKeyFiles.contains(path)
            // A value of its own: the bytes live no longer than it does.
            let contents = try SecretBytes.contents(
                of: path,
                limit: LoadedIdentity.fileLimit,
                isPrivate: isTicketKeys
            )
            files[path] = try SharedFile(copying: contents.bytes, isLocked: isTicketKeys)
        }
        let reader = TLSFileReader(shared: files)
        _ = try TLSGeneration.hosts(for: configuration, files: reader)
        _ = try TicketSealer(configuration.ticketKeys, files: reader)
        var bytes: [UInt8] = []
        // At once: an array that grows leaves copies behind.
        bytes.reserveCapacity(files.reduce(0) { $0 + 8 + $1.key.utf8.count + $1.value.bytes.count })
        func append(_ part: some Collection<UInt8>) {
            withUnsafeBytes(of: UInt32(part.count).littleEndian) { bytes.append(contentsOf: $0) }
            bytes.append(contentsOf: part)
        }
        for (path, file) in files.sorted(by: { $0.key < $1.key }) {
            append(path.utf8)
            append(file.bytes)
        }
        return bytes
    }

    /// Nil for bytes of another kind, and when there is no memory for them.
    ///
    /// - Parameter ticketKeyFiles: Those that are locked in memory.
    static func decode(_ bytes: [UInt8], ticketKeyFiles: [String] = []) -> [String: SharedFile]? {
        bytes.withUnsafeBytes { bytes in
            var files: [String: SharedFile] = [:]
            var rest = bytes[...]
            func part() -> UnsafeRawBufferPointer? {
                guard rest.count >= 4 else { return nil }
                let count = rest.prefix(4).reversed().reduce(0) { $0 << 8 | Int($1) }
                rest = rest.dropFirst(4)
                guard rest.count >= count else { return nil }
                defer { rest = rest.dropFirst(count) }
                return UnsafeRawBufferPointer(rebasing: rest.prefix(count))
            }
            while !rest.isEmpty {
                guard let name = part(), let contents = part() else { return nil }
                let path = String(decoding: name, as: UTF8.self)
                guard let file = try? SharedFile(copying: contents, isLocked: ticketKeyFiles.contains(path)) else {
                    return nil
                }
                files[path] = file
            }
            return files
        }
    }
}
