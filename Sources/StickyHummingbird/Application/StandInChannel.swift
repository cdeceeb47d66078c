#if Hummingbird
internal import NIOCore
internal import NIOPosix

#if canImport(Glibc)
import Glibc
#elseif canImport(Musl)
import Musl
#else
import Darwin
#endif

/// What an application's `onServerRunning` gets: a worker has no listening channel, the master listens. It is open as
/// long as the worker serves, and its addresses say nothing.
enum StandInChannel {
    /// Nil when the application's event loops are of a kind that has no sockets of the system.
    static func make(_ group: any EventLoopGroup) async throws -> (any Channel)? {
        guard let bootstrap = ClientBootstrap(validatingGroup: group) else { return nil }
        var ends: [CInt] = [-1, -1]
        #if canImport(Glibc)
        let kind = CInt(SOCK_STREAM.rawValue)
        #else
        let kind = SOCK_STREAM
        #endif
        guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else {
            throw IOError(errnoCode: errno, reason: "socketpair")
        }
        let other = ends[1]
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        do {
            let channel = try await bootstrap.channelOption(.autoRead, value: false).withConnectedSocket(ends[0]).get()
            channel.closeFuture.whenComplete { _ in _ = close(other) }
            return channel
        } catch {
            _ = close(other)
            throw error
        }
    }
}
#endif
