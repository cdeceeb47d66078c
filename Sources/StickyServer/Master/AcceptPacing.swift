/// How long the master leaves new connections in the backlog while all workers are behind, as a pure value.
///
/// A worker that has not taken what it was sent gains nothing from more, but each time that the master wakes, it takes a
/// core's caches from somebody. So while every worker has connections that it has not receipted, the master accepts
/// seldom and many at a time. As soon as one has none left, it was too seldom.
struct AcceptPacing: Sendable, Hashable {
    /// Milliseconds, in which a busy worker makes a few handshakes. A client does not notice them in its queue.
    static let longestHold: CInt = 4

    /// Milliseconds until the next connections are accepted; 0 while they are as soon as they come.
    private(set) var hold: CInt = 0

    /// It is time to accept. `areBehind`: every worker has connections that it has not receipted.
    mutating func accepting(areBehind: Bool) {
        hold = areBehind ? min(max(1, hold * 2), Self.longestHold) : hold / 2
    }

    /// So many were there.
    mutating func accepted(_ count: Int) {
        if count == 0 { hold = 0 }
    }
}
