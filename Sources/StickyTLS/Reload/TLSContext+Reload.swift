extension TLSContext {
    /// Reads the configuration's files again and puts what is in them to use.
    ///
    /// Everything is read and checked as a whole before anything changes: pairs of certificate and key, the order of
    /// chains, dates, names, ticket keys. If anything is wrong the old state serves on.
    ///
    /// - Throws: What is wrong, with its file. ``TLSConfiguration/onEvent`` is told as well.
    public func reload() throws(TLSError) {
        try reload(configuration)
    }

    /// Puts another configuration to use, as ``reload()``. Ticket keys that are
    /// given (``TicketKeySource/fixed(_:)``, ``TicketKeySource/files(_:)``) change with it; others stay.
    public func reload(_ configuration: TLSConfiguration) throws(TLSError) {
        try reload(configuration, isFirst: false)
    }

    func reload(_ configuration: TLSConfiguration, isFirst: Bool) throws(TLSError) {
        let now = configuration.clock.wall()
        try replace(configuration, isFirst: isFirst) { hosts throws(TLSError) in
            for identity in hosts.identities { try identity.check(at: now) }
        }
    }
}
