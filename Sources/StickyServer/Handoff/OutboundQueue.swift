/// Frames that wait until the control socket takes them, in order and bounded.
struct OutboundQueue {
    private var frames: [[UInt8]] = []
    private var next = 0
    private var byteCount = 0
    let limit: Int

    init(limit: Int) {
        self.limit = limit
    }

    var isEmpty: Bool { next == frames.count }

    /// What has not been sent.
    var pending: [[UInt8]] { Array(frames[next...]) }

    /// Frames that wait, and places of those that were sent and not dropped yet.
    var keptFrames: Int { frames.count }

    /// Whether so many more bytes fit.
    func hasRoom(for count: Int) -> Bool { byteCount + count <= limit }

    mutating func append(_ frame: [UInt8]) {
        frames.append(frame)
        byteCount += frame.count
    }

    /// Sends frame by frame until nothing is left or the socket takes no more.
    mutating func flush(_ send: ([UInt8]) -> ControlSocket.Outcome) -> ControlSocket.Outcome {
        while next < frames.count {
            let outcome = send(frames[next])
            guard outcome == .done else {
                dropSent()
                return outcome
            }
            byteCount -= frames[next].count
            frames[next] = []
            next += 1
        }
        frames.removeAll(keepingCapacity: true)
        next = 0
        return .done
    }

    /// A queue that is never empty must not grow either; by halves, so that each frame is moved about once.
    private mutating func dropSent() {
        guard next >= 64, next >= frames.count - next else { return }
        frames.removeFirst(next)
        next = 0
    }
}
