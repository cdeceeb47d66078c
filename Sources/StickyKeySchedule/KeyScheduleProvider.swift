internal import CTLS

// The tables through which OpenSSL finds us (provider(7), provider-kdf(7)), and the functions in them. None captures
// anything. OpenSSL calls a context on one thread at a time.

private typealias Function = @convention(c) () -> Void
private typealias Context = UnsafeMutablePointer<KeyScheduleContext>

private func context(_ pointer: UnsafeMutableRawPointer?) -> Context? {
    pointer?.assumingMemoryBound(to: KeyScheduleContext.self)
}

private let newContext: @convention(c) (UnsafeMutableRawPointer?) -> UnsafeMutableRawPointer? = { _ in
    let context = Context.allocate(capacity: 1)
    context.initialize(to: KeyScheduleContext())
    return UnsafeMutableRawPointer(context)
}

private let freeContext: @convention(c) (UnsafeMutableRawPointer?) -> Void = { pointer in
    guard let context = context(pointer) else { return }
    context.pointee.clear()
    context.deallocate()
}

private let resetContext: @convention(c) (UnsafeMutableRawPointer?) -> Void = { context($0)?.pointee.clear() }

private let derive:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<UInt8>?, Int, UnsafePointer<OSSL_PARAM>?) -> CInt = {
        pointer,
        output,
        count,
        parameters in
        guard let context = context(pointer), let output, count >= 0 else { return 0 }
        let bytes = UnsafeMutableRawBufferPointer(start: output, count: count)
        return context.pointee.derive(parameters, into: bytes) ? 1 : 0
    }

private let setParameters: @convention(c) (UnsafeMutableRawPointer?, UnsafePointer<OSSL_PARAM>?) -> CInt = {
    guard let context = context($0) else { return 0 }
    return context.pointee.keep($1) ? 1 : 0
}

private let getParameters: @convention(c) (UnsafeMutableRawPointer?, UnsafeMutablePointer<OSSL_PARAM>?) -> CInt = {
    guard let context = context($0), let parameter = OSSL_PARAM_locate($1, "size"), let size = context.pointee.size
    else { return 0 }
    return OSSL_PARAM_set_size_t(parameter, size)
}

private let listSettable:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> UnsafePointer<OSSL_PARAM>? = {
        _,
        _ in Tables.shared.settable
    }

private let listGettable:
    @convention(c) (UnsafeMutableRawPointer?, UnsafeMutableRawPointer?) -> UnsafePointer<OSSL_PARAM>? = {
        _,
        _ in Tables.shared.gettable
    }

private let query:
    @convention(c) (UnsafeMutableRawPointer?, CInt, UnsafeMutablePointer<CInt>?) -> UnsafePointer<OSSL_ALGORITHM>? = {
        _,
        operation,
        noCache in
        noCache?.pointee = 0
        return operation == OSSL_OP_KDF ? Tables.shared.algorithms : nil
    }

/// OpenSSL loads the provider.
let initializeProvider:
    @convention(c) (
        OpaquePointer?, UnsafePointer<OSSL_DISPATCH>?, UnsafeMutablePointer<UnsafePointer<OSSL_DISPATCH>?>?,
        UnsafeMutablePointer<UnsafeMutableRawPointer?>?
    ) -> CInt = { _, _, functions, _ in
        guard let functions else { return 0 }
        functions.pointee = Tables.shared.provider
        return 1
    }

/// Made once, kept for ever, and only read.
private struct Tables: @unchecked Sendable {
    static let shared = Tables()

    let provider: UnsafePointer<OSSL_DISPATCH>
    let algorithms: UnsafePointer<OSSL_ALGORITHM>
    let settable: UnsafePointer<OSSL_PARAM>
    let gettable: UnsafePointer<OSSL_PARAM>

    private init() {
        provider = Self.functions([(OSSL_FUNC_PROVIDER_QUERY_OPERATION, unsafeBitCast(query, to: Function.self))])
        let implementation = Self.functions([
            (OSSL_FUNC_KDF_NEWCTX, unsafeBitCast(newContext, to: Function.self)),
            (OSSL_FUNC_KDF_FREECTX, unsafeBitCast(freeContext, to: Function.self)),
            (OSSL_FUNC_KDF_RESET, unsafeBitCast(resetContext, to: Function.self)),
            (OSSL_FUNC_KDF_DERIVE, unsafeBitCast(derive, to: Function.self)),
            (OSSL_FUNC_KDF_SET_CTX_PARAMS, unsafeBitCast(setParameters, to: Function.self)),
            (OSSL_FUNC_KDF_GET_CTX_PARAMS, unsafeBitCast(getParameters, to: Function.self)),
            (OSSL_FUNC_KDF_SETTABLE_CTX_PARAMS, unsafeBitCast(listSettable, to: Function.self)),
            (OSSL_FUNC_KDF_GETTABLE_CTX_PARAMS, unsafeBitCast(listGettable, to: Function.self)),
        ])
        let table = UnsafeMutablePointer<OSSL_ALGORITHM>.allocate(capacity: 2)
        table.initialize(repeating: OSSL_ALGORITHM(), count: 2)
        table[0].algorithm_names = Self.text("TLS13-KDF")
        table[0].property_definition = Self.text("provider=sticky")
        table[0].implementation = implementation
        algorithms = UnsafePointer(table)
        settable = Self.parameters(
            [("mode", OSSL_PARAM_UTF8_STRING), ("digest", OSSL_PARAM_UTF8_STRING)]
                + ["key", "salt", "prefix", "label", "data"].map { ($0, OSSL_PARAM_OCTET_STRING) }
        )
        gettable = Self.parameters([("size", OSSL_PARAM_UNSIGNED_INTEGER)])
    }

    /// Ends with zeros, as OpenSSL's tables do.
    private static func functions(_ entries: [(CInt, Function)]) -> UnsafePointer<OSSL_DISPATCH> {
        let table = UnsafeMutablePointer<OSSL_DISPATCH>.allocate(capacity: entries.count + 1)
        table.initialize(repeating: OSSL_DISPATCH(), count: entries.count + 1)
        for (index, entry) in entries.enumerated() {
            table[index] = OSSL_DISPATCH(function_id: entry.0, function: entry.1)
        }
        return UnsafePointer(table)
    }

    private static func parameters(_ entries: [(String, CInt)]) -> UnsafePointer<OSSL_PARAM> {
        let table = UnsafeMutablePointer<OSSL_PARAM>.allocate(capacity: entries.count + 1)
        table.initialize(repeating: OSSL_PARAM(), count: entries.count + 1)
        for (index, entry) in entries.enumerated() {
            table[index].key = text(entry.0)
            table[index].data_type = UInt32(entry.1)
        }
        return UnsafePointer(table)
    }

    private static func text(_ string: String) -> UnsafePointer<CChar> {
        let bytes = string.utf8CString
        let copy = UnsafeMutablePointer<CChar>.allocate(capacity: bytes.count)
        for (index, byte) in bytes.enumerated() { copy[index] = byte }
        return UnsafePointer(copy)
    }
}
