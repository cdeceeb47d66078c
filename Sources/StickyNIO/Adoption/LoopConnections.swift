#if NIO
internal import NIOCore
internal import StickyServer

/// The open channels of one event loop, and what they share. Lives on that loop, so nothing here is locked.
final class LoopConnections {
    let buffers = BufferPool(keepsBuffers: true)
    let handshakes = HandshakeQueue()
    private var channels: [ObjectIdentifier: any Channel] = [:]
    private(set) var drainEvent: StickyDrainEvent?

    var count: Int { channels.count }

    func add(_ channel: any Channel) {
        channels[ObjectIdentifier(channel)] = channel
    }

    func remove(_ channel: any Channel) {
        channels[ObjectIdentifier(channel)] = nil
    }

    /// Tells every channel, over the time that the request gives, and those to come that the worker stops.
    func drain(_ event: StickyDrainEvent) {
        guard drainEvent == nil else { return }
        let count = channels.count
        drainEvent = event
        // A copy: handlers close their channels while this runs.
        for (index, channel) in Array(channels.values).enumerated() {
            let delay = event.request.delay(ofConnection: index, of: count)
            guard delay > .zero else {
                channel.pipeline.fireUserInboundEventTriggered(event)
                continue
            }
            channel.eventLoop.assumeIsolated().scheduleTask(in: TimeAmount(delay)) { [self] in
                guard channels[ObjectIdentifier(channel)] != nil else { return }
                channel.pipeline.fireUserInboundEventTriggered(event)
            }
        }
    }
}
#endif
