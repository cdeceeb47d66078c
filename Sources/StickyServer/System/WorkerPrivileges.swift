internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// Which rights workers keep.
public struct WorkerPrivileges: Sendable, Hashable {
    /// The user that workers become when the master is root, so that it can bind low ports and they can do no harm.
    /// What only root may read, such as a private key, must be read before ``StickyServer/work(_:)``.
    public var user: String?
    /// The group; nil means the user's own.
    public var group: String?
    /// Serve as root all the same. Default: false, and a server that root starts without ``user`` is refused.
    public var allowsRoot = false
    /// Workers keep no secrets from their owner: they may be traced and write core files. Default: false, since the
    /// memory of a TLS server holds private keys.
    public var allowsCoreFiles = false

    /// Workers run as the user who starts the server, and root is refused.
    public init() {}

    /// Refuses, before anything is opened, what ``drop()`` could not do later.
    func validate(isRoot: Bool) throws(StickyServerError) {
        guard isRoot else { return }
        guard user != nil || allowsRoot else {
            throw StickyServerError(
                .invalidConfiguration,
                "refusing to serve as root: set configuration.privileges.user to the user that workers shall become, "
                    + "or privileges.allowsRoot to true"
            )
        }
        if let user { _ = try Identity(user: user, group: group) }
    }

    /// In a worker: becomes the user, for good. Nothing to do for a user without rights.
    func drop() throws(StickyServerError) {
        if geteuid() == 0, let user {
            let identity = try Identity(user: user, group: group)
            guard initgroups(user, identity.gid) == 0, setgid(identity.gid) == 0, setuid(identity.uid) == 0 else {
                throw .system(.permissionDenied, "cannot become the user «\(user)»", errno)
            }
            try WorkerPrivileges.convinceThreads()
        }
        if !allowsCoreFiles {
            var none = rlimit(rlim_cur: 0, rlim_max: 0)
            #if canImport(Glibc)
            setrlimit(__rlimit_resource_t(RLIMIT_CORE.rawValue), &none)
            #else
            setrlimit(RLIMIT_CORE, &none)
            #endif
            sticky_set_dumpable(0)
        }
    }

    /// setuid(2) reaches all threads but those that the C library takes for ending, such as the main thread of a program
    /// with an asynchronous main. No thread may stay root.
    private static func convinceThreads() throws(StickyServerError) {
        #if os(Linux)
        for thread in ThreadList.threads() where ThreadList.user(of: thread) != geteuid() {
            _ = sticky_follow_identity(thread)
            guard ThreadList.user(of: thread) == geteuid() else {
                throw StickyServerError(.permissionDenied, "a thread of this worker cannot give up its rights")
            }
        }
        #endif
    }

    private struct Identity {
        let uid: uid_t
        let gid: gid_t

        init(user: String, group: String?) throws(StickyServerError) {
            guard let entry = getpwnam(user) else {
                throw StickyServerError(
                    .invalidConfiguration,
                    "there is no user «\(user)»: «getent passwd» lists them"
                )
            }
            uid = entry.pointee.pw_uid
            guard let group else {
                gid = entry.pointee.pw_gid
                return
            }
            guard let groupEntry = getgrnam(group) else {
                throw StickyServerError(
                    .invalidConfiguration,
                    "there is no group «\(group)»: «getent group» lists them"
                )
            }
            gid = groupEntry.pointee.gr_gid
        }
    }
}
