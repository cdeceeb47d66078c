"""spread.py PORT ADDRESSES TIMES [plain]: which slots answer each source address."""

import sys

from tlsclient import Connection, answer, context, slot, source

port, addresses, times = map(int, sys.argv[1:4])
plain = "plain" in sys.argv[4:]
made = context()
slots = {}
for index in range(addresses):
    for _ in range(times):
        connection = Connection(port, source(index), made, plain=plain)
        head, _body = connection.get("/hello", "Connection: close\r\n")
        slots.setdefault(source(index), []).append(slot(head))
        connection.close()
answer({"slots": slots})
