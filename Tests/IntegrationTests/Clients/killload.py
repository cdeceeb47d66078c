"""killload.py PORT PID...: kills workers one after another while clients of all slots keep asking.

Every client has a connection that stays open and asks again and again. A client whose connection breaks reconnects and
goes on. Told: what failed, and whether it was at the worker that was killed."""

import os
import signal
import sys
import threading
import time

from tlsclient import Connection, Truncated, answer, context, slot, source

CLIENTS = 24
port = int(sys.argv[1])
pause = float(sys.argv[2])
victims = [int(pid) for pid in sys.argv[3:]]
made = context()
lock = threading.Lock()
stopping = threading.Event()
killed_at = {}
result = {"requests": 0, "ofVictim": 0, "ofOthers": 0, "newFailed": 0, "hung": 0, "moved": 0, "slowestClose": 0.0}


def note(name, amount=1):
    with lock:
        result[name] += amount


def client(index):
    home = None
    pid = None
    connection = None
    while not stopping.is_set():
        if connection is None:
            try:
                connection = Connection(port, source(index), made, timeout=20)
            except (OSError, Truncated):
                note("newFailed")
                continue
            fresh = True
        try:
            head, body = connection.get("/whoami")
            here = slot(head)
            pid = int(body.split(b'"pid":')[1].split(b",")[0])
            if home is None:
                home = here
            elif here != home:
                note("moved")
            note("requests")
            fresh = False
            if "connection: close" in head.lower():
                # The server is done with this connection, and says so in time.
                connection.close()
                connection = None
        except TimeoutError:
            note("hung")
            connection = None
        except (OSError, Truncated, IndexError):
            # A connection that has just been made and met a dying worker is a new one that failed.
            if pid in killed_at:
                with lock:
                    result["ofVictim"] += 1
                    result["slowestClose"] = max(result["slowestClose"], time.time() - killed_at[pid])
            else:
                note("newFailed" if fresh else "ofOthers")
            connection.close()
            connection = None


threads = [threading.Thread(target=client, args=(index,)) for index in range(CLIENTS)]
for thread in threads:
    thread.start()
time.sleep(pause)
for victim in victims:
    killed_at[victim] = time.time()
    os.kill(victim, signal.SIGKILL)
    time.sleep(pause)
stopping.set()
for thread in threads:
    thread.join()
answer(result)
