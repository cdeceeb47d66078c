import Testing

@testable import StickyTLS

@Suite("docs/tls.md")
struct ExamplesTests {
    @Test("Its examples are those that the compiler has read")
    func examples() throws {
        let here = #filePath
        let folder = here.split(separator: "/").dropLast().joined(separator: "/")
        func text(_ path: String) throws -> String {
            let contents = try SecretBytes.contents(of: "/\(folder)/\(path)", limit: 1 << 20)
            return String(decoding: contents.bytes, as: UTF8.self)
        }
        let page = try text("../../docs/tls.md")
        var example: [Substring]?
        var count = 0
        for line in try text("Examples.swift").split(separator: "\n", omittingEmptySubsequences: false) {
            let bare = line.hasPrefix("    ") ? line.dropFirst(4) : line
            if bare.hasPrefix("// example:") {
                example = []
            } else if bare == "// end", let lines = example {
                count += 1
                let block = "```swift\n\(lines.joined(separator: "\n"))\n```"
                #expect(page.contains(block), "\(block)")
                example = nil
            } else {
                example?.append(bare)
            }
        }
        #expect(count == 4)
    }
}
