@testable import StickyServer

/// What both ends of a control socket do with a frame, and what a new binary does with the old one's state.
func fuzzFrames(_ bytes: [UInt8]) {
    var assembler = MessageAssembler(limit: 1 << 16)
    bytes.withUnsafeBytes { buffer in
        do throws(FrameError) {
            var (header, payload) = try Frame.parse(buffer)
            switch header.kind {
            case .connections:
                for _ in 0..<header.count { _ = try ConnectionEntry(from: &payload) }
            case .rehome:
                _ = try payload.read(UInt16.self)
                _ = try ConnectionEntry(from: &payload)
            case .messageToWorker, .messageToMaster:
                let message = try assembler.add(payload)
                _ = message.flatMap { NamedBytes.decode($0.payload) }
            case .drain, .ping, .pong:
                _ = try payload.read(UInt32.self)
            default:
                break
            }
        } catch {
            return
        }
    }
    _ = try? UpgradeState(decoding: bytes)
}

/// An address to listen on, as somebody might write it. What is read must be written so that it is read again.
func fuzzAddresses(_ bytes: [UInt8]) {
    let text = String(decoding: bytes, as: UTF8.self)
    guard let address = try? ListenAddress(parsing: text) else { return }
    guard let again = try? ListenAddress(parsing: address.description) else {
        // Names of sockets that came with the process, and paths, may hold what the other way round reads as another.
        guard text.hasPrefix("unix:") || text.hasPrefix("inherited:") else { fatalError("\(text): \(address)") }
        return
    }
    guard again.description == address.description else { fatalError("\(text): \(address) \(again)") }
}
