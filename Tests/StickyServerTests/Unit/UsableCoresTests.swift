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
