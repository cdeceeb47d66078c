internal import CStickyServer
internal import Logging

extension ControlLoop {
    /// The receipt goes out before the handler sees a socket: from then on a byte may have been read from it, and no
    /// other process must be given the connection.
    func addConnections(
        _ count: Int,
        _ payload: FrameReader,
        _ connections: consuming NonCopyableQueue<OwnedConnection>
    ) throws(FrameError) {
        guard connections.count == count else {
            throw .wrongDescriptorCount(expected: count, got: connections.count)
        }
        recycling?.accepted += count
        foundSingle = count == 1
        sendReceipt(count)
        var reader = payload
        while let connection = connections.popFirst() {
            let entry = try ConnectionEntry(from: &reader)
            sticky_crash_note_descriptor(connection.number)
            handler.addConnection(
                PausedSocket(
                    connection: connection,
                    peer: entry.peer,
                    local: entry.local,
                    listener: entry.listener,
                    reason: entry.reason,
                    prelude: entry.prelude,
                    hops: entry.hops,
                    lease: worker.makeLease(entry.tag)
                )
            )
        }
    }

    func addListeners(
        _ count: Int,
        _ payload: FrameReader,
        _ files: consuming NonCopyableQueue<OwnedConnection>
    ) throws(FrameError) {
        guard files.count == count else { throw .wrongDescriptorCount(expected: count, got: files.count) }
        var reader = payload
        while let file = files.popFirst() {
            let index = Int(try reader.read(UInt16.self))
            steered.add(Listener(adopting: file.relinquish(), index: index))
        }
    }

    /// Takes what the kernel has put into this slot's backlogs. Call when one of ``acceptDescriptors`` is readable.
    package func acceptConnections() {
        acceptConnections(all: false)
    }

    func acceptConnections(all: Bool) {
        let count = steered.accept(all: all, now: clock.now, logger: logger) { connection, peer, listener in
            sticky_crash_note_descriptor(connection.number)
            let local = listener.localAddress(of: connection)
            handler.addConnection(
                PausedSocket(
                    connection: connection,
                    peer: peer,
                    local: local,
                    listener: listener.index,
                    reason: .address,
                    prelude: [],
                    hops: 0,
                    lease: worker.makeLease()
                )
            )
        }
        recycling?.accepted += count
    }

    /// This process can have no more descriptors. The master still has its copies and finds them another place.
    func refuseConnections(_ count: Int) {
        let now = clock.now
        if now >= nextShortageNotice {
            nextShortageNotice = now + .seconds(1)
            logger.warning(
                "out of descriptors: connections go back to the master",
                metadata: ["count": "\(count)", "open": "\(worker.openConnections)"]
            )
        }
        // From here on receipts are frames too: both name only counts, so their order must be kept.
        tally = nil
        worker.post(Frame.plain(.refuse, count: count))
    }

    /// Receipts and refusals name only a count, so their order is that of the frames: what does not fit now goes
    /// behind whatever waits, and nothing overtakes it.
    func sendReceipt(_ count: Int) {
        guard tally == nil else {
            tally?.add(count)
            return
        }
        let frame = Frame.plain(.receipt, count: count)
        guard !worker.hasOutbound else { return worker.post(frame) }
        switch worker.control.send(frame) {
        case .done: break
        case .full, .busy: worker.post(frame)
        case .lost: loseMaster()
        }
    }

    /// Tells the master which counted connections have ended, many in one frame when many end.
    func reportEnded() {
        var tags = worker.takeEnded()[...]
        while !tags.isEmpty, isConnected {
            worker.post(Frame.closed(tags.prefix(ConnectionTag.mostInFrame)))
            tags = tags.dropFirst(ConnectionTag.mostInFrame)
        }
    }
}
