#if !NIO
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The demo needs swift-nio, which stands behind a package trait.
@main
enum WithoutNIO {
    static func main() {
        let text = "sticky-demo: built without swift-nio. Use «make run», or «swift build --traits NIO».\n"
        _ = text.withCString { write(2, $0, strlen($0)) }
        exit(64)
    }
}
#endif
