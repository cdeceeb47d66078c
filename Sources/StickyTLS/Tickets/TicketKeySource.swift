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
    /// Those in these files, in the order of ``TicketKeys/file(_:)``. The first one encrypts, all decrypt. They are
    /// read again at each reload, as certificates are (``TLSReloader``).
    case files([String])
    /// None: no tickets, no resumption.
    case off
}
