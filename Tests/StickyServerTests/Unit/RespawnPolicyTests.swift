import Testing

@testable import StickyServer

@Suite("Respawn policy")
struct RespawnPolicyTests {
    @Test("Reads its own description, in capitals or not", arguments: [RespawnPolicy.always, .error, .never])
    func parsing(_ policy: RespawnPolicy) {
        #expect(RespawnPolicy(parsing: policy.description) == policy)
        #expect(RespawnPolicy(parsing: policy.description.uppercased()) == policy)
    }

    @Test("Reads nothing else", arguments: ["", "sometimes", " always", "always "])
    func refuses(_ text: String) {
        #expect(RespawnPolicy(parsing: text) == nil)
    }

    @Test("Decides by how the worker ended")
    func decision() {
        let clean = WorkerEnd(code: 0, signal: nil)
        let failed = WorkerEnd(code: 3, signal: nil)
        let killed = WorkerEnd(code: nil, signal: 9)
        let lost = WorkerEnd(code: nil, signal: nil)
        for end in [clean, failed, killed, lost] {
            #expect(RespawnPolicy.always.respawns(after: end))
            #expect(!RespawnPolicy.never.respawns(after: end))
            #expect(RespawnPolicy.error.respawns(after: end) == (end != clean))
        }
    }

    @Test("An end is told in words")
    func words() {
        #expect(WorkerEnd(code: 3, signal: nil).description == "exit status 3")
        #expect(WorkerEnd(code: nil, signal: 9).description == "SIGKILL")
        #expect(WorkerEnd(code: nil, signal: 11).description == "SIGSEGV")
        #expect(WorkerEnd(code: nil, signal: 60).description == "signal 60")
    }
}
