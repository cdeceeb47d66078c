"""longchain.py PORT VERSION: a client certificate with a chain of 100 kB (T20)."""

import sys

from tls import *

port, version = int(sys.argv[1]), sys.argv[2]
made = context(version)
made.load_cert_chain(file("client-chain.pem"), file("client-key.pem"))
tell(attempt(port, name="mtls.test", made=made))
