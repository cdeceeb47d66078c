public import StickyServer
internal import Synchronization

#if canImport(Glibc)
import Glibc
#else
import Darwin
#endif

/// Watches the files of a context and reloads it when they change, and warns of certificates that end soon.
///
/// ```swift
/// let reloader = TLSReloader(context)
/// Task { try await reloader.run() }
/// ```
///
/// It looks at times, size, inode, mode and owner, through symbolic links, so it also sees certbot's way of changing a
/// link, and that others may read a file of secrets from now on. What changes is given time to settle, because
/// certificate and key are written one after the other. A state that cannot be used is told once (``TLSEvent/reloadFailed(_:)``) and not tried again until a file changes.
public final class TLSReloader: Sendable {
    private struct Stamp: Equatable {
        var seconds: Int
        var nanoseconds: Int
        var size: Int64
        var inode: UInt64
        var device: UInt64
        var mode: UInt32
        var owner: UInt32
        var group: UInt32
        /// Of the last change of any of these, and of access lists.
        var changedSeconds: Int
        var changedNanoseconds: Int
    }

    private struct State {
        var seen: [String: Stamp?] = [:]
        var changed: Int64?
        var warned: [TLSServedCertificate: Int] = [:]
        var expiredStaples: Set<String> = []
    }

    private let context: TLSContext
    private let server: StickyServer?
    private let interval: Duration
    private let settleTime: Int64
    private let state: Mutex<State>

    /// Days before the end at which a warning is given.
    static let warningDays = [30, 14, 7, 1]

    /// Notes how the files are now.
    ///
    /// - Parameters:
    ///   - context: What is reloaded.
    ///   - interval: How often the files are looked at.
    ///   - settleTime: How long nothing must have changed before the files are read.
    public convenience init(
        _ context: TLSContext,
        every interval: Duration = .seconds(1),
        settleTime: Duration = .seconds(1)
    ) {
        self.init(context, server: nil, every: interval, settleTime: settleTime)
    }

    /// In the master: shares the files with all workers (``TLSFileShare``), now and whenever they have changed, and when
    /// the server reloads or is told of SIGHUP. Workers use them without new processes, also when they may not read them. Make it
    /// before `listen()`.
    ///
    /// - Throws: What is wrong with the files (`TLSError`), or that this is no master (`StickyServerError`).
    public convenience init(
        _ context: TLSContext,
        sharingWith server: StickyServer,
        every interval: Duration = .seconds(1),
        settleTime: Duration = .seconds(1)
    ) throws {
        try TLSFileShare.share(context.configuration, with: server)
        self.init(context, server: server, every: interval, settleTime: settleTime)
    }

    private init(_ context: TLSContext, server: StickyServer?, every interval: Duration, settleTime: Duration) {
        self.context = context
        self.server = server
        self.interval = interval
        let (seconds, attoseconds) = settleTime.components
        self.settleTime = seconds * 1_000_000_000 + attoseconds / 1_000_000_000
        state = Mutex(State(seen: TLSReloader.stamps(context.configuration.files)))
    }

    /// Looks at the files, and at the certificates' ends, until its task is cancelled. With a server it also follows
    /// its reloads.
    public func run() async throws {
        try await withThrowingDiscardingTaskGroup { group in
            if let events = server?.events() {
                group.addTask { [self] in
                    // The event of TLS tells what was wrong.
                    for await event in events {
                        switch event {
                        case .reloadStarted, .hangup: try? reload()
                        default: break
                        }
                    }
                }
            }
            while true {
                check()
                try await Task.sleep(for: interval)
            }
        }
    }

    /// Reads the files now, whether they have changed or not, and puts them to use: here, and with a server in all
    /// workers.
    ///
    /// - Throws: What is wrong, with its file; nothing has changed then.
    public func reload() throws {
        try context.reload()
        if let server { try TLSFileShare.share(context.configuration, with: server) }
    }

    /// Looks once. ``run()`` does it again and again.
    public func check() {
        let configuration = context.configuration
        let stamps = TLSReloader.stamps(configuration.files)
        let now = configuration.clock.monotonic()
        let isDue = state.withLock { state in
            if stamps != state.seen {
                state.seen = stamps
                state.changed = now
            }
            guard let changed = state.changed, now - changed >= settleTime else { return false }
            state.changed = nil
            return true
        }
        // The event tells what was wrong.
        if isDue { try? reload() }
        warn(at: configuration.clock.wall(), configuration)
        warnOfStaples(at: configuration.clock.wall(), configuration)
    }

    private func warn(at now: Int64, _ configuration: TLSConfiguration) {
        for certificate in context.certificates {
            let days = certificate.daysLeft(at: now)
            guard let step = days < 0 ? -1 : TLSReloader.warningDays.last(where: { days <= $0 }) else { continue }
            let isNew = state.withLock { $0.warned.updateValue(step, forKey: certificate) != step }
            if isNew { configuration.onEvent(.certificateExpires(names: certificate.names, days: days)) }
        }
    }

    private func warnOfStaples(at now: Int64, _ configuration: TLSConfiguration) {
        for staple in context.current.hosts.identities.compactMap(\.staple) where now >= staple.nextUpdate {
            let isNew = state.withLock {
                $0.expiredStaples.insert("\(staple.file ?? "") \(staple.nextUpdate)").inserted
            }
            if isNew { configuration.onEvent(.stapleExpired(file: staple.file)) }
        }
    }

    private static func stamps(_ files: [String]) -> [String: Stamp?] {
        var stamps: [String: Stamp?] = [:]
        for file in files { stamps.updateValue(stamp(file), forKey: file) }
        return stamps
    }

    private static func stamp(_ file: String) -> Stamp? {
        var status = stat()
        guard stat(file, &status) == 0 else { return nil }
        #if canImport(Darwin)
        let (time, change) = (status.st_mtimespec, status.st_ctimespec)
        #else
        let (time, change) = (status.st_mtim, status.st_ctim)
        #endif
        return Stamp(
            seconds: Int(time.tv_sec),
            nanoseconds: Int(time.tv_nsec),
            size: Int64(status.st_size),
            inode: UInt64(status.st_ino),
            device: UInt64(truncatingIfNeeded: status.st_dev),
            mode: UInt32(status.st_mode),
            owner: status.st_uid,
            group: status.st_gid,
            changedSeconds: Int(change.tv_sec),
            changedNanoseconds: Int(change.tv_nsec)
        )
    }
}
