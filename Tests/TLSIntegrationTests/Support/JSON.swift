import Foundation

/// A value of JSON, as clients print their facts and as the fixture's settings are written.
enum JSON: Codable, Sendable, Equatable, ExpressibleByStringLiteral, ExpressibleByIntegerLiteral,
    ExpressibleByBooleanLiteral
{
    case object([String: JSON])
    case array([JSON])
    case string(String)
    case number(Double)
    case bool(Bool)
    case null

    init(stringLiteral text: String) { self = .string(text) }
    init(integerLiteral number: Int) { self = .number(Double(number)) }
    init(booleanLiteral value: Bool) { self = .bool(value) }

    init(from decoder: any Decoder) throws {
        let container = try decoder.singleValueContainer()
        if container.decodeNil() {
            self = .null
        } else if let value = try? container.decode(Bool.self) {
            self = .bool(value)
        } else if let value = try? container.decode(Double.self) {
            self = .number(value)
        } else if let value = try? container.decode(String.self) {
            self = .string(value)
        } else if let values = try? container.decode([JSON].self) {
            self = .array(values)
        } else {
            self = .object(try container.decode([String: JSON].self))
        }
    }

    func encode(to encoder: any Encoder) throws {
        var container = encoder.singleValueContainer()
        switch self {
        case .object(let values): try container.encode(values)
        case .array(let values): try container.encode(values)
        case .string(let value): try container.encode(value)
        case .number(let value) where value == value.rounded(): try container.encode(Int(value))
        case .number(let value): try container.encode(value)
        case .bool(let value): try container.encode(value)
        case .null: try container.encodeNil()
        }
    }

    /// `null` for what is not there, which equals nothing that a test expects.
    subscript(_ name: String) -> JSON {
        if case .object(let values) = self { values[name] ?? .null } else { .null }
    }

    var array: [JSON] { if case .array(let values) = self { values } else { [] } }
    var text: String { if case .string(let value) = self { value } else { "" } }
    /// -1 for what is no number, which is no count and no time.
    var number: Double { if case .number(let value) = self { value } else { -1 } }
    var int: Int { Int(number) }
    var isTrue: Bool { self == .bool(true) }

    static func parse(_ text: String) throws -> JSON {
        try JSONDecoder().decode(JSON.self, from: Data(text.utf8))
    }
}
