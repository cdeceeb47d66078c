/// What the master carries over into a new binary: everything that clients and workers would miss.
///
/// Descriptors are named by their numbers, which survive execve(2).
struct UpgradeState: Sendable, Hashable {
    struct Listener: Sendable, Hashable {
        var descriptor: CInt
        var index: Int
    }

    struct Process: Sendable, Hashable {
        var slot: Int
        var generation: Int
        var pid: Int32
        /// -1 when its control socket has ended.
        var control: CInt
        /// The file of its tally; -1 when it has none.
        var tally: CInt = -1
        /// What of the tally the ledger knows.
        var talliedReceipts: UInt64 = 0
        var isCurrent: Bool
        var isDraining: Bool
        /// Milliseconds until it is killed; nil for never.
        var killAfter: UInt32?
        /// The signal of its crash notice; nil when there was none.
        var crashSignal: UInt8?
        /// Its counted connections.
        var open = TagCounts()
        /// Frames that its control socket has not taken yet.
        var outbound: [[UInt8]]
    }

    struct Socket: Sendable, Hashable {
        var descriptor: CInt
        /// The process that was sent it and has not receipted it; nil when it waits.
        var sentTo: Int32?
        var home: Int
        var hash: UInt64
        var entry: ConnectionEntry
    }

    var routingKey: [UInt8] = []
    var slotTarget = 1
    var routedSlots = 1
    /// The generation that each slot has reached.
    var generations: [Int] = []
    var listeners: [Listener] = []
    var processes: [Process] = []
    /// In the order in which they were sent or came.
    var sockets: [Socket] = []
    var shared: [String: [UInt8]] = [:]

    /// Every descriptor that must stay open through execve(2).
    var descriptors: [CInt] {
        listeners.map(\.descriptor) + processes.flatMap { [$0.control, $0.tally] }.filter { $0 >= 0 }
            + sockets.map(\.descriptor)
    }

    private static let version: UInt8 = 3

    func encoded() -> [UInt8] {
        var writer = FrameWriter()
        writer.append(Self.version)
        writer.bytes.append(contentsOf: routingKey)
        writer.append(UInt32(clamping: slotTarget))
        writer.append(UInt32(clamping: routedSlots))
        writer.append(UInt32(clamping: generations.count))
        for generation in generations { writer.append(UInt64(clamping: generation)) }
        writer.append(UInt32(clamping: listeners.count))
        for listener in listeners {
            writer.append(listener.descriptor)
            writer.append(UInt32(clamping: listener.index))
        }
        writer.append(UInt32(clamping: processes.count))
        for process in processes { process.write(to: &writer) }
        writer.append(UInt32(clamping: sockets.count))
        for socket in sockets { socket.write(to: &writer) }
        writer.append(UInt32(clamping: shared.count))
        for (name, value) in shared {
            let bytes = NamedBytes.encode(name, value)
            writer.append(UInt32(clamping: bytes.count))
            writer.bytes.append(contentsOf: bytes)
        }
        return writer.bytes
    }

    init() {}

    init(decoding bytes: [UInt8]) throws(FrameError) {
        let decoded: Result<UpgradeState, FrameError> = bytes.withUnsafeBytes { buffer in
            do throws(FrameError) {
                var reader = FrameReader(buffer)
                return .success(try UpgradeState(from: &reader))
            } catch {
                return .failure(error)
            }
        }
        self = try decoded.get()
    }

    private init(from reader: inout FrameReader) throws(FrameError) {
        let version = try reader.read(UInt8.self)
        guard version == Self.version else { throw .wrongVersion(version) }
        routingKey = [UInt8](try reader.read(count: 16))
        slotTarget = Int(try reader.read(UInt32.self))
        routedSlots = Int(try reader.read(UInt32.self))
        guard (1...Configuration.mostWorkers).contains(slotTarget), (1...slotTarget).contains(routedSlots) else {
            throw .outOfRange
        }
        for _ in 0..<(try reader.read(UInt32.self)) {
            generations.append(Int(clamping: try reader.read(UInt64.self)))
        }
        guard generations.count >= slotTarget, generations.count <= Configuration.mostWorkers else { throw .outOfRange }
        for _ in 0..<(try reader.read(UInt32.self)) {
            listeners.append(
                Listener(descriptor: try reader.read(), index: Int(try reader.read(UInt32.self)))
            )
        }
        for _ in 0..<(try reader.read(UInt32.self)) {
            let process = try Process(from: &reader)
            guard process.slot < generations.count else { throw .outOfRange }
            processes.append(process)
        }
        for _ in 0..<(try reader.read(UInt32.self)) {
            let socket = try Socket(from: &reader)
            guard socket.home < generations.count else { throw .outOfRange }
            sockets.append(socket)
        }
        for _ in 0..<(try reader.read(UInt32.self)) {
            let bytes = [UInt8](try reader.read(count: Int(try reader.read(UInt32.self))))
            guard let (name, value) = NamedBytes.decode(bytes) else { throw .truncated }
            shared[name] = value
        }
        guard reader.remaining == 0 else { throw .trailingBytes }
    }
}

extension UpgradeState.Process {
    fileprivate func write(to writer: inout FrameWriter) {
        writer.append(UInt32(clamping: slot))
        writer.append(UInt64(clamping: generation))
        writer.append(pid)
        writer.append(control)
        writer.append(tally)
        writer.append(talliedReceipts)
        let flags: [(Bool, UInt8)] = [(isCurrent, 1), (isDraining, 2), (killAfter != nil, 4), (crashSignal != nil, 8)]
        writer.append(flags.reduce(UInt8(0)) { $1.0 ? $0 | $1.1 : $0 })
        writer.append(killAfter ?? 0)
        writer.append(crashSignal ?? 0)
        writer.append(UInt32(clamping: open.counts.count))
        for (tag, count) in open.counts {
            writer.append(tag.number)
            writer.append(UInt32(clamping: count))
        }
        writer.append(UInt32(clamping: outbound.count))
        for frame in outbound {
            writer.append(UInt32(clamping: frame.count))
            writer.bytes.append(contentsOf: frame)
        }
    }

    fileprivate init(from reader: inout FrameReader) throws(FrameError) {
        slot = Int(try reader.read(UInt32.self))
        generation = Int(clamping: try reader.read(UInt64.self))
        pid = try reader.read()
        control = try reader.read()
        tally = try reader.read()
        talliedReceipts = try reader.read()
        let flags = try reader.read(UInt8.self)
        let milliseconds = try reader.read(UInt32.self)
        isCurrent = flags & 1 != 0
        isDraining = flags & 2 != 0
        killAfter = flags & 4 != 0 ? milliseconds : nil
        let signal = try reader.read(UInt8.self)
        crashSignal = flags & 8 != 0 ? signal : nil
        for _ in 0..<(try reader.read(UInt32.self)) {
            let tag = ConnectionTag(number: try reader.read(UInt64.self))
            open.add(tag, Int(try reader.read(UInt32.self)))
        }
        outbound = []
        for _ in 0..<(try reader.read(UInt32.self)) {
            outbound.append([UInt8](try reader.read(count: Int(try reader.read(UInt32.self)))))
        }
    }
}

extension UpgradeState.Socket {
    fileprivate func write(to writer: inout FrameWriter) {
        writer.append(descriptor)
        writer.append(sentTo ?? 0)
        writer.append(UInt32(clamping: home))
        writer.append(hash)
        entry.write(to: &writer)
    }

    fileprivate init(from reader: inout FrameReader) throws(FrameError) {
        descriptor = try reader.read()
        let pid = try reader.read(Int32.self)
        sentTo = pid == 0 ? nil : pid
        home = Int(try reader.read(UInt32.self))
        hash = try reader.read()
        entry = try ConnectionEntry(from: &reader)
    }
}
