/// What the order to drain says: until when, and over what time connections are told, in milliseconds.
struct DrainOrder: Sendable, Hashable {
    let time: Duration
    let spread: Duration

    /// Stands for no deadline: beyond every one that can be sent, and near enough for arithmetic.
    static let forever: Duration = Configuration.longestTime * 5

    /// Nil is no deadline.
    init(within time: Duration?, spread: Duration = .zero) {
        self.time = time ?? Self.forever
        self.spread = spread
    }

    init(from reader: inout FrameReader) throws(FrameError) {
        let milliseconds = try reader.read(UInt32.self)
        time = milliseconds == .max ? Self.forever : .milliseconds(Int(milliseconds))
        spread = .milliseconds(Int(try reader.read(UInt32.self)))
    }

    func write(to writer: inout FrameWriter) {
        for part in [time, spread] {
            writer.append(UInt32(max(0, min(part / .milliseconds(1), Double(UInt32.max)))))
        }
    }
}
