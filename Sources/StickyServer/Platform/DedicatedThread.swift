internal import CStickyServer

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// A thread of our own, for loops that block: the master's poll loop and the worker's control loop must never occupy
/// a thread of Swift's cooperative pool.
package enum DedicatedThread {
    private final class Body: Sendable {
        let name: String
        let run: @Sendable () -> Void

        init(_ name: String, _ run: @escaping @Sendable () -> Void) {
            self.name = name
            self.run = run
        }
    }

    /// Starts a detached thread that runs `body` once. Returns false when the system refuses another thread.
    package static func start(_ name: String, stackSize: Int? = nil, _ body: @escaping @Sendable () -> Void) -> Bool {
        var attributes = pthread_attr_t()
        guard pthread_attr_init(&attributes) == 0 else { return false }
        defer { pthread_attr_destroy(&attributes) }
        guard pthread_attr_setdetachstate(&attributes, CInt(PTHREAD_CREATE_DETACHED)) == 0 else { return false }
        if let stackSize, pthread_attr_setstacksize(&attributes, stackSize) != 0 { return false }

        let argument = Unmanaged.passRetained(Body(name, body)).toOpaque()
        #if canImport(Darwin)
        var thread: pthread_t?
        let status = pthread_create(&thread, &attributes, { DedicatedThread.enter($0) }, argument)
        #else
        var thread = pthread_t()
        let status = pthread_create(&thread, &attributes, { $0.flatMap { DedicatedThread.enter($0) } }, argument)
        #endif
        if status != 0 { Unmanaged<Body>.fromOpaque(argument).release() }
        return status == 0
    }

    private static func enter(_ argument: UnsafeMutableRawPointer) -> UnsafeMutableRawPointer? {
        let body = Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        sticky_name_thread(body.name)
        body.run()
        return nil
    }
}
