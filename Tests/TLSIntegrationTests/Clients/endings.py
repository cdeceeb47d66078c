"""endings.py PORT WHAT: ends of connections of all kinds.

slow: a big answer and the end, to a slow reader (T25, R9); half-close: we end our direction and still read (T26);
truncation: uploads that end well or are cut (T27); leave: we go while the server writes (T28)."""

import sys
import time

from tls import *

port, what = int(sys.argv[1]), sys.argv[2]
SIZE = 2 << 20


def collect(connection, slow=False):
    data = bytearray()
    while True:
        try:
            chunk = connection.receive(65536)
        except (Truncated, OSError):
            return bytes(data), "truncated"
        if not chunk:
            return bytes(data), "close_notify"
        data += chunk
        if slow:
            time.sleep(0.0005)


def slow():
    result = []
    for version in ("1.2", "1.3"):
        for how in ("plain", "unread", "fin", "close_notify", "both"):
            whole = clean = ends = 0
            for _ in range(3):
                connection = Connection(port, made=context(version), receive_buffer=32768)
                connection.send(f"bigclose {SIZE}\n")
                if how == "unread":
                    # Bytes that the server will never read must not turn its end into a reset.
                    connection.send(b"who\n" * 2000)
                if how in ("close_notify", "both"):
                    connection.close_notify()
                if how in ("fin", "both"):
                    connection.fin()
                data, end = collect(connection, slow=True)
                whole += data == pattern(SIZE)
                clean += end == "close_notify"
                # After close_notify comes the end of TCP, and no reset.
                try:
                    ends += connection.tcp.recv(100) == b""
                except OSError:
                    pass
                connection.close()
            result.append({"how": f"{version} {how}", "whole": whole, "clean": clean, "ends": ends})
    return {"ways": result, "tries": 3}


def half_close():
    result = []
    for version in ("1.2", "1.3"):
        for how in ("close_notify", "fin", "both"):
            connection = Connection(port, made=context(version))
            connection.send("upload\n")
            connection.send(pattern(100_000))
            if how != "fin":
                connection.close_notify()
            if how != "close_notify":
                connection.fin()
            data, end = collect(connection)
            result.append({"how": f"{version} {how}", "answer": data.decode().strip(), "end": end})
            connection.close()
    return {"ways": result}


def truncation():
    result = {}
    for version in ("1.2", "1.3"):
        connection = Connection(port, made=context(version))
        connection.send("upload\n")
        connection.send(pattern(5000))
        # Half a record, and the end: whoever cuts in the middle of one is found out too.
        connection.tls.write(pattern(3000))
        connection.tcp.sendall(connection.outgoing.read()[:500])
        connection.fin()
        data, end = collect(connection)
        result[version] = data.decode().strip()
        connection.close()
    return result


def leave():
    for version in ("1.2", "1.3"):
        for how in range(60):
            connection = Connection(port, made=context(version), receive_buffer=4096)
            connection.send(f"big {SIZE}\n")
            if how % 2:
                connection.receive(1000)
            if how % 4 == 0:
                connection.close_notify()
            if how % 3 == 0:
                connection.reset()
            else:
                connection.close()
    return {"left": 120}


tell(globals()[what.replace("-", "_")]())
