/// How a worker's process ended.
public struct WorkerEnd: Sendable, Hashable, CustomStringConvertible {
    /// The exit status; nil when a signal ended the process.
    public let code: Int?
    /// The signal that ended the process, or that its crash notice named.
    public let signal: Int?

    /// Whether the process ended of its own accord with status 0.
    public var isClean: Bool { code == 0 }

    /// `exit status 1` or `SIGSEGV`.
    public var description: String {
        if let signal { return Libc.describe(signal: CInt(signal)) }
        return "exit status \(code ?? 0)"
    }
}
