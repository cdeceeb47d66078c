#if os(Linux)
import Foundation
import TestSupport
import Testing

@Suite("What collects the output of processes")
struct OutputLinesTests {
    @Test("leaves no descriptor behind")
    func descriptors() async throws {
        var names: [String] = []
        for _ in 0..<5 {
            let output = OutputLines()
            let number = output.pipe.fileHandleForReading.fileDescriptor
            names.append(try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)"))
            let process = Process()
            process.executableURL = URL(filePath: "/bin/echo")
            process.arguments = ["hello"]
            process.standardOutput = output.pipe
            try process.run()
            #expect(try await output.line(within: 20) { $0 == "hello" } == "hello")
        }
        #expect(Set(names).count == 5)
        try await eventually(within: 20, "they are closed") {
            let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").map { number in
                (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")) ?? ""
            }
            return Set(open).isDisjoint(with: names)
        }
    }
}
#endif
