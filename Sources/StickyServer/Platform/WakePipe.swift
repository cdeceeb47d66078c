internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Wakes a poll(2) loop from other threads and from signal handlers: one byte per wake-up, its value a signal number
/// or 0 for «look at your queue».
struct WakePipe: ~Copyable, Sendable {
    let readEnd: OwnedDescriptor
    let writeEnd: OwnedDescriptor

    init() throws(StickyServerError) {
        var ends: [CInt] = [-1, -1]
        guard pipe(&ends) == 0 else { throw .system(.outOfResources, "cannot make a pipe", errno) }
        readEnd = OwnedDescriptor(owning: ends[0])
        writeEnd = OwnedDescriptor(owning: ends[1])
        for end in ends {
            _ = sticky_set_cloexec(end, 1)
            _ = sticky_set_nonblocking(end, 1)
        }
    }

    /// Safe on any thread. A full pipe is a wake-up that is already pending.
    borrowing func wake() {
        var byte: UInt8 = 0
        _ = write(writeEnd.number, &byte, 1)
    }

    /// Empties the pipe and gives each signal number to `onSignal`.
    borrowing func drain(_ onSignal: (CInt) -> Void) {
        withUnsafeTemporaryAllocation(byteCount: 256, alignment: 1) { buffer in
            while true {
                let count = read(readEnd.number, buffer.baseAddress, buffer.count)
                guard count > 0 else { return }
                for byte in buffer[..<count] where byte != 0 { onSignal(CInt(byte)) }
                if count < buffer.count { return }
            }
        }
    }
}

extension WakePipe {
    /// From now on each of these signals becomes a byte in the pipe. There is one such pipe in a process.
    borrowing func catchSignals(_ signals: [CInt]) {
        for signal in signals { _ = sticky_signal_to_pipe(signal, writeEnd.number) }
    }
}
