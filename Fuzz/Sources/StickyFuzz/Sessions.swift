@testable import StickyTLS

/// Made once: building it costs more than a hundred inputs.
private let context: TLSContext? = {
    var configuration = TLSConfiguration(identities: [TLSIdentity(certificatePEM: Array(identityPEM.utf8))])
    configuration.unknownNames = .refuse
    configuration.maximumHandshakesInProgress = .max
    configuration.onEvent = { _ in }
    return try? TLSContext(configuration)
}()

/// A client's bytes as they come, in pieces and through buffers whose sizes the first two bytes give.
func fuzzSession(_ bytes: [UInt8]) {
    guard bytes.count > 2 else { return }
    feed(Array(bytes.dropFirst(2)), piece: Int(bytes[0]) * 4 + 1, room: Int(bytes[1]) * 8 + 1)
}

/// The body of a ClientHello; the headers around it are right, so that changed lengths do not end it at once.
func fuzzHello(_ body: [UInt8]) {
    guard body.count < 16_000 else { return }
    func length(_ count: Int, _ size: Int) -> [UInt8] {
        (0..<size).reversed().map { UInt8(truncatingIfNeeded: count >> (8 * $0)) }
    }
    let message = [1] + length(body.count, 3) + body
    feed([22, 3, 1] + length(message.count, 2) + message, piece: .max, room: 8192)
}

private func feed(_ input: [UInt8], piece: Int, room: Int) {
    guard let context else { fatalError("no context") }
    guard var session = try? TLSSession(context) else { fatalError("no session") }
    var plaintext = [UInt8](repeating: 0, count: room)
    var output = [UInt8](repeating: 0, count: room)
    var position = 0
    var isOver = false
    while position < input.count, !isOver {
        let end = piece < input.count - position ? position + piece : input.count
        var isHungry = false
        while !isOver, !isHungry {
            let step = input[position..<end].withUnsafeBytes { input in
                plaintext.withUnsafeMutableBytes { plaintext in
                    output.withUnsafeMutableBytes { session.receive(input, plaintext: plaintext, output: $0) }
                }
            }
            guard step.consumed <= end - position, step.output <= room, step.plaintext <= room else {
                fatalError("more than there was: \(step)")
            }
            position += step.consumed
            switch step.status {
            case .wantsInput:
                // Whatever was given is taken.
                guard position == end else { fatalError("input left: \(step)") }
                isHungry = true
            case .failed, .peerClosed, .truncated: isOver = true
            default: break
            }
        }
    }
    _ = session.serverName
    _ = session.info
    _ = session.endOfInput()
    _ = output.withUnsafeMutableBytes { session.close(output: $0) }
}
