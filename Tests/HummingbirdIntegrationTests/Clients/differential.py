"""differential.py PORT SCHEME OWN_PORT [large]: asks two servers the same and tells where their answers differ.

OWN_PORT is Hummingbird's own server, in the clear; the other is spoken to as SCHEME says. HTTP/1.1 on a raw socket each, so
that malformed requests go out as they are. An answer is its status, its fields (without Date, in
lower case, sorted), its body's length and hash, its trailers; and whether the connection stays open after the last.
Prints {"cases": N, "differences": {name: {"own": ..., "sticky": ...}}}."""

import hashlib
import json
import socket
import ssl
import sys
import threading
import time

sticky_port, is_secure, own_port, is_large = int(sys.argv[1]), sys.argv[2] == "https", int(sys.argv[3]), len(sys.argv) > 4
MIB = 1 << 20
# Seconds without a byte, after which a server is taken to say nothing more.
PATIENCE = 20


def connect(port, secure):
    tcp = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE)
    tcp.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not secure:
        return tcp
    context = ssl.create_default_context(cafile="certs/ca.pem")
    context.set_alpn_protocols(["http/1.1"])
    return context.wrap_socket(tcp, server_hostname="localhost", suppress_ragged_eofs=False)


class Reader:
    def __init__(self, connection):
        self.connection, self.buffer, self.ended, self.is_silent = connection, b"", False, False

    def fill(self):
        if self.ended:
            return False
        try:
            piece = self.connection.recv(1 << 18)
        except TimeoutError:
            self.is_silent = True
            piece = b""
        except (ConnectionError, ssl.SSLError):
            piece = b""
        if not piece:
            self.ended = True
        self.buffer += piece
        return bool(piece)

    def line(self):
        while b"\r\n" not in self.buffer:
            if not self.fill():
                return None
        line, self.buffer = self.buffer.split(b"\r\n", 1)
        return line.decode("latin-1")

    def fields(self):
        fields = []
        while True:
            line = self.line()
            if not line:
                return fields
            name, _, value = line.partition(":")
            fields.append((name.strip().lower(), value.strip()))

    def exactly(self, count, digest):
        left = count
        while left > 0:
            if not self.buffer and not self.fill():
                return count - left
            piece, self.buffer = self.buffer[:left], self.buffer[left:]
            digest.update(piece)
            left -= len(piece)
        return count

    def answer(self, is_head=False):
        status = self.line()
        if status is None:
            return None
        fields = self.fields()
        code = int(status.split()[1])
        named = dict(fields)
        digest, length, trailers = hashlib.sha256(), 0, []
        if is_head or code in (204, 304) or 100 <= code < 200:
            pass
        elif "chunked" in named.get("transfer-encoding", ""):
            while True:
                size = self.line()
                if size is None:
                    length = -1
                    break
                size = int(size.split(";")[0], 16)
                if size == 0:
                    trailers = self.fields()
                    break
                length += self.exactly(size, digest)
                self.line()
        elif "content-length" in named:
            length = self.exactly(int(named["content-length"]), digest)
        else:
            while self.fill():
                pass
            digest.update(self.buffer)
            length, self.buffer = len(self.buffer), b""
        told = [f"{name}: {value}" for name, value in sorted(fields) if name != "date"]
        return {
            "status": code,
            "fields": told,
            "length": length,
            "body": digest.hexdigest()[:16] if length else "",
            "trailers": [f"{name}: {value}" for name, value in trailers],
            "hasDate": "date" in named,
        }


def ask(port, secure, case):
    connection = connect(port, secure)
    reader = Reader(connection)
    answers = []
    try:
        sending = threading.Thread(target=send, args=(connection, case["pieces"]))
        sending.start()
        # A TLS socket of Python's is not for two threads at a time.
        if secure:
            sending.join()
        for index in range(case["answers"]):
            answer = reader.answer(case["head"])
            while answer and answer["status"] == 100 and not case["continue"]:
                answer = reader.answer(case["head"])
            answers.append(answer or ("silent" if reader.is_silent else "ended"))
            if answer is None:
                break
        sending.join()
        if answer:
            answers.append("open" if is_open(reader, connection) else "closed")
    finally:
        connection.close()
    return answers


def is_open(reader, connection):
    """Whether another request is answered on the same connection."""
    try:
        connection.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\n\r\n")
        answer = reader.answer()
    except (OSError, ValueError):
        return False
    return answer is not None and answer["status"] == 200


def send(connection, pieces):
    try:
        for piece in pieces() if callable(pieces) else pieces:
            if isinstance(piece, float):
                time.sleep(piece)
            elif piece == "end":
                connection.shutdown(socket.SHUT_WR)
            else:
                connection.sendall(piece)
    except OSError:
        pass


cases = {}


def case(name, *pieces, answers=1, head=False, expects=False):
    assert name not in cases
    cases[name] = {"pieces": list(pieces), "answers": answers, "head": head, "continue": expects}


def request(method, path, fields="", body=b"", host="Host: localhost\r\n", version="HTTP/1.1"):
    return f"{method} {path} {version}\r\n{host}{fields}\r\n".encode() + body


def sized(body):
    return f"Content-Length: {len(body)}\r\n"


def chunked(*chunks, trailers=""):
    return b"".join(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n" for chunk in chunks) + f"0\r\n{trailers}\r\n".encode()


CHUNKED = "Transfer-Encoding: chunked\r\n"
for method in ("GET", "PUT", "POST", "DELETE", "PATCH", "OPTIONS", "TRACE"):
    case(f"method {method}", request(method, "/method", "Content-Length: 0\r\n" if method != "GET" else ""))
case("method unknown to the router", request("BREW", "/method"))
for path in ("/hello", "/bytes/100000", "/no-content", "/redirect", "/nothing"):
    case(f"HEAD {path}", request("HEAD", path), head=True)
for path in ("/hello", "/headers", "/query?b=2&a=1&c=%20x", "/path/one/two%2F", "/no-content", "/not-modified",
             "/redirect", "/cookies", "/slow/50", "/nothing", "/error/400", "/error/418", "/error/503", "/throw",
             "/chunked/0", "/chunked/10", "/chunked/300000", "/trailers", "/scheme", "//hello", "/hello/", "/hello?",
             "/%68ello", "*"):
    case(f"GET {path}", request("GET", path))
case("absolute form", request("GET", "http://localhost/hello"))
case("many fields", request("GET", "/headers", "".join(f"X-Field-{n}: {n}\r\n" for n in range(100))))
case("a field twice", request("GET", "/headers", "X-A: 1\r\nx-a: 2\r\n"))
case("an empty field", request("GET", "/headers", "X-A:\r\n"))
for size in (0, 1, 16383, 16384, 65535, MIB, 10 * MIB):
    body = (bytes(range(256)) * (size // 256 + 1))[:size]
    case(f"download {size}", request("GET", f"/bytes/{size}"))
    case(f"upload {size}", request("POST", "/collect", sized(body), body))
    if size <= MIB:
        case(f"echo {size}", request("POST", "/echo", sized(body), body))
        case(f"upload {size} chunked", request("POST", "/collect", CHUNKED, chunked(*([body] if body else []))))
case("echo chunked", request("POST", "/echo", CHUNKED, chunked(b"one", b"two" * 1000, b"3")))
case("request trailers", request("POST", "/collect", CHUNKED + "Trailer: x-sum\r\n", chunked(b"body", trailers="x-sum: 4\r\n")))
case("chunk extension", request("POST", "/collect", CHUNKED, b"4;a=b\r\nbody\r\n0\r\n\r\n"))
case("JSON", request("POST", "/json", "Content-Type: application/json\r\nContent-Length: 11\r\n", b'{"times":1}'))
case("JSON that is none", request("POST", "/json", "Content-Type: application/json\r\nContent-Length: 4\r\n", b"{{{{"))
case("JSON of the wrong shape", request("POST", "/json", "Content-Type: application/json\r\nContent-Length: 2\r\n", b"{}"))
case("body not read", request("POST", "/ignore", sized(b"x" * 5000), b"x" * 5000))
case("body not read, then another", request("POST", "/ignore", sized(b"x" * 5000), b"x" * 5000), request("GET", "/hello"), answers=2)
case("body where none is expected", request("GET", "/hello", "Content-Length: 5\r\n", b"12345"))
case("100-continue", request("POST", "/collect", "Content-Length: 4\r\nExpect: 100-continue\r\n"), 0.2, b"body")
case("100-continue, seen", request("POST", "/collect", "Content-Length: 4\r\nExpect: 100-continue\r\n"), 0.2, b"body", expects=True)
case("slow body", request("POST", "/collect", "Content-Length: 6\r\n"), 0.1, b"ab", 0.1, b"cd", 0.1, b"ef")
case("slow head", b"GET /hel", 0.1, b"lo HTTP/1.1\r\nHo", 0.1, b"st: localhost\r\n\r\n")
case("pipelined", request("GET", "/hello") * 5, answers=5)
case("pipelined, slow first", request("GET", "/slow/100") + request("GET", "/hello") + request("POST", "/echo", "Content-Length: 3\r\n", b"abc"), answers=3)
case("pipelined, with bodies between", request("GET", "/hello") + request("GET", "/method") + request("POST", "/echo", sized(b"abc"), b"abc")
     + request("GET", "/headers") + request("POST", "/collect", CHUNKED, chunked(b"one", b"two")) + request("GET", "/nothing"), answers=6)
case("a body after requests without", request("GET", "/hello"), 0.1, request("POST", "/collect", sized(b"x" * 100_000), b"x" * 1000), 0.1, b"x" * 99_000, 0.1, request("GET", "/hello"), answers=3)
case("no body, and trailers", request("GET", "/hello", CHUNKED, chunked(trailers="x-a: 1\r\n")) + request("GET", "/hello"), answers=2)
case("30 pipelined", request("GET", "/hello") * 30, answers=30)
case("watched", request("GET", "/watch/20"), 0.1, request("GET", "/watch/20"), 0.1, request("GET", "/hello"), request("GET", "/watch/20"), answers=4)
case("watched, with a body", request("GET", "/hello"), 0.1, request("POST", "/watch/20", sized(b"abc"), b"abc"), answers=2)
case("watched, then nonsense", request("GET", "/watch/20"), 0.1, b"NONSENSE\r\n\r\n", answers=2)
case("cancelled when the client goes", request("GET", "/cancelled/50") * 2, 0.1, request("GET", "/cancelled/20"), answers=3)
case("nonsense behind a request", request("GET", "/slow/50") + b"NONSENSE\r\n\r\n", answers=2)
case("keep-alive", request("GET", "/hello"), 0.1, request("GET", "/method"), 0.1, request("GET", "/nothing"), answers=3)
case("close", request("GET", "/hello", "Connection: close\r\n"))
case("close in capitals", request("GET", "/hello", "Connection: Close\r\n"))
case("close among others", request("GET", "/hello", "Connection: TE, close\r\n"))
case("close with a body", request("POST", "/echo", "Connection: close\r\nContent-Length: 3\r\n", b"abc"))
case("half-close", request("GET", "/bytes/100000"), "end")
case("half-close during the answer", request("GET", "/slow/100"), "end")
case("HTTP/1.0", request("GET", "/hello", version="HTTP/1.0"))
case("HTTP/1.0 keep-alive", request("GET", "/hello", "Connection: keep-alive\r\n", version="HTTP/1.0"))
case("no host", request("GET", "/hello", host=""))
case("two hosts", request("GET", "/hello", "Host: other\r\n"))
case("nonsense", b"NONSENSE\r\n\r\n")
case("HTTP/3.0", request("GET", "/hello", version="HTTP/3.0"))
case("no version", b"GET /hello\r\n\r\n")
case("bare line feeds", b"GET /hello HTTP/1.1\nHost: localhost\n\n")
case("space before the colon", b"GET /hello HTTP/1.1\r\nHost : localhost\r\n\r\n")
case("a folded field", b"GET /headers HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\n 2\r\n\r\n")
case("a null in a field", b"GET /headers HTTP/1.1\r\nHost: localhost\r\nX-A: a\0b\r\n\r\n")
case("a field of 100,000 bytes", request("GET", "/hello", f"X-A: {'a' * 100_000}\r\n"))
case("2,000 fields", request("GET", "/hello", "".join(f"X-{n}: 1\r\n" for n in range(2000))))
case("a path of 60,000 bytes", request("GET", "/" + "a" * 60_000))
case("content-length is no number", request("POST", "/collect", "Content-Length: five\r\n", b"12345"))
case("content-length is negative", request("POST", "/collect", "Content-Length: -5\r\n", b"12345"))
case("two content-lengths", request("POST", "/collect", "Content-Length: 1\r\nContent-Length: 2\r\n", b"12"))
case("length and chunks", request("POST", "/collect", "Content-Length: 4\r\n" + CHUNKED, chunked(b"body")))
case("a chunk of no size", request("POST", "/collect", CHUNKED, b"zz\r\nbody\r\n0\r\n\r\n"))
case("an unknown transfer coding", request("POST", "/collect", "Transfer-Encoding: what\r\n"))
case("upload cut off", request("POST", "/collect", "Content-Length: 100\r\n", b"only this"), "end")
case("answer that breaks off", request("GET", "/break/100000"))

if is_large:
    cases.clear()
    piece = bytes(range(256)) * 4096

    def upload():
        yield request("POST", "/count", f"Content-Length: {100 * MIB}\r\n")
        for _ in range(100):
            yield piece

    case("download 100 MiB", request("GET", f"/bytes/{100 * MIB}"))
    case("upload 100 MiB")
    cases["upload 100 MiB"]["pieces"] = upload

if is_secure:
    # A TLS socket of Python's cannot read after it has said that it writes no more.
    cases = {name: one for name, one in cases.items() if callable(one["pieces"]) or "end" not in one["pieces"]}
differences = {}
for name, one in cases.items():
    own = ask(own_port, False, one)
    sticky = ask(sticky_port, is_secure, one)
    if own != sticky:
        differences[name] = {"own": json.dumps(own), "sticky": json.dumps(sticky)}
print(json.dumps({"cases": len(cases), "differences": differences}))
