import CFuzzer
import Glibc

/// `StickyFuzz TARGET [libFuzzer's options and corpora]`: one target of ``targets`` under libFuzzer.
@main
struct StickyFuzz {
    static let targets: [String: @convention(c) (UnsafePointer<UInt8>?, Int) -> CInt] = [
        "session": { run($0, $1, fuzzSession) },
        "hello": { run($0, $1, fuzzHello) },
        "files": { run($0, $1, fuzzFiles) },
        "frames": { run($0, $1, fuzzFrames) },
        "addresses": { run($0, $1, fuzzAddresses) },
    ]

    static func main() {
        let arguments = CommandLine.arguments
        guard arguments.count > 1, let target = targets[arguments[1]] else {
            print("usage: StickyFuzz \(targets.keys.sorted().joined(separator: "|")) [libFuzzer's options]")
            exit(2)
        }
        // libFuzzer reads what is left, and prints the program's name in its hints.
        var count = CInt(arguments.count - 1)
        let kept = ([arguments[0]] + arguments.dropFirst(2)).map { strdup($0) } + [nil]
        let list = UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>.allocate(capacity: kept.count)
        list.initialize(from: kept, count: kept.count)
        var pointer: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = list
        exit(LLVMFuzzerRunDriver(&count, &pointer, target))
    }
}

private func run(_ bytes: UnsafePointer<UInt8>?, _ count: Int, _ body: ([UInt8]) -> Void) -> CInt {
    body(Array(UnsafeBufferPointer(start: bytes, count: count)))
    return 0
}
