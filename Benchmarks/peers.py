"""The servers that are compared, by name."""

from peer import BULK, CERTS, ROOT, CannotStart, free_port, program
from peers_others import (BareTCP, HAProxy, Hitch, Nginx, Nginx2Workers, Nginx32Workers, NginxAgain, NginxHummingbird,
                          NginxTuned, NodeSticky)
from peers_ours import (Sticky, Sticky32Workers, StickyHummingbird, StickyKernel, StickyKernelSchedule, StickyLean,
                        StickySchedule, StickyStock)

KNOWN = {peer.name: peer for peer in (
    Sticky, StickyStock, StickyLean, StickySchedule, StickyKernel, StickyKernelSchedule, Sticky32Workers,
    StickyHummingbird, Nginx, NginxAgain, NginxTuned, Nginx2Workers, Nginx32Workers, HAProxy, Hitch, NginxHummingbird,
    NodeSticky, BareTCP)}
