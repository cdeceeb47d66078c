import Foundation
import Testing

/// Keeps the examples of the documentation honest: each stands, letter for letter, in an `…Examples.swift` file of the
/// tests, which the compiler reads.
@Suite("Documentation")
struct DocumentationTests {
    private static let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// Every page that may have examples.
    private static var pages: [URL] {
        get throws {
            let docs = root.appending(path: "docs")
            let names = try FileManager.default.contentsOfDirectory(atPath: docs.path()).sorted()
            return [root.appending(path: "README.md")]
                + names.filter { $0.hasSuffix(".md") }.map { docs.appending(path: $0) }
        }
    }

    @Test("Every Swift example of the pages is compiled")
    func examplesAreCompiled() throws {
        let tests = Self.root.appending(path: "Tests").path()
        let sources = try FileManager.default.subpathsOfDirectory(atPath: tests)
            .filter { $0.hasSuffix("Examples.swift") }
            .map { try String(contentsOfFile: "\(tests)/\($0)", encoding: .utf8) }
            .map(Self.normalized)
        var count = 0
        for page in try Self.pages {
            for example in try Self.examples(in: String(contentsOf: page, encoding: .utf8)) {
                count += 1
                let wanted = Self.normalized(example)
                #expect(
                    sources.contains { $0.contains(wanted) },
                    "\(page.lastPathComponent) has an example that no *Examples.swift file compiles:\n\(example)"
                )
            }
        }
        #expect(count >= 6, "examples are missing: found only \(count)")
    }

    @Test("Links between the pages lead somewhere")
    func linksLeadSomewhere() throws {
        for page in try Self.pages {
            let text = try String(contentsOf: page, encoding: .utf8)
            for match in text.matches(of: /\]\((?<target>[^)#:]+)(#[^)]*)?\)/) {
                let target = page.deletingLastPathComponent().appending(path: String(match.target))
                #expect(
                    FileManager.default.fileExists(atPath: target.path()),
                    "\(page.lastPathComponent) links to \(match.target), which does not exist"
                )
            }
        }
    }

    private static func examples(in markdown: String) -> [String] {
        markdown.components(separatedBy: "```swift\n").dropFirst().compactMap {
            $0.components(separatedBy: "\n```").first
        }
    }

    /// Indentation does not count: an example may stand inside a function or a type. Neither does `@main`, which a test
    /// target cannot have.
    private static func normalized(_ text: String) -> String {
        text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }
            .filter { !$0.isEmpty && $0 != "@main" }
            .joined(separator: "\n")
    }
}
