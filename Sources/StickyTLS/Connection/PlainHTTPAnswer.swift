/// What to answer to a client that speaks plain HTTP to a TLS port.
enum PlainHTTPAnswer {
    /// More of the request is not looked at.
    private static let limit = 8192

    /// A redirect to https when the request asks for one of our names, else 400. Never looks at more than 8 KiB, and
    /// answers without a body that could repeat what the client sent.
    static func answer(to request: [UInt8], isServed: (String) -> Bool) -> [UInt8] {
        guard let target = location(request.prefix(limit), isServed) else { return badRequest }
        return Array(
            "HTTP/1.1 308 Permanent Redirect\r\nLocation: \(target)\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
                .utf8
        )
    }

    private static let badRequest = Array(
        """
        HTTP/1.1 400 Bad Request\r
        Connection: close\r
        Content-Type: text/plain\r
        Content-Length: 36\r
        \r
        This port speaks TLS: use https://.

        """.utf8
    )

    private static func location(_ request: ArraySlice<UInt8>, _ isServed: (String) -> Bool) -> String? {
        let lines = request.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // The last piece may be cut.
        guard lines.count > 1, let first = lines.first else { return nil }
        let words = first.split(separator: UInt8(ascii: " "))
        guard words.count == 3, let path = words[1].first, path == UInt8(ascii: "/"), words[1].allSatisfy(isPlain)
        else { return nil }
        var host: ArraySlice<UInt8>?
        for line in lines.dropFirst().dropLast() {
            let line = line.last == UInt8(ascii: "\r") ? line.dropLast() : line
            if line.isEmpty { break }
            guard line.count > 5, lowercased(line.prefix(5)) == Array("host:".utf8) else { continue }
            // Two of them are an attempt at something.
            guard host == nil else { return nil }
            host = trimmed(line.dropFirst(5))
        }
        guard let host, !host.isEmpty, host.allSatisfy(isPlain) else { return nil }
        let name = host.prefix { $0 != UInt8(ascii: ":") }
        let port = host.dropFirst(name.count)
        guard port.isEmpty || port.count <= 6 && port.count > 1 && port.dropFirst().allSatisfy(isDigit),
            let canonical = ServerName.canonical(Array(name)), canonical.utf8.allSatisfy(isNameByte),
            isServed(canonical)
        else { return nil }
        return
            "https://\(canonical)\(String(decoding: port, as: UTF8.self))\(String(decoding: words[1], as: UTF8.self))"
    }

    private static func isPlain(_ byte: UInt8) -> Bool { (0x21...0x7E).contains(byte) }
    private static func isDigit(_ byte: UInt8) -> Bool { (0x30...0x39).contains(byte) }

    private static func isNameByte(_ byte: UInt8) -> Bool {
        isDigit(byte) || (0x61...0x7A).contains(byte) || byte == UInt8(ascii: "-") || byte == UInt8(ascii: ".")
            || byte == UInt8(ascii: "_")
    }

    private static func lowercased(_ bytes: ArraySlice<UInt8>) -> [UInt8] {
        bytes.map { (0x41...0x5A).contains($0) ? $0 | 0x20 : $0 }
    }

    private static func trimmed(_ bytes: ArraySlice<UInt8>) -> ArraySlice<UInt8> {
        let start = bytes.drop { $0 == 0x20 || $0 == 0x09 }
        let end = start.reversed().prefix { $0 == 0x20 || $0 == 0x09 }.count
        return start.dropLast(end)
    }
}

extension TLSContext {
    /// What to answer, in the clear, to a client that spoke plain HTTP (``TLSFailure/Kind/plainHTTP``): a redirect to
    /// https when its Host is a name that is served, else 400.
    ///
    /// - Parameter request: What the client sent: ``TLSFailure/head``, then what the session did not consume. At most
    ///   8 KiB of it are looked at.
    public func answerToPlainHTTP(_ request: [UInt8]) -> [UInt8] {
        let hosts = current.hosts
        return PlainHTTPAnswer.answer(to: request) { hosts.find($0) != nil }
    }
}
