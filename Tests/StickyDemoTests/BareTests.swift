#if Hummingbird
import NIOCore
import NIOEmbedded
import StickyServer
import Testing

@testable import StickyDemo

@Suite("The demo without Hummingbird")
struct BareTests {
    @Test("/hello is fourteen bytes, with the slot")
    func hello() throws {
        let visitor = try Visitor()
        for _ in 0..<3 {
            let answer = visitor.get("/hello")
            #expect(answer.hasPrefix("HTTP/1.1 200 OK\r\nDate: "))
            #expect(answer.contains("\r\nX-Sticky-Slot: 5\r\n"))
            #expect(answer.contains("\r\nContent-Length: 14\r\n"))
            #expect(answer.hasSuffix("\r\n\r\nHello, world!\n"))
            #expect(!answer.contains("onnection"))
        }
        #expect(visitor.channel.isActive)
    }

    @Test("HEAD has the fields of GET and no body")
    func head() throws {
        let get = try Visitor().get("/hello")
        let head = try Visitor().ask("HEAD /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        #expect(head.count > 50 && head.hasSuffix("\r\n\r\n"))
        #expect(get.split(separator: "\r\n").dropLast().dropFirst(2) == head.split(separator: "\r\n").dropFirst(2))
    }

    @Test("Requests in one piece are answered in order")
    func pipelining() throws {
        let visitor = try Visitor()
        let answers = visitor.ask(
            ["/hello", "/nope", "/hello"].map { "GET \($0) HTTP/1.1\r\nHost: localhost\r\n\r\n" }.joined()
        )
        #expect(answers.components("HTTP/1.1 200 OK") == 2)
        #expect(answers.components("HTTP/1.1 404 Not Found") == 1)
        #expect(answers.hasSuffix("Hello, world!\n"))
    }

    @Test("What is no HTTP gets 400 and the end")
    func garbage() throws {
        let visitor = try Visitor()
        let answer = visitor.ask("NONSENSE\r\n\r\n")
        #expect(answer.hasPrefix("HTTP/1.1 400 Bad Request\r\n"))
        #expect(!visitor.channel.isActive)
        var random = SystemRandomNumberGenerator()
        for _ in 0..<300 {
            let visitor = try Visitor()
            let start = [
                "", "GET ", "GET / HTTP/1.1\r\n", "POST /hello HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n",
            ]
            let noise = (0..<200).map { _ in UInt8.random(in: 0...255, using: &random) }
            visitor.send((start.randomElement() ?? "") + String(decoding: noise, as: UTF8.self))
            _ = try? visitor.channel.writeInbound(ByteBuffer(bytes: noise))
            visitor.channel.pipeline.fireUserInboundEventTriggered(ChannelEvent.inputClosed)
        }
    }

    @Test("Connection: close is obeyed and said")
    func closes() throws {
        let visitor = try Visitor()
        #expect(visitor.get("/hello", "Connection: close\r\n").contains("\r\nconnection: close\r\n"))
        #expect(!visitor.channel.isActive)
        let old = try Visitor()
        #expect(
            old.ask("GET /hello HTTP/1.0\r\nConnection: keep-alive\r\n\r\n").contains("\r\nconnection: keep-alive\r\n")
        )
        #expect(old.channel.isActive)
        #expect(old.ask("GET /hello HTTP/1.0\r\n\r\n").contains("\r\nconnection: close\r\n"))
        #expect(!old.channel.isActive)
    }

    @Test("Draining closes an idle connection at once, and with a successor after one more request")
    func drains() throws {
        let idle = try Visitor()
        _ = idle.get("/hello")
        idle.drain(.stopping)
        #expect(!idle.channel.isActive)

        let fresh = try Visitor()
        fresh.drain(.stopping)
        #expect(fresh.get("/hello").contains("\r\nconnection: close\r\n"))
        let silent = try Visitor()
        silent.drain(.stopping)
        silent.channel.embeddedEventLoop.advanceTime(by: .seconds(3))
        #expect(!silent.channel.isActive)

        let replaced = try Visitor()
        _ = replaced.get("/hello")
        replaced.drain(.replaced)
        replaced.channel.embeddedEventLoop.advanceTime(by: .seconds(5))
        #expect(replaced.get("/hello").contains("\r\nconnection: close\r\n"))
    }

    @Test("A client that is slow is left")
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
    }
}
#endif
