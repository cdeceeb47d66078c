internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// One process of a slot, from its start until it is reaped. Used only on the master's thread.
final class WorkerProcess {
    let slot: Int
    let generation: Int
    let pid: pid_t
    /// Nil once the control socket has ended.
    var control: ControlSocket?
    var ledger = HandOffLedger()
    /// Where it counts its receipts, as long as it sends no frames for them; nil when it always does.
    var tally: ReceiptTally?
    /// What of the tally the ledger knows.
    var talliedReceipts: UInt64 = 0
    /// The counted connections that it has receipted and that have not ended.
    var open = TagCounts()
    var outbound: OutboundQueue
    var heartbeat: Heartbeat
    var isLate = false
    /// It was given its slot's listeners.
    var hasListeners = false
    /// It was told to drain, or said that it does.
    var isDraining = false
    var assembler: MessageAssembler
    /// Readable when the process has ended; made when its control socket ends.
    var exitWatch: OwnedDescriptor?
    /// When it is killed if it has not ended.
    var killAt: ContinuousClock.Instant?
    /// The signal of its crash notice: it serves nobody any more but may still write its backtrace.
    var crashSignal: CInt?
    /// Its slot no longer counts on it: it crashed, or its successor took over.
    var isRetired = false

    init(
        slot: Int,
        generation: Int,
        pid: pid_t,
        control: consuming ControlSocket,
        configuration: Configuration,
        now: ContinuousClock.Instant
    ) {
        self.slot = slot
        self.generation = generation
        self.pid = pid
        self.control = consume control
        outbound = OutboundQueue(limit: configuration.messageQueueLimit)
        assembler = MessageAssembler(limit: configuration.maximumMessageLength)
        heartbeat = Heartbeat(configuration.heartbeat, now: now)
    }

    /// Sockets that it gave back unreceipted when it ended.
    var returned = 0
    private var isAborted = false
    /// How it ended, once that is known; the system tells only once.
    private var end: WorkerEnd?

    /// The descriptors' numbers, for poll(2); -1 once they are closed.
    var controlNumber: CInt { if control != nil { control?.descriptor.number ?? -1 } else { -1 } }
    var tallyNumber: CInt { if tally != nil { tally?.file.number ?? -1 } else { -1 } }
    var exitWatchNumber: CInt? { if exitWatch != nil { exitWatch?.number } else { nil } }

    /// Gives the new process memory to count its receipts in. Without it the process sends frames.
    func shareTally() {
        guard let tally = ReceiptTally.make() else { return }
        if send(Frame.plain(.tally), descriptors: [tally.file.number]) == .done { self.tally = consume tally }
    }

    /// How many receipts the process has counted that the ledger does not know.
    var newReceipts: UInt64 {
        guard ledger.count > 0, tally != nil, let read = tally?.read() else { return 0 }
        return read &- talliedReceipts
    }

    /// Nil when there is no control socket any more.
    func send(_ frame: [UInt8], descriptors: [CInt] = []) -> ControlSocket.Outcome? {
        control?.send(frame, descriptors: descriptors)
    }

    func flushOutbound() -> ControlSocket.Outcome {
        guard let number = control?.descriptor.number else { return .done }
        return outbound.flush { ControlSocket.send($0, on: number) }
    }

    func closeControl() {
        control = nil
    }

    /// From now on the end of the process itself is waited for (pidfd_open(2)); where that does not exist the loop's
    /// sweep finds it.
    func watchExit() {
        let number = sticky_pidfd(pid)
        exitWatch = number >= 0 ? OwnedDescriptor(owning: number) : nil
    }

    func kill() {
        // Once reaped, the number may belong to another process.
        guard end == nil else { return }
        _ = signal(SIGKILL, to: pid)
        if mayHaveBacktracer { _ = signal(SIGKILL, to: -pid) }
    }

    /// Makes it write where it hangs.
    func abort() {
        guard end == nil else { return }
        isAborted = true
        _ = signal(SIGABRT, to: pid)
    }

    /// The backtracer of a crashed worker is a process of its own, in the worker's group. When the worker is killed
    /// meanwhile it waits for ever.
    private var mayHaveBacktracer: Bool { crashSignal != nil || isAborted }

    private func signal(_ number: CInt, to target: pid_t) -> CInt {
        #if canImport(Glibc)
        Glibc.kill(target, number)
        #elseif canImport(Musl)
        Musl.kill(target, number)
        #else
        Darwin.kill(target, number)
        #endif
    }

    /// waitpid(2) without waiting; nil while the process runs.
    func reap() -> WorkerEnd? {
        if end == nil { end = waitForEnd() }
        return end
    }

    private func waitForEnd() -> WorkerEnd? {
        if mayHaveBacktracer {
            // Somebody else may have killed the worker. Until it is reaped, its number is nobody else's.
            var info = siginfo_t()
            let status = waitid(P_PID, id_t(pid), &info, WEXITED | WNOHANG | WNOWAIT)
            if status == 0, info.si_signo != 0 { _ = signal(SIGKILL, to: -pid) }
        }
        var status: CInt = 0
        var reaped: pid_t
        repeat { reaped = waitpid(pid, &status, WNOHANG) } while reaped < 0 && errno == EINTR
        if reaped == 0 { return nil }
        // ECHILD: somebody else in this process has waited for it, and how it ended is lost.
        guard reaped == pid else { return WorkerEnd(code: nil, signal: crashSignal.map(Int.init)) }
        if sticky_exited(status) != 0 { return WorkerEnd(code: Int(sticky_exit_code(status)), signal: nil) }
        return WorkerEnd(code: nil, signal: Int(sticky_term_signal(status)))
    }
}
