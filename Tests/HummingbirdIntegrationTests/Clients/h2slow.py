"""h2slow.py PORT http|https WHAT [ARGUMENT...]: clients that are slow, silent or gone, and what becomes of them.

memory BYTES SECONDS; zero-window; slow-reader BYTES; stalled-upload; silent; trickle; late PID; deaf PID;
limit; wrong KIND."""

import os
import select
import signal
import sys
import time

from h2frames import (
    ACK,
    DATA,
    END_HEADERS,
    END_STREAM,
    HEADERS,
    INITIAL_WINDOW_SIZE,
    PING,
    Frames,
    answer,
    frame,
    resident,
    window_update,
    worker_of,
)

port, secure, what, arguments = int(sys.argv[1]), sys.argv[2] == "https", sys.argv[3], sys.argv[4:]


def told(client, *streams):
    return [
        {
            "status": client.answers.get(stream, {"head": {}})["head"].get(":status"),
            "length": len(client.answers.get(stream, {"body": b""})["body"]),
            "ended": client.answers.get(stream, {"ended": False})["ended"],
            "reset": client.resets.get(stream),
        }
        for stream in streams
    ]


def memory(count, pause):
    """Windows as large as can be, so that only the server holds back; nothing is read for a while, then all of it."""
    pid = worker_of(port, secure)
    client = Frames(port, secure, {INITIAL_WINDOW_SIZE: 2**31 - 1})
    client.send(window_update(0, 2**31 - 1 - 65535))
    client.get("/bytes/2000000")
    before = resident(pid)
    client.request(f"/bytes/{count}")
    highest = before
    until = time.time() + pause
    while time.time() < until:
        time.sleep(0.1)
        highest = max(highest, resident(pid))
    received, skip, head, room, sampled = 0, 0, b"", bytearray(1 << 20), 0
    while True:
        length = client.socket.recv_into(room)
        if not length:
            break
        view, position, over = memoryview(room)[:length], 0, False
        while position < length:
            if skip:
                step = min(skip, length - position)
                skip, position = skip - step, position + step
                continue
            need = min(9 - len(head), length - position)
            head, position = head + bytes(view[position : position + need]), position + need
            if len(head) == 9:
                skip = int.from_bytes(head[:3], "big")
                if head[3] == DATA:
                    received += skip
                    over |= bool(head[4] & END_STREAM)
                head = b""
        if received - sampled > 8 << 20:
            sampled, highest = received, max(highest, resident(pid))
        if over and received >= count:
            break
    return {"received": received, "before": before, "highest": max(highest, resident(pid))}


def zero_window():
    """Asks and takes nothing, on one connection with a stream that needs no window."""
    client = Frames(port, secure, {INITIAL_WINDOW_SIZE: 0})
    large, small, chunked = client.request("/bytes/1000000"), client.request("/hello"), client.request("/chunked/1000")
    client.until(lambda: all(stream in client.resets for stream in (large, small, chunked)))
    status, _ = client.get("/no-content")
    return {"streams": told(client, large, small, chunked), "after": status, "goaways": client.goaways}


def slow_reader(count):
    """Takes a tenth of the answer at a time, and rests between."""
    client = Frames(port, secure, {INITIAL_WINDOW_SIZE: count // 10})
    client.send(window_update(0, count))
    stream = client.request(f"/buffer/{count}")
    taken = 0
    while not client.is_over(stream) and not client.ended:
        length = len(client.answers.get(stream, {"body": b""})["body"])
        if length - taken >= count // 10:
            taken += count // 10
            time.sleep(0.4)
            client.send(window_update(stream, count // 10))
        client.until(lambda: client.is_over(stream) or len(client.answers.get(stream, {"body": b""})["body"]) > length)
    return {"streams": told(client, stream), "goaways": client.goaways}


def stalled_upload():
    """Promises a body and stops in the middle of it."""
    client = Frames(port, secure)
    client.get("/hello")
    stalled = client.request("/count", "POST", end=False, extra=[("content-length", "100")])
    client.send(frame(DATA, 0, stalled, bytes(10)))
    client.until(lambda: client.is_over(stalled))
    status, _ = client.get("/hello")
    client.until(lambda: stalled in client.resets)
    return {"streams": told(client, stalled), "after": status, "goaways": client.goaways}


def silent():
    """The preface and nothing more; PING does not count as a request."""
    client = Frames(port, secure)
    began = time.time()
    try:
        while not client.ended:
            if select.select([client.socket], [], [], 0.2)[0]:
                client.step()
            else:
                client.send(frame(PING, 0, 0, b"are you?"))
    except Exception:  # The server has closed: that is what is waited for.
        client.ended = True
    return {"goaways": client.goaways, "seconds": time.time() - began}


def trickle():
    """A request head of which one byte comes at a time."""
    client = Frames(port, secure)
    client.until(lambda: client.settings)
    data = frame(HEADERS, END_HEADERS | END_STREAM, 1, client.head("/hello", extra=[("x-long", "a" * 2000)]))
    began = time.time()
    try:
        for byte in data:
            client.send(bytes([byte]))
            while select.select([client.socket], [], [], 0.1)[0]:
                client.step()
    except Exception:  # As above.
        pass
    return {"goaways": client.goaways, "seconds": time.time() - began}


def late(pid):
    """Between the first GOAWAY and its PING's answer requests are welcome; after the second they are not."""
    client = Frames(port, secure)
    client.get("/hello")
    slow = client.request("/slow/500")
    os.kill(pid, signal.SIGTERM)
    client.until(lambda: client.pings)
    welcome = client.request("/hello")
    client.until(lambda: client.is_over(welcome))
    client.send(frame(PING, ACK, 0, client.pings[0]))
    client.until(lambda: len(client.goaways) == 2)
    refused = client.request("/hello")
    client.until_end()
    return {"streams": told(client, slow, welcome, refused), "goaways": client.goaways, "lastServed": welcome}


def deaf(pid):
    """Never answers the PING."""
    client = Frames(port, secure)
    client.get("/hello")
    slow = client.request("/slow/1500")
    os.kill(pid, signal.SIGTERM)
    client.until_end()
    return {"streams": told(client, slow), "goaways": client.goaways}


def limit():
    """Asks until it is told to go."""
    client = Frames(port, secure)
    streams = []
    while not client.goaways and len(streams) < 20:
        streams.append(client.request("/hello"))
        client.until(lambda: client.is_over(streams[-1]))
    if client.pings:
        client.send(frame(PING, ACK, 0, client.pings[0]))
    client.until_end()
    return {"streams": told(client, *streams), "goaways": client.goaways}


def wrong(kind):
    """One request that is malformed (RFC 9113 section 8.1.1), with an answer to another one under way."""
    client = Frames(port, secure)
    client.get("/hello")
    slow = client.request("/slow/500")
    bad = client.next_stream
    if kind == "length":
        client.request("/count", "POST", end=False, extra=[("content-length", "5")])
        client.send(frame(DATA, END_STREAM, bad, b"more than five"))
    elif kind == "uppercase":
        client.request("/hello", extra=[("X-Upper", "1")])
    elif kind == "connection":
        client.request("/hello", extra=[("connection", "close")])
    elif kind == "no-path":
        client.next_stream += 2
        fields = [(":method", "GET"), (":scheme", "https"), (":authority", "localhost")]
        client.send(frame(HEADERS, END_HEADERS | END_STREAM, bad, client.encoder.encode(fields)))
    elif kind == "window":
        client.request("/slow/600")
        client.send(window_update(bad, 0))
    elif kind == "target":
        client.request("no slash")
    client.until(lambda: client.is_over(slow) and client.is_over(bad))
    status, _ = client.get("/hello") if not client.ended else (None, None)
    return {"streams": told(client, slow, bad), "after": status, "goaways": client.goaways}


scenarios = {
    "memory": lambda: memory(int(arguments[0]), float(arguments[1])),
    "zero-window": zero_window,
    "slow-reader": lambda: slow_reader(int(arguments[0])),
    "stalled-upload": stalled_upload,
    "silent": silent,
    "trickle": trickle,
    "late": lambda: late(int(arguments[0])),
    "deaf": lambda: deaf(int(arguments[0])),
    "limit": limit,
    "wrong": lambda: wrong(arguments[0]),
}
began = time.time()
result = scenarios[what]()
answer({"seconds": time.time() - began, **result})
