/// Reads what a configuration names: from the disk, or from what the master has read and shared.
struct TLSFileReader: Sendable {
    /// Contents by path, which go before the disk.
    var shared: [String: SharedFile] = [:]

    /// - Parameter isPrivate: Whether a file on the disk that others than its owner may read is refused.
    func read(
        _ source: TLSIdentity.Source,
        what: String,
        limit: Int = LoadedIdentity.fileLimit,
        isPrivate: Bool = false
    ) throws(TLSError) -> SecretBytes {
        switch source {
        case .file(let path):
            if let file = shared[path] { return try SecretBytes(copying: file.bytes) }
            return try SecretBytes.contents(of: path, limit: limit, isPrivate: isPrivate)
        case .bytes(let bytes):
            guard bytes.count <= limit else {
                throw TLSError(.fileTooLarge, "The \(what) has \(bytes.count) bytes; at most \(limit) are read.")
            }
            return try SecretBytes(copying: bytes)
        }
    }
}
