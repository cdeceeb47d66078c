"""abuse.py PORT KIND COUNT [SECONDS]: connections that no server likes.

garbage: random bytes; leave: connect and go; stall: half a ClientHello, held until the server closes it; reset: go with
a reset at a random moment of a handshake. Told: how many the server closed, and after how long."""

import random
import select
import socket
import struct
import sys
import time

from tlsclient import answer, context

port, kind, count = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
limit = float(sys.argv[4]) if len(sys.argv) > 4 else 20
random.seed(7)


def connect():
    tcp = socket.create_connection(("127.0.0.1", port), timeout=20)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


def hello():
    """A real ClientHello."""
    import ssl

    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    session = context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    try:
        session.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


closed = 0
slowest = 0.0
if kind == "garbage":
    for index in range(count):
        tcp = connect()
        try:
            tcp.sendall(random.randbytes(random.choice([1, 5, 6, 100, 3000, 20000])))
            tcp.shutdown(socket.SHUT_WR)
            while tcp.recv(4096):
                pass
            closed += 1
        except (ConnectionResetError, BrokenPipeError):
            closed += 1
        tcp.close()
elif kind == "leave":
    for index in range(count):
        connect().close()
        closed += 1
elif kind == "reset":
    bytes_of_hello = hello()
    for index in range(count):
        tcp = connect()
        tcp.sendall(bytes_of_hello[: random.randrange(len(bytes_of_hello) + 1)])
        if index % 3 == 0:
            time.sleep(0.002)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        tcp.close()
        closed += 1
elif kind in ("stall", "trickle"):
    bytes_of_hello = hello()
    began = time.time()
    waiting = {}
    for index in range(count):
        tcp = connect()
        tcp.sendall(bytes_of_hello[: 0 if index % 4 == 0 else random.randrange(1, len(bytes_of_hello) - 100)])
        tcp.setblocking(False)
        waiting[tcp.fileno()] = tcp
    while waiting and time.time() - began < limit:
        readable, _, _ = select.select(list(waiting), [], [], 0.2)
        for number in readable:
            try:
                ended = not waiting[number].recv(4096)
            except OSError:
                ended = True
            if ended:
                closed += 1
                slowest = max(slowest, time.time() - began)
                waiting.pop(number).close()
        if kind == "trickle":
            for number, tcp in list(waiting.items()):
                try:
                    tcp.send(b"\0")
                except OSError:
                    pass
answer({"closed": closed, "slowest": slowest})
