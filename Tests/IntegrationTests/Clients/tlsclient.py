"""A TLS client that works byte by byte, for what ready-made clients hide: half-closed connections, unclean ends,
source addresses. Used by the scripts beside it."""

import json
import os
import socket
import ssl

CA = os.path.join(os.path.dirname(__file__), "../../../certs/ca.pem")


def context(version=None, alpn=("http/1.1",)):
    made = ssl.create_default_context(cafile=CA)
    if version == "1.2":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    elif version == "1.3":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


class Truncated(Exception):
    """The TCP stream ended without close_notify."""


class Connection:
    """One connection. `source` is the address to come from."""

    def __init__(self, port, source="127.0.0.1", made=None, timeout=30, session=None, plain=False, receive_buffer=None):
        self.tcp = socket.socket()
        if receive_buffer:
            self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
        self.tcp.bind((source, 0))
        self.tcp.settimeout(timeout)
        self.tcp.connect(("127.0.0.1", port))
        self.tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.tls = None
        if not plain:
            self.incoming = ssl.MemoryBIO()
            self.outgoing = ssl.MemoryBIO()
            self.tls = (made or context()).wrap_bio(
                self.incoming, self.outgoing, server_hostname="localhost", session=session
            )
            self._pump(self.tls.do_handshake)

    def _pump(self, step):
        """Repeats `step`, carrying bytes both ways, until it has what it wants."""
        while True:
            try:
                result = step()
                self._send_pending()
                return result
            except ssl.SSLWantReadError:
                self._send_pending()
                chunk = self.tcp.recv(65536)
                if not chunk:
                    raise Truncated()
                self.incoming.write(chunk)

    def _send_pending(self):
        data = self.outgoing.read()
        if data:
            self.tcp.sendall(data)

    def send(self, data):
        if self.tls is None:
            return self.tcp.sendall(data)
        self._pump(lambda: self.tls.write(data))

    def receive(self, count=65536):
        """Plaintext; empty at close_notify, or at the end of a plain stream. Raises Truncated at a bare FIN."""
        if self.tls is None:
            return self.tcp.recv(count)
        try:
            return self._pump(lambda: self.tls.read(count))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def close_notify(self):
        """Ends our direction of TLS and keeps reading."""
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        self._send_pending()

    def fin(self):
        """Ends our direction of TCP and keeps reading."""
        self.tcp.shutdown(socket.SHUT_WR)

    def close(self):
        self.tcp.close()

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


def source(index):
    """Distinct loopback addresses: 127.0.0.1, 127.0.0.2 …"""
    return f"127.0.{index // 250}.{index % 250 + 1}"


def answer(result):
    print(json.dumps(result))
