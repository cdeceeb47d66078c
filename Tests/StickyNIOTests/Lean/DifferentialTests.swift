#if NIO && os(Linux)
import NIOCore
import StickyNIO
import StickyTLS
import TLSTestSupport
import Testing

/// The stock adapter is the oracle: whatever a script does, handlers and client see the same on the lean one.
@Suite("The lean channel does what the stock one does")
struct DifferentialTests {
    static let scripts: [(name: String, steps: [ClientStep])] = [
        (
            "one exchange, then close_notify and the end",
            [.send("hello"), .await(5), .closeNotify, .endOutput, .awaitEnd]
        ),
        ("close_notify with the question", [.send("hello"), .closeNotify, .awaitEnd, .endOutput]),
        ("the end without close_notify", [.send("hello"), .endOutput, .awaitEnd]),
        (
            "everything before anything is read",
            [.send("hello "), .send("world "), .send("again"), .closeNotify, .endOutput, .awaitEnd]
        ),
        (
            "many small questions",
            Array(repeating: [ClientStep.send("ping"), .await(4)], count: 50).flatMap(\.self)
                + [.closeNotify, .endOutput, .awaitEnd]
        ),
        ("a long question", [.send(String(repeating: "x", count: 300_000)), .closeNotify, .endOutput, .awaitEnd]),
        (
            "a question byte by byte",
            [.send("byte by byte", pieces: 1), .await(12), .closeNotify, .endOutput, .awaitEnd]
        ),
        ("nothing but close_notify", [.closeNotify, .endOutput, .awaitEnd]),
        ("nothing but the end", [.endOutput, .awaitEnd]),
        ("new keys in between", [.send("a"), .await(1), .updateKeys, .send("b"), .await(1), .endOutput, .awaitEnd]),
        ("a reset", [.send("hello"), .await(5), .reset]),
    ]

    /// What the order of things may differ in without anybody noticing.
    private func normal(_ transcript: Transcript) -> Transcript {
        var transcript = transcript
        // The stock channel says so of its own ends too.
        transcript.events.removeAll { $0 == "outputClosed" }
        // How reads are cut is no promise: adjacent ones are noted once, but close_notify may come between.
        transcript.writesKept = transcript.writesBroken == 0 ? 0 : transcript.writesKept
        return transcript
    }

    private func compare(_ steps: [ClientStep], _ role: ServerRole, _ tls: TLSContext?, pieces: Int) async throws {
        let stock = try await Script.run(steps, role: role, tls: tls, transport: .stock, pieces: pieces)
        let lean = try await Script.run(steps, role: role, tls: tls, transport: .lean, pieces: pieces)
        #expect(normal(lean).events == normal(stock).events)
        #expect(lean.serverReceived == stock.serverReceived)
        #expect(lean.clientReceived.count == stock.clientReceived.count)
        #expect(lean.clientReceived == stock.clientReceived)
        #expect(lean.clientEnd == stock.clientEnd)
        #expect(lean.writesBroken == stock.writesBroken)
    }

    @Test("echo over TLS", arguments: 0..<scripts.count, [Int.max, 7])
    func tls(script: Int, pieces: Int) async throws {
        let tls = try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity]))
        if pieces == 7, script == 5 { return }
        try await compare(Self.scripts[script].steps, .echo, tls, pieces: pieces)
    }

    // Without the second: where there is no close_notify it would wait for ever.
    @Test("echo in the clear", arguments: [0] + Array(2..<scripts.count))
    func plain(script: Int) async throws {
        try await compare(Self.scripts[script].steps, .echo, nil, pieces: .max)
    }

    @Test("long answers", arguments: [ServerRole.answerAndClose, .answerAndEndOutput, .writableOnly], [true, false])
    func answers(role: ServerRole, isTLS: Bool) async throws {
        let tls = isTLS ? try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) : nil
        for steps: [ClientStep] in [
            [.send("go"), .await(Script.size), .closeNotify, .endOutput, .awaitEnd],
            [.send("go"), .closeNotify, .endOutput, .awaitEnd],
            [.send("go"), .send("on"), .awaitEnd, .endOutput],
        ] {
            let stock = try await Script.run(steps, role: role, tls: tls, transport: .stock)
            let lean = try await Script.run(steps, role: role, tls: tls, transport: .lean)
            #expect(lean.clientReceived.count == Script.size && stock.clientReceived == lean.clientReceived)
            #expect(lean.clientEnd == stock.clientEnd)
            #expect(lean.writesBroken == 0 && lean.writesKept == stock.writesKept)
        }
    }

    @Test("a handler that reads when it likes", arguments: [true, false])
    func slow(isTLS: Bool) async throws {
        let tls = isTLS ? try TLSContext(TLSConfiguration(identities: [TestIdentity.ecdsa.identity])) : nil
        let steps: [ClientStep] = [
            .send(String(repeating: "abc", count: 50_000)), .await(150_000), .closeNotify, .endOutput,
        ]
        let stock = try await Script.run(steps + [.awaitEnd], role: .slowReader, tls: tls, transport: .stock)
        let lean = try await Script.run(steps + [.awaitEnd], role: .slowReader, tls: tls, transport: .lean)
        #expect(lean.serverReceived == stock.serverReceived && lean.clientReceived == stock.clientReceived)
        #expect(lean.events.last == stock.events.last && lean.clientEnd == stock.clientEnd)
    }
}
#endif
