"""answers.py PORT TRIES: whether answers of 4 MiB arrive whole, however the client ends its own direction."""

import sys
import time

from tlsclient import Connection, Truncated, answer, context

SIZE = 4 << 20
port, tries = int(sys.argv[1]), int(sys.argv[2])
made = context("1.3")
result = {}


def body_of(connection, slow):
    data = b""
    ended_cleanly = False
    while True:
        try:
            chunk = connection.receive(262144)
        except Truncated:
            break
        except OSError:
            break
        if not chunk:
            ended_cleanly = True
            break
        data += chunk
        if slow:
            time.sleep(0.001)
    return data, ended_cleanly


for how in ("none", "close_notify", "fin", "both", "slow", "pipelined"):
    whole = clean = 0
    for _ in range(tries):
        connection = Connection(port, made=made, receive_buffer=65536 if how == "slow" else None)
        connection.send(f"GET /bytes/{SIZE} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
        if how == "pipelined":
            # Bytes that the server will never read must not turn its close into a reset.
            connection.send(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n" * 50)
        if how in ("close_notify", "both"):
            connection.close_notify()
        if how in ("fin", "both"):
            connection.fin()
        data, ended_cleanly = body_of(connection, how == "slow")
        body = data.split(b"\r\n\r\n", 1)[1] if b"\r\n\r\n" in data else b""
        whole += len(body) == SIZE
        clean += ended_cleanly
        connection.close()
    result[how] = {"whole": whole, "closeNotify": clean}
answer({"tries": tries, "ways": result})
