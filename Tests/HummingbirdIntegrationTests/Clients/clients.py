"""clients.py PORT SCHEME gone PATH FILE: sends a request on a connection that has had two others, waits until FILE exists and
closes the connection. Prints {"answers": N}.

clients.py PORT SCHEME slow PATH SECONDS: asks for PATH, reads nothing for that long and then all of it. Prints {"before": KiB of
the worker's memory, "during": KiB at its highest while nothing was read, "length": bytes of the body}."""

import json
import os
import re
import socket
import ssl
import sys
import time

port, is_secure, mode, path = int(sys.argv[1]), sys.argv[2] == "https", sys.argv[3], sys.argv[4]


def connect():
    connection = socket.create_connection(("127.0.0.1", port), timeout=30)
    if not is_secure:
        return connection
    context = ssl.create_default_context(cafile="certs/ca.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(connection, server_hostname="localhost", suppress_ragged_eofs=False)


def send(connection, path):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())


def answer(connection):
    """The whole body's length and its beginning."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = connection.recv(65536)
        if not piece:
            raise EOFError(data)
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = int(re.search(rb"content-length: (\d+)", head, re.I)[1])
    start, count = body[:1000], len(body)
    while count < length:
        piece = connection.recv(1 << 18)
        if not piece:
            break
        count += len(piece)
    return count, start


def memory(pid):
    return int(re.search(r"VmRSS:\s+(\d+)", open(f"/proc/{pid}/status").read())[1])


connection = connect()
if mode == "gone":
    answers = 0
    for _ in range(2):
        send(connection, "/hello")
        answer(connection)
        answers += 1
    send(connection, path)
    end = time.monotonic() + 30
    while not os.path.exists(sys.argv[5]) and time.monotonic() < end:
        time.sleep(0.02)
    connection.close()
    print(json.dumps({"answers": answers}))
else:
    send(connection, "/whoami")
    pid = int(re.search(rb"pid=(\d+)", answer(connection)[1])[1])
    before = during = memory(pid)
    send(connection, path)
    end = time.monotonic() + float(sys.argv[5])
    while time.monotonic() < end:
        time.sleep(0.05)
        during = max(during, memory(pid))
    print(json.dumps({"before": before, "during": during, "length": answer(connection)[0]}))
