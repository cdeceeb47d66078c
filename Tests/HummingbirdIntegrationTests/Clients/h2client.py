"""h2client.py PORT http|https WHAT [ARGUMENT...]: Python's h2, a client that keeps the rules, and what it sees.

settings; upload BYTES PATH; drain PID SIGNAL; half-close. Needs Debian's python3-h2."""

import os
import signal
import socket
import sys
import time

import h2.config
import h2.connection
import h2.errors
import h2.events
import h2.settings

from h2frames import answer, connect


class Client:
    def __init__(self, port, secure, values=None):
        self.socket = connect(port, secure, timeout=20)
        self.scheme = "https" if secure else "http"
        self.connection = h2.connection.H2Connection(
            h2.config.H2Configuration(client_side=True, header_encoding="utf-8")
        )
        if values:
            self.connection.local_settings.update(values)
        self.connection.initiate_connection()
        self.settings = {}
        self.goaways = []
        self.streams = {}
        self.ended = False
        self.received = b""
        self.has_shut_down = False
        self.flush()

    def flush(self):
        data = self.connection.data_to_send()
        if data and not self.has_shut_down:
            self.socket.sendall(data)

    def request(self, path, method="GET", end=True, extra=()):
        stream = self.connection.get_next_available_stream_id()
        self.streams[stream] = {"status": None, "length": 0, "body": b"", "ended": False, "reset": None}
        fields = [(":method", method), (":scheme", self.scheme), (":path", path), (":authority", "localhost"), *extra]
        self.connection.send_headers(stream, fields, end_stream=end)
        self.flush()
        return stream

    def step(self):
        """Reads what is there and lets h2 act on it."""
        try:
            data = self.socket.recv(65536)
        except ConnectionResetError:
            data = b""
        if not data:
            self.ended = True
            return
        self.received += data
        # Frame by frame, because of GOAWAY: see below.
        while len(self.received) >= 9 and len(self.received) >= 9 + int.from_bytes(self.received[:3], "big"):
            length = 9 + int.from_bytes(self.received[:3], "big")
            frame, self.received = self.received[:length], self.received[length:]
            self.take(self.connection.receive_data(frame))
            # At GOAWAY h2 forgets what it has not sent.
            self.flush()

    def take(self, events):
        for event in events:
            stream = self.streams.get(getattr(event, "stream_id", None))
            if isinstance(event, h2.events.RemoteSettingsChanged):
                self.settings.update({int(code): changed.new_value for code, changed in event.changed_settings.items()})
            elif isinstance(event, h2.events.ResponseReceived):
                stream["status"] = dict(event.headers)[":status"]
            elif isinstance(event, h2.events.DataReceived):
                stream["length"] += len(event.data)
                stream["body"] += event.data[: max(0, 1000 - len(stream["body"]))]
                self.connection.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
            elif isinstance(event, h2.events.StreamEnded):
                stream["ended"] = True
            elif isinstance(event, h2.events.StreamReset):
                stream["reset"] = int(event.error_code)
            elif isinstance(event, h2.events.ConnectionTerminated):
                self.goaways.append({"last": event.last_stream_id, "code": int(event.error_code)})
                # h2 takes the first GOAWAY for the end of the connection and raises at the next frame. It is the end of
                # new streams only (RFC 9113 section 6.8).
                self.connection.state_machine.state = h2.connection.ConnectionState.CLIENT_OPEN

    def until(self, done):
        while not self.ended and not done():
            self.step()

    def told(self, *streams):
        return [
            {
                "status": self.streams[stream]["status"],
                "length": self.streams[stream]["length"],
                "ended": self.streams[stream]["ended"],
                "body": self.streams[stream]["body"].decode("latin-1")[:100],
            }
            for stream in streams
        ]


def settings(client):
    client.until(lambda: len(client.settings) >= 3 and client.connection.outbound_flow_control_window > 65535)
    stream = client.request("/hello")
    client.until(lambda: client.streams[stream]["ended"])
    names = h2.settings.SettingCodes
    return {
        "concurrentStreams": client.settings[names.MAX_CONCURRENT_STREAMS],
        "headerList": client.settings[names.MAX_HEADER_LIST_SIZE],
        "streamWindow": client.settings[names.INITIAL_WINDOW_SIZE],
        "connectionWindow": client.connection.outbound_flow_control_window,
        "answers": client.told(stream),
    }


def upload(client, count, path):
    """A body longer than any window, sent as the windows allow, while the answer is read."""
    stream = client.request(path, "POST", end=False)
    left = count
    piece = bytes(16384)
    while left and not client.ended and not client.streams[stream]["ended"]:
        window = client.connection.local_flow_control_window(stream)
        length = min(left, window, client.connection.max_outbound_frame_size)
        if length <= 0:
            client.step()
            continue
        left -= length
        client.connection.send_data(stream, piece[:length], end_stream=left == 0)
        client.flush()
    client.until(lambda: client.streams[stream]["ended"])
    return {"answers": client.told(stream), "left": left, "ended": client.ended}


def drain(client, pid, name):
    """A signal while answers are in flight: a slow one, and a long one that is read only after the signal."""
    warm = client.request("/hello")
    client.until(lambda: client.streams[warm]["ended"])
    slow = client.request("/slow/700")
    long = client.request("/bytes/3000000")
    os.kill(pid, getattr(signal, name))
    client.until(lambda: False)
    return {"answers": client.told(slow, long), "goaways": client.goaways}


def half_close(client):
    """The client ends its direction of TCP with an answer under way."""
    slow = client.request("/slow/300")
    # Below TLS, if there is any: its own shutdown would end both directions.
    socket.socket.shutdown(client.socket, socket.SHUT_WR)
    client.has_shut_down = True
    client.until(lambda: False)
    return {"answers": client.told(slow)}


port, secure, what, arguments = int(sys.argv[1]), sys.argv[2] == "https", sys.argv[3], sys.argv[4:]
began = time.time()
client = Client(port, secure)
if what == "settings":
    result = settings(client)
elif what == "upload":
    result = upload(client, int(arguments[0]), arguments[1])
elif what == "drain":
    result = drain(client, int(arguments[0]), arguments[1])
else:
    result = half_close(client)
answer({**result, "seconds": time.time() - began})
