"""Connections to the demo server, in HTTP. Used by the scripts beside it."""

import json
import os
import ssl
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Clients"))

from tlsstream import Stream, Truncated, restrict, source

CA = os.path.join(os.path.dirname(__file__), "../../../certs/ca.pem")


def context(version=None, alpn=("http/1.1",)):
    return restrict(ssl.create_default_context(cafile=CA), version, alpn)


class Connection(Stream):
    """One connection. `plain` speaks without TLS."""

    def __init__(self, port, source="127.0.0.1", made=None, timeout=30, plain=False, **options):
        made = None if plain else made or context()
        super().__init__(port, "localhost", made, source=source, timeout=timeout, **options)

    def read_response(self):
        """Head (as text) and body of one answer with a Content-Length."""
        data = b""
        while b"\r\n\r\n" not in data:
            chunk = self.receive()
            if not chunk:
                raise Truncated()
            data += chunk
        head, body = data.split(b"\r\n\r\n", 1)
        text = head.decode()
        length = next(int(line.split(":")[1]) for line in text.split("\r\n") if line.lower().startswith("content-length:"))
        while len(body) < length:
            chunk = self.receive()
            if not chunk:
                raise Truncated()
            body += chunk
        return text, body

    def get(self, path, extra=""):
        self.send(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n{extra}\r\n".encode())
        return self.read_response()


def slot(head):
    return next(int(line.split(":")[1]) for line in head.split("\r\n") if line.lower().startswith("x-sticky-slot:"))


def answer(result):
    print(json.dumps(result))
