#if Hummingbird
public import Hummingbird
public import StickyServer
public import StickyTLS

/// StickyServer's settings, under a name that no other module has.
public typealias StickyConfiguration = Configuration

extension ApplicationProtocol {
    /// Runs the application on sticky workers: in place of `runService()`.
    ///
    /// The program is started again for each worker, so everything before this call happens in the master and in every
    /// worker; what must not happen in the master belongs into a service or `beforeServerStarts`. Returns when the
    /// server has stopped (SIGTERM, SIGINT); SIGHUP replaces the workers one by one, SIGUSR2 the binary.
    /// Certificates and keys are put to use when their files change, without new processes.
    ///
    /// - Parameters:
    ///   - port: The port on every address of the machine; 0 takes a free one, which the log of `configuration` names.
    ///   - tls: Certificates and policy. Nil serves in the clear.
    ///   - options: Timeouts, limits and where requests run.
    ///   - configuration: Workers, more listeners, routing, supervision.
    public func runStickyService(
        port: Int,
        tls: TLSConfiguration? = nil,
        options: HTTPOptions = HTTPOptions(),
        configuration: StickyConfiguration = StickyConfiguration()
    ) async throws {
        try await run(on: StickyServer(port: port, configuration: configuration), tls: tls, options: options)
    }

    /// Runs the application on sticky workers that serve the listeners of `configuration`.
    public func runStickyService(
        configuration: StickyConfiguration,
        tls: TLSConfiguration? = nil,
        options: HTTPOptions = HTTPOptions()
    ) async throws {
        try await run(on: StickyServer(configuration: configuration), tls: tls, options: options)
    }

    private func run(on server: StickyServer, tls: TLSConfiguration?, options: HTTPOptions) async throws {
        // Made in the master too, before it starts anything: a wrong file is reported once and not by every worker.
        let context = try tls.map { try TLSContext($0.forHTTP(options)) }
        guard server.isMaster else {
            return try await server.work(HummingbirdHandler(self, tls: context, options: options))
        }
        let master = try context.map { try TLSMaster($0, of: server) }
        let running = Task { try await master?.run() }
        defer { running.cancel() }
        try await server.listen()
    }
}

extension TLSConfiguration {
    /// Offers what the options allow, and lets a ticket of any worker resume on any other.
    fileprivate func forHTTP(_ options: HTTPOptions) -> TLSConfiguration {
        var configuration = self
        if options.http2 == nil {
            configuration.applicationProtocols.removeAll { $0 == "h2" }
        } else if configuration.applicationProtocols == ["http/1.1"] {
            configuration.applicationProtocols = ["h2", "http/1.1"]
        }
        if case .random = configuration.ticketKeys { configuration.ticketKeys = .master }
        return configuration
    }
}
#endif
