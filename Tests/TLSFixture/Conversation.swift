import Synchronization

/// Lines that asked `who`, in this process.
let questions = Atomic<Int>(0)

/// What the fixture says to a client, without any input or output of its own. Requests are lines:
///
/// * `who`: the facts of the connection as a line of JSON
/// * `big N`: N bytes (``pattern(_:count:)``); `bigclose N`: the same, and the end
/// * `echo N`: the next N bytes come back
/// * `upload`: everything up to the client's end is counted, and the answer says how the end came
/// * `close`: the end
/// * `GET PATH HTTP/1.1` and its fields: the facts, or for `/big/N` so many bytes
struct Conversation {
    enum Output {
        case bytes([UInt8])
        /// So many bytes of the pattern.
        case pattern(Int)
        case close
    }

    private enum State {
        case lines
        case echo(Int)
        case upload(Int)
        case fields(path: String, isHead: Bool, closes: Bool)
        case over
    }

    private let facts: String
    private var state = State.lines
    private var line: [UInt8] = []
    private static let longestLine = 16_384

    init(facts: String) {
        self.facts = facts
    }

    mutating func receive(_ input: some Sequence<UInt8>) -> [Output] {
        var outputs: [Output] = []
        var echo: [UInt8] = []
        for byte in input {
            switch state {
            case .echo(let left):
                echo.append(byte)
                state = left > 1 ? .echo(left - 1) : .lines
            case .upload(let count):
                state = .upload(count + 1)
            case .over:
                break
            case .lines, .fields:
                if !echo.isEmpty {
                    outputs.append(.bytes(echo))
                    echo = []
                }
                if byte == 10 {
                    outputs += take(String(decoding: line, as: UTF8.self).trimmingReturn)
                    line = []
                } else if line.count < Conversation.longestLine {
                    line.append(byte)
                }
            }
        }
        if !echo.isEmpty { outputs.append(.bytes(echo)) }
        return outputs
    }

    /// The client's direction has ended, with close_notify or without.
    mutating func end(isClean: Bool) -> [Output] {
        defer { state = .over }
        switch state {
        case .upload(let count): return [.text("received \(count) \(isClean ? "clean" : "truncated")\n"), .close]
        case .over: return []
        default: return [.close]
        }
    }

    private mutating func take(_ line: String) -> [Output] {
        if case .fields(let path, let isHead, let closes) = state {
            guard line.isEmpty else {
                if line.lowercased() == "connection: close" {
                    state = .fields(path: path, isHead: isHead, closes: true)
                }
                return []
            }
            state = closes ? .over : .lines
            return answer(path, isHead) + (closes ? [.close] : [])
        }
        let words = line.split(separator: " ").map(String.init)
        let number = words.count > 1 ? min(max(Int(words[1]) ?? 0, 0), 1 << 30) : 0
        switch words.first {
        case "who":
            questions.add(1, ordering: .relaxed)
            return [.text(facts + "\n")]
        case "big":
            return [.pattern(number)]
        case "bigclose":
            state = .over
            return [.pattern(number), .close]
        case "echo":
            if number > 0 { state = .echo(number) }
        case "upload":
            state = .upload(0)
        case "close":
            state = .over
            return [.close]
        case "GET", "HEAD":
            state = .fields(path: words.count > 1 ? words[1] : "/", isHead: words[0] == "HEAD", closes: false)
        default:
            return [.text("what?\n")]
        }
        return []
    }

    private func answer(_ path: String, _ isHead: Bool) -> [Output] {
        func head(_ length: Int, _ type: String) -> Output {
            .text(
                "HTTP/1.1 200 OK\r\nContent-Type: \(type)\r\nContent-Length: \(length)\r\n"
                    + "Strict-Transport-Security: max-age=31536000\r\nX-Content-Type-Options: nosniff\r\n\r\n"
            )
        }
        if path.hasPrefix("/big/"), let count = Int(path.dropFirst(5)), (0...(1 << 30)).contains(count) {
            return [head(count, "application/octet-stream")] + (isHead ? [] : [.pattern(count)])
        }
        return [head(facts.utf8.count + 1, "application/json")] + (isHead ? [] : [.text(facts + "\n")])
    }

    /// Bytes that tell where they belong: lost, doubled and swapped ones are found. At most ``patternPiece`` of them.
    static func pattern(_ start: Int, count: Int) -> [UInt8] {
        Array(patternTable[(start % 251)..<(start % 251 + min(count, patternPiece))])
    }

    static let patternPiece = 65_536
    private static let patternTable = (0..<(patternPiece + 251)).map { UInt8(truncatingIfNeeded: $0 % 251) }
}

extension Conversation.Output {
    static func text(_ text: String) -> Conversation.Output { .bytes(Array(text.utf8)) }
}

extension String {
    fileprivate var trimmingReturn: String { hasSuffix("\r") ? String(dropLast()) : self }
}
