import StickyTLS
import TLSTestSupport
import Testing

@Suite("Configuration")
struct ConfigurationTests {
    private func code(_ change: (inout TLSConfiguration) -> Void) -> TLSError.Code? {
        var configuration = TLSConfiguration(identities: [TestIdentity.ecdsa.identity])
        change(&configuration)
        do throws(TLSError) {
            _ = try TLSContext(configuration)
            return nil
        } catch {
            return error.code
        }
    }

    @Test("The defaults make a context")
    func defaults() {
        #expect(code { _ in } == nil)
    }

    @Test("No identity is an error of its own")
    func noIdentity() {
        #expect(code { $0.identities = [] } == .noIdentity)
    }

    @Test("Versions in the wrong order are refused")
    func versions() {
        #expect(code { ($0.minimumVersion, $0.maximumVersion) = (.v1_3, .v1_2) } == .invalidConfiguration)
    }

    @Test("A misspelt name in any list is refused")
    func names() {
        #expect(code { $0.ciphersForTLS12.append("ECDHE-NONE") } == .invalidConfiguration)
        #expect(code { $0.cipherSuites.append("TLS_NONE") } == .invalidConfiguration)
        #expect(code { $0.groups.append("X25518") } == .invalidConfiguration)
        #expect(code { $0.signatureAlgorithms.append("NONE+SHA256") } == .invalidConfiguration)
    }

    @Test("Empty lists are refused")
    func empty() {
        #expect(code { $0.ciphersForTLS12 = [] } == .invalidConfiguration)
        #expect(code { $0.cipherSuites = [] } == .invalidConfiguration)
        #expect(code { $0.groups = [] } == .invalidConfiguration)
        #expect(code { $0.signatureAlgorithms = [] } == .invalidConfiguration)
    }

    @Test("Protocol names have 1 to 255 bytes")
    func protocols() {
        #expect(code { $0.applicationProtocols = [""] } == .invalidConfiguration)
        #expect(code { $0.applicationProtocols = [String(repeating: "x", count: 256)] } == .invalidConfiguration)
        #expect(code { $0.applicationProtocols = [String(repeating: "x", count: 255)] } == nil)
    }

    @Test("Tickets are few and live a week at most")
    func tickets() {
        #expect(code { $0.ticketCount = -1 } == .invalidConfiguration)
        #expect(code { $0.ticketCount = 17 } == .invalidConfiguration)
        #expect(code { $0.ticketLifetime = .seconds(0) } == .invalidConfiguration)
        #expect(code { $0.ticketLifetime = .seconds(8 * 86_400) } == .invalidConfiguration)
    }
}
