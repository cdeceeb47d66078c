#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Overwrites bytes that may be secret, before their memory is given back. What somebody else still holds stays as it is.
func wipe(_ bytes: consuming [UInt8]?) {
    bytes?.withUnsafeMutableBytes { bytes in
        guard let base = bytes.baseAddress else { return }
        #if canImport(Darwin)
        memset_s(base, bytes.count, 0, bytes.count)
        #else
        explicit_bzero(base, bytes.count)
        #endif
    }
}
