import Foundation
import TestSupport
import Testing

extension FixtureServer {
    /// Addresses whose clients belong to a slot, `count` for each of the first `slots`. To be asked while all serve.
    ///
    /// With `isLimited` a connection may be refused while one before it, which has ended, is still counted.
    func sources(slots: Int, count: Int = 1, isLimited: Bool = false) async throws -> [[String]] {
        var found = [[String]](repeating: [], count: slots)
        for number in 0..<2000 where found.contains(where: { $0.count < count }) {
            let source = "127.1.\(number / 200).\(1 + number % 200)"
            var answer: Who?
            if isLimited {
                try await eventually(within: 20, "\(source) is served") {
                    answer = try? await who(from: source)
                    return answer != nil
                }
            } else {
                answer = try await who(from: source)
            }
            guard let slot = answer?.slot else { continue }
            if slot < slots, found[slot].count < count { found[slot].append(source) }
        }
        return found
    }

    /// The process that serves a slot, as the events tell.
    func worker(_ slot: Int) throws -> pid_t {
        let line = try #require(events("ready", ["slot=\(slot)"]).last)
        return try #require(line.firstMatch(of: /pid=(\d+)/).flatMap { pid_t($0.1) })
    }

    /// Waits for a line that begins with `word` and has all of `parts`; and for as many as `count` of them.
    @discardableResult
    func event(_ word: String, _ parts: String..., count: Int = 1, within seconds: Double = 20) async throws -> String {
        var found: [String] = []
        do {
            try await eventually(within: seconds, "\(count) × \(word) \(parts)") {
                found = events(word, parts)
                return found.count >= count
            }
        } catch {
            throw TestFailure("\(error)\n\(output.lines.suffix(40).joined(separator: "\n"))\n\(errors.text)")
        }
        return found[count - 1]
    }

    /// The lines so far that begin with `word` and have all of `parts`.
    func events(_ word: String, _ parts: [String] = []) -> [String] {
        output.lines.filter { line in
            line.hasPrefix("\(word) ") && parts.allSatisfy { "\(line) ".contains(" \($0) ") }
        }
    }

    /// A connection from an address of this machine.
    func connect(from source: String = "127.0.0.1") throws -> LineClient {
        try LineClient(port: port, source: source)
    }
}

extension LineClient {
    /// Whether nothing comes for a while: no byte and no end.
    func isSilent(for seconds: Double) async -> Bool {
        do {
            _ = try await receive(within: seconds)
            return false
        } catch {
            return true
        }
    }

    /// Whether the connection ends in time, without another line.
    func isClosed(within seconds: Double = 20) async -> Bool {
        do { return try await receive(within: seconds) == nil } catch { return false }
    }

    /// The next line as what `who` answers.
    func who(within seconds: Double = 20) async throws -> Who {
        guard let line = try await receive(within: seconds) else { throw TestFailure("closed without an answer") }
        return try Who(line)
    }
}
