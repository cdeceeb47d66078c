"""abuse.py PORT WHAT [ARGUMENT...]: clients that no server likes, and what others notice of them.

queue: failures beside a slow connection (T8); slow-readers: answers through tiny windows (T9); idle PID: half a handshake
(T10); deaf PID: asks for new keys and never reads (T11); send-and-close COUNT (T12); renegotiate (T19); updates PID: a flood of new keys (T20);
stalled COUNT SECONDS: silent, trickling and stuck clients beside a healthy one (T31, S1)."""

import os
import random
import select
import sys
import threading
import time

from tls import *

port, what, rest = int(sys.argv[1]), sys.argv[2], sys.argv[3:]
random.seed(5)


def queue():
    failures = 0
    whole = hello()

    def fail(kind):
        tcp = connect(port)
        try:
            if kind == 0:
                tcp.sendall(b"GET / HTTP/1.1\r\n\r\n")
            elif kind == 1:
                tcp.sendall(records(raw_hello(ciphers=[0x0005])))
            elif kind == 2:
                tcp.sendall(records(b"\1\0\0\4abcd"))
            else:
                tcp.sendall(whole)
                tcp.recv(100)
                tcp.sendall(random.randbytes(200))
            read_answer(tcp, until=("alert", "end"))
        except OSError:
            pass
        tcp.close()

    def first(tcp, data):
        nonlocal failures
        for index in range(0, len(data), 13):
            tcp.sendall(data[index : index + 13])
            fail(failures % 4)
            failures += 1

    good = 0
    for version in ("1.2", "1.3"):
        connection = Connection(port, made=context(version), first=first)
        for index in range(20):
            fail(index % 4)
            failures += 1
            connection.send("echo 2000\n")
            fail(index % 3)
            failures += 1
            connection.send(pattern(2000))
            good += connection.exactly(2000) == pattern(2000)
        connection.close()
    return {"failures": failures, "good": good}


def slow_readers():
    size = 300_000
    whole = clean = 0
    for version in ("1.2", "1.3"):
        for _ in range(3):
            connection = Connection(port, made=context(version), receive_buffer=2048)
            connection.send(f"bigclose {size}\n")
            data = b""
            try:
                while True:
                    chunk = connection.receive(random.randint(1, 3000))
                    if not chunk:
                        clean += 1
                        break
                    data += chunk
            except (Truncated, OSError):
                pass
            whole += data == pattern(size)
            connection.close()
    return {"whole": whole, "clean": clean, "tries": 6}


def worker():
    """A healthy connection, and its worker's pid."""
    connection = Connection(port)
    return connection, connection.who()["pid"]


def idle():
    healthy, pid = worker()
    made = hello()
    waiting = []
    for cut in (0, 1, 3, 5, 6, 50, len(made) - 1, len(made)):
        for _ in range(5):
            tcp = connect(port)
            tcp.sendall(made[:cut])
            waiting.append(tcp)
    time.sleep(0.3)
    before = cpu(pid)
    time.sleep(2)
    used = cpu(pid) - before
    return {"waiting": len(waiting), "cpu": used}


def deaf():
    library = Library()
    tcp = connect(port, timeout=None, receive_buffer=2048)
    session = library.connect(tcp)
    healthy, pid = worker()
    library.write(session, b"big 20000000\n")
    time.sleep(0.3)
    before = cpu(pid)
    tcp.setblocking(False)
    sent = 0
    for _ in range(300):
        if library.key_update(session, asks=True) != 1 or library.write(session, b"who\n") != 4:
            break
        sent += 1
    times = []
    began = time.time()
    while time.time() - began < 2:
        at = time.time()
        healthy.who()
        times.append(time.time() - at)
        time.sleep(0.01)
    used = cpu(pid) - before
    tcp.close()
    return {"sent": sent, "cpu": used, "slowest": max(times), "healthy": len(times)}


def send_and_close():
    """TLS 1.3 tickets lie unread in our socket when we close, so the server gets a reset after our request."""
    count = int(rest[0])
    _, pid = worker()
    made = context("1.3")
    for _ in range(count):
        connection = Connection(port, made=made)
        connection.send("who\n")
        connection.close()
    return {"sent": count}


def renegotiate():
    library = Library()
    library.only_tls12()
    facts = {}
    for name in ("open.test", "vanish.test"):
        tcp = connect(port, timeout=None)
        facts[name] = library.renegotiate(library.connect(tcp, name))
        tcp.close()
    return facts


def updates():
    library = Library()
    tcp = connect(port, timeout=None)
    session = library.connect(tcp)
    healthy, pid = worker()
    before = cpu(pid)
    sent = 0
    began = time.time()
    while sent < 20_000:
        if library.key_update(session) != 1 or library.write(session, b"") < 0 or library.write(session, b"\n") != 1:
            break
        sent += 1
    seconds = time.time() - began
    used = cpu(pid) - before
    alive = healthy.who()["pid"] == pid
    return {"sent": sent, "cpu": used, "seconds": seconds, "sameWorker": alive}


def stalled():
    count, limit = int(rest[0]), float(rest[1])
    made = hello()
    began = time.time()
    waiting, trickling = {}, []
    for index in range(count):
        tcp = connect(port, source=source(index % 40))
        kind = index % 3
        if kind == 0:
            cut = 0
        elif kind == 1:
            cut = random.randrange(1, len(made) - 60)
            trickling.append([tcp, cut])
        else:
            cut = len(made)
        tcp.sendall(made[:cut])
        tcp.setblocking(False)
        waiting[tcp.fileno()] = (tcp, time.time())
    opened = time.time() - began
    times, closed, early, late, stop = [], 0, 0, 0.0, threading.Event()

    def healthy():
        while not stop.is_set():
            at = time.time()
            attempt(port)["pid"]
            times.append(time.time() - at)
            time.sleep(0.02)

    thread = threading.Thread(target=healthy)
    thread.start()
    next_byte = time.time() + 0.3
    while waiting and time.time() - began < limit + 15:
        readable, _, _ = select.select(list(waiting), [], [], 0.05)
        for number in readable:
            tcp, since = waiting[number]
            try:
                ended = not tcp.recv(65536)
            except OSError:
                ended = True
            if ended:
                closed += 1
                late = max(late, time.time() - since)
                early += time.time() - since < limit - 0.6
                tcp.close()
                del waiting[number]
        if time.time() > next_byte:
            next_byte = time.time() + 0.3
            for one in trickling:
                if one[1] < len(made) - 20 and one[0].fileno() >= 0:
                    try:
                        one[0].send(made[one[1] : one[1] + 1])
                        one[1] += 1
                    except OSError:
                        pass
    stop.set()
    thread.join()
    times.sort()
    return {
        "closed": closed, "early": early, "slowest": late, "healthy": len(times), "opened": opened,
        "median": times[len(times) // 2], "p99": times[int(len(times) * 0.99)],
    }


tell(globals()[what.replace("-", "_")]())
