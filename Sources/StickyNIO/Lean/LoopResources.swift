#if NIO && os(Linux)
internal import NIOCore
internal import StickyServer

/// What the connections of one loop use in turn. Lives on the loop.
final class LoopResources {
    static let inputSize = 65_536

    /// What came from a socket, until it is decrypted: no longer than to the next call of a handler.
    let input = UnsafeMutableRawBufferPointer.allocate(byteCount: inputSize, alignment: 16)
    /// Where bursts are encrypted to.
    @exclusivity(unchecked) var output = OutputBlock(capacity: OutputBlocks.largeSize)
    let blocks = OutputBlocks()
    let buffers = BufferPool(keepsBuffers: true)
    /// Where small writes become one record.
    @exclusivity(unchecked) var record = ByteBuffer()
    @exclusivity(unchecked) var drainEvent: StickyDrainEvent?
    @exclusivity(unchecked) private(set) var channels: [ObjectIdentifier: StickyChannel] = [:]

    deinit {
        input.deallocate()
    }

    var count: Int { channels.count }

    func add(_ channel: StickyChannel) {
        channels[ObjectIdentifier(channel)] = channel
    }

    func remove(_ channel: StickyChannel) {
        channels[ObjectIdentifier(channel)] = nil
    }

    /// Tells every channel, over the time that the request gives, and those to come that the worker stops.
    func drain(_ event: StickyDrainEvent) {
        guard drainEvent == nil else { return }
        drainEvent = event
        let count = channels.count
        // A copy: handlers close their channels while this runs.
        for (index, channel) in Array(channels.values).enumerated() {
            let delay = event.request.delay(ofConnection: index, of: count)
            guard delay > .zero else {
                channel.heard(event)
                continue
            }
            channel.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { [self] in
                if channels[ObjectIdentifier(channel)] != nil { channel.heard(event) }
            }
        }
    }

    /// Gives the output away, because it holds what could not be sent, and takes an empty block in its place.
    func replaceOutput() -> OutputBlock {
        let full = output
        output = blocks.take(OutputBlocks.largeSize)
        return full
    }
}
#endif
