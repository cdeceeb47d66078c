internal import CTLS

/// The keys of session tickets: a name that travels in clear, a key that encrypts and one that authenticates.
///
/// Whoever holds them can read the sessions that were resumed with them, so keep them out of files, logs and core
/// dumps where you can. The bytes are wiped when the last copy of the value is gone.
public struct TicketKeys: Sendable {
    /// How 80 bytes are ordered. 48 bytes are name, encryption, authentication everywhere (Node excepted).
    public struct Layout: Sendable, Hashable {
        let encryptionFirst: Bool

        /// Name (16), authentication (32), encryption (32): OpenSSL and nginx's `ssl_session_ticket_key`.
        public static let openSSL = Layout(encryptionFirst: false)
        /// Name (16), encryption (32), authentication (32): HAProxy's `tls-ticket-keys`, once decoded.
        public static let haproxy = Layout(encryptionFirst: true)
    }

    let storage: Storage

    /// Makes keys at random, for AES-256-CBC and HMAC-SHA256.
    public init() throws(TLSError) {
        storage = try Storage(count: 80, encryptionFirst: false)
        ERR_clear_error()
        guard RAND_priv_bytes(storage.base, 80) == 1 else {
            throw TLSError.fromQueue(.openSSL, "The random number generator gave no ticket keys.")
        }
    }

    /// Takes keys from elsewhere: 80 bytes for AES-256-CBC, or 48 for AES-128-CBC, both with HMAC-SHA256.
    public init(bytes: UnsafeRawBufferPointer, layout: Layout = .openSSL) throws(TLSError) {
        guard bytes.count == 80 || bytes.count == 48 else {
            throw TLSError(.invalidTicketKeys, "Ticket keys have 48 or 80 bytes, not \(bytes.count).")
        }
        storage = try Storage(count: bytes.count, encryptionFirst: bytes.count == 48 || layout.encryptionFirst)
        UnsafeMutableRawBufferPointer(start: storage.base, count: bytes.count).copyMemory(from: bytes)
    }

    /// Takes keys from elsewhere; see ``init(bytes:layout:)``. Wipe the array yourself if you can.
    public init(_ bytes: [UInt8], layout: Layout = .openSSL) throws(TLSError) {
        try self.init(bytes[...], layout: layout)
    }

    /// Without a copy of the slice.
    init(_ bytes: ArraySlice<UInt8>, layout: Layout = .openSSL) throws(TLSError) {
        let result = bytes.withUnsafeBytes { bytes in
            Result { () throws(TLSError) in try TicketKeys(bytes: bytes, layout: layout) }
        }
        self = try result.get()
    }

    /// Calls `body` with the bytes as they were given, for handing them to another process.
    public func withUnsafeBytes<R>(_ body: (UnsafeRawBufferPointer) throws -> R) rethrows -> R {
        try body(UnsafeRawBufferPointer(start: storage.base, count: storage.count))
    }

    /// The 16 bytes that begin each ticket made with these keys.
    public var name: [UInt8] {
        Array(UnsafeRawBufferPointer(start: storage.base, count: Storage.nameLength))
    }

    /// Owns the bytes: locked in memory, out of core dumps and wiped at the end.
    ///
    /// Unchecked: nothing writes to the bytes after the initializer of ``TicketKeys`` returns.
    final class Storage: @unchecked Sendable {
        static let nameLength = 16

        private let memory: LockedMemory
        private let encryptionFirst: Bool
        var base: UnsafeMutablePointer<UInt8> { memory.base }
        var count: Int { memory.count }

        init(
            count: Int,
            encryptionFirst: Bool,
            protection: PageProtection = .process
        ) throws(TLSError) {
            memory = try LockedMemory(count: count, protection: protection)
            self.encryptionFirst = encryptionFirst
        }

        var keyLength: Int { (count - Storage.nameLength) / 2 }
        var encryptionKey: UnsafeMutablePointer<UInt8> {
            base + Storage.nameLength + (encryptionFirst ? 0 : keyLength)
        }
        var authenticationKey: UnsafeMutablePointer<UInt8> {
            base + Storage.nameLength + (encryptionFirst ? keyLength : 0)
        }
    }
}
