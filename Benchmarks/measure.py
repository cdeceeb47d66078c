"""One measurement of one peer."""

import contextlib
import dataclasses
import json
import os
import pathlib
import subprocess
import time

import peers
from cases import IDLE

BUILD = pathlib.Path(__file__).resolve().parent / "build"
FEW = 10  # connections beside which a crowd is looked at


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
    """A result counts only if every operation did what the case says, and nothing else."""
    if not result:
        raise RuntimeError("the client gave no result")
    operations, resumed = result["operations"], result["resumed"]
    if operations == 0 or sum(result["failed"].values()):
        raise RuntimeError(f"failures: {result['failed']}, operations: {operations}")
    if case.mode == "resume" and resumed < operations * 0.99:
        raise RuntimeError(f"only {resumed} of {operations} sessions were resumed")
    if case.mode != "resume" and resumed:
        raise RuntimeError(f"{resumed} of {operations} sessions were resumed")


def measure(options, case, peer, guard):
    """CPU (or latency) of one peer in one case; raises RuntimeError when it cannot be measured."""
    seconds = max(options.seconds, 2) if case.latency else options.seconds
    sources = ["--src", ",".join(two_sources(options, case, peer))] if case.two_workers else []
    with Client(options, case, peer.port, "--duration", seconds, *sources) as client:
        client.ready()
        processes, all_before = peer.processes(), busy(options.server_core, options.client_core)
        try:
            with guard.raised([client.process.pid, *processes], 20 + 3 * seconds):
                before = peer.cpu(processes)
                result = client.go()
                after = peer.cpu(processes)
        except OSError as error:
            raise RuntimeError(f"the peer's processes changed during the measurement: {error}") from None
        all_after = busy(options.server_core, options.client_core)
        if peer.processes() != processes:
            raise RuntimeError("the peer's processes changed during the measurement")
    check(case, result)
    spent = sum(after.values()) - sum(before.values())
    server_busy = spent / 1e9 / result["seconds"]
    if server_busy < 0.01:
        raise RuntimeError("the peer was idle: somebody else has answered")
    if case.latency:
        value = result[case.latency]["p50"]
    else:
        value = spent / result["bytes"] if case.per_byte else spent / result["operations"] / 1000
    others = (all_after - all_before - spent / 1e9 - result["client_cpu"]) / result["seconds"] / 2
    return {"value": value, "others": max(others, 0), "server_busy": server_busy,
            "client_busy": result["client_cpu"] / result["seconds"], "client": result}


def two_sources(options, case, peer):
    """Two addresses whose connections go to different workers: to which, their CPU clocks tell."""
    one_each = dataclasses.replace(case, client=f"{case.client} --mode full --connections 1 --count 20")
    found = {}
    for number in range(2, 200):
        if peer.two_sources:
            break
        source, workers = f"127.0.{number}.1", peer.processes()[1:]
        with Client(options, one_each, peer.port, "--src", source) as client:
            client.ready()
            before = peer.cpu(workers)
            check(one_each, client.go())
            after = peer.cpu(workers)
        found.setdefault(max(workers, key=lambda pid: after[pid] - before[pid]), source)
        if len(found) == 2:
            peer.two_sources = list(found.values())
    if not peer.two_sources:
        raise RuntimeError("all addresses go to the same worker")
    return peer.two_sources


@contextlib.contextmanager
def held(options, port, count):
    """Connections that have had one answer each and then do nothing. They are all still there at the end."""
    with Client(options, IDLE, port, "--connections", count) as client:
        client.ready()
        yield
        check(IDLE, client.go())


def measure_idle(options, case, kind, directory, guard):
    """A new server each time, because memory that once was used does not come back: what the first connections had
    would serve those that are measured, so they stay open."""
    peer = start(options, kind, case.leaf, directory)
    try:
        with held(options, peer.port, 64):
            before = peer.memory()
            with held(options, peer.port, options.idle):
                after = peer.memory()
        return {"value": (after - before) / options.idle / 1024}
    finally:
        peer.stop()


def measure_crowd(options, case, kind, directory, guard):
    """The CPU of a connection while many others are open, and, before and after that, while few are."""
    peer = start(options, kind, case.leaf, directory)
    try:
        measure(options, case, peer, guard)  # warms up
        with held(options, peer.port, FEW):
            before = measure(options, case, peer, guard)
            with held(options, peer.port, options.crowd - FEW):
                settle(peer)
                result = measure(options, case, peer, guard)
            settle(peer)
            after = measure(options, case, peer, guard)
        return {**result, "without": (before["value"] + after["value"]) / 2}
    finally:
        peer.stop()


def settle(peer):
    """Waits until the server has nothing left to do of what went before."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        before = sum(peer.cpu(peer.processes()).values())
        time.sleep(0.2)
        if sum(peer.cpu(peer.processes()).values()) - before < 2_000_000:  # 1 %
            return
    raise RuntimeError("the peer does not come to rest")


def measure_limit(options, case, tcp, guard):
    """The in-memory half on libssl plus the bare TCP half, one after the other on the server's core."""
    memory = 0
    if case.limit != "none":
        certificate, key = (peers.CERTS / f"localhost-{case.leaf}{end}.pem" for end in ("", "-key"))
        command = [BUILD / "limit", "memory", case.limit, certificate, key, str(options.seconds)]
        done = subprocess.run(["taskset", "-c", str(options.server_core), *command], check=True, capture_output=True,
                              text=True)
        memory = float(done.stdout) / (peers.BULK if case.per_byte else 1000)
    mode = case.mode.replace("resume", "full")
    network = measure(options, dataclasses.replace(case, client=f"--mode {mode} --tls off"), tcp, guard)
    return {**network, "value": memory + network["value"], "memory": memory, "network": network["value"]}
