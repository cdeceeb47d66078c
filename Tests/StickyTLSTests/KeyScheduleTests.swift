import CTLS
import StickyKeySchedule
import StickyTLS
import TLSTestSupport
import Testing

@Suite("The key schedule of TLS 1.3")
struct KeyScheduleTests {
    init() throws {
        try TLSKeySchedule.install()
    }

    /// One derivation as libssl asks for it. Nil when the provider refuses.
    private struct Derivation {
        var mode = EVP_KDF_HKDF_MODE_EXPAND_ONLY
        var digest = "SHA256"
        var key: [UInt8]?
        var salt: [UInt8]?
        var label = "derived"
        var data: [UInt8]?
        var count = 32

        func run(_ properties: String, inTwoSteps: Bool = false) -> [UInt8]? {
            guard let kdf = EVP_KDF_fetch(nil, "TLS13-KDF", properties) else { return nil }
            let context = EVP_KDF_CTX_new(kdf)
            defer {
                EVP_KDF_CTX_free(context)
                EVP_KDF_free(kdf)
            }
            var output = [UInt8](repeating: 0, count: count)
            let status = withParameters { parameters in
                guard inTwoSteps else { return EVP_KDF_derive(context, &output, count, parameters) }
                guard EVP_KDF_CTX_set_params(context, parameters) == 1 else { return 0 }
                return EVP_KDF_derive(context, &output, count, nil)
            }
            return status == 1 ? output : nil
        }

        private func withParameters(_ body: (UnsafePointer<OSSL_PARAM>) -> CInt) -> CInt {
            var memory: [UnsafeMutableRawBufferPointer] = []
            defer { for bytes in memory { bytes.deallocate() } }
            func keep(_ bytes: some Collection<UInt8>) -> UnsafeMutableRawBufferPointer {
                let copy = UnsafeMutableRawBufferPointer.allocate(byteCount: bytes.count + 1, alignment: 8)
                copy.copyBytes(from: Array(bytes) + [0])
                memory.append(copy)
                return copy
            }
            func octets(_ name: String, _ bytes: [UInt8]?) -> [OSSL_PARAM] {
                guard let bytes else { return [] }
                let name = keep(name.utf8).assumingMemoryBound(to: CChar.self).baseAddress
                return [OSSL_PARAM_construct_octet_string(name, keep(bytes).baseAddress, bytes.count)]
            }
            func text(_ name: String, _ text: String) -> OSSL_PARAM {
                let name = keep(name.utf8).assumingMemoryBound(to: CChar.self).baseAddress
                let value = keep(text.utf8).assumingMemoryBound(to: CChar.self).baseAddress
                return OSSL_PARAM_construct_utf8_string(name, value, 0)
            }
            var parameters = [
                text("mode", mode == EVP_KDF_HKDF_MODE_EXPAND_ONLY ? "EXPAND_ONLY" : "EXTRACT_ONLY"),
                text("digest", digest),
            ]
            parameters += octets("key", key) + octets("salt", salt) + octets("data", data)
            parameters += octets("prefix", Array("tls13 ".utf8)) + octets("label", Array(label.utf8))
            parameters.append(OSSL_PARAM_construct_end())
            return body(parameters)
        }
    }

    private static let ours = "?provider=sticky"
    private static let theirs = "provider=default"

    private func bytes(_ hex: String) -> [UInt8] {
        stride(from: 0, to: hex.count, by: 2).map { offset in
            UInt8(hex.dropFirst(offset).prefix(2), radix: 16) ?? 0
        }
    }

    @Test("The provider is ours where it is asked for, and OpenSSL's own stays to be had")
    func providers() {
        for (properties, name) in [(Self.ours, "sticky"), (Self.theirs, "default")] {
            let kdf = EVP_KDF_fetch(nil, "TLS13-KDF", properties)
            defer { EVP_KDF_free(kdf) }
            #expect(EVP_KDF_get0_provider(kdf).map { String(cString: OSSL_PROVIDER_get0_name($0)) } == name)
        }
    }

    @Test("The vectors of RFC 8448 section 3", arguments: [false, true])
    func vectors(inTwoSteps: Bool) {
        let extract = EVP_KDF_HKDF_MODE_EXTRACT_ONLY
        func check(_ derivation: Derivation, _ expected: String) -> [UInt8] {
            let result = derivation.run(Self.ours, inTwoSteps: inTwoSteps)
            #expect(result == bytes(expected))
            return result ?? []
        }
        let early = check(
            Derivation(mode: extract),
            "33ad0a1c607ec03b09e6cd9893680ce210adf300aa1f2660e1b22e10f170f92a"
        )
        let shared = bytes("8bd4054fb55b9d63fdfbacf9f04b9f0d35e6d63f537563efd46272900f89492d")
        let handshake = check(
            Derivation(mode: extract, key: shared, salt: early),
            "1dc826e93606aa6fdc0aadc12f741b01046aa6b99f691ed221a9f0ca043fbeac"
        )
        let hellos = bytes("860c06edc07858ee8e78f0e7428c58edd6b43f2ca3e6e95f02ed063cf0e1cad8")
        _ = check(
            Derivation(key: handshake, label: "c hs traffic", data: hellos),
            "b3eddb126e067f35a780b3abf45e2d8f3b1a950738f52e9600746a0e27a55a21"
        )
        let server = check(
            Derivation(key: handshake, label: "s hs traffic", data: hellos),
            "b67b7d690cc16c4e75e54213cb2d37b4e9c912bcded9105d42befd59d391ad38"
        )
        _ = check(Derivation(key: server, label: "key", count: 16), "3fce516009c21727d0f2e4e86ee403bc")
        _ = check(Derivation(key: server, label: "iv", count: 12), "5d313eb2671276ee13000b30")
        _ = check(
            Derivation(key: server, label: "finished"),
            "008d3b66f816ea559f96b537e885c31fc068bf492c652f01f288a1d8cdc19fc8"
        )
        _ = check(
            Derivation(mode: extract, salt: handshake),
            "18df06843d13a08bf2a449844c5f8a478001bc4d4c627984d5a41da8d0402919"
        )
    }

    @Test("The same as OpenSSL's own, whatever the lengths", arguments: ["SHA256", "sha2-384", "SHA384"])
    func differential(digest: String) {
        var random = SystemRandomNumberGenerator()
        func some(_ count: Int) -> [UInt8] { (0..<count).map { _ in UInt8.random(in: 0...255, using: &random) } }
        let size = digest.contains("384") ? 48 : 32
        for round in 0..<300 {
            let key = some(.random(in: 1...300))
            let expand = Derivation(
                digest: digest,
                key: key,
                label: String(repeating: "l", count: .random(in: 1...200)),
                data: Bool.random() ? some(.random(in: 1...64)) : nil,
                count: .random(in: 1...500)
            )
            let extract = Derivation(
                mode: EVP_KDF_HKDF_MODE_EXTRACT_ONLY,
                digest: digest,
                key: Bool.random() ? key : nil,
                salt: Bool.random() ? some(size) : nil,
                count: size
            )
            for derivation in [expand, extract] {
                let theirs = derivation.run(Self.theirs)
                #expect(theirs != nil)
                #expect(derivation.run(Self.ours, inTwoSteps: round % 2 == 0) == theirs)
            }
        }
    }

    @Test("What is missing, unknown or too long is refused")
    func refusals() {
        let key: [UInt8] = [1, 2, 3]
        #expect(Derivation(digest: "SHA512", key: key).run(Self.ours) == nil)
        #expect(Derivation(digest: "SHA25", key: key).run(Self.ours) == nil)
        #expect(Derivation(digest: "SHA2567", key: key).run(Self.ours) == nil)
        #expect(Derivation().run(Self.ours) == nil)
        #expect(Derivation(key: key, label: String(repeating: "l", count: 250)).run(Self.ours) == nil)
        #expect(Derivation(key: key, data: [UInt8](repeating: 0, count: 256)).run(Self.ours) == nil)
        #expect(Derivation(key: key, count: 255 * 32 + 1).run(Self.ours) == nil)
        #expect(Derivation(key: key, count: 255 * 32).run(Self.ours) != nil)
        #expect(Derivation(mode: EVP_KDF_HKDF_MODE_EXTRACT_ONLY, key: key, count: 31).run(Self.ours) == nil)
        ERR_clear_error()
    }

    @Test(
        "Clients with OpenSSL's own agree, in full and resumed handshakes",
        arguments: ["TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"]
    )
    func handshakes(suite: String) throws {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.cipherSuites = [suite]
        configuration.algorithmProperties = TLSKeySchedule.properties
        let context = try TLSContext(configuration)
        let first = TestClient(.init(minimumVersion: TLS1_3_VERSION))
        let server = try TestServer(context)
        exchange(first, server)
        #expect(server.info?.cipher == suite)
        let session = first.session
        defer { SSL_SESSION_free(session) }
        let second = TestClient(.init(minimumVersion: TLS1_3_VERSION), session: session)
        let again = try TestServer(context)
        exchange(second, again)
        #expect(second.resumed && again.info?.isResumed == true)
    }

    @Test("Properties that no provider has are an error")
    func properties() {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        configuration.algorithmProperties = "provider=nobody"
        #expect(throws: TLSError.self) { try TLSContext(configuration) }
    }
}
