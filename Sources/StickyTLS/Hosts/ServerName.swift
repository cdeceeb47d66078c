/// What a client's hello says about the name that it wants (RFC 6066 section 3).
enum ServerName: Equatable {
    /// No name, or an address, which the RFC does not allow and which names nobody.
    case absent
    /// Something that cannot be a name of ours.
    case unusable
    /// A name in the form in which names are compared.
    case name(String)

    /// Reads the server_name extension: a list of which only one host name is ever sent. OpenSSL parses it too, and
    /// refuses the malformed.
    init(extension bytes: UnsafeBufferPointer<UInt8>) {
        // list length (2), type (1) = host_name, name length (2), name
        guard bytes.count > 5, bytes[2] == 0 else {
            self = .unusable
            return
        }
        let listLength = Int(bytes[0]) << 8 | Int(bytes[1])
        let nameLength = Int(bytes[3]) << 8 | Int(bytes[4])
        guard listLength == bytes.count - 2, nameLength == bytes.count - 5 else {
            self = .unusable
            return
        }
        let name = UnsafeBufferPointer(rebasing: bytes[5...])
        if ServerName.isAddress(name) {
            self = .absent
        } else {
            self = ServerName.canonical(name).map { .name($0) } ?? .unusable
        }
    }

    /// Lower case, without the dot at the end. Nil for what is no name: blanks, NUL, other than ASCII, empty labels.
    static func canonical(_ bytes: some BidirectionalCollection<UInt8>) -> String? {
        let bytes = bytes.last == UInt8(ascii: ".") ? bytes.dropLast() : bytes[...]
        guard !bytes.isEmpty, bytes.count <= 253 else { return nil }
        var previous = UInt8(ascii: ".")
        for byte in bytes {
            guard (0x21...0x7E).contains(byte), byte != UInt8(ascii: ".") || previous != byte else { return nil }
            previous = byte
        }
        let lower = bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
        return String(decoding: lower, as: UTF8.self)
    }

    /// `10.0.0.1`, `::1`, `[::1]`: no top-level name is a number.
    static func isAddress(_ bytes: some BidirectionalCollection<UInt8>) -> Bool {
        if bytes.contains(UInt8(ascii: ":")) { return true }
        let last = bytes.reversed().prefix { $0 != UInt8(ascii: ".") }
        return !last.isEmpty && last.count < bytes.count && last.allSatisfy { (0x30...0x39).contains($0) }
    }

    /// What a wildcard stands before: `b.c` for `a.b.c`. Nil for a name of one label.
    static func parent(of name: String) -> String? {
        guard let dot = name.utf8.firstIndex(of: UInt8(ascii: ".")), dot != name.utf8.startIndex else { return nil }
        let rest = name[name.utf8.index(after: dot)...]
        return rest.isEmpty ? nil : String(rest)
    }
}
