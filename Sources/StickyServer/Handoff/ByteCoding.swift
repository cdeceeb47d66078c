/// Appends little-endian integers to a frame.
struct FrameWriter {
    var bytes: [UInt8] = []

    mutating func append<Number: FixedWidthInteger>(_ number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
    }

    /// Replaces what was written at `offset` before.
    mutating func replace<Number: FixedWidthInteger>(at offset: Int, with number: Number) {
        withUnsafeBytes(of: number.littleEndian) { bytes.replaceSubrange(offset..<offset + $0.count, with: $0) }
    }
}

/// Reads little-endian integers from a frame that nobody vouches for: every read checks the length.
struct FrameReader {
    private let bytes: UnsafeRawBufferPointer
    private var offset = 0

    init(_ bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
    }

    var remaining: Int { bytes.count - offset }

    mutating func read<Number: FixedWidthInteger>(_ type: Number.Type = Number.self) throws(FrameError) -> Number {
        let size = MemoryLayout<Number>.size
        guard remaining >= size else { throw .truncated }
        defer { offset += size }
        return Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
    }

    mutating func read(count: Int) throws(FrameError) -> UnsafeRawBufferPointer {
        guard count >= 0, remaining >= count else { throw .truncated }
        defer { offset += count }
        return UnsafeRawBufferPointer(rebasing: bytes[offset..<offset + count])
    }
}

/// What a frame from the control socket can have wrong.
enum FrameError: Error, Equatable {
    case truncated
    case trailingBytes
    case unknownKind(UInt8)
    case wrongVersion(UInt8)
    case wrongDescriptorCount(expected: Int, got: Int)
    case badAddressFamily(UInt8)
    case outOfRange
}
