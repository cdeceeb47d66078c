internal import CTLS

/// What OpenSSL says of one derivation, in `OSSL_PARAM`s (EVP_KDF-TLS13_KDF(7)). Refers to the caller's memory.
struct KeyScheduleInputs {
    enum Mode {
        case extract
        case expand
    }

    enum Digest {
        case sha256
        case sha384

        var size: Int {
            switch self {
            case .sha256: SHA256Hash.size
            case .sha384: SHA384Hash.size
            }
        }
    }

    var mode: Mode?
    var digest: Digest?
    var key: UnsafeRawBufferPointer?
    var salt: UnsafeRawBufferPointer?
    var prefix: UnsafeRawBufferPointer?
    var label: UnsafeRawBufferPointer?
    var data: UnsafeRawBufferPointer?

    /// Takes what the parameters say over what was said before. False for what we do not do: another hash, another mode.
    mutating func take(_ parameters: UnsafePointer<OSSL_PARAM>?) -> Bool {
        guard var next = parameters else { return true }
        while let name = next.pointee.key {
            let parameter = next.pointee
            next += 1
            if equal(name, "mode") {
                guard takeMode(parameter) else { return false }
            } else if equal(name, "digest") {
                guard takeDigest(parameter) else { return false }
            } else if equal(name, "key") {
                key = octets(parameter)
            } else if equal(name, "salt") {
                // As in OpenSSL's own, an empty one changes nothing.
                if let octets = octets(parameter), octets.count > 0 { salt = octets }
            } else if equal(name, "prefix") {
                prefix = octets(parameter)
            } else if equal(name, "label") {
                label = octets(parameter)
            } else if equal(name, "data") {
                data = octets(parameter)
            }
        }
        return true
    }

    /// Derives into `output`. False when something is missing or out of range.
    func derive(into output: UnsafeMutableRawBufferPointer) -> Bool {
        switch digest {
        case .sha256: derive(SHA256Hash.self, output)
        case .sha384: derive(SHA384Hash.self, output)
        case nil: false
        }
    }

    private func derive<Hash: ScheduleHash>(_: Hash.Type, _ output: UnsafeMutableRawBufferPointer) -> Bool {
        let none = UnsafeRawBufferPointer(start: nil, count: 0)
        switch mode {
        case .extract:
            return KeySchedule<Hash>.extract(
                secretBefore: salt,
                input: key,
                prefix: prefix ?? none,
                label: label ?? none,
                into: output
            )
        case .expand:
            guard let key else { return false }
            return KeySchedule<Hash>.expand(
                secret: key,
                prefix: prefix ?? none,
                label: label ?? none,
                context: data ?? none,
                into: output
            )
        case nil: return false
        }
    }

    private mutating func takeMode(_ parameter: OSSL_PARAM) -> Bool {
        if let text = text(parameter) {
            if equal(text, "EXTRACT_ONLY") { mode = .extract } else if equal(text, "EXPAND_ONLY") { mode = .expand }
            return equal(text, "EXTRACT_ONLY") || equal(text, "EXPAND_ONLY")
        }
        var number: CInt = -1
        let isNumber = withUnsafePointer(to: parameter) { OSSL_PARAM_get_int($0, &number) == 1 }
        switch number {
        case EVP_KDF_HKDF_MODE_EXTRACT_ONLY where isNumber: mode = .extract
        case EVP_KDF_HKDF_MODE_EXPAND_ONLY where isNumber: mode = .expand
        default: return false
        }
        return true
    }

    private mutating func takeDigest(_ parameter: OSSL_PARAM) -> Bool {
        guard let text = text(parameter) else { return false }
        // OpenSSL's own name comes first.
        if isOne(text, "SHA2-256", "SHA256", "SHA-256") {
            digest = .sha256
        } else if isOne(text, "SHA2-384", "SHA384", "SHA-384") {
            digest = .sha384
        } else {
            return false
        }
        return true
    }

    private func octets(_ parameter: OSSL_PARAM) -> UnsafeRawBufferPointer? {
        guard parameter.data_type == UInt32(OSSL_PARAM_OCTET_STRING), let data = parameter.data else { return nil }
        return UnsafeRawBufferPointer(start: data, count: parameter.data_size)
    }

    private func text(_ parameter: OSSL_PARAM) -> UnsafePointer<CChar>? {
        guard parameter.data_type == UInt32(OSSL_PARAM_UTF8_STRING) else { return nil }
        return parameter.data.map { UnsafePointer($0.assumingMemoryBound(to: CChar.self)) }
    }

    private func equal(_ text: UnsafePointer<CChar>, _ other: StaticString) -> Bool {
        compare(text, other, mask: 0)
    }

    private func isOne(
        _ text: UnsafePointer<CChar>,
        _ first: StaticString,
        _ second: StaticString,
        _ third: StaticString
    ) -> Bool {
        equalIgnoringCase(text, first) || equalIgnoringCase(text, second) || equalIgnoringCase(text, third)
    }

    private func equalIgnoringCase(_ text: UnsafePointer<CChar>, _ other: StaticString) -> Bool {
        compare(text, other, mask: 0x20)
    }

    /// With the end mark.
    private func compare(_ text: UnsafePointer<CChar>, _ other: StaticString, mask: UInt8) -> Bool {
        for index in 0..<other.utf8CodeUnitCount {
            let byte = UInt8(bitPattern: text[index])
            guard byte != 0, byte | mask == other.utf8Start[index] | mask else { return false }
        }
        return text[other.utf8CodeUnitCount] == 0
    }
}
