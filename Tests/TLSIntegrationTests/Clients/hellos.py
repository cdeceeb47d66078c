"""hellos.py PORT WHAT: first messages of all kinds, whole and cut, good and bad.

splits: the same name and the same policy however the hello is cut (T13); names: which certificate a name gets (T16,
T18); mutated: hellos with random changes (S6); randoms: what two workers call random (T23); retry: HelloRetryRequest,
with the same name and with another one (T14); flood: messages before the handshake that mean nothing (T20)."""

import random
import struct
import sys
import time

from tls import *

port, what = int(sys.argv[1]), sys.argv[2]
random.seed(11)


def in_segments(size):
    def send(tcp, data):
        for start in range(0, len(data), size):
            tcp.sendall(data[start : start + size])

    return send


def in_records(size, then=None):
    def send(tcp, data):
        (then or (lambda tcp, data: tcp.sendall(data)))(tcp, records(message_of(data), size))

    return send


def splits():
    ways = {
        "whole": None,
        "segments of 1": in_segments(1),
        "segments of 7": in_segments(7),
        "records of 1": in_records(1),
        "records of 3 in segments of 2": in_records(3, in_segments(2)),
        "two records": in_records(200),
    }
    result = []
    for version in ("1.2", "1.3"):
        for kind in ("small", "large"):
            offers = [f"{n:0250}" for n in range(36)] if kind == "large" else []
            made = context(version, ["http/1.1"] + offers)
            for way, first in ways.items():
                served = attempt(port, made=made, first=first)
                refused = attempt(port, name="mtls.test", made=made, first=first)
                unknown = attempt(port, name="unknown.test", made=made, first=first)
                result.append(
                    {
                        "way": f"{version} {kind} {way}",
                        "name": served.get("sni", str(served)),
                        "mtls": refused.get("error", "served"),
                        "unknown": unknown.get("error", "served"),
                    }
                )
    # An SSLv2 hello, as clients of the last century send it: no name and no extension fits into it.
    tcp = connect(port)
    ciphers = bytes.fromhex("00c02b00c02f00c02c00c030010080070 0c0000005".replace(" ", ""))
    tcp.sendall(b"\x80" + vector(1, b"\1\3\3" + struct.pack(">HHH", len(ciphers), 0, 16) + ciphers + random.randbytes(16)))
    answer = read_answer(tcp)
    return {"splits": result, "sslv2Served": answer.random is not None}


def certificate(name, version="1.2"):
    tcp = connect(port)
    tcp.sendall(records(raw_hello(name)))
    answer = read_answer(tcp)
    tcp.close()
    if answer.alert:
        return f"alert {answer.alert[0]} {answer.alert[1]}"
    return common_name(answer.certificate) if answer.certificate else "nothing"


def names():
    asked = {
        "open.test": b"open.test", "OPEN.Test": b"OPEN.Test", "open.test.": b"open.test.", "none": None,
        "a.wild.test": b"a.wild.test", "b.wild.test": b"b.wild.test", "B.WILD.test.": b"B.WILD.test.",
        "a.b.wild.test": b"a.b.wild.test", "wild.test": b"wild.test", ".wild.test": b".wild.test", "*.wild.test": b"*.wild.test",
        "xwild.test": b"xwild.test", "open.test NUL": b"open.test\0", "NUL": b"\0", "open NUL": b"open.test\0.wild.test",
        "b.wild.test..": b"b.wild.test..", "address": b"127.0.0.1", "address 6": b"::1", "empty": b"", "dot": b".",
        "long": b"a" * 300, "label of 63": b"a" * 63 + b".wild.test", "two names": [b"open.test", b"mtls.test"], "unknown": b"unknown.test",
        "utf8": "ö.wild.test".encode(), "space": b"a b.wild.test",
    }
    return {key: certificate(name) for key, name in asked.items()}


def mutated():
    made = context()
    ended = hung = served = 0
    slowest = 0.0
    for _ in range(300):
        data = bytearray(hello(made=made))
        for _ in range(random.randint(1, 6)):
            place = random.randrange(len(data))
            how = random.randrange(4)
            if how == 0:
                data[place] ^= 1 << random.randrange(8)
            elif how == 1:
                data[place] = random.randrange(256)
            elif how == 2:
                del data[place : place + random.randint(1, 30)]
            else:
                data[place:place] = random.randbytes(random.randint(1, 30))
            if not data:
                data = bytearray(b"\0")
        began = time.time()
        tcp = connect(port)
        try:
            tcp.sendall(data)
            # Whoever waits for more gets the end.
            tcp.shutdown(socket.SHUT_WR)
            answer = read_answer(tcp, until=("end",), seconds=8)
            served += answer.random is not None
            ended += 1
        except TimeoutError:
            hung += 1
        except OSError:
            ended += 1
        tcp.close()
        slowest = max(slowest, time.time() - began)
    return {"ended": ended, "hung": hung, "answeredWithHello": served, "slowest": slowest}


def randoms():
    places = sources_of_slots(port, 2)
    seen = {"random": [], "sessionID": [], "vector": [], "keyName": []}
    for slot, (address, _) in places.items():
        for _ in range(60):
            tcp = connect(port, source=address)
            tcp.sendall(records(raw_hello(rand=b"\1" * 32)))
            answer = read_answer(tcp)
            seen["random"].append(answer.random)
            tcp.close()
        for version in ("1.2", "1.3"):
            for _ in range(15):
                made = context(version)
                connection = Connection(port, made=made, source=address)
                connection.who()
                sealed = ticket(connection.tls.session, made, version)
                seen["keyName"].append(sealed[:16])
                seen["vector"].append(sealed[16:32])
                connection.close()
    weak = sum(len(set(one)) < 6 for one in seen["random"] + seen["vector"] + seen["keyName"])
    return {
        "randoms": len(seen["random"]), "differentRandoms": len(set(seen["random"])),
        "tickets": len(seen["vector"]), "differentVectors": len(set(seen["vector"])), "differentNames": len(set(seen["keyName"])),
        "weak": weak,
    }


def retry():
    facts = {}
    request = bytes.fromhex("cf21ad74e59a6111be1d8c021e65b891c2a211167abb8c5e079e09e2c8a8339c")
    for second in ("open.test", "mtls.test", "none"):
        tcp = connect(port)
        rand = random.randbytes(32)
        tcp.sendall(records(raw_hello(version="1.3", rand=rand)))
        answer = read_answer(tcp, until=("hello", "alert", "end"))
        facts["wasAsked"] = answer.random == request
        name = None if second == "none" else second.encode()
        tcp.sendall(records(raw_hello(name, version="1.3", share="p256", rand=rand)))
        answer = read_answer(tcp, until=("hello", "alert", "end"))
        facts[second] = f"alert {answer.alert[0]} {answer.alert[1]}" if answer.alert else "hello" if answer.random else "end"
        tcp.close()
    return facts


def flood():
    """Pieces that are legal one at a time, thousands of them."""
    facts = {}
    empty = struct.pack(">BHH", 22, 0x0301, 0)
    warning = struct.pack(">BHHBB", 21, 0x0301, 2, 1, 112)
    change = struct.pack(">BHHB", 20, 0x0303, 1, 1)
    good = records(raw_hello(version="1.3"))
    for kind, flood in (
        ("empty records", empty * 5000), ("warnings", warning * 5000), ("change cipher spec", change * 5000),
        ("change cipher spec after hello", good + change * 5000), ("hello without end", records(b"\1\xff\xff\xff" + b"x" * 200_000, 1000)),
        ("hello of 100 kB", records(b"\1" + vector(3, b"x" * 100_000))),
    ):
        tcp = connect(port)
        began = time.time()
        try:
            tcp.sendall(flood)
        except OSError:
            pass
        try:
            read_answer(tcp, until=("end",), seconds=15)
            facts[kind] = time.time() - began
        except TimeoutError:
            facts[kind] = -1
        tcp.close()
    return facts


tell(globals()[what]())
