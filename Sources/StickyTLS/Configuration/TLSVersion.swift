internal import CTLS

/// A version of the TLS protocol. Only those that are safe today have a name.
public struct TLSVersion: Sendable, Hashable, Comparable, CustomStringConvertible {
    /// The number on the wire: 0x0303 is TLS 1.2.
    public let rawValue: UInt16

    /// TLS 1.2 (RFC 5246).
    public static let v1_2 = TLSVersion(rawValue: 0x0303)
    /// TLS 1.3 (RFC 8446).
    public static let v1_3 = TLSVersion(rawValue: 0x0304)

    /// Orders versions by age, oldest first.
    public static func < (left: TLSVersion, right: TLSVersion) -> Bool {
        left.rawValue < right.rawValue
    }

    /// `TLSv1.2`, `TLSv1.3`.
    public var description: String {
        switch self {
        case .v1_2: "TLSv1.2"
        case .v1_3: "TLSv1.3"
        default: "TLS-0x\(String(rawValue, radix: 16))"
        }
    }
}
