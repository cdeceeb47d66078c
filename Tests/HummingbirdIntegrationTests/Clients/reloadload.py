"""reloadload.py PORT SCHEME STOP_FILE PROGRESS_FILE: clients without retries, on HTTP/1.1 and HTTP/2, until STOP_FILE is
there. PROGRESS_FILE holds the requests and connections so far, as below.

Each keeps its connection, rests a moment between requests, and opens another connection only when the server has said
that this one ends (Connection: close; GOAWAY). Everything else that goes wrong is a failure. Prints
{"requests": {"1.1": N, "2": N}, "connections": {...}, "failures": [...]}."""

import http.client
import json
import os
import random
import socket
import ssl
import sys
import threading
import time

import h2.config
import h2.connection
import h2.events

port, secure, stop, progress = int(sys.argv[1]), sys.argv[2] == "https", sys.argv[3], sys.argv[4]
requests, connections, failures = {"1.1": 0, "2": 0}, {"1.1": 0, "2": 0}, []
lock = threading.Lock()


def count(what, version):
    with lock:
        what[version] += 1


def fail(version, error):
    with lock:
        failures.append(f"HTTP/{version}: {error!r}")


def context(protocol):
    made = ssl.create_default_context(cafile="certs/ca.pem")
    made.set_alpn_protocols([protocol])
    return made


def rest():
    time.sleep(random.choice([0, 0, 0.001, 0.01, 0.05]))


def http1(source):
    connection = None
    while not os.path.exists(stop):
        try:
            if connection is None:
                made = {"timeout": 20, "source_address": (source, 0)}
                if secure:
                    connection = http.client.HTTPSConnection("localhost", port, context=context("http/1.1"), **made)
                else:
                    connection = http.client.HTTPConnection("127.0.0.1", port, **made)
                connection.connect()
                connection.auto_open = 0
                count(connections, "1.1")
            connection.request("GET", "/hello")
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or body != b"Hello, world!\n":
                raise ValueError(f"{answer.status} {body}")
            count(requests, "1.1")
            if answer.will_close:
                connection.close()
                connection = None
            rest()
        except (OSError, http.client.HTTPException, ValueError) as error:
            fail("1.1", error)
            connection = None


class Leaving(Exception):
    pass


class Client2:
    def __init__(self, source):
        tcp = socket.create_connection(("127.0.0.1", port), timeout=20, source_address=(source, 0))
        self.socket = context("h2").wrap_socket(tcp, server_hostname="localhost") if secure else tcp
        self.connection = h2.connection.H2Connection(h2.config.H2Configuration(client_side=True))
        self.connection.initiate_connection()
        self.flush()
        self.is_leaving = False
        count(connections, "2")

    def flush(self):
        data = self.connection.data_to_send()
        if data:
            self.socket.sendall(data)

    def receive(self):
        data = self.socket.recv(65536)
        if not data:
            raise EOFError("the server closed")
        for event in self.connection.receive_data(data):
            # h2 would refuse everything after GOAWAY; what is open goes on (RFC 9113 section 6.8).
            if isinstance(event, h2.events.ConnectionTerminated):
                self.is_leaving = True
            yield event
        self.flush()

    def get(self):
        stream = self.connection.get_next_available_stream_id()
        self.connection.send_headers(
            stream,
            [(":method", "GET"), (":path", "/hello"), (":scheme", "https"), (":authority", "localhost")],
            end_stream=True,
        )
        self.flush()
        body = b""
        while True:
            for event in self.receive():
                if isinstance(event, h2.events.DataReceived):
                    body += event.data
                elif isinstance(event, h2.events.StreamEnded):
                    return body
                elif isinstance(event, h2.events.StreamReset):
                    raise EOFError(f"reset {event.error_code}")

    def look(self):
        """What came while nothing was asked."""
        self.socket.settimeout(0.001)
        try:
            while True:
                list(self.receive())
        except (TimeoutError, ssl.SSLWantReadError):
            pass
        except EOFError:
            self.is_leaving = True
        self.socket.settimeout(20)


def http2(source):
    client = None
    while not os.path.exists(stop):
        try:
            client = client or Client2(source)
            if client.get() != b"Hello, world!\n":
                raise ValueError("another answer")
            count(requests, "2")
            rest()
            client.look()
            if client.is_leaving:
                client.socket.close()
                client = None
        except Exception as error:
            fail("2", error)
            client = None


# h2 ends a connection at the first GOAWAY; the first of two refuses nothing, so it is not told of it.
original = h2.connection.H2Connection._receive_goaway_frame


def receive_goaway(self, frame):
    state = self.state_machine.state
    told = original(self, frame)
    self.state_machine.state = state
    return told


h2.connection.H2Connection._receive_goaway_frame = receive_goaway
threads = [threading.Thread(target=work, args=(f"127.0.0.{2 + index}",)) for index in range(3) for work in (http1, http2)]
for thread in threads:
    thread.start()
while not os.path.exists(stop):
    with lock:
        told = json.dumps({"requests": requests, "connections": connections})
    with open(progress + ".new", "w") as file:
        file.write(told)
    # Whoever reads sees one whole text or the next.
    os.rename(progress + ".new", progress)
    time.sleep(0.005)
for thread in threads:
    thread.join()
print(json.dumps({"requests": requests, "connections": connections, "failures": failures[:20], "failed": len(failures)}))
