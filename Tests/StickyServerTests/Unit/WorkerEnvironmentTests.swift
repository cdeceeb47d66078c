import Testing

@testable import StickyServer

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
