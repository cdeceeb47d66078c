import StickyTLS
import TLSTestSupport
import Testing

/// Drives a session as an adapter would, with buffers of a chosen size.
final class TestServer {
    var session: TLSSession
    let outputSize: Int
    let plaintextSize: Int
    private(set) var plaintext: [UInt8] = []
    private(set) var handshakeCompletions = 0
    private(set) var status: TLSStatus = .wantsInput
    private(set) var calls = 0

    init(_ context: TLSContext, outputSize: Int = 32_768, plaintextSize: Int = 16_384) throws {
        session = try TLSSession(context)
        self.outputSize = outputSize
        self.plaintextSize = plaintextSize
    }

    var info: TLSConnectionInfo? { session.info }

    var failure: TLSFailure? {
        if case .failed(let failure) = status { failure } else { nil }
    }

    var hasPeerClosed: Bool {
        if case .peerClosed = status { true } else { false }
    }

    // What adapters say of waiting.
    func waitForClient(_ owner: any TLSHandshakeOwner) { session.waitForClient(owner) }
    func hearFromClient() { session.hearFromClient() }
    func giveUpHandshake() { session.giveUpHandshake() }

    /// Feeds everything, and returns what is to be sent.
    func receive(_ input: [UInt8], pieces: Int = .max) -> [UInt8] {
        var sent: [UInt8] = []
        var position = 0
        repeat {
            let end = min(position.addingReportingOverflow(pieces).partialValue, input.count)
            let piece = Array(input[position..<(end < position ? input.count : end)])
            position += piece.count
            sent += feed(piece)
        } while position < input.count
        return sent
    }

    func send(_ bytes: [UInt8]) -> [UInt8] {
        var sent: [UInt8] = []
        var position = 0
        var output = [UInt8](repeating: 0, count: outputSize)
        while true {
            let step = bytes.withUnsafeBytes { bytes in
                output.withUnsafeMutableBytes { output in
                    session.send(UnsafeRawBufferPointer(rebasing: bytes[position...]), output: output)
                }
            }
            calls += 1
            position += step.consumed
            sent += output.prefix(step.output)
            status = step.status
            guard case .outputFull = step.status else { return sent }
        }
    }

    func close() -> [UInt8] {
        var sent: [UInt8] = []
        var output = [UInt8](repeating: 0, count: outputSize)
        while true {
            let step = output.withUnsafeMutableBytes { session.close(output: $0) }
            sent += output.prefix(step.output)
            guard case .outputFull = step.status else { return sent }
        }
    }

    func endOfInput() -> TLSStatus {
        session.endOfInput().status
    }

    func takePlaintext() -> [UInt8] {
        defer { plaintext = [] }
        return plaintext
    }

    private func feed(_ input: [UInt8]) -> [UInt8] {
        var sent: [UInt8] = []
        var position = 0
        var buffer = [UInt8](repeating: 0, count: plaintextSize)
        var output = [UInt8](repeating: 0, count: outputSize)
        while true {
            let step = input.withUnsafeBytes { input in
                buffer.withUnsafeMutableBytes { buffer in
                    output.withUnsafeMutableBytes { output in
                        session.receive(
                            UnsafeRawBufferPointer(rebasing: input[position...]),
                            plaintext: buffer,
                            output: output
                        )
                    }
                }
            }
            calls += 1
            position += step.consumed
            plaintext += buffer.prefix(step.plaintext)
            sent += output.prefix(step.output)
            status = step.status
            switch step.status {
            case .handshakeCompleted: handshakeCompletions += 1
            case .plaintextFull, .outputFull: break
            case .wantsInput:
                #expect(position == input.count)
                return sent
            default: return sent
            }
        }
    }
}

/// Carries bytes both ways until both ends are silent.
func exchange(_ client: TestClient, _ server: TestServer, pieces: Int = .max) {
    var toServer = client.step()
    while true {
        let toClient = server.receive(toServer, pieces: pieces)
        toServer = client.step(toClient)
        if toServer.isEmpty { return }
    }
}
