/// Where a context's ticket keys come from.
public enum TicketKeySource: Sendable {
    /// Made at random by the context. A session resumes only where it was made: enough for one process, and for sticky
    /// workers until they restart.
    case random
    /// From the master, which makes and rotates them (``TicketKeyRotation``). Until they come there are no tickets,
    /// and ``TLSEvent/ticketKeysMissing`` tells so.
    case master
    /// These. The first one encrypts, all decrypt.
    case fixed([TicketKeys])
    /// None: no tickets, no resumption.
    case off
}
