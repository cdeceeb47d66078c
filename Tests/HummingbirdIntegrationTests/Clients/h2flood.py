"""h2flood.py PORT http|https KIND COUNT [leave]: floods a connection with frames, while another client is served.

Told: the code of GOAWAY, how many were sent, and how the other client fared. With `leave` the client asks once more and
goes by itself."""

import select
import ssl
import struct
import sys
import threading
import time

import hpack

from h2frames import (
    CONTINUATION,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    PING,
    PRIORITY,
    Ended,
    Frames,
    answer,
    frame,
    reset,
    resident,
    settings,
    window_update,
    worker_of,
)

port, secure, kind, count = int(sys.argv[1]), sys.argv[2] == "https", sys.argv[3], int(sys.argv[4])


class Other(threading.Thread):
    """A client that minds its own business."""

    def __init__(self):
        super().__init__()
        self.client = Frames(port, secure)
        self.client.get("/hello")
        self.served, self.failed, self.slowest, self.stop = 0, 0, 0.0, False

    def run(self):
        while not self.stop or self.served == 0:
            began = time.time()
            try:
                right = self.client.get("/hello") == ("200", b"Hello, world!\n")
            except OSError:
                right = False
            self.slowest = max(self.slowest, time.time() - began)
            self.served += right
            self.failed += not right
            if not right:
                return
            time.sleep(0.01)


def pieces(client):
    """The frames of the flood, one at a time."""
    # What the encoder has not sent must not be in its table: one head, sent again and again.
    if kind in ("empty-data", "continuation"):
        flags = END_HEADERS if kind == "empty-data" else 0
        yield frame(HEADERS, flags, 1, client.head("/count", "POST"))
    if kind in ("reset", "stream-errors"):
        head = hpack.Encoder().encode(
            [(":method", "GET"), (":scheme", "https"), (":path", "/slow/20"), (":authority", "localhost")], huffman=False
        )
    for index in range(count):
        stream = 2 * index + 1
        if kind == "reset":
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream, head) + reset(stream)
        elif kind == "stream-errors":
            # The server resets the stream itself, so the client's resets do not count (CVE-2025-8671).
            yield frame(HEADERS, END_HEADERS | END_STREAM, stream, head) + window_update(stream, 0)
        elif kind == "continuation":
            yield frame(CONTINUATION, 0, 1, client.encoder.encode([(f"x-{index}", "value")]))
        elif kind == "settings":
            yield settings({})
        elif kind == "ping":
            yield frame(PING, 0, 0, struct.pack(">Q", index))
        elif kind == "priority":
            yield frame(PRIORITY, 0, 2 * index + 3, struct.pack(">IB", 0, 1))
        elif kind == "empty-data":
            yield frame(DATA, 0, 1)
        elif kind == "header-list":
            # 4 KiB a field, on one HEADERS and as many CONTINUATION frames as may come.
            fields = [(f"x-{name}", "a" * 4000) for name in range(count)]
            block = client.encoder.encode([*[(":method", "GET"), (":path", "/headers"), (":scheme", "https")], *fields])
            yield frame(HEADERS, 0, 1, block[:16384])
            rest = block[16384:]
            while rest:
                piece, rest = rest[:16384], rest[16384:]
                yield frame(CONTINUATION, 0 if rest else END_HEADERS, 1, piece)
            return
        elif kind == "header-bomb":
            # One large field in the decoder's table, and then a byte for each time that it is named (a "HPACK bomb").
            pseudo = [(":method", "GET"), (":path", "/headers"), (":scheme", "https")]
            block = client.encoder.encode(pseudo + [("x-bomb", "a" * 4000)] * count)
            yield frame(HEADERS, END_HEADERS | END_STREAM, 1, block)
            return


pid = worker_of(port, secure)
before = resident(pid)
other = Other()
other.start()
client = Frames(port, secure)
client.get("/hello") if kind in ("ping", "settings", "priority") else None
sent = 0
try:
    client.until(lambda: client.settings)
    batch = []
    for piece in pieces(client):
        batch.append(piece)
        if len(batch) == 20:
            client.send(b"".join(batch))
            sent += len(batch)
            batch = []
            while select.select([client.socket], [], [], 0)[0] or (secure and client.socket.pending()):
                client.step()
    client.send(b"".join(batch))
    sent += len(batch)
except (Ended, BrokenPipeError, ConnectionResetError, ssl.SSLError):
    pass
try:
    if "leave" in sys.argv:
        client.next_stream = 2 * count + 1
        client.get("/hello")
    else:
        client.until_end()
    ended = client.ended
except TimeoutError:
    ended = False
other.stop = True
other.join()
answer(
    {
        "goaways": client.goaways,
        "resets": len(client.resets),
        "sent": sent,
        "ended": ended,
        "otherServed": other.served,
        "otherFailed": other.failed,
        "otherSlowest": other.slowest,
        "growth": resident(pid) - before,
    }
)
