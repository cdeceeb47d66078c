#if Hummingbird
import StickyHummingbird
import Testing

@Suite("The Date field")
struct HTTPDateTests {
    @Test("has RFC 9110's form")
    func form() {
        #expect(HTTPDate.format(784_111_777) == "Sun, 06 Nov 1994 08:49:37 GMT")
        #expect(HTTPDate.format(0) == "Thu, 01 Jan 1970 00:00:00 GMT")
        #expect(HTTPDate.format(951_827_696) == "Tue, 29 Feb 2000 12:34:56 GMT")
        #expect(HTTPDate.format(4_102_444_799) == "Thu, 31 Dec 2099 23:59:59 GMT")
    }

    @Test("tells the time of now")
    func now() {
        let date = HTTPDate()
        #expect(date.now.hasSuffix(" GMT"))
        #expect(date.now.count == 29)
    }
}
#endif
