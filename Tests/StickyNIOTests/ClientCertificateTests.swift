#if NIO
import CTLS
import NIOCore
import NIOTLS
import StickyTLS
import Synchronization
import TLSTestSupport
import Testing

@testable import StickyNIO

@Suite("Client certificates on both kinds of channel")
struct ClientCertificateTests {
    static let authority = TestIdentity(.ecdsa, names: nil, subject: "authority", isAuthority: true)
    static let good = TestIdentity(
        .ecdsa,
        names: "DNS:worker.test,URI:spiffe://test/worker/1",
        subject: "worker",
        by: authority
    )
    static let foreign = TestIdentity(.ecdsa, names: "DNS:worker.test", subject: "foreign")

    /// What came of one connection.
    struct Outcome: Equatable {
        /// The subject that the application saw; nil when there was no certificate.
        var subject: String?
        /// Whether the application was told of a completed handshake.
        var isAnnounced = false
        /// What the client read.
        var answer = ""
        /// Handshakes that the server refused for the client's certificate.
        var refusals = 0
    }

    /// Answers the first bytes with the client's subject.
    private final class Greeter: ChannelInboundHandler {
        typealias InboundIn = ByteBuffer

        private let note: @Sendable ((inout Outcome) -> Void) -> Void

        init(_ note: @escaping @Sendable ((inout Outcome) -> Void) -> Void) {
            self.note = note
        }

        func userInboundEventTriggered(context: ChannelHandlerContext, event: Any) {
            if case TLSUserEvent.handshakeCompleted = event {
                let certificate = context.stickyTLS?.clientCertificate
                note { outcome in
                    outcome.isAnnounced = true
                    outcome.subject = certificate.map { $0.isVerifiedOnThisConnection ? $0.subject : "not verified" }
                }
            }
            context.fireUserInboundEventTriggered(event)
        }

        func channelRead(context: ChannelHandlerContext, data: NIOAny) {
            // By the other way to the same facts.
            let certificate = context.pipeline.syncOperations.stickyTLS?.clientCertificate
            let text = certificate.map { "\($0.subject) \($0.uris.joined())" } ?? "nobody"
            context.writeAndFlush(NIOAny(ByteBuffer(string: text)), promise: nil)
            context.close(promise: nil)
        }

        func errorCaught(context: ChannelHandlerContext, error: any Error) {
            context.close(promise: nil)
        }
    }

    private func outcome(
        _ requirement: TLSClientCertificates,
        _ identity: TestIdentity?,
        _ version: CInt,
        _ transport: NIOTransport
    ) async throws -> Outcome {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.clientCertificates = requirement
        let outcome = Mutex(Outcome())
        let tls = try TLSContext(configuration)
        let handler = NIOConnectionHandler(transport: transport, tls: tls) { channel, _ in
            channel.eventLoop.makeCompletedFuture {
                let greeter = Greeter { change in outcome.withLock { change(&$0) } }
                try channel.pipeline.syncOperations.addHandler(greeter)
            }
        }
        let answer = try await blocking {
            let pair = try Loopback()
            pair.adopt(by: handler)
            let client = TestClient(.init(maximumVersion: version, identity: identity))
            try pair.send(client.step())
            var isAsked = false
            while let bytes = try? pair.receive(), !bytes.isEmpty {
                try pair.send(client.step(bytes))
                guard client.handshakeDone, !isAsked else { continue }
                isAsked = true
                try pair.send(client.send(Array("who".utf8)))
            }
            return String(decoding: client.takeReceived(), as: UTF8.self)
        }
        while try await handler.openChannels() > 0 {}
        try await handler.shutdown()
        return outcome.withLock {
            $0.answer = answer
            $0.refusals = tls.counters.snapshot.clientCertificateFailures
            return $0
        }
    }

    @Test(
        "None, optional and required: the application sees the certificate that was shown, and no bad one gets through",
        arguments: NIOTransport.allCases,
        [TLS1_2_VERSION, TLS1_3_VERSION]
    )
    func table(transport: NIOTransport, version: CInt) async throws {
        let trusted = [TLSFile(bytes: Self.authority.certificatePEM)]
        let known = Outcome(subject: "CN=worker", isAnnounced: true, answer: "CN=worker spiffe://test/worker/1")
        let nobody = Outcome(isAnnounced: true, answer: "nobody")
        let refused = Outcome(refusals: 1)
        let table: [(TLSClientCertificates, TestIdentity?, Outcome)] = [
            (.notAsked, nil, nobody),
            (.notAsked, Self.good, nobody),
            (.optional(authorities: trusted), nil, nobody),
            (.optional(authorities: trusted), Self.good, known),
            (.optional(authorities: trusted), Self.foreign, refused),
            (.required(authorities: trusted), nil, refused),
            (.required(authorities: trusted), Self.good, known),
            (.required(authorities: trusted), Self.foreign, refused),
        ]
        for (requirement, identity, expected) in table {
            let found = try await outcome(requirement, identity, version, transport)
            #expect(found == expected, "\(requirement.requirement), \(identity == nil ? "nothing" : "a certificate")")
        }
    }
}
#endif
