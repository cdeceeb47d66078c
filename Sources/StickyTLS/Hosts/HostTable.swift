internal import CTLS

/// Which certificates and which policy a name gets: exact names before wildcards, and for each kind of key the most
/// specific certificate that there is.
struct HostTable: Sendable {
    let fallback: HostContext
    let contexts: [HostContext]
    /// All certificates, as they were given.
    let identities: [LoadedIdentity]
    private let exact: [String: HostContext]
    /// By what the wildcard stands before.
    private let wildcard: [String: HostContext]

    /// Names that are served, wildcards as `*.example.com`.
    var names: [String] { exact.keys.sorted() + wildcard.keys.sorted().map { "*.\($0)" } }

    /// The host of a name in canonical form.
    func find(_ name: String) -> HostContext? {
        if let host = exact[name] { return host }
        guard !wildcard.isEmpty, let parent = ServerName.parent(of: name) else { return nil }
        return wildcard[parent]
    }

    init(_ configuration: TLSConfiguration, files: TLSFileReader) throws(TLSError) {
        var hosts = configuration.hosts
        if !configuration.identities.isEmpty {
            let first = TLSHost(
                identities: configuration.identities,
                clientCertificates: configuration.clientCertificates
            )
            hosts.insert(first, at: 0)
        }
        guard !hosts.isEmpty, hosts.allSatisfy({ !$0.identities.isEmpty }) else {
            throw TLSError(.noIdentity, "TLS needs a certificate with its key. Give at least one identity.")
        }
        var plan = HostPlan()
        for (index, host) in hosts.enumerated() { try plan.add(host, index: index, files: files) }
        var builder = HostBuilder(plan: plan, configuration: configuration)
        fallback = try builder.host(plan.fallback)
        var exact: [String: HostContext] = [:]
        for (name, entry) in plan.exact {
            exact[name] = try builder.host(plan.withWildcard(entry, name: name))
        }
        var wildcard: [String: HostContext] = [:]
        for (name, entry) in plan.wildcard { wildcard[name] = try builder.host(entry) }
        self.exact = exact
        self.wildcard = wildcard
        contexts = builder.contexts
        identities = plan.identities
    }
}

/// The identities of a name, as indices into the plan's list, and the policy's index.
private struct HostEntry: Hashable {
    var policy: Int
    var identities: [Int]
}

private struct HostPlan {
    var identities: [LoadedIdentity] = []
    var policies: [ClientPolicy] = []
    var exact: [String: HostEntry] = [:]
    var wildcard: [String: HostEntry] = [:]
    /// The first identity, and those with other keys that share a name with it.
    var fallback = HostEntry(policy: 0, identities: [])

    mutating func add(_ host: TLSHost, index: Int, files: TLSFileReader) throws(TLSError) {
        policies.append(try ClientPolicy(host.clientCertificates, files: files))
        for source in host.identities {
            let identity = try LoadedIdentity(source, files: files)
            let number = identities.count
            identities.append(identity)
            var isServed = false
            let names = host.names.isEmpty ? identity.names.dns : host.names
            for name in names { isServed = try add(name, of: number, policy: index) || isServed }
            if index == 0 { isServed = addToFallback(number, named: !host.names.isEmpty) || isServed }
            guard isServed else {
                throw TLSError(
                    .identityConflict,
                    "The certificate\(identity.file.map { " in \($0)" } ?? "") would never be served: it has no name "
                        + "(DNS, subjectAltName), or others with keys of the same kind have all its names. Remove one.",
                    file: identity.file
                )
            }
        }
    }

    /// False when another identity with the same kind of key has the name.
    private mutating func add(_ name: String, of number: Int, policy: Int) throws(TLSError) -> Bool {
        let isWildcard = name.hasPrefix("*.")
        guard let key = ServerName.canonical(Array((isWildcard ? name.dropFirst(2) : name[...]).utf8)),
            !key.contains("*")
        else {
            throw TLSError(.invalidConfiguration, "\"\(name)\" is not a name that a client can ask for.")
        }
        var entry = (isWildcard ? wildcard[key] : exact[key]) ?? HostEntry(policy: policy, identities: [])
        guard entry.policy == policy else {
            throw TLSError(
                .identityConflict,
                "Two hosts serve \"\(name)\". Which one asks what of clients must be clear: name it once."
            )
        }
        guard append(number, to: &entry) else { return false }
        if isWildcard { wildcard[key] = entry } else { exact[key] = entry }
        return true
    }

    private mutating func addToFallback(_ number: Int, named: Bool) -> Bool {
        guard let first = fallback.identities.first else {
            fallback.identities = [number]
            return true
        }
        guard named || identities[first].names.sharesName(with: identities[number].names) else { return false }
        return append(number, to: &fallback)
    }

    private func append(_ number: Int, to entry: inout HostEntry) -> Bool {
        guard !entry.identities.contains(where: { identities[$0].kind == identities[number].kind }) else {
            return false
        }
        entry.identities.append(number)
        return true
    }

    /// A client that cannot verify the kind of key of the exact name may be able to verify that of the wildcard.
    func withWildcard(_ entry: HostEntry, name: String) -> HostEntry {
        guard let parent = ServerName.parent(of: name), let wider = wildcard[parent] else { return entry }
        var entry = entry
        for number in wider.identities { _ = append(number, to: &entry) }
        return entry
    }
}

/// Makes each context once.
private struct HostBuilder {
    let plan: HostPlan
    let configuration: TLSConfiguration
    private var made: [HostEntry: HostContext] = [:]

    init(plan: HostPlan, configuration: TLSConfiguration) {
        self.plan = plan
        self.configuration = configuration
    }

    var contexts: [HostContext] { Array(made.values) }

    mutating func host(_ entry: HostEntry) throws(TLSError) -> HostContext {
        if let host = made[entry] { return host }
        let host = try HostContext(
            entry.identities.map { plan.identities[$0] },
            policy: plan.policies[entry.policy],
            configuration: configuration
        )
        made[entry] = host
        return host
    }
}
