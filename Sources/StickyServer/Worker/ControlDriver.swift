/// A connection handler that runs the worker's control loop on its own thread, so that a socket comes to where it is
/// served without a change of threads.
package protocol ControlDriver {
    /// Calls `make` on the handler's thread and steps what it returns: when a descriptor of it is ready, and after its
    /// timeout; until it is finished, then calls `onEnd`. False when the handler cannot, and then nothing was called.
    func drive(_ make: @escaping @Sendable () -> ControlLoop, onEnd: @escaping @Sendable () -> Void) -> Bool
}
