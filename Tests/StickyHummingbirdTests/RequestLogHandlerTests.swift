#if Hummingbird
import Logging
@testable import StickyHummingbird
import Synchronization
import Testing

@Suite("A logger whose request id is set for each request")
struct RequestLogHandlerTests {
    private final class Notes: Sendable {
        let lines = Mutex<[String]>([])
        let changes = Mutex(0)
    }

    /// Notes what is logged, and how often its metadata is changed.
    private struct Noting: LogHandler {
        let notes: Notes
        var logLevel = Logger.Level.info
        var metadataProvider: Logger.MetadataProvider?
        var metadata: Logger.Metadata = [:] {
            didSet { notes.changes.withLock { $0 += 1 } }
        }

        subscript(metadataKey key: String) -> Logger.Metadata.Value? {
            get { metadata[key] }
            set { metadata[key] = newValue }
        }

        func log(event: LogEvent) {
            let all = metadata.merging(event.metadata ?? [:]) { $1 }
            let fields = all.map { "\($0)=\($1)" }.sorted().joined(separator: " ")
            notes.lines.withLock { $0.append("\(event.message) \(fields)") }
        }
    }

    @Test("says it in what is logged, and where it is asked for, and formats it for nothing else")
    func field() {
        let notes = Notes()
        var base = Logger(label: "test") { _ in Noting(notes: notes) }
        base[metadataKey: "service"] = "shop"
        notes.changes.withLock { $0 = 0 }
        var logger = base.settingOften("id")
        logger[metadataKey: "id"] = "1"
        var other = logger
        other[metadataKey: "id"] = "2"
        logger.debug("nothing")
        #expect(notes.changes.withLock { $0 } == 0)
        #expect(logger[metadataKey: "id"] == "1")
        #expect(other[metadataKey: "id"] == "2")
        #expect(other[metadataKey: "service"] == "shop")

        other[metadataKey: "user"] = "somebody"
        logger.info("one")
        other.info("two", metadata: ["id": "3"])
        other[metadataKey: "id"] = nil
        other.info("three")
        base.info("base")
        #expect(
            notes.lines.withLock { $0 } == [
                "one id=1 service=shop", "two id=3 service=shop user=somebody", "three service=shop user=somebody",
                "base service=shop",
            ]
        )
    }

    @Test("has the level and the metadata of the logger that it is made of")
    func others() {
        let notes = Notes()
        var base = Logger(label: "test") { _ in Noting(notes: notes) }
        base.logLevel = .error
        var logger = base.settingOften("id")
        #expect(logger.label == "test")
        #expect(logger.logLevel == .error)
        logger.logLevel = .trace
        logger[metadataKey: "id"] = "1"
        #expect(logger.handler.metadata == ["id": "1"])
        logger.handler.metadata = ["a": "b"]
        logger.trace("traced")
        #expect(notes.lines.withLock { $0 } == ["traced a=b"])
        #expect(base.logLevel == .error)
    }
}
#endif
