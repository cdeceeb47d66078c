import Testing

@testable import StickyServer

@Suite("Thread list")
struct ThreadListTests {
    @Test("The effective user is the second of the four")
    func user() {
        let status = "Name:\tx\nUmask:\t0022\nUid:\t1000\t1001\t1002\t1003\nGid:\t5\t6\t7\t8\n"
        #expect(ThreadList.parseUser(status) == 1001)
    }

    @Test(
        "Status without a user gives none",
        arguments: ["", "Name:\tx\n", "Uid:\t1\n", "Uid:\n", "Uid:\t1\tx\n", "Uid:\t1\t-1\n", "Uid:\t1\t4294967296\n"]
    )
    func bad(_ status: String) {
        #expect(ThreadList.parseUser(status) == nil)
    }

    #if os(Linux)
    @Test("This process's threads are listed, and have this process's user")
    func here() throws {
        let threads = ThreadList.threads()
        #expect(!threads.isEmpty)
        // Threads of the test runner come and go, so not each can still be asked.
        #expect(threads.contains { ThreadList.user(of: $0) != nil })
        #expect(Set(threads.compactMap { ThreadList.user(of: $0) }).count == 1)
    }
    #endif
}
