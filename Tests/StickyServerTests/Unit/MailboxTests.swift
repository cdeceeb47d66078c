import Testing

@testable import StickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

@Suite("Mailbox")
struct MailboxTests {
    private func counts(_ commands: [MasterCommand]) -> [Int] {
        commands.map { if case .scale(let count) = $0 { count } else { -1 } }
    }

    @Test("Commands are taken once, in order, and the loop is woken")
    func order() throws {
        let mailbox = try Mailbox()
        for count in 1...3 { #expect(mailbox.post(.scale(to: count))) }
        var byte: UInt8 = 9
        #expect(read(mailbox.wakePipe.readEnd.number, &byte, 1) == 1)
        #expect(byte == 0)
        #expect(counts(mailbox.take()) == [1, 2, 3])
        #expect(mailbox.take().isEmpty)
    }

    @Test("A closed mailbox gives back what nobody will do, and takes nothing more")
    func close() throws {
        let mailbox = try Mailbox()
        mailbox.post(.scale(to: 1))
        #expect(counts(mailbox.close()) == [1])
        #expect(!mailbox.post(.scale(to: 2)))
        #expect(mailbox.take().isEmpty)
        #expect(mailbox.close().isEmpty)
    }

    @Test("A slot is named by its number, which never turns into another receiver")
    func targets() {
        #expect(MessageTarget.slot(0).party == 0)
        #expect(MessageTarget.slot(1023).party == 1023)
        #expect(MessageTarget.slot(-5).party == 0)
        for large in [65_533, 65_534, 65_535, 1 << 20, Int.max] {
            #expect(MessageTarget.slot(large) != .everyone)
            #expect(MessageTarget.slot(large) != .master)
        }
    }
}
