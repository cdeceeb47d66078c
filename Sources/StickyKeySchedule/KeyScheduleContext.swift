internal import CTLS

/// What an `EVP_KDF_CTX` of ours keeps between calls. libssl gives everything with the derivation itself, so that
/// nothing is copied then; only what EVP_KDF_CTX_set_params(3) says comes to stay here.
struct KeyScheduleContext {
    private var kept = KeyScheduleInputs()
    /// Some of `kept` is memory of ours.
    private var hasCopies = false

    mutating func keep(_ parameters: UnsafePointer<OSSL_PARAM>?) -> Bool {
        var inputs = kept
        guard inputs.take(parameters) else { return false }
        kept.mode = inputs.mode
        kept.digest = inputs.digest
        for field in Self.fields where inputs[keyPath: field]?.baseAddress != kept[keyPath: field]?.baseAddress {
            guard let copy = Self.copy(inputs[keyPath: field]) else { return false }
            Self.free(kept[keyPath: field])
            kept[keyPath: field] = copy
            hasCopies = true
        }
        return true
    }

    func derive(_ parameters: UnsafePointer<OSSL_PARAM>?, into output: UnsafeMutableRawBufferPointer) -> Bool {
        var inputs = kept
        return inputs.take(parameters) && inputs.derive(into: output)
    }

    /// Bytes that a derivation can give; nil when it is not known yet.
    var size: Int? {
        switch kept.mode {
        case .extract: kept.digest?.size
        case .expand, nil: Int.max
        }
    }

    mutating func clear() {
        if hasCopies {
            for field in Self.fields { Self.free(kept[keyPath: field]) }
            hasCopies = false
        }
        kept = KeyScheduleInputs()
    }

    private static var fields: [WritableKeyPath<KeyScheduleInputs, UnsafeRawBufferPointer?>] {
        [\.key, \.salt, \.prefix, \.label, \.data]
    }

    /// Never without an address, so that an empty value is told from none.
    private static func copy(_ bytes: UnsafeRawBufferPointer?) -> UnsafeRawBufferPointer? {
        guard let bytes else { return nil }
        let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: max(bytes.count, 1), alignment: 8)
        copy.copyMemory(from: bytes)
        return UnsafeRawBufferPointer(rebasing: UnsafeRawBufferPointer(copy)[..<bytes.count])
    }

    private static func free(_ bytes: UnsafeRawBufferPointer?) {
        guard let bytes, let base = bytes.baseAddress else { return }
        let memory = UnsafeMutableRawPointer(mutating: base)
        OPENSSL_cleanse(memory, bytes.count)
        memory.deallocate()
    }
}
