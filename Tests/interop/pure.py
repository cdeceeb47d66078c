"""pure.py PORT VERSION: two connections with tlslite-ng, which is Python throughout; prints the server's facts of each."""

import socket
import sys

from tlslite.api import HandshakeSettings, TLSConnection

port, version = int(sys.argv[1]), sys.argv[2]
settings = HandshakeSettings()
settings.minVersion = settings.maxVersion = (3, 3) if version == "1.2" else (3, 4)
session = None
for _ in range(2):
    connection = TLSConnection(socket.create_connection(("127.0.0.1", port), timeout=10))
    connection.handshakeClientCert(serverName="localhost", settings=settings, session=session)
    connection.write(b"who\n")
    print(connection.read(min=1).decode(), end="")
    session = connection.session
    connection.close()
