#if NIO
import NIOCore
import NIOEmbedded
import StickyServer
import Testing

@testable import StickyDemo

@Suite("The demo's answers")
struct DemoTests {
    @Test("/hello is fourteen bytes, with the slot")
    func hello() throws {
        let visitor = try Visitor()
        for _ in 0..<3 {
            let answer = visitor.get("/hello")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
            #expect(answer.contains("\r\nX-Sticky-Slot: 5\r\n"))
            #expect(answer.contains("\r\nContent-Length: 14\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nHello, world!\n"))
            #expect(!answer.contains("Connection"))
        }
        #expect(visitor.channel.isActive)
    }

    @Test("HEAD has the fields of GET and no body", arguments: ["/hello", "/whoami", "/bytes/100", "/"])
    func head(path: String) throws {
        let get = try Visitor().get(path)
        let visitor = try Visitor()
        let head = visitor.ask("HEAD \(path) HTTP/1.1\r\nHost: localhost\r\n\r\n")
        let fields = get.range(of: "\r\n\r\n").map { String(get[..<$0.upperBound]) }
        #expect(
            head.count > 50
                && (fields ?? "").split(separator: "\r\n").dropFirst(2) == head.split(separator: "\r\n").dropFirst(2)
        )
        #expect(visitor.channel.isActive)
    }

    @Test("/whoami counts the requests of the connection")
    func whoami() throws {
        let visitor = try Visitor()
        _ = visitor.get("/")
        let answer = visitor.get("/whoami")
        #expect(answer.contains("\"slot\":5,"))
        #expect(answer.contains("\"generation\":2,\"client\":\"127.0.0.1:9\",\"routedBy\":\"address\",\"tls\":null"))
        #expect(answer.hasSuffix("\"requestsOnConnection\":2}\n"))
    }

    @Test("Requests in one piece are answered in order, slow ones too")
    func pipelining() throws {
        let visitor = try Visitor()
        let all = ["/hello", "/sleep/50", "/whoami", "/sleep/10", "/hello", "/nope"]
        let first = visitor.ask(all.map { "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }.joined())
        #expect(first.components("HTTP/1.1") == 1)
        visitor.channel.embeddedEventLoop.advanceTime(by: .milliseconds(50))
        let second = visitor.answer()
        #expect(second.contains("slept 50 ms") && second.contains("\"slot\"") && !second.contains("slept 10"))
        visitor.channel.embeddedEventLoop.advanceTime(by: .milliseconds(10))
        let third = visitor.answer()
        #expect(third.contains("slept 10 ms") && third.contains("Hello") && third.contains("404 Not Found"))
    }

    @Test("Requests that are not understood get an answer that says so")
    func refusals() throws {
        func status(_ text: String) throws -> String { String(try Visitor().ask(text).prefix(12).suffix(3)) }
        let host = "Host: localhost\r\n"
        #expect(try status("GET /nothing HTTP/1.1\r\n\(host)\r\n") == "404")
        #expect(try status("POST /hello HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n") == "405")
        #expect(try status("DELETE /echo HTTP/1.1\r\n\(host)\r\n") == "405")
        #expect(try status("POST /crash HTTP/1.1\r\n\(host)Content-Length: 0\r\n\r\n") == "403")
        #expect(try status("GET /hello HTTP/1.1\r\n\(host)Content-Length: 2000000\r\n\r\n") == "413")
        #expect(try status("GET /hello HTTP/1.1\r\n\r\n") == "400")
        #expect(try status("GET /hello HTTP/1.1\r\n\(host)\(host)\r\n") == "400")
        #expect(try status("NONSENSE\r\n\r\n") == "400")
        #expect(try status("GET /hello HTTP/2.0\r\n\(host)\r\n") == "505")
        #expect(try status("GET /hello HTTP/1.1\r\n\(host)Content-Length: 1\r\nContent-Length: 2\r\n\r\n") == "400")
        #expect(try status("GET / HTTP/1.1\r\n\(host)X: \(String(repeating: "a", count: 100_000))\r\n\r\n") == "431")
        for path in ["/bytes/", "/bytes/-1", "/bytes/+1", "/bytes/x", "/bytes/99999999999999999999", "/sleep/60001"] {
            #expect(try status("GET \(path) HTTP/1.1\r\n\(host)\r\n") == "400", "\(path)")
        }
    }

    @Test("Garbage never harms")
    func garbage() throws {
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let visitor = try Visitor()
            let start = [
                "", "GET ", "GET / HTTP/1.1\r\n",
                "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n",
            ]
            let noise = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            visitor.send((start.randomElement() ?? "") + String(decoding: noise, as: UTF8.self))
            _ = try? visitor.channel.writeInbound(ByteBuffer(bytes: noise))
            visitor.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
    }

    @Test("/bytes/N has N bytes and stops while the client does not read")
    func bytes() throws {
        let visitor = try Visitor()
        let answer = visitor.get("/bytes/300000")
        #expect(answer.contains("Content-Length: 300000\r\n"))
        #expect(answer.utf8.count > 300_000 && answer.utf8.count < 300_300)
        visitor.channel.isWritable = false
        #expect(visitor.get("/bytes/300000").utf8.count < 300)
        visitor.channel.isWritable = true
        visitor.channel.pipeline.fireChannelWritabilityChanged()
        #expect(visitor.answer().utf8.count == 300_000)
        #expect(visitor.get("/bytes/0").contains("Content-Length: 0\r\n"))
    }

    @Test("/echo sends back what comes, while it comes")
    func echo() throws {
        let visitor = try Visitor()
        let head = visitor.ask("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nExpect: 100-continue\r\n\r\n")
        #expect(
            head.hasPrefix("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n")
                && head.contains("Content-Length: 10\r\n")
        )
        #expect(visitor.ask("01234") == "01234")
        #expect(visitor.ask("56789") == "56789")
        let chunked = visitor.ask("PUT /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
        #expect(chunked.hasSuffix("3\r\nabc\r\n"))
        #expect(visitor.ask("0\r\n\r\n") == "0\r\n\r\n")
        #expect(visitor.get("/hello").hasSuffix("Hello, world!\n"))
    }

    @Test("/counter knows the client by its cookie")
    func counter() throws {
        let visitor = try Visitor()
        let first = visitor.get("/counter")
        #expect(first.contains("{\"count\":1,"))
        let cookie = first.split(separator: "\r\n").first { $0.hasPrefix("Set-Cookie: ") }?.dropFirst(12).prefix {
            $0 != ";"
        }
        let second = visitor.get("/counter", "Cookie: a=b; \(cookie ?? "")\r\n")
        #expect(second.contains("{\"count\":2,") && !second.contains("Set-Cookie"))
        #expect(visitor.get("/counter", "Cookie: sticky-demo-client=../etc\r\n").contains("{\"count\":1,"))
    }

    @Test("Connection: close is obeyed and said")
    func closes() throws {
        let visitor = try Visitor()
        #expect(visitor.get("/hello", "Connection: close\r\n").contains("\r\nConnection: close\r\n"))
        #expect(!visitor.channel.isActive)
        let old = try Visitor()
        #expect(
            old.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").contains("\r\nConnection: keep-alive\r\n")
        )
        #expect(old.channel.isActive)
        #expect(old.ask("GET /hello HTTP/1.0\r\n\r\n").contains("\r\nConnection: close\r\n"))
        #expect(!old.channel.isActive)
    }

    @Test("Draining closes idle connections and finishes what is in progress")
    func drains() throws {
        let idle = try Visitor()
        _ = idle.get("/hello")
        idle.drain(.stopping)
        #expect(!idle.channel.isActive)

        let busy = try Visitor()
        busy.send("GET /sleep/100 HTTP/1.1\r\nHost: a\r\n\r\n")
        busy.drain(.stopping)
        #expect(busy.channel.isActive)
        busy.channel.embeddedEventLoop.advanceTime(by: .milliseconds(100))
        #expect(busy.answer().contains("\r\nConnection: close\r\n"))
        #expect(!busy.channel.isActive)

        let fresh = try Visitor()
        fresh.drain(.stopping)
        #expect(fresh.get("/hello").contains("\r\nConnection: close\r\n"))
        let silent = try Visitor()
        silent.drain(.stopping)
        silent.channel.embeddedEventLoop.advanceTime(by: .seconds(3))
        #expect(!silent.channel.isActive)

        let replaced = try Visitor()
        _ = replaced.get("/hello")
        replaced.drain(.replaced)
        replaced.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(replaced.get("/hello").contains("\r\nConnection: close\r\n"))
    }

    @Test("A client that is slow or gone is left")
    func deadlines() throws {
        let silent = try Visitor()
        silent.send("GET / HT")
        silent.channel.embeddedEventLoop.advanceTime(by: .seconds(11))
        #expect(!silent.channel.isActive)

        let idle = try Visitor()
        _ = idle.get("/hello")
        idle.channel.embeddedEventLoop.advanceTime(by: .seconds(59))
        #expect(idle.channel.isActive)
        idle.channel.embeddedEventLoop.advanceTime(by: .seconds(2))
        #expect(!idle.channel.isActive)

        let upload = try Visitor()
        upload.send("GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\n12")
        upload.channel.embeddedEventLoop.advanceTime(by: .seconds(31))
        #expect(upload.answer().contains("408 Request Timeout"))

        let slow = try Visitor()
        slow.send("GET /sleep/60000 HTTP/1.1\r\nHost: a\r\n\r\n")
        slow.channel.embeddedEventLoop.advanceTime(by: .seconds(60))
        #expect(slow.answer().contains("slept"))
    }

    @Test("A client that has closed its direction still gets its answer")
    func halfClosed() throws {
        let visitor = try Visitor()
        visitor.send("GET /sleep/10 HTTP/1.1\r\nHost: a\r\n\r\n")
        visitor.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        visitor.channel.embeddedEventLoop.advanceTime(by: .milliseconds(10))
        #expect(visitor.answer().contains("slept 10 ms"))
        #expect(!visitor.channel.isActive)
    }

    @Test("The date has the form of the RFC")
    func date() {
        #expect(HTTPDate.format(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
    }

    @Test(
        "Targets in every form lead to the path",
        arguments: [("/a?b", "/a"), ("http://h/a?b", "/a"), ("HTTPS://h:1", "/"), ("http://h?x", "/"), ("*", "*")]
    )
    func targets(target: String, path: String) {
        #expect(Router.path(of: target) == path)
    }
}
#endif
