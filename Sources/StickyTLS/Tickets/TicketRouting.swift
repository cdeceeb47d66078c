internal import CTLS

/// Reads from a ticket which worker made it: the way back for a client whose address has changed.
///
/// A ticket begins with 16 bytes in clear, in the session_ticket extension of TLS 1.2 and in the pre_shared_key
/// identity of TLS 1.3 alike. They are one AES block, made of the ring's epoch, the slot, random bits and a check, so
/// nobody else can read or make them: of 2^32 made-up ones, one passes.
public struct TicketRouting: Sendable {
    private let key: RoutingKey

    /// Reads the tickets of a ring, and of all that came from it by rotation.
    public init(_ ring: TicketKeyRing) {
        key = ring.routing
    }

    /// The slot in a ticket's first 16 bytes; nil when they are not ours, or there are fewer.
    public func slot(in ticket: UnsafeRawBufferPointer) -> Int? {
        guard ticket.count >= 16, let base = ticket.baseAddress else { return nil }
        return key.open(base.assumingMemoryBound(to: UInt8.self)).map { Int($0.slot) }
    }

    /// The slot in a ticket's first 16 bytes; nil when they are not ours, or there are fewer.
    public func slot(in ticket: [UInt8]) -> Int? {
        ticket.withUnsafeBytes { slot(in: $0) }
    }
}

/// The AES-128 key that seals the names of tickets.
///
/// Unchecked: nothing is written after `init`; a fetched cipher may be used from several threads.
final class RoutingKey: @unchecked Sendable {
    /// What a ticket's name says.
    struct Name: Equatable {
        var epoch: UInt32
        var slot: UInt16
    }

    let memory: LockedMemory
    private let cipher: OpaquePointer

    convenience init() throws(TLSError) {
        try self.init { RAND_priv_bytes($0, 16) == 1 }
    }

    convenience init(_ bytes: ArraySlice<UInt8>) throws(TLSError) {
        try self.init { memory in
            for (index, byte) in bytes.prefix(16).enumerated() { memory[index] = byte }
            return bytes.count == 16
        }
    }

    private init(_ fill: (UnsafeMutablePointer<UInt8>) -> Bool) throws(TLSError) {
        ERR_clear_error()
        let memory = try LockedMemory(count: 16)
        guard fill(memory.base) else {
            throw TLSError.fromQueue(.openSSL, "The random number generator gave no key.")
        }
        guard let cipher = EVP_CIPHER_fetch(nil, "AES-128-ECB", nil) else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL has no AES-128.")
        }
        self.memory = memory
        self.cipher = cipher
    }

    deinit {
        EVP_CIPHER_free(cipher)
    }

    // epoch (4) | slot (2) | random (6) | check (4)
    private static let check: [UInt8] = [0x73, 0x6C, 0x6F, 0x74]

    /// Writes a name of 16 bytes. False when there is no randomness.
    func seal(_ name: Name, into output: UnsafeMutablePointer<UInt8>) -> Bool {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { block in
            guard let base = block.baseAddress, RAND_bytes(base, 16) == 1 else { return false }
            for index in 0..<4 { base[index] = UInt8(truncatingIfNeeded: name.epoch >> (8 * UInt32(index))) }
            base[4] = UInt8(truncatingIfNeeded: name.slot)
            base[5] = UInt8(truncatingIfNeeded: name.slot >> 8)
            for index in 0..<4 { base[12 + index] = RoutingKey.check[index] }
            return run(base, output, encrypt: 1)
        }
    }

    /// Nil when the 16 bytes were not made by ``seal(_:into:)`` with this key.
    func open(_ input: UnsafePointer<UInt8>) -> Name? {
        withUnsafeTemporaryAllocation(of: UInt8.self, capacity: 16) { block in
            guard let base = block.baseAddress, run(input, base, encrypt: 0),
                CRYPTO_memcmp(base + 12, RoutingKey.check, 4) == 0
            else { return nil }
            let epoch = (0..<4).reduce(UInt32(0)) { $0 | UInt32(base[$1]) << (8 * UInt32($1)) }
            return Name(epoch: epoch, slot: UInt16(base[4]) | UInt16(base[5]) << 8)
        }
    }

    private func run(
        _ input: UnsafePointer<UInt8>,
        _ output: UnsafeMutablePointer<UInt8>,
        encrypt: CInt
    ) -> Bool {
        guard let context = EVP_CIPHER_CTX_new() else { return false }
        defer { EVP_CIPHER_CTX_free(context) }
        guard EVP_CipherInit_ex(context, cipher, nil, memory.base, nil, encrypt) == 1 else { return false }
        // Without padding one block in is one block out, at once.
        EVP_CIPHER_CTX_set_padding(context, 0)
        var count: CInt = 0
        return EVP_CipherUpdate(context, output, &count, input, 16) == 1 && count == 16
    }
}
