internal import CTLS

/// The ticket keys of one context, ready for OpenSSL: ciphers fetched and parameters laid out once, so that sealing
/// and opening a ticket allocates nothing in Swift.
///
/// Unchecked: everything is written in `init` and only read afterwards; OpenSSL's fetched algorithms may be used from
/// several threads.
final class TicketSealer: @unchecked Sendable {
    private struct Entry {
        let keys: TicketKeys.Storage
        let cipher: OpaquePointer
        /// Key and digest for EVP_MAC, and the end mark.
        let parameters: UnsafeMutablePointer<OSSL_PARAM>
    }

    private var entries: [Entry] = []
    /// For keys of a ring: what seals their names, in the order of the entries their epochs, and whose they are.
    private var routing: (key: RoutingKey, epochs: [UInt32], slot: UInt16)?

    var hasKeys: Bool { !entries.isEmpty }

    /// The first keys seal, all open. Each ticket begins with the name of its keys.
    init(_ keys: [TicketKeys]) throws(TLSError) {
        for keys in keys { try add(keys.storage) }
    }

    /// The keys that a configuration names; nil when they come from elsewhere, or once for all.
    convenience init?(_ source: TicketKeySource, files: TLSFileReader) throws(TLSError) {
        switch source {
        case .fixed(let keys): try self.init(keys)
        case .files(let paths): try self.init(TicketKeys.read(paths, files))
        case .random, .master, .off: return nil
        }
    }

    /// Keys of a ring: the current ones seal, all open. Tickets begin with the slot, sealed.
    init(_ ring: TicketKeyRing, slot: Int) throws(TLSError) {
        try add(ring.current.storage)
        try add(ring.next.storage)
        if let previous = ring.previous { try add(previous.storage) }
        routing = (ring.routing, [ring.epoch, ring.epoch &+ 1, ring.epoch &- 1], UInt16(truncatingIfNeeded: slot))
    }

    private func add(_ storage: TicketKeys.Storage) throws(TLSError) {
        guard !entries.contains(where: { CRYPTO_memcmp($0.keys.base, storage.base, 16) == 0 }) else {
            throw TLSError(.invalidTicketKeys, "Two ticket keys have the same name. Each key needs its own.")
        }
        ERR_clear_error()
        guard let cipher = EVP_CIPHER_fetch(nil, storage.keyLength == 32 ? "AES-256-CBC" : "AES-128-CBC", nil)
        else {
            throw TLSError.fromQueue(.openSSL, "OpenSSL has no AES-CBC for ticket keys.")
        }
        let parameters = UnsafeMutablePointer<OSSL_PARAM>.allocate(capacity: 3)
        parameters[0] = OSSL_PARAM_construct_octet_string(
            ctls_mac_param_key(),
            storage.authenticationKey,
            storage.keyLength
        )
        // OpenSSL only reads it; the parameter type is not const.
        let digest = UnsafeMutablePointer(mutating: ctls_digest_sha256())
        parameters[1] = OSSL_PARAM_construct_utf8_string(ctls_mac_param_digest(), digest, 0)
        parameters[2] = OSSL_PARAM_construct_end()
        entries.append(Entry(keys: storage, cipher: cipher, parameters: parameters))
    }

    deinit {
        for entry in entries {
            EVP_CIPHER_free(entry.cipher)
            entry.parameters.deallocate()
        }
    }

    /// The answer of the ticket callback that asks to seal: 1, or 0 for no ticket. Never an error, which would fail
    /// the handshake.
    func seal(
        name: UnsafeMutablePointer<UInt8>,
        vector: UnsafeMutablePointer<UInt8>,
        cipher: OpaquePointer,
        mac: OpaquePointer
    ) -> CInt {
        guard let entry = entries.first else { return 0 }
        if let routing {
            let sealed = routing.key.seal(.init(epoch: routing.epochs[0], slot: routing.slot), into: name)
            guard sealed else { return withoutTicket() }
        } else {
            name.update(from: entry.keys.base, count: TicketKeys.Storage.nameLength)
        }
        guard RAND_bytes(vector, EVP_CIPHER_get_iv_length(entry.cipher)) == 1,
            EVP_EncryptInit_ex(cipher, entry.cipher, nil, entry.keys.encryptionKey, vector) == 1,
            EVP_MAC_CTX_set_params(mac, entry.parameters) == 1
        else { return withoutTicket() }
        return 1
    }

    /// The answer of the ticket callback that asks to open: 0 for a key that is unknown (a full handshake follows),
    /// 1 to use the ticket, 2 to use it and send a new one.
    func open(
        name: UnsafeMutablePointer<UInt8>,
        vector: UnsafeMutablePointer<UInt8>,
        cipher: OpaquePointer,
        mac: OpaquePointer,
        renewAlways: Bool
    ) -> CInt {
        guard let index = find(name) else { return 0 }
        let entry = entries[index]
        guard EVP_MAC_CTX_set_params(mac, entry.parameters) == 1,
            EVP_DecryptInit_ex(cipher, entry.cipher, nil, entry.keys.encryptionKey, vector) == 1
        else { return withoutTicket() }
        return renewAlways || isOld(index) ? 2 : 1
    }

    /// The handshake goes on, so nothing may stay in the queue that would be taken for its failure.
    private func withoutTicket() -> CInt {
        ERR_clear_error()
        return 0
    }

    private func find(_ name: UnsafeMutablePointer<UInt8>) -> Int? {
        if let routing {
            guard let epoch = routing.key.open(name)?.epoch else { return nil }
            return entries.indices.first { routing.epochs[$0] == epoch }
        }
        return entries.firstIndex { CRYPTO_memcmp($0.keys.base, name, TicketKeys.Storage.nameLength) == 0 }
    }

    /// A ticket of the next keys comes from a worker that has rotated a moment earlier, and needs no renewal.
    private func isOld(_ index: Int) -> Bool {
        routing == nil ? index > 0 : index > 1
    }
}
