internal import CTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Bytes that may hold a private key: wiped before their memory is given back.
struct SecretBytes: ~Copyable {
    let base: UnsafeMutableRawPointer
    let capacity: Int
    private(set) var count: Int

    var bytes: UnsafeRawBufferPointer { UnsafeRawBufferPointer(start: base, count: count) }

    init(capacity: Int) throws(TLSError) {
        // OPENSSL_malloc(0) is NULL.
        guard let base = ctls_malloc(max(capacity, 1)) else {
            throw TLSError(.openSSL, "There is not enough memory for \(capacity) bytes.")
        }
        self.base = base
        self.capacity = max(capacity, 1)
        self.count = 0
    }

    init(copying source: some Collection<UInt8>) throws(TLSError) {
        try self.init(capacity: source.count)
        UnsafeMutableRawBufferPointer(start: base, count: capacity).copyBytes(from: source)
        count = source.count
    }

    /// Reads a whole regular file of at most `limit` bytes. Never waits, whatever the path names.
    ///
    /// - Parameter isPrivate: Whether a file that others than its owner may read is refused.
    static func contents(of file: String, limit: Int, isPrivate: Bool = false) throws(TLSError) -> SecretBytes {
        // O_NONBLOCK: opening a pipe without a writer would wait for one.
        let descriptor = open(file, O_RDONLY | O_NONBLOCK | O_CLOEXEC | O_NOCTTY)
        guard descriptor >= 0 else { throw SecretBytes.failure(errno, file: file) }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0 else { throw SecretBytes.failure(errno, file: file) }
        switch status.st_mode & S_IFMT {
        case S_IFREG:
            break
        case S_IFDIR:
            throw TLSError(.isDirectory, "\(file) is a directory. Name the PEM file in it.", file: file)
        default:
            throw TLSError(
                .notRegularFile,
                "\(file) is a pipe, a socket or a device. Name a regular file that holds PEM text.",
                file: file
            )
        }
        guard !isPrivate || status.st_mode & 0o077 == 0 else {
            throw TLSError(
                .readableByOthers,
                "\(file) holds secrets, and others than its owner have rights on it. Use `chmod 600`.",
                file: file
            )
        }
        let size = max(Int(status.st_size), 0)
        guard size <= limit else {
            throw TLSError(
                .fileTooLarge,
                "\(file) has \(size) bytes, more than any certificate chain or key. Name the right file.",
                file: file
            )
        }
        // Room for one byte more, so that a file that grows meanwhile is noticed.
        var contents = try SecretBytes(capacity: size + 1)
        while contents.count < contents.capacity, try contents.readMore(from: descriptor, file: file) {}
        guard contents.count <= size else {
            throw TLSError(.fileUnreadable, "\(file) grew while it was read. Try again.", file: file)
        }
        return contents
    }

    /// False at the end of the file.
    private mutating func readMore(from descriptor: CInt, file: String) throws(TLSError) -> Bool {
        while true {
            let result = read(descriptor, base + count, capacity - count)
            if result >= 0 {
                count += result
                return result > 0
            }
            if errno != EINTR { throw SecretBytes.failure(errno, file: file) }
        }
    }

    deinit {
        ctls_clear_free(base, capacity)
    }

    private static func failure(_ number: CInt, file: String) -> TLSError {
        switch number {
        case ENOENT, ENOTDIR:
            return TLSError(.fileMissing, "\(file) does not exist. Check the path.", file: file)
        case EACCES, EPERM:
            return TLSError(
                .permissionDenied,
                "This process may not read \(file). Check the owner and mode of the file and of its directories.",
                file: file
            )
        case ENXIO:
            return TLSError(
                .notRegularFile,
                "\(file) is a socket or a device. Name a regular file that holds PEM text.",
                file: file
            )
        default:
            let text = strerror(number).map { String(cString: $0) } ?? "error \(number)"
            return TLSError(.fileUnreadable, "\(file) cannot be read: \(text).", file: file)
        }
    }
}
