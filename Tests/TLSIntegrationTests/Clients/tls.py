"""What the clients beside this file share: connections whose every byte can be held back, cut or changed; a ClientHello
writer of our own; and the few calls of libssl that Python does not offer (``Library``)."""

import ctypes
import json
import os
import random
import socket
import ssl
import struct
import sys
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "../../Clients"))

from tlsstream import *

FILES = os.environ.get("STICKY_TEST_FILES", "/nonexistent")


def file(name):
    return os.path.join(FILES, name)


def context(version=None, alpn=("http/1.1",), client=None):
    made = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    made.check_hostname = False
    made.load_verify_locations(file("roots.pem"))
    if client:
        made.load_cert_chain(file(f"{client}.pem"), file(f"{client}-key.pem"))
    return restrict(made, version, alpn)


class Connection(Stream):
    """A connection to the fixture, which answers lines."""

    def __init__(self, port, name="open.test", made=None, **options):
        self.rest = b""
        super().__init__(port, name, made or context(), **options)

    def line(self):
        while b"\n" not in self.rest:
            chunk = self.receive()
            if not chunk:
                raise Truncated()
            self.rest += chunk
        line, self.rest = self.rest.split(b"\n", 1)
        return line.decode()

    def exactly(self, count):
        while len(self.rest) < count:
            chunk = self.receive()
            if not chunk:
                break
            self.rest += chunk
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def who(self):
        self.send("who\n")
        return json.loads(self.line())


def attempt(port, **options):
    """The facts of a connection, or {"error": why it failed}: the alert's name, in OpenSSL's words."""
    try:
        connection = Connection(port, **options)
        try:
            return connection.who()
        finally:
            connection.close()
    except ssl.SSLError as error:
        return {"error": str(error.reason or error)}
    except (Truncated, OSError) as error:
        return {"error": type(error).__name__}


def sources_of_slots(port, count, **options):
    """An address for each slot, and the worker's pid."""
    found = {}
    for index in range(200):
        who = attempt(port, source=source(index), **options)
        found.setdefault(who["slot"], (source(index), who["pid"]))
        if len(found) == count:
            return found
    raise SystemExit(f"only the slots {sorted(found)} answer")


def hello(name="open.test", made=None, session=None):
    """The bytes of a ClientHello as OpenSSL writes it."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = (made or context()).wrap_bio(incoming, outgoing, server_hostname=name, session=session)
    try:
        tls.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


def message_of(record_bytes):
    """The handshake message inside records."""
    message = b""
    while record_bytes:
        length = struct.unpack(">H", record_bytes[3:5])[0]
        message += record_bytes[5 : 5 + length]
        record_bytes = record_bytes[5 + length :]
    return message


def records(message, size=16384, kind=22, version=0x0301):
    """A message as records of at most `size` bytes."""
    made = b""
    for start in range(0, len(message), size):
        piece = message[start : start + size]
        made += struct.pack(">BHH", kind, version, len(piece)) + piece
    return made


def extensions_of(hello_message):
    """{type: bytes} of a ClientHello message."""
    place = 4 + 2 + 32
    place += 1 + hello_message[place]
    place += 2 + struct.unpack(">H", hello_message[place : place + 2])[0]
    place += 1 + hello_message[place]
    place += 2
    found = {}
    while place < len(hello_message):
        kind, length = struct.unpack(">HH", hello_message[place : place + 4])
        found[kind] = hello_message[place + 4 : place + 4 + length]
        place += 4 + length
    return found


def ticket(session, made, version):
    """The ticket of a session, as it stands in the hello that resumes it: key name (16), IV (16), the rest."""
    found = extensions_of(message_of(hello(made=made, session=session)))
    if version == "1.2":
        return found[35]
    identities = found[41]
    length = struct.unpack(">H", identities[2:4])[0]
    return identities[4 : 4 + length]


def extension(kind, data):
    return struct.pack(">HH", kind, len(data)) + data


def vector(size, data):
    return len(data).to_bytes(size, "big") + data


GENERATOR = bytes.fromhex(
    "046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5"
)


def raw_hello(name=b"open.test", version="1.2", more=b"", share="x25519", legacy=0x0303, ciphers=None, session_id=b"", rand=None):
    """A ClientHello message of our own. `name` may be any bytes, a list of names, or None."""
    if ciphers is None:
        ciphers = [0x1301, 0x1302] if version == "1.3" else [0xC02B, 0xC02F, 0xC02C, 0xC030]
    made = b""
    if name is not None:
        names = name if isinstance(name, list) else [name]
        made += extension(0, vector(2, b"".join(b"\0" + vector(2, one) for one in names)))
    made += extension(10, vector(2, struct.pack(">HH", 29, 23))) + extension(11, b"\1\0")
    made += extension(13, vector(2, struct.pack(">6H", 0x0403, 0x0804, 0x0401, 0x0503, 0x0805, 0x0501)))
    made += extension(23, b"") + extension(0xFF01, b"\0")
    if version == "1.3":
        point = (23, GENERATOR) if share == "p256" else (29, random.randbytes(32))
        made += extension(43, b"\2\3\4") + extension(45, b"\1\1")
        made += extension(51, vector(2, struct.pack(">H", point[0]) + vector(2, point[1])))
    made += more
    body = struct.pack(">H", legacy) + (rand or random.randbytes(32)) + vector(1, session_id)
    body += vector(2, b"".join(struct.pack(">H", one) for one in ciphers)) + b"\1\0" + vector(2, made)
    return b"\1" + vector(3, body)


class Answer:
    """What a server says before anything is encrypted."""

    def __init__(self):
        self.alert = None
        self.random = None
        self.session_id = None
        self.certificate = None
        self.ended = False
        self.bytes = 0


def read_answer(tcp, until=("certificate", "alert", "end"), seconds=10):
    """Reads records until one of `until` is there: "hello", "certificate", "alert", "end"."""
    answer, data, handshake = Answer(), b"", b""
    deadline = time.time() + seconds
    while True:
        while len(data) >= 5:
            kind, length = data[0], struct.unpack(">H", data[3:5])[0]
            if len(data) < 5 + length:
                break
            piece, data = data[5 : 5 + length], data[5 + length :]
            if kind == 21 and length == 2:
                answer.alert = [piece[0], piece[1]]
            elif kind == 22:
                handshake += piece
        while len(handshake) >= 4:
            kind, length = handshake[0], int.from_bytes(handshake[1:4], "big")
            if len(handshake) < 4 + length:
                break
            body, handshake = handshake[4 : 4 + length], handshake[4 + length :]
            if kind == 2:
                answer.random = body[2:34]
                answer.session_id = body[35 : 35 + body[34]]
            elif kind == 11:
                answer.certificate = body[6 : 6 + int.from_bytes(body[3:6], "big")]
        if (
            (answer.alert and "alert" in until)
            or (answer.random and "hello" in until)
            or (answer.certificate and "certificate" in until)
        ):
            return answer
        left = deadline - time.time()
        if left <= 0:
            raise TimeoutError()
        tcp.settimeout(left)
        try:
            chunk = tcp.recv(65536)
        except ConnectionResetError:
            chunk = b""
        if not chunk:
            answer.ended = True
            return answer
        answer.bytes += len(chunk)
        data += chunk


def common_name(der):
    """The subject's common name of a certificate; the last one in it, which is the subject's as we make them."""
    place = der.rindex(b"\x06\x03\x55\x04\x03") + 5
    return der[place + 2 : place + 2 + der[place + 1]].decode()


class Library:
    """The system's libssl, for KeyUpdate and for handshakes whose socket nobody reads."""

    def __init__(self):
        self.ssl = ctypes.CDLL("libssl.so.3")
        self.crypto = ctypes.CDLL("libcrypto.so.3")
        for name in ("TLS_client_method", "SSL_CTX_new", "SSL_new"):
            getattr(self.ssl, name).restype = ctypes.c_void_p
        pointer, integer = ctypes.c_void_p, ctypes.c_int
        self.ssl.SSL_CTX_new.argtypes = [pointer]
        self.ssl.SSL_new.argtypes = [pointer]
        self.ssl.SSL_set_fd.argtypes = [pointer, integer]
        self.ssl.SSL_connect.argtypes = [pointer]
        self.ssl.SSL_ctrl.argtypes = [pointer, integer, ctypes.c_long, ctypes.c_char_p]
        self.ssl.SSL_write.argtypes = [pointer, ctypes.c_char_p, integer]
        self.ssl.SSL_read.argtypes = [pointer, ctypes.c_char_p, integer]
        self.ssl.SSL_key_update.argtypes = [pointer, integer]
        self.ssl.SSL_free.argtypes = [pointer]
        self.ssl.SSL_get_error.argtypes = [pointer, integer]
        for name in ("SSL_renegotiate", "SSL_do_handshake"):
            getattr(self.ssl, name).argtypes = [pointer]
        self.ssl.SSL_CTX_ctrl.argtypes = [pointer, integer, ctypes.c_long, pointer]
        self.crypto.ERR_get_error.restype = ctypes.c_ulong
        self.crypto.ERR_reason_error_string.argtypes = [ctypes.c_ulong]
        self.crypto.ERR_reason_error_string.restype = ctypes.c_char_p
        self.context = self.ssl.SSL_CTX_new(self.ssl.TLS_client_method())

    def connect(self, tcp, name="open.test"):
        """tcp must block without a timeout."""
        session = self.ssl.SSL_new(self.context)
        self.ssl.SSL_ctrl(session, 55, 0, name.encode())
        self.ssl.SSL_set_fd(session, tcp.fileno())
        if self.ssl.SSL_connect(session) != 1:
            raise SystemExit("libssl could not connect")
        return session

    def write(self, session, data):
        return self.ssl.SSL_write(session, data, len(data))

    def read(self, session, count=65536):
        buffer = ctypes.create_string_buffer(count)
        got = self.ssl.SSL_read(session, buffer, count)
        return buffer.raw[: max(got, 0)]

    def only_tls12(self):
        self.ssl.SSL_CTX_ctrl(self.context, 124, 0x0303, None)

    def renegotiate(self, session):
        """What libssl says of a second handshake on the connection."""
        self.ssl.SSL_renegotiate(session)
        if self.ssl.SSL_do_handshake(session) == 1:
            return "done"
        return (self.crypto.ERR_reason_error_string(self.crypto.ERR_get_error()) or b"").decode()

    def key_update(self, session, asks=False):
        """The message goes out with the next write."""
        return self.ssl.SSL_key_update(session, 1 if asks else 0)


def pattern(count):
    return (bytes(range(251)) * (count // 251 + 1))[:count]


def cpu(pid):
    """Seconds of CPU that a process has used."""
    with open(f"/proc/{pid}/stat") as status:
        fields = status.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def tell(facts):
    print(json.dumps(facts))
