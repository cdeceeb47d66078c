import Foundation
import Synchronization
import TestSupport

/// The certificates and keys of the tests, made once for a run of them (`Clients/identities.py`).
enum TestFiles {
    static let folder: URL = FileManager.default.temporaryDirectory
        .appending(path: "sticky-tls-\(ProcessInfo.processInfo.processIdentifier)")

    private static let made = Task {
        atexit { try? FileManager.default.removeItem(at: TestFiles.folder) }
        let command = try await Command.run(["python3", Command.script("identities"), folder.path()])
        guard command.status == 0 else { throw TestFailure("no certificates: \(command.errors)") }
        // Workers that gave up root look at them too.
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: folder.path())
    }

    /// Makes them, if they are not there.
    static func make() async throws {
        try await made.value
    }

    static func path(_ name: String) -> String { folder.appending(path: name).path() }

    /// A new folder for what one test changes.
    static func scratch() async throws -> URL {
        try await make()
        let scratch = folder.appending(path: "scratch-\(UInt32.random(in: 0 ... .max))")
        try FileManager.default.createDirectory(at: scratch, withIntermediateDirectories: true)
        return scratch
    }

    /// An identity of the fixture's settings.
    static func identity(_ name: String, ocsp: String? = nil) -> JSON {
        var identity: [String: JSON] = [
            "certificate": .string(path("\(name).pem")), "key": .string(path("\(name)-key.pem")),
        ]
        if let ocsp { identity["ocsp"] = .string(path(ocsp)) }
        return .object(identity)
    }

    /// A policy for client certificates.
    static func clients(_ requirement: String, crl: String? = nil, uris: [String] = [], tickets: Int = 0) -> JSON {
        var policy: [String: JSON] = [
            "requirement": .string(requirement), "authorities": .array([.string(path("client-ca.pem"))]),
            "tickets": .number(Double(tickets)),
        ]
        if let crl { policy["crls"] = .array([.string(path(crl))]) }
        if !uris.isEmpty { policy["uris"] = .array(uris.map { .string($0) }) }
        return .object(policy)
    }

    static func host(_ names: String..., clients: JSON? = nil) -> JSON {
        var host: [String: JSON] = ["identities": .array(names.map { identity($0) })]
        if let clients { host["clients"] = clients }
        return .object(host)
    }
}
