"""What is measured, and one measurement of one peer."""

import dataclasses
import json
import os
import pathlib
import subprocess

import peers

BUILD = pathlib.Path(__file__).resolve().parent / "build"


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
    name: str = ""


RAW, LIBSSL = "--raw", "--fast"
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
    "idle": Case("memory per idle connection", f"--mode idle {LIBSSL}", unit="KiB"),
    "connect-latency": Case("connect to first byte of ServerHello, 500 connections/s, Poisson; p50",
                            f"--mode full {RAW} --rate 500 --poisson --connections 256", latency="hello_us"),
    "request-latency": Case("request latency at 4000/s on 32 kept connections, Poisson; p50",
                            f"--mode keepalive {LIBSSL} --rate 4000 --poisson", latency="latency_us"),
}
for name, case in CASES.items():
    case.name = name
USUAL = "full,resume,full-rsa,full-1.2,resume-1.2,keepalive,bulk,idle"


def start(options, kind, leaf, directory):
    return kind(leaf, directory, options.server_core)


class Client:
    """One run of the load client, stopped before and after the measured part so that counters can be read."""

    def __init__(self, options, case, port, *more):
        command = [BUILD / "client", "--port", port, "--steps", *case.client.split(), *more]

        def settle():
            os.sched_setaffinity(0, {options.client_core})

        self.process = subprocess.Popen([str(part) for part in command], stdin=subprocess.PIPE, text=True,
                                        stdout=subprocess.PIPE, stderr=subprocess.PIPE, preexec_fn=settle)

    def __enter__(self):
        return self

    def ready(self):
        if self.process.stdout.readline() != "ready\n":
            raise RuntimeError(self.process.stderr.read().strip() or "the client ended early")

    def go(self):
        self.step()
        return json.loads(self.process.stdout.readline() or "null")

    def step(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def __exit__(self, failure, *_):
        if failure:
            self.process.kill()
        if self.process.poll() is None:
            try:
                self.process.communicate("\n", timeout=10)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


def busy(*cores):
    """Seconds that the cores have spent on anything so far."""
    seconds = 0
    for line in open("/proc/stat"):
        name, *ticks = line.split()
        if name in [f"cpu{core}" for core in cores]:
            user, nice, system, _, _, irq, softirq, steal = map(int, ticks[:8])
            seconds += (user + nice + system + irq + softirq + steal) / os.sysconf("SC_CLK_TCK")
    return seconds


def check(case, result):
    failed = sum(result["failed"].values())
    if failed > result["operations"] / 1000 or result["operations"] == 0:
        raise RuntimeError(f"failures: {result['failed']}, operations: {result['operations']}")
    if "resume" in case.client and result["resumed"] < result["operations"] * 0.99:
        raise RuntimeError(f"only {result['resumed']} of {result['operations']} sessions were resumed")


def measure(options, case, peer, guard):
    """CPU (or latency) of one peer in one case; raises RuntimeError when it cannot be measured."""
    more = [] if case.latency else ["--duration", options.seconds]
    if case.latency:
        more = ["--duration", max(options.seconds, 2)]
    with Client(options, case, peer.port, *more) as client:
        client.ready()
        processes, all_before = peer.processes(), busy(options.server_core, options.client_core)
        with guard.raised([client.process.pid, *processes], 20 + 3 * float(more[-1])):
            before = peer.cpu(processes)
            result = client.go()
            after = peer.cpu(processes)
        all_after = busy(options.server_core, options.client_core)
        if peer.processes() != processes:
            raise RuntimeError("the peer's processes changed during the measurement")
    if not result:
        raise RuntimeError("the client gave no result")
    check(case, result)
    spent = sum(after.values()) - sum(before.values())
    if case.latency:
        value = result[case.latency]["p50"]
    else:
        value = spent / result["bytes"] if case.per_byte else spent / result["operations"] / 1000
    others = (all_after - all_before - spent / 1e9 - result["client_cpu"]) / result["seconds"] / 2
    return {"value": value, "others": max(others, 0), "server_busy": spent / 1e9 / result["seconds"],
            "client_busy": result["client_cpu"] / result["seconds"], "client": result}


def measure_idle(options, case, kind, directory):
    """A new server each time, because memory that once was used does not come back."""
    peer = start(options, kind, case.leaf, directory)
    try:
        with Client(options, case, peer.port, "--connections", 64) as client:
            client.ready()
        before = peer.memory()
        with Client(options, case, peer.port, "--connections", options.idle) as client:
            client.ready()
            after = peer.memory()
        return {"value": (after - before) / options.idle / 1024}
    finally:
        peer.stop()


def measure_limit(options, case, tcp, guard):
    """The in-memory half on libssl plus the bare TCP half, one after the other on the server's core."""
    memory = 0
    if case.limit != "none":
        certificate, key = (peers.CERTS / f"localhost-{case.leaf}{end}.pem" for end in ("", "-key"))
        command = [BUILD / "limit", "memory", case.limit, certificate, key, str(options.seconds)]
        done = subprocess.run(["taskset", "-c", str(options.server_core), *command], check=True, capture_output=True,
                              text=True)
        memory = float(done.stdout) / (peers.BULK if case.per_byte else 1000)
    mode = case.client.split()[1].replace("resume", "full")
    network = measure(options, dataclasses.replace(case, client=f"--mode {mode} --tls off"), tcp, guard)
    return {**network, "value": memory + network["value"], "memory": memory, "network": network["value"]}
