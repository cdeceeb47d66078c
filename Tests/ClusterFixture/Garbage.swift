import Foundation

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// What a broken or hostile worker might write to its control socket, past the library.
enum Garbage {
    static func send(_ kind: String) {
        switch kind {
        case "noise": send((0..<1000).map { UInt8(truncatingIfNeeded: $0 &* 167 &+ 13) })
        case "byte": send([17])
        case "empty-kind": send(frame(0))
        case "unknown-kind": send(frame(99))
        case "version": send([17, 99, 1, 0, 0, 0, 0, 0])
        // Frames that only the master sends.
        case "ping": send(frame(4, payload: [1, 0, 0, 0]))
        case "connections": send(frame(1, count: 1))
        case "receipt": send(frame(17, count: 1000))
        case "refuse": send(frame(24, count: 1000))
        case "length": send([17, 3, 0, 0, 255, 255, 255, 255])
        case "trailing": send(frame(17) + [1, 2, 3])
        case "no-descriptor": send(frame(20, payload: [UInt8](repeating: 0, count: 60)))
        case "message": send(frame(19, payload: [UInt8](repeating: 255, count: 40)))
        case "endless-message": send(frame(19, payload: [0, 1, 255, 255, 0, 0, 0, 0, 255, 255, 255, 127, 1]))
        case "closed": send(frame(25, count: 1, payload: [1, 0, 0, 0, 0, 0, 0, 0]))
        case "crash-notice": send(frame(22))
        case "large": send([UInt8](repeating: 1, count: 100_000))
        case "tally": countNothing()
        default: break
        }
    }

    /// Claims receipts in the memory that the worker shares with the master.
    private static func countNothing() {
        guard let maps = try? FileHandle(forReadingAtPath: "/proc/self/maps")?.readToEnd(),
            let line = String(decoding: maps, as: UTF8.self).split(separator: "\n").first(where: {
                $0.contains("/memfd:sticky")
            }),
            let address = line.split(separator: "-").first.flatMap({ UInt($0, radix: 16) }),
            let memory = UnsafeMutableRawPointer(bitPattern: address)
        else { return }
        memory.storeBytes(of: 1 << 60, as: UInt64.self)
    }

    private static func frame(_ kind: UInt8, count: UInt16 = 0, payload: [UInt8] = []) -> [UInt8] {
        let length = UInt32(payload.count)
        return [kind, 3, UInt8(count & 255), UInt8(count >> 8)]
            + (0..<4).map { UInt8(truncatingIfNeeded: length >> (8 * $0)) } + payload
    }

    private static func send(_ bytes: [UInt8]) {
        let control: CInt = 3
        #if canImport(Glibc)
        _ = bytes.withUnsafeBytes { Glibc.send(control, $0.baseAddress, $0.count, CInt(MSG_NOSIGNAL)) }
        #else
        _ = bytes.withUnsafeBytes { Darwin.send(control, $0.baseAddress, $0.count, 0) }
        #endif
    }
}
