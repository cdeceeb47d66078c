#if NIO
internal import NIOCore

/// Connections of one loop whose handshakes may have something to go on with. Each turn of the loop takes a few, after
/// the established connections had theirs: a flood of handshakes takes time from other handshakes and not from them.
struct HandshakeTurns<Source> {
    /// A handshake takes longer than anything else a connection does; to look at one that is silent takes little.
    static var mostHandshakes: Int { 4 }
    private static var mostLooks: Int { 64 }

    private var waiting = CircularBuffer<Source>()
    private var handshakesLeft = 0
    private var looksLeft = 0

    var isEmpty: Bool { waiting.isEmpty }

    mutating func append(_ source: Source) {
        waiting.append(source)
    }

    mutating func begin() {
        handshakesLeft = Self.mostHandshakes
        looksLeft = Self.mostLooks
    }

    /// Nil when the turn is over.
    mutating func next() -> Source? {
        guard handshakesLeft > 0, looksLeft > 0 else { return nil }
        looksLeft -= 1
        return waiting.popFirst()
    }

    /// What `next` gave went on with its handshake.
    mutating func didShakeHands() {
        handshakesLeft -= 1
    }
}
#endif
