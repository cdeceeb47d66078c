internal import CTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Pages for keys: kept out of swap and core dumps as far as the system allows, and wiped before they are given back.
final class LockedMemory {
    let base: UnsafeMutablePointer<UInt8>
    let count: Int
    private let mapped: Int
    private let protection: PageProtection

    /// - Parameter protection: Keeps in mind what the system refused.
    init(count: Int, protection: PageProtection = .process) throws(TLSError) {
        let page = max(Int(sysconf(CInt(_SC_PAGESIZE))), 4096)
        mapped = (max(count, 1) + page - 1) / page * page
        let flags = CInt(MAP_PRIVATE) | CInt(MAP_ANONYMOUS)
        guard let memory = mmap(nil, mapped, PROT_READ | PROT_WRITE, flags, -1, 0), Int(bitPattern: memory) != -1 else {
            throw TLSError(.openSSL, "There is not enough memory for keys.")
        }
        // What is refused is told; the keys are no less right then.
        protection.protect(memory, mapped)
        base = memory.bindMemory(to: UInt8.self, capacity: mapped)
        self.count = count
        self.protection = protection
    }

    deinit {
        OPENSSL_cleanse(base, count)
        protection.release(base, mapped)
    }
}
