"""HTTP/2 by the frame, for what a well-behaved client never sends (RFC 9113 section 4.1). Used by the scripts beside it;
needs Debian's python3-hpack."""

import json
import os
import socket
import ssl
import struct
import time

import hpack

CA = os.path.join(os.path.dirname(__file__), "../../../certs/ca.pem")
PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

DATA, HEADERS, PRIORITY, RST_STREAM, SETTINGS, PUSH_PROMISE, PING, GOAWAY, WINDOW_UPDATE, CONTINUATION = range(10)
END_STREAM = ACK = 1
END_HEADERS = 4

# Settings (RFC 9113 section 6.5.2).
INITIAL_WINDOW_SIZE = 4


def connect(port, secure, timeout=20):
    tcp = socket.create_connection(("127.0.0.1", port), timeout=timeout)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return tcp
    made = ssl.create_default_context(cafile=CA)
    made.set_alpn_protocols(["h2"])
    tls = made.wrap_socket(tcp, server_hostname="localhost", suppress_ragged_eofs=True)
    assert tls.selected_alpn_protocol() == "h2", tls.selected_alpn_protocol()
    return tls


def frame(kind, flags, stream, payload=b""):
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def settings(values):
    return frame(SETTINGS, 0, 0, b"".join(struct.pack(">HI", key, value) for key, value in values.items()))


def window_update(stream, increment):
    return frame(WINDOW_UPDATE, 0, stream, struct.pack(">I", increment))


def reset(stream, code=8):
    return frame(RST_STREAM, 0, stream, struct.pack(">I", code))


class Ended(Exception):
    """The server has closed the connection."""


class Frames:
    """One connection. Nothing is sent that was not asked for, but SETTINGS' acknowledgement."""

    def __init__(self, port, secure, values=None, timeout=20):
        self.socket = connect(port, secure, timeout)
        self.encoder = hpack.Encoder()
        self.decoder = hpack.Decoder()
        self.buffer = b""
        self.next_stream = 1
        # What has come: the code of each GOAWAY with its last stream, reset streams, answers by stream.
        self.goaways = []
        self.resets = {}
        self.answers = {}
        self.settings = {}
        self.connection_window = 65535
        self.credit = {}
        self.pings = []
        self.ended = False
        self.send(PREFACE + settings(values or {}))

    def send(self, data):
        self.socket.sendall(data)

    def head(self, path, method="GET", extra=()):
        return self.encoder.encode(
            [(":method", method), (":scheme", "https"), (":path", path), (":authority", "localhost"), *extra]
        )

    def request(self, path, method="GET", end=True, extra=()):
        """Sends a request's head and returns its stream."""
        stream = self.next_stream
        self.next_stream += 2
        self.send(frame(HEADERS, END_HEADERS | (END_STREAM if end else 0), stream, self.head(path, method, extra)))
        return stream

    def step(self):
        """Reads one frame and notes what it says."""
        while len(self.buffer) < 9 or len(self.buffer) < 9 + int.from_bytes(self.buffer[:3], "big"):
            try:
                chunk = self.socket.recv(65536)
            except (ConnectionResetError, ssl.SSLEOFError):
                chunk = b""
            if not chunk:
                self.ended = True
                raise Ended()
            self.buffer += chunk
        length = int.from_bytes(self.buffer[:3], "big")
        kind, flags, stream = struct.unpack(">BBI", self.buffer[3:9])
        payload, self.buffer = self.buffer[9 : 9 + length], self.buffer[9 + length :]
        answer = self.answers.setdefault(stream, {"head": {}, "body": b"", "ended": False}) if stream else None
        if kind == SETTINGS and not flags & ACK:
            for offset in range(0, length, 6):
                key, value = struct.unpack(">HI", payload[offset : offset + 6])
                self.settings[key] = value
            self.send(frame(SETTINGS, ACK, 0))
        elif kind == WINDOW_UPDATE and stream == 0:
            self.connection_window += int.from_bytes(payload, "big")
        elif kind == WINDOW_UPDATE:
            self.credit[stream] = self.credit.get(stream, 0) + int.from_bytes(payload, "big")
        elif kind == PING and not flags & ACK:
            self.pings.append(payload)
        elif kind == GOAWAY:
            last, code = struct.unpack(">II", payload[:8])
            self.goaways.append({"last": last, "code": code})
        elif kind == RST_STREAM:
            self.resets[stream] = int.from_bytes(payload, "big")
        elif kind == HEADERS:
            answer["head"].update(dict(self.decoder.decode(payload)))
            answer["ended"] |= bool(flags & END_STREAM)
        elif kind == DATA:
            answer["body"] += payload
            answer["ended"] |= bool(flags & END_STREAM)
        return kind, flags, stream, payload

    def until(self, done):
        """Reads until `done()`; False if the connection ended before."""
        try:
            while not done():
                self.step()
            return True
        except Ended:
            return False

    def until_end(self):
        self.until(lambda: False)

    def is_over(self, stream):
        return stream in self.resets or self.answers.get(stream, {}).get("ended", False)

    def get(self, path):
        """The whole answer to a request: status and body."""
        stream = self.request(path)
        self.until(lambda: self.is_over(stream))
        answer = self.answers.get(stream, {"head": {}, "body": b""})
        return answer["head"].get(":status"), answer["body"]


def resident(pid):
    """VmRSS of a process in KiB."""
    with open(f"/proc/{pid}/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


def worker_of(port, secure):
    """The pid of the worker that serves this address."""
    client = Frames(port, secure)
    _, body = client.get("/whoami")
    client.socket.close()
    return int(dict(part.split("=", 1) for part in body.decode().split())["pid"])


def answer(result):
    print(json.dumps(result))
