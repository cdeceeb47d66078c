"""sessions.py PORT WHAT [ARGUMENT...]: what tickets may and may not do.

cross: a ticket of one name at another (T1); optional: resumption with a client certificate (T4, T30); chain SECONDS: how
long a chain of resumptions goes on (T3); tampered: changed tickets (S4); everywhere SLOTS: tickets of any worker on any other (T6, S4); kept: takes
orders on standard input; forged: key names that aim (T32); zero: tickets under keys of zeros (T5)."""

import base64
import hashlib
import hmac
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

from tls import *

port, what, rest = int(sys.argv[1]), sys.argv[2], sys.argv[3:]


def session_of(version, name="open.test", client=None, **options):
    made = context(version, client=client)
    connection = Connection(port, name=name, made=made, **options)
    who = connection.who()
    session = connection.tls.session
    connection.close()
    return made, session, who


def cross():
    places = list(sources_of_slots(port, 2).values())
    result = []
    for version in ("1.2", "1.3"):
        for where in (0, 1):
            made, session, first = session_of(version, source=places[0][0])
            same = attempt(port, made=made, session=session, source=places[where][0])
            made, session, first = session_of(version, source=places[0][0])
            other = attempt(port, name="mtls.test", made=made, session=session, source=places[where][0])
            made, session, first = session_of(version, source=places[0][0])
            third = attempt(port, name="vanish.test", made=made, session=session, source=places[where][0])
            result.append(
                {
                    "how": f"{version} {'other' if where else 'same'} worker",
                    "same": same.get("resumed"), "mtls": other.get("error", "served"), "otherName": third.get("resumed"),
                }
            )
    return {"ways": result}


def optional():
    result = []
    for version in ("1.2", "1.3"):
        for client in ("client", None, "stranger", "old"):
            name = "optional.test"
            try:
                made, session, first = session_of(version, name=name, client=client)
            except (ssl.SSLError, Truncated, OSError) as error:
                result.append({"how": f"{version} {client}", "error": str(getattr(error, "reason", None) or type(error).__name__)})
                continue
            again = attempt(port, name=name, made=made, session=session)
            result.append(
                {
                    "how": f"{version} {client}", "subject": first.get("subject", ""), "verifiedHere": first.get("verifiedHere", False),
                    "resumed": again.get("resumed"), "againSubject": again.get("subject", ""),
                    "againVerified": again.get("verified", False), "againVerifiedHere": again.get("verifiedHere", False),
                }
            )
    return {"ways": result}


def chain():
    seconds = float(rest[0])
    result = {}
    for version in ("1.2", "1.3"):
        made, session, _ = session_of(version)
        began = time.time()
        links, ended, last = 0, 0.0, 0.0
        while time.time() - began < seconds:
            connection = Connection(port, made=made, session=session)
            if not connection.who()["resumed"]:
                ended = time.time() - began
                break
            links += 1
            last = time.time() - began
            session = connection.tls.session
            connection.close()
            time.sleep(0.2)
        result[version] = {"links": links, "ended": ended, "last": last}
    return {"versions": result}


def everywhere():
    places = sources_of_slots(port, int(rest[0]))
    result = {}
    for version in ("1.2", "1.3"):
        resumed = tried = sticky = 0
        for home, (address, _) in places.items():
            for other, (there, _) in places.items():
                made, session, first = session_of(version, source=address)
                who = attempt(port, made=made, session=session, source=there)
                tried += 1
                resumed += who.get("resumed", False)
                sticky += who["slot"] == home
        result[version] = {"tried": tried, "resumed": resumed}
    return {"versions": result}


def kept():
    """Orders on standard input, an answer each: `keep NAME [CLIENT]`, `resume NAME`, `kill`, `renew`. A process that
    lives through changes of the server."""
    places = list(sources_of_slots(port, 2).values())
    sessions = []
    for order in sys.stdin:
        order, *words = order.split()
        facts = {}
        if order == "keep":
            sessions = []
            for version in ("1.2", "1.3"):
                for address, _ in places:
                    made, session, _ = session_of(version, words[0], *words[1:2], source=address)
                    sessions.append([version, made, session])
        elif order == "resume":
            # At the worker that made it, and at the other one.
            facts["outcomes"] = []
            for version, made, session in sessions:
                for address, _ in places:
                    who = attempt(port, name=words[0], made=made, session=session, source=address)
                    facts["outcomes"].append("resumed" if who.get("resumed") else who.get("error", "full"))
        elif order == "renew":
            # A TLS 1.2 client keeps its ticket until it gets another: how many of ten resumptions bring one.
            _, made, session = next(one for one in sessions if one[0] == "1.2")
            before, facts["renewals"], facts["resumed"] = ticket(session, made, "1.2"), 0, 0
            for _ in range(10):
                connection = Connection(port, made=made, session=session)
                facts["resumed"] += connection.who()["resumed"]
                session = connection.tls.session
                connection.close()
                now = ticket(session, made, "1.2")
                facts["renewals"] += now != before
                before = now
            sessions = [["1.2", made, session]]
        elif order == "kill":
            for address, _ in places:
                os.kill(attempt(port, source=address)["pid"], signal.SIGKILL)
        print(json.dumps(facts), flush=True)


def tampered():
    """Tickets with one bit changed, by openssl, which believes in them: the handshake must be a full one."""
    folder = tempfile.mkdtemp()
    saved = os.path.join(folder, "session")
    facts = {"full": 0, "reused": 0, "failed": 0, "control": 0}

    def openssl(version, *more):
        done = subprocess.run(
            ["openssl", "s_client", "-connect", f"127.0.0.1:{port}", "-servername", "open.test", f"-tls{version}", "-ign_eof", *more],
            input="who\nclose\n", capture_output=True, text=True, timeout=20,
        )
        answer = next((line for line in done.stdout.split("\n") if line.startswith("{")), None)
        return None if answer is None else json.loads(answer)["resumed"]

    for version in ("1_2", "1_3"):
        openssl(version, "-sess_out", saved)
        with open(saved) as source_file:
            der = base64.b64decode("".join(line for line in source_file.read().split("\n") if line and not line.startswith("-")))
        # The ticket is field 10 of the session: [10] EXPLICIT OCTET STRING, of more than 127 bytes.
        found = re.search(rb"\xaa(?:\x81.|\x82..)\x04(?:\x81(.)|\x82(..))", der, re.S)
        start, length = found.end(), int.from_bytes(found[1] or found[2], "big")
        facts["control"] += openssl(version, "-sess_in", saved) is True
        # The name, the vector, what is sealed, and the seal.
        for place in (0, 5, 15, 16, 31, 32, length // 2, length - 33, length - 32, length - 1):
            changed = bytearray(der)
            changed[start + place] ^= 1
            with open(saved + "-changed", "w") as target:
                text = base64.encodebytes(bytes(changed)).decode()
                target.write(f"-----BEGIN SSL SESSION PARAMETERS-----\n{text}-----END SSL SESSION PARAMETERS-----\n")
            reused = openssl(version, "-sess_in", saved + "-changed")
            facts["failed" if reused is None else "reused" if reused else "full"] += 1
    shutil.rmtree(folder)
    return facts


def zero():
    """Whether a ticket opens under keys that nobody chose: all zeros, all ones, all the same byte."""
    opened = tickets = 0
    for version in ("1.2", "1.3"):
        for _ in range(8):
            made, session, _ = session_of(version)
            sealed = ticket(session, made, version)
            tickets += 1
            body, tag = sealed[:-32], sealed[-32:]
            for byte in range(256):
                for length in (16, 32):
                    opened += hmac.compare_digest(hmac.new(bytes([byte]) * length, body, hashlib.sha256).digest(), tag)
    return {"tickets": tickets, "opened": opened}


def forged():
    """Hellos with tickets whose names an attacker made up: where they go, and that they end well."""
    places = sources_of_slots(port, 2)
    home = {}
    for slot, (address, pid) in places.items():
        went = []
        for index in range(40):
            name = bytes([index % 4] * 16) if index % 2 else random.randbytes(16)
            more = extension(35, name + random.randbytes(160))
            tcp = connect(port, source=address)
            tcp.sendall(records(raw_hello(more=more)))
            answer = read_answer(tcp)
            went.append(answer.certificate is not None)
            tcp.close()
        home[slot] = sum(went)
    after = {slot: attempt(port, source=address)["slot"] for slot, (address, _) in places.items()}
    return {"served": list(home.values()), "moved": sum(slot != now for slot, now in after.items())}


result = globals()[what]()
if result is not None:
    tell(result)
