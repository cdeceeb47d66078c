internal import Logging

/// Something that the operator of a server would want to know.
@nonexhaustive
public enum TLSEvent: Sendable, CustomStringConvertible {
    /// The master has given no ticket keys, so nothing resumes: every handshake is a full one.
    case ticketKeysMissing
    /// Ticket keys cannot be used. Those from before are kept.
    case ticketKeysDamaged(TLSError)
    /// The system does not protect the memory of ticket keys as it should: it may get into swap or core dumps. The text
    /// says why, and what to do. Told once in a process.
    case ticketKeysUnprotected(String)
    /// New certificates and policies are in use.
    case reloaded(generation: Int)
    /// New certificates or policies cannot be used. Those from before serve on.
    case reloadFailed(TLSError)
    /// A certificate ends in so many days (30, 14, 7, 1; below 0: it has ended).
    case certificateExpires(names: [String], days: Int)
    /// Something is wrong with a certificate that is served nevertheless, because it was there at the start.
    case certificateProblem(TLSError)
    /// An OCSP response has expired and is not sent any more.
    case stapleExpired(file: String?)
    /// As many handshakes are in progress as may be, so those that wait longest for their clients end: a flood, or a limit
    /// that is too low. Told once a minute while it lasts.
    case tooManyHandshakes(limit: Int)
    /// The keys of all sessions are written to a file: whoever reads it can read all traffic.
    case keyLogIsOn(file: String)

    /// Whether somebody should look at it now.
    public var isAlarm: Bool {
        switch self {
        case .reloaded: false
        case .certificateExpires(_, let days): days <= 7
        default: true
        }
    }

    /// A sentence for logs.
    public var description: String {
        switch self {
        case .ticketKeysMissing:
            "The master has given no ticket keys: no session is resumed until it does."
        case .ticketKeysDamaged(let error):
            "Ticket keys cannot be used, those from before are kept: \(error)"
        case .ticketKeysUnprotected(let text):
            "Ticket keys are in use although \(text)"
        case .reloaded(let generation):
            "TLS certificates and policies were reloaded (generation \(generation))."
        case .reloadFailed(let error):
            "TLS was not reloaded, the certificates and policies from before serve on: \(error)"
        case .certificateExpires(let names, let days) where days < 0:
            "The certificate for \(names.joined(separator: ", ")) has expired."
        case .certificateExpires(let names, let days):
            "The certificate for \(names.joined(separator: ", ")) expires in \(days) days."
        case .certificateProblem(let error):
            "A certificate is served although something is wrong with it: \(error)"
        case .stapleExpired(let file):
            "The OCSP response\(file.map { " in \($0)" } ?? "") has expired and is not sent any more."
        case .tooManyHandshakes(let limit):
            "\(limit) TLS handshakes are in progress, and more are not allowed: those that wait longest for their clients "
                + "are ended."
        case .keyLogIsOn(let file):
            "INSECURE: the keys of all TLS sessions are written to \(file)."
        }
    }

    /// Writes a log line: alarms as warnings, the others as notices.
    public static func log(_ event: TLSEvent) {
        Logger(label: "StickyTLS").log(level: event.isAlarm ? .warning : .notice, "\(event)")
    }
}
