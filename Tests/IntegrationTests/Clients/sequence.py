"""Connections one after the other, with requests one after the other: PORT http|https CONNECTIONS REQUESTS."""

import json
import socket
import ssl
import sys

port, scheme, connections, requests = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
context = ssl.create_default_context(cafile="certs/ca.pem")
answered = 0
for _ in range(connections):
    client = socket.create_connection(("127.0.0.1", port))
    client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if scheme == "https":
        client = context.wrap_socket(client, server_hostname="localhost")
    for _ in range(requests):
        client.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = b""
        while not answer.endswith(b"Hello, world!\n"):
            piece = client.recv(65536)
            if not piece:
                sys.exit("the connection ended early")
            answer += piece
        answered += 1
    client.close()
print(json.dumps({"answered": answered}))
