/// A certificate that a context serves, for status pages and alarms.
public struct TLSServedCertificate: Sendable, Hashable {
    /// Its DNS names.
    public let names: [String]
    /// The file that it came from; nil when it was given as bytes.
    public let file: String?
    /// When it ends, in seconds since 1970.
    public let notAfter: Int64

    /// Whole days until it ends; below 0 when it has ended.
    ///
    /// - Parameter now: Seconds since 1970.
    public func daysLeft(at now: Int64) -> Int {
        let seconds = notAfter - now
        return Int(seconds >= 0 ? seconds / 86_400 : (seconds - 86_399) / 86_400)
    }
}

extension TLSContext {
    /// The certificates that new connections are served with.
    public var certificates: [TLSServedCertificate] {
        current.hosts.identities.map { identity in
            TLSServedCertificate(names: identity.names.dns, file: identity.file, notAfter: identity.notAfter)
        }
    }
}
