"""limit.py PORT COUNT: more unfinished handshakes than are allowed, beside a connection that stands (S1)."""

import select
import sys
import time

from tls import *

port, count = int(sys.argv[1]), int(sys.argv[2])
standing = Connection(port)
pid = standing.who()["pid"]
waiting = []
for _ in range(count):
    tcp = connect(port)
    tcp.sendall(b"\x16\x03\x01")
    waiting.append(tcp)
refused = set()
deadline = time.time() + 15
while len(refused) < count - 20 and time.time() < deadline:
    readable, _, _ = select.select([tcp for tcp in waiting if tcp not in refused], [], [], 0.2)
    for tcp in readable:
        try:
            if tcp.recv(1) == b"":
                refused.add(tcp)
        except ConnectionResetError:
            refused.add(tcp)
established = standing.who()["pid"] == pid
for tcp in waiting:
    tcp.close()
deadline = time.time() + 15
after = False
while time.time() < deadline and not after:
    after = "pid" in attempt(port)
tell({"refused": len(refused), "established": established, "after": after})
