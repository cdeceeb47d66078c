public import StickyServer

#if canImport(FoundationEssentials)
internal import FoundationEssentials
#else
internal import Foundation
#endif

// Messages as Codable values, written as JSON (RFC 8259). A module of its own, so that servers which send bytes link no
// Foundation.

extension StickyServer {
    /// Sends a value from the master to every worker. Throws what ``StickyServer/broadcast(_:)`` throws, and
    /// `EncodingError`.
    public func broadcast(_ value: some Encodable & Sendable) async throws {
        try await broadcast(MessageCoding.encode(value))
    }

    /// Sends a value from the master to the worker of one slot. Throws what ``StickyServer/send(_:to:)`` throws, and
    /// `EncodingError`.
    public func send(_ value: some Encodable & Sendable, to target: MessageTarget) async throws {
        try await send(MessageCoding.encode(value), to: target)
    }
}

extension Worker {
    /// Sends a value to the master, to another slot or to all others. Throws what ``Worker/send(_:to:)`` throws, and
    /// `EncodingError`.
    public func send(_ value: some Encodable, to target: MessageTarget = .master) throws {
        try send(MessageCoding.encode(value), to: target)
    }
}

extension ClusterMessage {
    /// Reads the payload as a value that was sent as one. Throws `DecodingError`.
    public func decode<Value: Decodable>(_ type: Value.Type = Value.self) throws -> Value {
        try MessageCoding.decode(type, from: payload)
    }
}

/// The coding of payloads, for ``MasterEvent/workerMessage(slot:payload:)`` too.
public enum MessageCoding {
    /// A value as the bytes of a message. Throws `EncodingError`.
    public static func encode(_ value: some Encodable) throws -> [UInt8] {
        try [UInt8](JSONEncoder().encode(value))
    }

    /// The value in the bytes of a message. Throws `DecodingError`.
    public static func decode<Value: Decodable>(
        _ type: Value.Type = Value.self,
        from payload: [UInt8]
    ) throws -> Value {
        try JSONDecoder().decode(type, from: Data(payload))
    }
}
