internal import CTLS

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What OpenSSL's callbacks see of one connection: the caller's buffers for the time of a call, and what was learnt.
///
/// It lives in memory of its own, because OpenSSL keeps its address. A call sets the buffers, and takes them back
/// before it returns.
struct Transport {
    /// Held by the session, which outlives this.
    let generation: Unmanaged<TLSGeneration>

    /// What we refuse, in words that OpenSSL has none for.
    enum Refusal {
        case none
        case unknownName
        case changedName
        case helloTooLarge
        case tooManyKeyUpdates
    }

    /// Why the connection ends. Limits also stop the input.
    var refusal = Refusal.none
    /// The host of the name that was asked for. Held by the generation.
    var host: Unmanaged<HostContext>?
    /// What the first hello asked for.
    var requestedName: ServerName?
    /// The hello has been read, and no longer counts.
    var helloIsComplete = false
    private let helloLimit: Int
    private var helloSize = 0
    private var keyUpdates = 0
    private var keyUpdatesSince: Int64 = 0

    private(set) var inputOffset = 0
    private(set) var outputCount = 0
    private var input = UnsafeRawBufferPointer(start: nil, count: 0)
    private var output = UnsafeMutableRawBufferPointer(start: nil, count: 0)

    // What did not fit into the caller's output. OpenSSL's writes are always taken whole: it then has no half-sent
    // records to repeat, and an alert is never lost because the buffer was small.
    private var overflow: UnsafeMutableRawPointer?
    private var overflowCapacity = 0
    private var overflowStart = 0
    private var overflowEnd = 0

    /// The name that the client asked for.
    var serverName: String?
    /// The client's certificate, from the first time that somebody asks for it.
    private var clientCertificate = ClientCertificate.unread
    /// The last alert of the current call.
    var lastAlert: TLSAlert?

    // The first bytes of the connection: a record header, if it is TLS.
    private var firstBytes: (UInt8, UInt8, UInt8, UInt8, UInt8) = (0, 0, 0, 0, 0)
    private var firstBytesCount = 0

    init(_ generation: TLSGeneration) {
        self.generation = Unmanaged.passUnretained(generation)
        helloLimit = generation.configuration.maximumClientHelloSize
    }

    var isStopped: Bool {
        switch refusal {
        case .helloTooLarge, .tooManyKeyUpdates: true
        default: false
        }
    }

    private enum ClientCertificate {
        case unread
        case none
        case shown(TLSClientCertificate)
    }

    /// The client's certificate, which is decoded once. Only for a completed handshake: what was shown does not change
    /// any more then.
    mutating func clientCertificate(of ssl: OpaquePointer) -> TLSClientCertificate? {
        if case .unread = clientCertificate {
            clientCertificate = TLSClientCertificate(ssl).map { .shown($0) } ?? .none
        }
        if case .shown(let certificate) = clientCertificate { return certificate }
        return nil
    }

    /// Counts in windows of a second. Beyond the limit OpenSSL gets no more input.
    mutating func didReceiveKeyUpdate() {
        let generation = generation.takeUnretainedValue()
        generation.counters.keyUpdates.increment()
        let now = generation.configuration.clock.monotonic()
        if keyUpdates == 0 || now - keyUpdatesSince >= 1_000_000_000 {
            keyUpdatesSince = now
            keyUpdates = 0
        }
        keyUpdates += 1
        if keyUpdates > generation.configuration.maximumKeyUpdatesPerSecond { refusal = .tooManyKeyUpdates }
    }

    var hasOverflow: Bool { overflowStart < overflowEnd }
    var hasInput: Bool { inputOffset < input.count }

    /// Nothing has come from the client.
    var isSilent: Bool { firstBytesCount == 0 }

    /// The first bytes of the connection, at most 5.
    var head: [UInt8] {
        withUnsafeBytes(of: firstBytes) { Array($0.prefix(firstBytesCount)) }
    }

    /// Lends the caller's buffers and moves what is left from the last call into `output`.
    mutating func begin(input: UnsafeRawBufferPointer, output: UnsafeMutableRawBufferPointer) {
        self.input = input
        self.output = output
        inputOffset = 0
        outputCount = 0
        lastAlert = nil
        if hasOverflow { drainOverflow() }
    }

    /// Forgets the caller's buffers. The counts stay.
    mutating func end() {
        input = UnsafeRawBufferPointer(start: nil, count: 0)
        output = UnsafeMutableRawBufferPointer(start: nil, count: 0)
    }

    /// OpenSSL reads: 0 when there is nothing at the moment.
    mutating func read(into buffer: UnsafeMutableRawPointer, _ capacity: Int) -> Int {
        let count = min(capacity, input.count - inputOffset)
        guard count > 0, let base = input.baseAddress, !isStopped else { return 0 }
        if !helloIsComplete {
            helloSize += count
            if helloSize > helloLimit {
                refusal = .helloTooLarge
                return 0
            }
        }
        memcpy(buffer, base + inputOffset, count)
        inputOffset += count
        if firstBytesCount < 5 { keepFirstBytes(buffer, count) }
        return count
    }

    /// OpenSSL writes.
    mutating func write(_ bytes: UnsafeRawPointer, _ count: Int) {
        var fitting = 0
        if !hasOverflow, let base = output.baseAddress {
            fitting = min(count, output.count - outputCount)
            memcpy(base + outputCount, bytes, fitting)
            outputCount += fitting
        }
        if fitting < count { keep(bytes + fitting, count - fitting) }
    }

    /// The client's bytes after its end are of no interest to anyone.
    mutating func discardInput() {
        inputOffset = input.count
    }

    mutating func free() {
        overflow?.deallocate()
        overflow = nil
    }

    private mutating func drainOverflow() {
        guard let overflow, let base = output.baseAddress else { return }
        let count = min(overflowEnd - overflowStart, output.count - outputCount)
        memcpy(base + outputCount, overflow + overflowStart, count)
        outputCount += count
        overflowStart += count
        guard !hasOverflow else { return }
        overflow.deallocate()
        self.overflow = nil
        overflowCapacity = 0
        overflowStart = 0
        overflowEnd = 0
    }

    private mutating func keep(_ bytes: UnsafeRawPointer, _ count: Int) {
        if overflowEnd + count > overflowCapacity {
            let capacity = max(overflowEnd - overflowStart + count, 1024) * 2
            let larger = UnsafeMutableRawPointer.allocate(byteCount: capacity, alignment: 16)
            if let overflow {
                memcpy(larger, overflow + overflowStart, overflowEnd - overflowStart)
                overflow.deallocate()
            }
            overflow = larger
            overflowCapacity = capacity
            overflowEnd -= overflowStart
            overflowStart = 0
        }
        if let overflow { memcpy(overflow + overflowEnd, bytes, count) }
        overflowEnd += count
    }

    private mutating func keepFirstBytes(_ bytes: UnsafeMutableRawPointer, _ count: Int) {
        let room = min(count, 5 - firstBytesCount)
        withUnsafeMutableBytes(of: &firstBytes) { first in
            for index in 0..<room {
                first[firstBytesCount + index] = bytes.load(fromByteOffset: index, as: UInt8.self)
            }
        }
        firstBytesCount += room
    }
}

/// The BIO over a ``Transport``: OpenSSL's reads take from the caller's input, its writes go to the caller's output.
enum TransportMethod {
    /// Unsafe only to the compiler, which does not know `BIO_METHOD`: it is written once, here, and then only read.
    /// Nil when there was no memory for it.
    nonisolated(unsafe) static let shared: OpaquePointer? = {
        let type = BIO_get_new_index() | BIO_TYPE_SOURCE_SINK
        guard let method = BIO_meth_new(type, "StickyTLS") else { return nil }
        BIO_meth_set_read_ex(method, readTransport)
        BIO_meth_set_write_ex(method, writeTransport)
        BIO_meth_set_ctrl(method, controlTransport)
        return method
    }()
}

private func transport(of bio: OpaquePointer?) -> UnsafeMutablePointer<Transport>? {
    BIO_get_data(bio)?.assumingMemoryBound(to: Transport.self)
}

private func readTransport(
    _ bio: OpaquePointer?,
    _ buffer: UnsafeMutablePointer<CChar>?,
    _ capacity: Int,
    _ count: UnsafeMutablePointer<Int>?
) -> CInt {
    // On every call: a flag that stays from an earlier one makes OpenSSL misread this one.
    ctls_bio_clear_retry(bio)
    guard let transport = transport(of: bio), let buffer, let count else { return 0 }
    count.pointee = transport.pointee.read(into: buffer, capacity)
    guard count.pointee == 0 else { return 1 }
    ctls_bio_set_retry_read(bio)
    return 0
}

private func writeTransport(
    _ bio: OpaquePointer?,
    _ bytes: UnsafePointer<CChar>?,
    _ length: Int,
    _ count: UnsafeMutablePointer<Int>?
) -> CInt {
    ctls_bio_clear_retry(bio)
    guard let transport = transport(of: bio), let bytes, let count else { return 0 }
    transport.pointee.write(bytes, length)
    count.pointee = length
    return 1
}

private func controlTransport(
    _ bio: OpaquePointer?,
    _ command: CInt,
    _ number: Int,
    _ pointer: UnsafeMutableRawPointer?
) -> Int {
    // Nothing is buffered here, so a flush is done at once. All else is for sockets and files.
    command == BIO_CTRL_FLUSH ? 1 : 0
}
