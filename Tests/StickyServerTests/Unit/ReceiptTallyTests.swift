#if os(Linux)
import Glibc
import Testing

@testable import StickyServer

@Suite("Receipts in shared memory")
struct ReceiptTallyTests {
    private func made() throws -> ReceiptTally {
        guard let tally = ReceiptTally.make() else { throw FrameError.outOfRange }
        return tally
    }

    /// A second mapping of the same memory, as the worker has.
    private func other(_ tally: borrowing ReceiptTally) throws -> ReceiptTally {
        guard let other = ReceiptTally(mapping: OwnedDescriptor(owning: dup(tally.file.number))) else {
            throw FrameError.outOfRange
        }
        return other
    }

    @Test("What one end adds the other reads, also after the first is gone")
    func shared() throws {
        let master = try made()
        let before = master.read()
        do {
            let worker = try other(master)
            worker.add(1)
            worker.add(16)
        }
        let after = master.read()
        #expect(before == 0)
        #expect(after == 17)
    }

    @Test("The worker's end cannot cut the memory, which would end the master")
    func sealed() throws {
        let master = try made()
        let (cut, cutError) = (ftruncate(master.file.number, 0), errno)
        let (grown, growError) = (ftruncate(master.file.number, 1 << 20), errno)
        #expect(cut == -1 && cutError == EPERM)
        #expect(grown == -1 && growError == EPERM)
    }

    @Test("A file that is none is refused")
    func noFile() throws {
        var ends: [CInt] = [-1, -1]
        #expect(pipe(&ends) == 0)
        _ = OwnedDescriptor(owning: ends[1])
        let isMapped = ReceiptTally(mapping: OwnedDescriptor(owning: ends[0])) != nil
        #expect(!isMapped)
    }

    @Test("The process's new receipts are those that the ledger does not know, and none when nothing is owed")
    func newReceipts() throws {
        let pair = try ControlSocket.pair()
        let end = OwnedDescriptor(owning: dup(pair.worker.number))
        let process = WorkerProcess(
            slot: 0,
            generation: 1,
            pid: .max,
            control: pair.masterEnd(),
            configuration: Configuration(),
            now: .now
        )
        process.shareTally()
        guard let worker = ReceiptTally(mapping: OwnedDescriptor(owning: dup(process.tallyNumber))) else {
            throw FrameError.outOfRange
        }
        worker.add(2)
        #expect(process.newReceipts == 0, "nothing was sent")
        let clients = try [TestPair(), TestPair(), TestPair()]
        for client in clients { process.ledger.add(client.heldSocket(home: 0)) }
        #expect(process.newReceipts == 2)
        process.talliedReceipts = 2
        #expect(process.newReceipts == 0)
        worker.add(1)
        #expect(process.newReceipts == 1)
        _ = end.number
    }
}
#endif
