"""nagle.py PORT COUNT: connections of a client that leaves Nagle's algorithm on, one after the other. Tells the fastest, from
connect to the whole answer, in seconds."""

import socket
import sys
import time

from tlsclient import answer, context

port, count = int(sys.argv[1]), int(sys.argv[2])
made = context("1.3")
times = []
for _ in range(count):
    began = time.perf_counter()
    tcp = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection = made.wrap_socket(tcp, server_hostname="localhost")
    connection.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
    assert connection.recv(4096).startswith(b"HTTP/1.1 200")
    times.append(time.perf_counter() - began)
    connection.close()
answer({"fastest": min(times)})
