/// A name and bytes in one payload: the name's length in two bytes, the name, the bytes.
enum NamedBytes {
    static func encode(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
        let name = name.utf8.prefix(Int(UInt16.max))
        return [UInt8(name.count & 255), UInt8(name.count >> 8)] + name + bytes
    }

    static func decode(_ payload: [UInt8]) -> (name: String, bytes: [UInt8])? {
        guard payload.count >= 2 else { return nil }
        let length = Int(payload[0]) | Int(payload[1]) << 8
        guard payload.count >= 2 + length else { return nil }
        return (String(decoding: payload[2..<2 + length], as: UTF8.self), Array(payload[(2 + length)...]))
    }
}
