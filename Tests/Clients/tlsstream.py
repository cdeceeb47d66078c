"""TLS byte by byte over Python's ssl, for what ready-made clients hide: half-closed connections, unclean ends, source
addresses, and bytes that are held back, cut or changed. What the clients of several test targets share."""

import socket
import ssl
import struct


class Truncated(Exception):
    """The TCP stream ended without close_notify."""


def restrict(made, version=None, alpn=("http/1.1",)):
    """Lets a context speak one version only, and offer these protocols."""
    if version == "1.2":
        made.maximum_version = ssl.TLSVersion.TLSv1_2
    elif version == "1.3":
        made.minimum_version = ssl.TLSVersion.TLSv1_3
    if alpn:
        made.set_alpn_protocols(list(alpn))
    return made


def connect(port, source="127.0.0.1", timeout=20, receive_buffer=None):
    tcp = socket.socket()
    if receive_buffer:
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
    tcp.bind((source, 0))
    tcp.settimeout(timeout)
    tcp.connect(("127.0.0.1", port))
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return tcp


def source(index):
    """Distinct loopback addresses: 127.0.0.1, 127.0.0.2 …"""
    return f"127.0.{index // 250}.{index % 250 + 1}"


class Stream:
    """One connection, over TLS or (without a context) in the clear. `first` sends the ClientHello in its own way:
    first(tcp, bytes). `source` is the address to come from."""

    def __init__(self, port, name, made, session=None, first=None, handshake=True, **socket_options):
        self.tcp = connect(port, **socket_options)
        self.tls = None
        self.first = first
        if made:
            self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
            self.tls = made.wrap_bio(self.incoming, self.outgoing, server_hostname=name, session=session)
            if handshake:
                self.handshake()

    def handshake(self):
        try:
            self.pump(self.tls.do_handshake)
        except BaseException:
            self.tcp.close()
            raise

    def pump(self, step):
        """Repeats `step`, carrying bytes both ways, until it has what it wants."""
        while True:
            try:
                result = step()
                self.flush()
                return result
            except ssl.SSLWantReadError:
                self.flush()
                chunk = self.tcp.recv(65536)
                if not chunk:
                    raise Truncated()
                self.incoming.write(chunk)
            except ssl.SSLError:
                # The alert that says why.
                try:
                    self.flush()
                except OSError:
                    pass
                raise

    def flush(self):
        data = self.outgoing.read()
        if data and self.first:
            first, self.first = self.first, None
            first(self.tcp, data)
        elif data:
            self.tcp.sendall(data)

    def send(self, data):
        if isinstance(data, str):
            data = data.encode()
        if self.tls is None:
            return self.tcp.sendall(data)
        self.pump(lambda: self.tls.write(data))

    def receive(self, count=65536):
        """Plaintext; empty at close_notify, or at the end of a plain stream. Raises Truncated at a bare end."""
        if self.tls is None:
            return self.tcp.recv(count)
        try:
            return self.pump(lambda: self.tls.read(count))
        except (ssl.SSLZeroReturnError, ssl.SSLEOFError):
            return b""

    def close_notify(self):
        """Ends our direction of TLS and keeps reading."""
        try:
            self.tls.unwrap()
        except (ssl.SSLWantReadError, ssl.SSLSyscallError):
            pass
        self.flush()

    def fin(self):
        """Ends our direction of TCP and keeps reading."""
        self.tcp.shutdown(socket.SHUT_WR)

    def reset(self):
        self.tcp.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.tcp.close()

    def close(self):
        self.tcp.close()
