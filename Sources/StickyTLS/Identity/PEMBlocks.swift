/// Finds the blocks of a PEM text (RFC 7468) without decoding them: `-----BEGIN label-----` to `-----END label-----`.
///
/// OpenSSL decodes; this only says what is there, so that each way in which a file can be wrong gets its own error.
struct PEMBlocks {
    /// One block: its label and where it lies in the text.
    struct Block {
        let label: String
        let range: Range<Int>

        var isCertificate: Bool {
            label == "CERTIFICATE" || label == "X509 CERTIFICATE" || label == "TRUSTED CERTIFICATE"
        }

        var isPrivateKey: Bool {
            label == "PRIVATE KEY" || label.hasSuffix(" PRIVATE KEY")
        }
    }

    let blocks: [Block]

    init(_ text: borrowing SecretBytes) {
        self.init(text.bytes)
    }

    init(_ text: UnsafeRawBufferPointer) {
        let begin: StaticString = "-----BEGIN "
        let end: StaticString = "-----END "
        var blocks: [Block] = []
        var open: (label: String, start: Int)?
        var position = 0
        while position < text.count {
            let newline = text[position...].firstIndex(of: UInt8(ascii: "\n")) ?? text.count
            let line = UnsafeRawBufferPointer(rebasing: text[position..<newline])
            if let label = PEMBlocks.label(of: line, after: begin) {
                open = (label, position)
            } else if let label = PEMBlocks.label(of: line, after: end), let begun = open, begun.label == label {
                blocks.append(Block(label: label, range: begun.start..<newline))
                open = nil
            }
            position = newline + 1
        }
        self.blocks = blocks
    }

    /// The label of a line such as `-----BEGIN PRIVATE KEY-----`, blanks at its end ignored.
    private static func label(of line: UnsafeRawBufferPointer, after prefix: StaticString) -> String? {
        let prefix = UnsafeBufferPointer(start: prefix.utf8Start, count: prefix.utf8CodeUnitCount)
        guard line.count > prefix.count + 5, line.starts(with: prefix) else { return nil }
        var last = line.count
        while last > prefix.count, line[last - 1] == UInt8(ascii: "\r") || line[last - 1] == UInt8(ascii: " ") {
            last -= 1
        }
        guard last - 5 > prefix.count, line[(last - 5)..<last].allSatisfy({ $0 == UInt8(ascii: "-") }) else {
            return nil
        }
        return String(decoding: line[prefix.count..<(last - 5)], as: UTF8.self)
    }
}
