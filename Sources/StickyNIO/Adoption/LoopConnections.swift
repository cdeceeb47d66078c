#if NIO
internal import NIOCore

/// The open channels of one event loop, and what they share. Lives on that loop, so nothing here is locked.
final class LoopConnections {
    let buffers = BufferPool(keepsBuffers: true)
    private var channels: [ObjectIdentifier: any Channel] = [:]
    private(set) var drainEvent: StickyDrainEvent?

    var count: Int { channels.count }

    func add(_ channel: any Channel) {
        channels[ObjectIdentifier(channel)] = channel
    }

    func remove(_ channel: any Channel) {
        channels[ObjectIdentifier(channel)] = nil
    }

    /// Tells every channel, and those to come, that the worker stops.
    func drain(_ event: StickyDrainEvent) {
        guard drainEvent == nil else { return }
        drainEvent = event
        // A copy: handlers close their channels while this runs.
        for channel in Array(channels.values) {
            channel.pipeline.fireUserInboundEventTriggered(event)
        }
    }
}
#endif
