#if !Hummingbird
#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// The demo needs Hummingbird, which stands behind a package trait.
@main
enum WithoutHummingbird {
    static func main() {
        let text = "sticky-demo: built without Hummingbird. Use «make run», or «swift build --traits Hummingbird».\n"
        _ = text.withCString { write(2, $0, strlen($0)) }
        exit(64)
    }
}
#endif
