/// The worker's side of the cluster: who it is, and how it speaks to the others.
public final class Worker: Sendable {
    /// The place of this worker, 0 ..< N, which outlives its process.
    public let slot: Int
    /// Counts the starts of this slot's process, from 1.
    public let generation: Int

    init(slot: Int, generation: Int) {
        self.slot = slot
        self.generation = generation
    }
}
