"""limit.py PORT COUNT LIMIT: many more silent clients than handshakes may be in progress, beside a connection that
stands, one in the middle of its handshake, and one that comes last (S1)."""

import select
import ssl
import sys
import time

from tls import *

port, count, limit = (int(argument) for argument in sys.argv[1:4])
standing = Connection(port)
pid = standing.who()["pid"]
unfinished = Connection(port, handshake=False)
try:
    unfinished.tls.do_handshake()
except ssl.SSLWantReadError:
    pass
unfinished.flush()
# It has its answer, and goes on when the flood has come.
unfinished.incoming.write(unfinished.tcp.recv(65536))
waiting = [connect(port) for _ in range(count)]
ended = set()
deadline = time.time() + 20
while len(ended) < count - limit and time.time() < deadline:
    readable, _, _ = select.select([tcp for tcp in waiting if tcp not in ended], [], [], 0.2)
    for tcp in readable:
        try:
            if tcp.recv(1) == b"":
                ended.add(tcp)
        except ConnectionResetError:
            ended.add(tcp)
established = standing.who()["pid"] == pid
unfinished.handshake()
completed = unfinished.who()["pid"] == pid
# The silent ones that are left still are there.
deadline = time.time() + 20
after = False
while time.time() < deadline and not after:
    after = "pid" in attempt(port)
tell({"ended": len(ended), "established": established, "unfinished": completed, "after": after})
