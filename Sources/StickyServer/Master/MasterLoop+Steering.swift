internal import Logging

// With kernel steering the master brings no connections to workers. It gives workers their listeners, and sees to it that
// the kernel chooses among slots that serve.
extension MasterLoop {
    /// The frame that brings a worker its listeners has room for so many.
    static let mostSteeredAddresses = ControlSocket.maximumDescriptors

    /// The listeners that the master accepts from: with kernel steering those of slots that were taken away, where a
    /// handshake that was under way then may still end.
    var acceptedHere: [Listener] { steering?.listeners(from: slotTarget) ?? listeners }

    func updateSteering() {
        guard let steering, stop == nil else { return }
        for slot in activeSlots {
            if slot.isConnected, let process = slot.process, !process.hasListeners {
                giveListeners(steering.listeners(of: slot.number), to: process)
            }
        }
        // A slot that has lost its worker keeps its clients, who wait for the next; one that rests does not.
        var serving = activeSlots.prefix(router.slots).filter { $0.state.isAlive && !$0.isLate }.map(\.number)
        if serving.isEmpty { serving = Array(0..<router.slots) }
        guard serving != steering.steered, let program = router.program(for: serving) else { return }
        do throws(StickyServerError) {
            try steering.steer(to: serving, program)
            logger.debug("new connections are steered", metadata: ["slots": "\(serving)"])
        } catch {
            logger.error("\(error)")
        }
    }

    private func giveListeners(_ listeners: [Listener], to process: WorkerProcess) {
        var writer = FrameWriter()
        Frame.begin(.listeners, count: listeners.count, in: &writer)
        for listener in listeners { writer.append(UInt16(clamping: listener.index)) }
        Frame.finish(&writer)
        switch process.send(writer.bytes, descriptors: listeners.map { $0.descriptor.number }) {
        case .done: process.hasListeners = true
        // Tried again with the next turn that finds something to do.
        case .full, .busy, nil: break
        case .lost: endControl(process)
        }
    }
}
