"""Connections one after the other, with requests one after the other: PORT http|https CONNECTIONS REQUESTS.

What the server finds when it wakes up must not depend on the machine: the first request leaves together with the end of
the handshake."""

import json
import socket
import ssl
import sys

REQUEST = b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n"
context = ssl.create_default_context(cafile="certs/ca.pem")


class Plain:
    def __init__(self, port):
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, data):
        self.socket.sendall(data)

    def receive(self):
        return self.socket.recv(65536)


class TLS(Plain):
    def __init__(self, port):
        super().__init__(port)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname="localhost")
        self.during(self.tls.do_handshake)

    def during(self, step, *arguments):
        """Repeats a step until it has received what it needs."""
        while True:
            try:
                return step(*arguments)
            except ssl.SSLWantReadError:
                super().send(self.outgoing.read())
                piece = super().receive()
                if not piece:
                    sys.exit("the connection ended early")
                self.incoming.write(piece)

    def send(self, data):
        self.tls.write(data)
        super().send(self.outgoing.read())

    def receive(self):
        return self.during(self.tls.read, 65536)


def main():
    port, kind, connections, requests = int(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
    answered = 0
    for _ in range(connections):
        client = (TLS if kind == "https" else Plain)(port)
        for _ in range(requests):
            client.send(REQUEST)
            answer = b""
            while not answer.endswith(b"Hello, world!\n"):
                piece = client.receive()
                if not piece:
                    sys.exit("the connection ended early")
                answer += piece
            answered += 1
        client.socket.close()
    print(json.dumps({"answered": answered}))


main()
