internal import Logging

extension MasterLoop {
    /// A limit that keeps being met is told once in so long.
    private static let noticeInterval: Duration = .seconds(10)

    /// What a slot has of the connections that it may have.
    func countedConnections(of slot: Slot) -> Int {
        slot.waiting.count + (slot.process.map { $0.ledger.count + $0.open.total } ?? 0)
    }

    /// Closes a connection that is one too many. It was not placed, so nobody holds it.
    func refuse(_ connection: consuming OwnedConnection, of peer: SocketAddress, slot: Int, reason: DropReason) {
        _ = consume connection
        tellDrop(peer, slot: slot, reason: reason)
        let now = clock.now
        guard limitNotices[reason].map({ now - $0 >= Self.noticeInterval }) ?? true else { return }
        limitNotices[reason] = now
        logger.warning(
            "a limit of connections is reached: those beyond it are closed",
            metadata: ["limit": "\(reason)", "peer": "\(peer)", "slot": "\(slot)"]
        )
    }

    func tellDrop(_ peer: SocketAddress, slot: Int, reason: DropReason) {
        logger.debug("connection dropped", metadata: ["peer": "\(peer)", "slot": "\(slot)", "reason": "\(reason)"])
        events.counts.dropped(reason)
        events.publish(.connectionDropped(slot: slot, reason: reason, peer: peer), to: .connections)
    }

    /// A worker says which of its connections have ended.
    func connectionsEnded(_ count: Int, _ payload: FrameReader, of process: WorkerProcess) throws(FrameError) {
        var reader = payload
        for _ in 0..<count {
            let tag = ConnectionTag(number: try reader.read(UInt64.self))
            guard process.open.remove(tag) else { throw .outOfRange }
            account.remove(tag)
        }
        guard reader.remaining == 0 else { throw .trailingBytes }
        events.counts.counted(account.all.total)
    }

    /// A process has no connections any more: it ended, or its crash notice says so.
    func forgetConnections(of process: WorkerProcess) {
        guard process.open.total > 0 else { return }
        for (tag, count) in process.open.counts { account.remove(tag, count) }
        process.open = TagCounts()
        events.counts.counted(account.all.total)
    }
}
