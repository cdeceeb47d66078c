"""limit.py PORT COUNT: more unfinished handshakes than are allowed, beside a connection that stands (S1)."""

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
time.sleep(0.3)
refused = 0
for tcp in waiting:
    tcp.settimeout(0.02)
    try:
        refused += tcp.recv(1) == b""
    except ConnectionResetError:
        refused += 1
    except TimeoutError:
        pass
established = standing.who()["pid"] == pid
for tcp in waiting:
    tcp.close()
deadline = time.time() + 5
after = False
while time.time() < deadline and not after:
    after = "pid" in attempt(port)
tell({"refused": refused, "established": established, "after": after})
