#if Hummingbird
internal import Logging

/// Keeps one field of the metadata apart until somebody logs: a request's id is set for each request, and handlers such
/// as `StreamLogHandler` format all their metadata whenever a field is set.
struct RequestLogHandler: LogHandler {
    private let key: String
    private var value: Logger.Metadata.Value?
    private var base: any LogHandler

    /// - Parameter key: The field that is set often.
    init(_ base: any LogHandler, key: String) {
        self.base = base
        self.key = key
    }

    /// As `base` would be with the field.
    private var whole: any LogHandler {
        guard let value else { return base }
        var whole = base
        whole[metadataKey: key] = value
        return whole
    }

    var logLevel: Logger.Level {
        get { base.logLevel }
        set { base.logLevel = newValue }
    }

    var metadataProvider: Logger.MetadataProvider? {
        get { base.metadataProvider }
        set { base.metadataProvider = newValue }
    }

    var metadata: Logger.Metadata {
        get { whole.metadata }
        set {
            value = nil
            base.metadata = newValue
        }
    }

    subscript(metadataKey key: String) -> Logger.Metadata.Value? {
        get { key == self.key ? value ?? base[metadataKey: key] : base[metadataKey: key] }
        set {
            if key == self.key { value = newValue }
            if key != self.key || newValue == nil { base[metadataKey: key] = newValue }
        }
    }

    func log(event: LogEvent) {
        whole.log(event: event)
    }
}

extension Logger {
    /// The same logger, in which a field can be set at little cost.
    func settingOften(_ key: String) -> Logger {
        Logger(label: label) { _ in RequestLogHandler(handler, key: key) }
    }
}
#endif
