internal import CTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The file into which the keys of sessions are written, for debugging (NSS key log format).
///
/// It is appended to with one `write` a line, which several workers may do at a time.
final class KeyLog: Sendable {
    let file: String
    private let descriptor: CInt

    init(_ file: String) throws(TLSError) {
        // A link might lead to a file that others read.
        let descriptor = open(file, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, mode_t(0o600))
        guard descriptor >= 0 else {
            let text = strerror(errno).map { String(cString: $0) } ?? ""
            throw TLSError(.invalidConfiguration, "The key log \(file) cannot be opened: \(text).", file: file)
        }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_mode & 0o077 == 0 else {
            close(descriptor)
            throw TLSError(
                .readableByOthers,
                "The key log \(file) must be a regular file that only its owner may read: `chmod 600`.",
                file: file
            )
        }
        self.file = file
        self.descriptor = descriptor
    }

    deinit {
        close(descriptor)
    }

    func add(_ line: UnsafePointer<CChar>) {
        let count = strlen(line)
        withUnsafeTemporaryAllocation(byteCount: count + 1, alignment: 1) { buffer in
            guard let base = buffer.baseAddress else { return }
            memcpy(base, line, count)
            base.storeBytes(of: UInt8(ascii: "\n"), toByteOffset: count, as: UInt8.self)
            _ = write(descriptor, base, count + 1)
        }
    }
}

func onKeyLog(_ ssl: OpaquePointer?, _ line: UnsafePointer<CChar>?) {
    guard let ssl, let line, let data = ctls_get_app_data(ssl) else { return }
    let transport = data.assumingMemoryBound(to: Transport.self)
    transport.pointee.generation.takeUnretainedValue().keyLog?.add(line)
}
