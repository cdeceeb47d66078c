"""What is measured."""

import dataclasses


@dataclasses.dataclass
class Case:
    """What one measurement of one peer does."""

    what: str
    client: str  # options of the load client
    leaf: str = "ecdsa"
    unit: str = "µs"
    limit: str = ""  # mode of `limit memory`; "none": TCP alone; empty: there is no limit to compare with
    per_byte: bool = False
    latency: str = ""  # a latency instead of CPU
    two_workers: bool = False  # from two addresses, which two workers serve, however many there are
    own_server: bool = False  # each measurement starts a server for itself
    name: str = ""

    @property
    def mode(self):
        return self.client.split()[1]


RAW, LIBSSL = "--raw", "--fast"
OPEN_LOOP = "--rate 1000 --poisson --connections 256"
CASES = {
    "full": Case("full TLS 1.3 handshake, ECDSA, 1 GET, close", f"--mode full {RAW}", limit="full"),
    "resume": Case("resumed TLS 1.3 handshake, 1 GET, close", f"--mode resume {RAW}", limit="resume"),
    "full-rsa": Case("full TLS 1.3 handshake, RSA-2048, 1 GET, close", f"--mode full {RAW}", "rsa", limit="full"),
    "full-1.2": Case("full TLS 1.2 handshake, ECDSA, 1 GET, close", f"--mode full --tls 1.2 {LIBSSL}",
                     limit="full-1.2"),
    "resume-1.2": Case("resumed TLS 1.2 handshake, 1 GET, close", f"--mode resume --tls 1.2 {LIBSSL}",
                       limit="resume-1.2"),
    "keepalive": Case("GET of 14 bytes on 32 kept connections", f"--mode keepalive {LIBSSL}", limit="keepalive"),
    "bulk": Case("1 MiB answers on 4 kept connections, per byte", f"--mode bulk {LIBSSL}", unit="ns/B", limit="bulk",
                 per_byte=True),
    "plain": Case("TCP without TLS: connect, 1 GET, close", "--mode full --tls off", "plain", limit="none"),
    "plain-keepalive": Case("TCP without TLS: GET of 14 bytes on 32 kept connections", "--mode keepalive --tls off",
                            "plain", limit="none"),
    "idle": Case("memory per idle connection", f"--mode idle {LIBSSL}", unit="KiB", own_server=True),
    "crowd": Case("full TLS 1.3 handshake, 1 GET, close, beside a crowd of idle TLS connections", f"--mode full {RAW}",
                  own_server=True),
    "two-full": Case("`full` from two addresses that two workers serve", f"--mode full {RAW}", two_workers=True),
    "two-keepalive": Case("`keepalive` from two addresses that two workers serve", f"--mode keepalive {LIBSSL}",
                          two_workers=True),
    "connect-latency": Case("due to first byte of ServerHello, 1000 connections/s, Poisson; p50",
                            f"--mode full {RAW} {OPEN_LOOP}", latency="hello_us"),
    "plain-latency": Case("due to first byte of the answer, TCP without TLS, 1000 connections/s, Poisson; p50",
                          f"--mode full --tls off {OPEN_LOOP}", "plain", latency="hello_us"),
    "request-latency": Case("request latency at 4000/s on 32 kept connections, Poisson; p50",
                            f"--mode keepalive {LIBSSL} --rate 4000 --poisson", latency="latency_us"),
}
for name, case in CASES.items():
    case.name = name
USUAL = "full,resume,full-rsa,full-1.2,resume-1.2,keepalive,bulk,idle"
IDLE = CASES["idle"]
