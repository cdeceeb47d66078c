import Testing

@testable import StickyServer

@Suite("Usable cores")
struct UsableCoresTests {
    @Test(
        "A quota rounds up to whole cores",
        arguments: [
            ("100000 100000", 1), ("150000 100000\n", 2), ("50000 100000", 1), ("400000 100000", 4), ("1 100000", 1),
        ]
    )
    func quota(_ text: String, _ cores: Int) {
        #expect(UsableCores.parseCPUMax(text) == cores)
    }

    @Test(
        "No quota and text that is none give nothing",
        arguments: ["max 100000", "", "x", "1", "1 2 3", "0 5", "5 0", "-1 5"]
    )
    func none(_ text: String) {
        #expect(UsableCores.parseCPUMax(text) == nil)
    }

    @Test("The largest numbers are no trap")
    func largest() {
        #expect(UsableCores.cores(quota: .max, period: 1) == .max)
        #expect(UsableCores.cores(quota: .max, period: .max) == 1)
        #expect(UsableCores.cores(quota: 1, period: .max) == 1)
        #expect(UsableCores.cores(quota: .max, period: 2) == Int.max / 2 + 1)
    }

    @Test("This machine has at least one")
    func here() {
        #expect(UsableCores.count() >= 1)
    }
}

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

@Suite("Worker privileges")
struct WorkerPrivilegesTests {
    private func code(_ privileges: WorkerPrivileges, isRoot: Bool) -> StickyServerError.Code? {
        do throws(StickyServerError) {
            try privileges.validate(isRoot: isRoot)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("Root needs a user to become, or permission to stay")
    func root() {
        var privileges = WorkerPrivileges()
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.allowsRoot = true
        #expect(code(privileges, isRoot: true) == nil)
        privileges.allowsRoot = false
        privileges.user = "root"
        #expect(code(privileges, isRoot: true) == nil)
    }

    @Test("A user and a group must exist before anything is opened")
    func names() {
        var privileges = WorkerPrivileges()
        privileges.user = "no such user"
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.allowsRoot = true
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
        privileges.user = "root"
        privileges.group = "no such group"
        #expect(code(privileges, isRoot: true) == .invalidConfiguration)
    }

    @Test("Anybody else changes nothing and is asked nothing")
    func notRoot() {
        var privileges = WorkerPrivileges()
        #expect(code(privileges, isRoot: false) == nil)
        privileges.user = "no such user"
        #expect(code(privileges, isRoot: false) == nil)
    }
}

@Suite("Worker environment")
struct WorkerEnvironmentTests {
    private func read(_ changes: [String: String] = [:], without missing: String? = nil) -> WorkerEnvironment? {
        var variables = [
            "STICKY_SLOT": "2", "STICKY_SLOTS": "4", "STICKY_GENERATION": "7", "STICKY_CONTROL": "3",
            "STICKY_MASTER": "1234",
        ]
        for (name, value) in changes { variables[name] = value }
        return WorkerEnvironment { $0 == missing ? nil : variables[$0] }
    }

    @Test("What the master writes, the worker reads")
    func roundTrip() {
        let environment = WorkerEnvironment(slot: 2, slots: 4, generation: 7, control: 3, master: 1234)
        let pairs = environment.variables.map { $0.split(separator: "=", maxSplits: 1).map(String.init) }
        let variables = Dictionary(uniqueKeysWithValues: pairs.map { ($0[0], $0[1]) })
        #expect(WorkerEnvironment { variables[$0] } == environment)
        #expect(read() == environment)
    }

    @Test(
        "Without any one of the variables the process is no worker",
        arguments: ["STICKY_SLOT", "STICKY_SLOTS", "STICKY_GENERATION", "STICKY_CONTROL", "STICKY_MASTER"]
    )
    func missing(_ name: String) {
        #expect(read(without: name) == nil)
        #expect(read([name: "x"]) == nil)
        #expect(read([name: ""]) == nil)
        #expect(read([name: "99999999999999999999"]) == nil)
    }

    @Test("Numbers out of range make no worker")
    func range() {
        #expect(read(["STICKY_SLOT": "-1"]) == nil)
        #expect(read(["STICKY_SLOT": "4"]) == nil)
        #expect(read(["STICKY_SLOT": "1024", "STICKY_SLOTS": "2000"]) == nil)
        #expect(read(["STICKY_CONTROL": "4294967296"]) == nil)
        #expect(read(["STICKY_MASTER": "4294967296"]) == nil)
    }
}
