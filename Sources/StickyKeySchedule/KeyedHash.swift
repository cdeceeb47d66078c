internal import CTLS

/// One of the two hash functions of TLS 1.3 (RFC 8446 section B.4), called below OpenSSL's EVP layer, which costs several
/// times what the hash itself does on inputs this short.
protocol ScheduleHash {
    associatedtype State
    /// Bytes of a digest.
    static var size: Int { get }
    /// Bytes of a block.
    static var blockSize: Int { get }
    static func begin(_ state: UnsafeMutablePointer<State>) -> Bool
    static func add(_ bytes: UnsafeRawBufferPointer, to state: UnsafeMutablePointer<State>) -> Bool
    /// Needs room for ``size`` bytes.
    static func finish(_ state: UnsafeMutablePointer<State>, into digest: UnsafeMutableRawPointer) -> Bool
}

enum SHA256Hash: ScheduleHash {
    static let size = 32
    static let blockSize = 64

    static func begin(_ state: UnsafeMutablePointer<SHA256_CTX>) -> Bool { ctls_sha256_init(state) == 1 }

    static func add(_ bytes: UnsafeRawBufferPointer, to state: UnsafeMutablePointer<SHA256_CTX>) -> Bool {
        ctls_sha256_update(state, bytes.baseAddress, bytes.count) == 1
    }

    static func finish(_ state: UnsafeMutablePointer<SHA256_CTX>, into digest: UnsafeMutableRawPointer) -> Bool {
        ctls_sha256_final(digest, state) == 1
    }
}

enum SHA384Hash: ScheduleHash {
    static let size = 48
    static let blockSize = 128

    static func begin(_ state: UnsafeMutablePointer<SHA512_CTX>) -> Bool { ctls_sha384_init(state) == 1 }

    static func add(_ bytes: UnsafeRawBufferPointer, to state: UnsafeMutablePointer<SHA512_CTX>) -> Bool {
        ctls_sha384_update(state, bytes.baseAddress, bytes.count) == 1
    }

    static func finish(_ state: UnsafeMutablePointer<SHA512_CTX>, into digest: UnsafeMutableRawPointer) -> Bool {
        ctls_sha384_final(digest, state) == 1
    }
}

/// HMAC (RFC 2104). What it leaves in memory is wiped.
enum HMAC<Hash: ScheduleHash> {
    /// The code of `parts` one after the other. `code` must have room for `Hash.size` bytes, and may be one of the parts.
    static func compute(
        key: UnsafeRawBufferPointer,
        _ parts: UnsafeRawBufferPointer...,
        into code: UnsafeMutableRawPointer
    ) -> Bool {
        compute(key: key, parts, into: code)
    }

    private static func compute(
        key: UnsafeRawBufferPointer,
        _ parts: [UnsafeRawBufferPointer],
        into code: UnsafeMutableRawPointer
    ) -> Bool {
        withUnsafeTemporaryAllocation(of: Hash.State.self, capacity: 1) { state in
            withUnsafeTemporaryAllocation(byteCount: Hash.blockSize, alignment: 8) { pad in
                guard let state = state.baseAddress, let block = pad.baseAddress else { return false }
                defer {
                    OPENSSL_cleanse(state, MemoryLayout<Hash.State>.size)
                    OPENSSL_cleanse(block, Hash.blockSize)
                }
                let whole = UnsafeRawBufferPointer(pad)
                guard prepare(key, pad, state), Hash.begin(state), Hash.add(whole, to: state) else { return false }
                for part in parts where part.count > 0 {
                    guard Hash.add(part, to: state) else { return false }
                }
                guard Hash.finish(state, into: code) else { return false }
                for index in pad.indices { pad[index] ^= innerByte ^ outerByte }
                return Hash.begin(state) && Hash.add(whole, to: state)
                    && Hash.add(UnsafeRawBufferPointer(start: code, count: Hash.size), to: state)
                    && Hash.finish(state, into: code)
            }
        }
    }

    private static var innerByte: UInt8 { 0x36 }
    private static var outerByte: UInt8 { 0x5C }

    /// The key as a block, mixed with the inner padding.
    private static func prepare(
        _ key: UnsafeRawBufferPointer,
        _ pad: UnsafeMutableRawBufferPointer,
        _ state: UnsafeMutablePointer<Hash.State>
    ) -> Bool {
        guard let block = pad.baseAddress else { return false }
        for index in pad.indices { pad[index] = 0 }
        if key.count > Hash.blockSize {
            guard Hash.begin(state), Hash.add(key, to: state), Hash.finish(state, into: block) else { return false }
        } else if key.count > 0 {
            pad.copyMemory(from: key)
        }
        for index in pad.indices { pad[index] ^= innerByte }
        return true
    }
}
