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
            guard outcome == .done else { return outcome }
            byteCount -= frames[next].count
            frames[next] = []
            next += 1
        }
        frames.removeAll(keepingCapacity: true)
        next = 0
        return .done
    }
}
