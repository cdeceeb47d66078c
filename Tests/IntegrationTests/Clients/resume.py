"""resume.py PORT VERSION TIMES [kill]: whether sessions resume, and on which worker. With `kill` the worker that answered is
killed after each connection."""

import json
import os
import signal
import sys

from tlsclient import Connection, answer, context, slot

port, version, times = int(sys.argv[1]), sys.argv[2], int(sys.argv[3])
made = context(version)
session = None
seen = []
for _ in range(times):
    connection = Connection(port, made=made, session=session)
    head, body = connection.get("/whoami", "Connection: close\r\n")
    told = json.loads(body)
    if "kill" in sys.argv[4:]:
        os.kill(told["pid"], signal.SIGKILL)
    seen.append({"slot": slot(head), "resumed": told["tls"]["resumed"], "version": told["tls"]["version"]})
    # A TLS 1.3 ticket arrives with the answer.
    session = connection.tls.session
    connection.close()
answer({"connections": seen})
