internal import CTLS

/// The two functions that TLS 1.3 derives all its keys with (RFC 8446 section 7.1), as OpenSSL cuts them.
enum KeySchedule<Hash: ScheduleHash> {
    /// HKDF-Expand-Label: `output.count` bytes from a secret, for a purpose. False when a length is out of range.
    static func expand(
        secret: UnsafeRawBufferPointer,
        prefix: UnsafeRawBufferPointer,
        label: UnsafeRawBufferPointer,
        context: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        let nameLength = prefix.count + label.count
        guard nameLength <= 255, context.count <= 255, output.count <= 255 * Hash.size, output.count > 0 else {
            return false
        }
        // struct { uint16 length; opaque label<7..255>; opaque context<0..255>; } HkdfLabel
        let count = 2 + 1 + nameLength + 1 + context.count
        return withUnsafeTemporaryAllocation(byteCount: count, alignment: 1) { info in
            info[0] = UInt8(truncatingIfNeeded: output.count >> 8)
            info[1] = UInt8(truncatingIfNeeded: output.count)
            info[2] = UInt8(truncatingIfNeeded: nameLength)
            copy(prefix, to: info, at: 3)
            copy(label, to: info, at: 3 + prefix.count)
            info[3 + nameLength] = UInt8(truncatingIfNeeded: context.count)
            copy(context, to: info, at: 4 + nameLength)
            return expand(secret, UnsafeRawBufferPointer(info), into: output)
        }
    }

    /// HKDF-Expand (RFC 5869 section 2.3).
    private static func expand(
        _ secret: UnsafeRawBufferPointer,
        _ info: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        withUnsafeTemporaryAllocation(byteCount: Hash.size + 1, alignment: 8) { block in
            guard let digest = block.baseAddress else { return false }
            defer { OPENSSL_cleanse(digest, block.count) }
            let number = UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(block)[Hash.size...])
            var before = UnsafeRawBufferPointer(start: nil, count: 0)
            var done = 0
            var round: UInt8 = 1
            while done < output.count {
                block[Hash.size] = round
                guard HMAC<Hash>.compute(key: secret, before, info, number, into: digest) else { return false }
                let count = min(Hash.size, output.count - done)
                copy(UnsafeRawBufferPointer(start: digest, count: count), to: output, at: done)
                before = UnsafeRawBufferPointer(start: digest, count: Hash.size)
                done += count
                round &+= 1
            }
            return true
        }
    }

    /// The next secret of the schedule: HKDF-Extract of `input`, or of zeros, with what is derived from the secret before
    /// as salt. `output` must have room for `Hash.size` bytes.
    static func extract(
        secretBefore: UnsafeRawBufferPointer?,
        input: UnsafeRawBufferPointer?,
        prefix: UnsafeRawBufferPointer,
        label: UnsafeRawBufferPointer,
        into output: UnsafeMutableRawBufferPointer
    ) -> Bool {
        guard output.count == Hash.size, let target = output.baseAddress else { return false }
        return withUnsafeTemporaryAllocation(byteCount: 3 * Hash.size, alignment: 8) { memory in
            guard let base = memory.baseAddress else { return false }
            defer { OPENSSL_cleanse(base, memory.count) }
            for index in memory.indices { memory[index] = 0 }
            let zeros = UnsafeRawBufferPointer(start: base, count: Hash.size)
            let salt = UnsafeMutableRawBufferPointer(start: base + Hash.size, count: Hash.size)
            let input = input ?? zeros
            guard let secretBefore else {
                let none = UnsafeRawBufferPointer(start: nil, count: 0)
                return HMAC<Hash>.compute(key: none, input, into: target)
            }
            // Derive-Secret over no messages.
            let empty = UnsafeMutableRawBufferPointer(start: base + 2 * Hash.size, count: Hash.size)
            guard digestOfNothing(into: base + 2 * Hash.size),
                expand(
                    secret: secretBefore,
                    prefix: prefix,
                    label: label,
                    context: UnsafeRawBufferPointer(empty),
                    into: salt
                )
            else { return false }
            return HMAC<Hash>.compute(key: UnsafeRawBufferPointer(salt), input, into: target)
        }
    }

    private static func digestOfNothing(into digest: UnsafeMutableRawPointer) -> Bool {
        withUnsafeTemporaryAllocation(of: Hash.State.self, capacity: 1) { state in
            guard let state = state.baseAddress else { return false }
            return Hash.begin(state) && Hash.finish(state, into: digest)
        }
    }

    private static func copy(_ bytes: UnsafeRawBufferPointer, to target: UnsafeMutableRawBufferPointer, at offset: Int)
    {
        guard bytes.count > 0, offset + bytes.count <= target.count else { return }
        UnsafeMutableRawBufferPointer(rebasing: target[offset...]).copyMemory(from: bytes)
    }
}
