import Testing

@testable import StickyServer

@Suite("Resident memory")
struct ResidentMemoryTests {
    @Test("The second field of statm counts pages")
    func parse() {
        #expect(ResidentMemory.parse("1000 25 3 4 5 6 7\n", pageSize: 4096) == 25 * 4096)
        #expect(ResidentMemory.parse("1000 0", pageSize: 4096) == 0)
    }

    @Test(
        "Other text gives nothing",
        arguments: ["", "1", "a b", "1 -2", "1 99999999999999999999", "1 9223372036854775807"]
    )
    func bad(_ text: String) {
        #expect(ResidentMemory.parse(text, pageSize: 4096) == nil)
    }

    #if os(Linux)
    @Test("This process has some")
    func here() throws {
        #expect(try #require(ResidentMemory.bytes()) > 1 << 16)
    }
    #endif

    @Test("A file that does not exist reads as nothing")
    func missing() {
        #expect(SmallFile.read("/nonexistent/file") == nil)
    }
}
