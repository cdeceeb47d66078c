#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// A folder that is gone, with what is in it, when the value is.
final class TemporaryFolder {
    let path: String
    private var files: [String] = []

    init() throws {
        var template = Array("/tmp/sticky-tls-XXXXXX".utf8CString)
        guard let made = mkdtemp(&template) else { throw Failure.system(errno) }
        path = String(cString: made)
    }

    deinit {
        for file in files.reversed() { remove(file) }
        rmdir(path)
    }

    func file(_ name: String, _ contents: [UInt8], mode: mode_t = 0o600) throws -> String {
        let file = "\(path)/\(name)"
        let descriptor = open(file, O_WRONLY | O_CREAT | O_TRUNC, mode)
        guard descriptor >= 0 else { throw Failure.system(errno) }
        defer { close(descriptor) }
        files.append(file)
        var written = 0
        while written < contents.count {
            let count = contents.withUnsafeBytes { write(descriptor, $0.baseAddress! + written, $0.count - written) }
            guard count > 0 else { throw Failure.system(errno) }
            written += count
        }
        return file
    }

    func pipe(_ name: String) throws -> String {
        let file = "\(path)/\(name)"
        guard mkfifo(file, 0o600) == 0 else { throw Failure.system(errno) }
        files.append(file)
        return file
    }

    func link(_ name: String, to target: String) throws -> String {
        let file = "\(path)/\(name)"
        guard symlink(target, file) == 0 else { throw Failure.system(errno) }
        files.append(file)
        return file
    }

    enum Failure: Error {
        case system(CInt)
    }
}
