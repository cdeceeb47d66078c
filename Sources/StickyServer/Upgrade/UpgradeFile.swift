internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Carries the state through execve(2) in a file without a name, whose descriptor the environment tells.
enum UpgradeFile {
    private static let variable = "STICKY_UPGRADE"

    /// Writes the state. The descriptor stays open across execve(2).
    static func make(_ state: UpgradeState) throws(StickyServerError) -> OwnedDescriptor {
        let number = sticky_memory_file()
        guard number >= 0 else { throw .system(.outOfResources, "cannot make a file for the upgrade", -number) }
        let file = OwnedDescriptor(owning: number)
        var rest = state.encoded()[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { write(number, $0.baseAddress, $0.count) }
            guard written > 0 else { throw .system(.outOfResources, "cannot write the upgrade's state", errno) }
            rest = rest.dropFirst(written)
        }
        guard lseek(number, 0, SEEK_SET) == 0 else {
            throw .system(.outOfResources, "cannot rewind the upgrade", errno)
        }
        return file
    }

    static func announce(_ descriptor: CInt) {
        setenv(variable, "\(descriptor)", 1)
    }

    static func withdraw() {
        unsetenv(variable)
    }

    /// The state of the binary before this one; nil when this process was not started by an upgrade.
    static func take() throws(StickyServerError) -> UpgradeState? {
        guard let text = getenv(variable).map({ String(cString: $0) }) else { return nil }
        unsetenv(variable)
        guard let number = CInt(text), number > 2, fcntl(number, F_GETFD) >= 0 else {
            throw StickyServerError(
                .invalidConfiguration,
                "\(variable) is set to «\(text)», which is no open descriptor: unset it"
            )
        }
        let file = OwnedDescriptor(owning: number)
        var bytes: [UInt8] = []
        var chunk = [UInt8](repeating: 0, count: 1 << 16)
        while true {
            let count = chunk.withUnsafeMutableBytes { Libc.read(file.number, $0) }
            guard count > 0 else { break }
            bytes += chunk[..<count]
        }
        do throws(FrameError) {
            return try UpgradeState(decoding: bytes)
        } catch {
            throw StickyServerError(
                .invalidConfiguration,
                "the state of the binary before this one cannot be read (\(error))"
            )
        }
    }
}
