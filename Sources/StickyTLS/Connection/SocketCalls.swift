#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// The system calls of a blocking connection on a non-blocking descriptor. None raises SIGPIPE.
enum SocketCalls {
    /// What came of a call that moves bytes.
    enum Outcome {
        case moved(Int)
        case wouldBlock
        case failed(CInt)
    }

    /// Reads what is there; 0 bytes at the end of the stream.
    static func receive(_ descriptor: CInt, into buffer: UnsafeMutableRawBufferPointer) -> Outcome {
        outcome { recv(descriptor, buffer.baseAddress, buffer.count, 0) }
    }

    /// Sends as much as fits.
    static func send(_ descriptor: CInt, _ bytes: UnsafeRawBufferPointer) -> Outcome {
        #if canImport(Glibc)
        let flags = CInt(MSG_NOSIGNAL)
        return outcome { Glibc.send(descriptor, bytes.baseAddress, bytes.count, flags) }
        #else
        return outcome { Darwin.send(descriptor, bytes.baseAddress, bytes.count, 0) }
        #endif
    }

    /// Where send(2) has no flag against SIGPIPE, the socket has an option.
    static func refuseSignals(_ descriptor: CInt) {
        #if canImport(Darwin)
        var on: CInt = 1
        setsockopt(descriptor, SOL_SOCKET, SO_NOSIGPIPE, &on, socklen_t(MemoryLayout<CInt>.size))
        #endif
    }

    /// Says that nothing more will be sent.
    static func endOutput(_ descriptor: CInt) {
        shutdown(descriptor, CInt(SHUT_WR))
    }

    /// What woke ``wait(_:_:or:until:)``.
    enum Wakening {
        case ready
        case signalled
        case timeout
    }

    /// Waits for `events` (poll(2)), for `signal` to be readable, or for the deadline.
    static func wait(
        _ descriptor: CInt,
        _ events: CInt,
        or signal: CInt = -1,
        until deadline: ContinuousClock.Instant?
    ) -> Wakening {
        // poll(2) passes over an entry whose descriptor is negative.
        var entries = (
            pollfd(fd: descriptor, events: Int16(events), revents: 0),
            pollfd(fd: signal, events: Int16(POLLIN), revents: 0)
        )
        while true {
            var milliseconds: CInt = -1
            if let deadline {
                let left = ContinuousClock.now.duration(to: deadline)
                // Rounded up, so that the last fraction is not spent in a loop.
                let (seconds, attoseconds) = left.components
                guard left > .zero else {
                    milliseconds = 0
                    return poll(&entries, milliseconds) == .ready ? .ready : .timeout
                }
                milliseconds = CInt(clamping: seconds * 1000 + attoseconds / 1_000_000_000_000_000 + 1)
            }
            switch poll(&entries, milliseconds) {
            case .ready: return .ready
            case .signalled: return .signalled
            case .timeout: continue
            }
        }
    }

    /// Bytes that the other end has not acknowledged; nil where the system does not tell.
    static func unsent(_ descriptor: CInt) -> Int? {
        #if canImport(Glibc)
        var count: CInt = 0
        return ioctl(descriptor, UInt(TIOCOUTQ), &count) == 0 ? Int(count) : nil
        #else
        return nil
        #endif
    }

    /// An interrupted call counts as a timeout: the caller looks at the clock and calls again.
    private static func poll(_ entries: inout (pollfd, pollfd), _ milliseconds: CInt) -> Wakening {
        let count = withUnsafeMutableBytes(of: &entries) { bytes in
            let entries = bytes.assumingMemoryBound(to: pollfd.self)
            #if canImport(Glibc)
            return Glibc.poll(entries.baseAddress, nfds_t(entries.count), milliseconds)
            #else
            return Darwin.poll(entries.baseAddress, nfds_t(entries.count), milliseconds)
            #endif
        }
        guard count > 0 else { return .timeout }
        return entries.0.revents != 0 ? .ready : .signalled
    }

    private static func outcome(_ call: () -> Int) -> Outcome {
        while true {
            let count = call()
            if count >= 0 { return .moved(count) }
            let number = errno
            if number == EAGAIN || number == EWOULDBLOCK { return .wouldBlock }
            if number != EINTR { return .failed(number) }
        }
    }
}
