#!/usr/bin/env python3
"""Server CPU per unit of work, against other servers, in interleaved rounds. See README.md for how to read it."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile

import peers

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE / "build"
FAILED = None


@dataclasses.dataclass
class Case:
    """What one measurement of one peer does."""

    what: str
    client: str  # options of the load client
    leaf: str = "ecdsa"
    unit: str = "µs"
    limit: str = ""  # mode of `limit memory`
    per_byte: bool = False
    latency: str = ""  # a latency instead of CPU


RAW, LIBSSL = "--raw", "--fast"
CASES = {
    "full": Case("full TLS 1.3 handshake, ECDSA, 1 GET, close", f"--mode full {RAW}", limit="full"),
    "resume": Case("resumed TLS 1.3 handshake, 1 GET, close", f"--mode resume {RAW}", limit="resume"),
    "full-rsa": Case("full TLS 1.3 handshake, RSA-2048, 1 GET, close", f"--mode full {RAW}", "rsa", limit="full"),
    "full-1.2": Case("full TLS 1.2 handshake, ECDSA, 1 GET, close", f"--mode full --tls 1.2 {LIBSSL}", limit="full-1.2"),
    "resume-1.2": Case("resumed TLS 1.2 handshake, 1 GET, close", f"--mode resume --tls 1.2 {LIBSSL}",
                       limit="resume-1.2"),
    "keepalive": Case("GET of 14 bytes on 32 kept connections", f"--mode keepalive {LIBSSL}", limit="keepalive"),
    "bulk": Case("1 MiB answers on 4 kept connections, per byte", f"--mode bulk {LIBSSL}", unit="ns/B", limit="bulk",
                 per_byte=True),
    "idle": Case("memory per idle connection", f"--mode idle {LIBSSL}", unit="KiB"),
    "connect-latency": Case("connect to first byte of ServerHello, 500 connections/s, Poisson; p50",
                            f"--mode full {RAW} --rate 500 --poisson --connections 256", latency="hello_us"),
    "request-latency": Case("request latency at 4000/s on 32 kept connections, Poisson; p50",
                            f"--mode keepalive {LIBSSL} --rate 4000 --poisson", latency="latency_us"),
}
USUAL = "full,resume,full-rsa,full-1.2,resume-1.2,keepalive,bulk,idle"


def say(*text):
    print(*text, file=sys.stderr, flush=True)


# --- Building ---------------------------------------------------------------------------------------------------------

def compile_c(name, *libraries):
    """The C program in directory `name`, compiled anew if its sources are younger. Returns its path."""
    sources = sorted((HERE / name).glob("*.c"))
    binary = BUILD / name
    BUILD.mkdir(exist_ok=True)
    newest = max(path.stat().st_mtime for path in (HERE / name).iterdir())
    if not binary.exists() or binary.stat().st_mtime < newest:
        compiler = os.environ.get("CC") or shutil.which("cc") or shutil.which("clang")
        if not compiler:
            sys.exit("no C compiler found; try scripts/dependencies.sh bench")
        flags = ["-std=gnu17", "-O2", "-g", "-Wall", "-Wextra"]
        subprocess.run([compiler, *flags, "-o", binary, *sources, *libraries], check=True)
    return binary


def build_sticky(skip):
    command = ["swift", "build", "-c", "release", "--traits", "NIO", "--product", "sticky-demo"]
    if not skip:
        say("$", *command)
        subprocess.run(command, cwd=peers.ROOT, check=True, stdout=sys.stderr)
    found = subprocess.run([*command, "--show-bin-path"], cwd=peers.ROOT, check=True, capture_output=True, text=True)
    return found.stdout.strip() + "/sticky-demo"


# --- Measuring --------------------------------------------------------------------------------------------------------

class Client:
    """One run of the load client, stopped before and after the measured part so that counters can be read."""

    def __init__(self, options, case, port, *more):
        command = [BUILD / "client", "--port", port, "--steps", *case.client.split(), *more]

        def settle():
            os.sched_setaffinity(0, {options.client_core})
            if options.fifo:
                os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))

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

    def __exit__(self, *_):
        if self.process.poll() is None:
            try:
                self.process.communicate("\n", timeout=10)
            except (subprocess.TimeoutExpired, BrokenPipeError):
                self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            pipe.close()


def check(case, result):
    failed = sum(result["failed"].values())
    if failed > result["operations"] / 1000 or result["operations"] == 0:
        raise RuntimeError(f"failures: {result['failed']}, operations: {result['operations']}")
    if "resume" in case.client and result["resumed"] < result["operations"] * 0.99:
        raise RuntimeError(f"only {result['resumed']} of {result['operations']} sessions were resumed")


def measure(options, case, peer):
    """CPU (or latency) of one peer in one case; raises RuntimeError when it cannot be measured."""
    more = [] if case.latency else ["--duration", options.seconds]
    if case.latency:
        more = ["--duration", max(options.seconds, 2)]
    with Client(options, case, peer.port, *more) as client:
        client.ready()
        before = peer.cpu()
        result = client.go()
        after = peer.cpu()
    if not result:
        raise RuntimeError("the client gave no result")
    check(case, result)
    if before.keys() != after.keys():
        raise RuntimeError("the peer's processes changed during the measurement")
    spent = sum(after.values()) - sum(before.values())
    if case.latency:
        value = result[case.latency]["p50"]
    else:
        value = spent / result["bytes"] if case.per_byte else spent / result["operations"] / 1000
    return {"value": value, "server_busy": spent / 1e9 / result["seconds"],
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


def measure_limit(options, case, tcp):
    """The in-memory half on libssl plus the bare TCP half, one after the other on the server's core."""
    certificate, key = peers.CERTS / f"localhost-{case.leaf}.pem", peers.CERTS / f"localhost-{case.leaf}-key.pem"
    command = [BUILD / "limit", "memory", case.limit, certificate, key, str(options.seconds)]
    done = subprocess.run(["taskset", "-c", str(options.server_core), *command], check=True, capture_output=True,
                          text=True)
    memory = float(done.stdout) / (peers.BULK if case.per_byte else 1000)
    mode = "bulk" if case.per_byte else "keepalive" if case.limit == "keepalive" else "full"
    plain = dataclasses.replace(case, client=f"--mode {mode} --tls off")
    network = measure(options, plain, tcp)
    return {**network, "value": memory + network["value"], "memory": memory, "network": network["value"]}


def start(options, kind, leaf, directory):
    return kind(leaf, directory, options.server_core, options.fifo)


def start_all(options, cases, directory):
    """All peers for each kind of leaf that the cases need, by (name, leaf). Those that cannot start are reported."""
    running, kinds = {}, {}
    for name in options.peers:
        kind = peers.KNOWN[name]
        try:
            for leaf in sorted({case.leaf for case in cases.values()}):
                running[name, leaf] = start(options, kind, leaf, directory)
            kinds[name] = kind
        except peers.CannotStart as error:
            say(f"without {name}: {error}")
    return running, kinds


def rounds(options, cases, directory):
    """values[case][peer] is a list with one measurement a round, or FAILED."""
    values = {name: {} for name in cases}
    running, tcp = {}, None
    try:
        running, kinds = start_all(options, cases, directory)
        if options.limit:
            tcp = start(options, peers.BareTCP, "ecdsa", directory)
        for number in range(options.rounds + 1):
            for name, case in cases.items():
                order = [peer for peer in kinds if kinds[peer].cases is None or name in kinds[peer].cases]
                if tcp and case.limit:
                    order.append("limit")
                random.shuffle(order)
                for peer in order:
                    try:
                        if peer == "limit":
                            one = measure_limit(options, case, tcp)
                        elif name == "idle":
                            one = measure_idle(options, case, kinds[peer], directory)
                        else:
                            one = measure(options, case, running[peer, case.leaf])
                    except (RuntimeError, peers.CannotStart, OSError) as error:
                        say(f"round {number}: {peer}, {name}: {error}")
                        one = FAILED
                    if number > 0:  # the first round only warms up
                        values[name].setdefault(peer, []).append(one)
            say(f"round {number} of {options.rounds}" + (" (warm-up, not counted)" if number == 0 else ""))
    finally:
        for peer in [*running.values(), *([tcp] if tcp else [])]:
            peer.stop()
    return values


# --- Reporting --------------------------------------------------------------------------------------------------------

def summarize(values, base):
    """For each case and peer: the median, and the median, least and greatest of the ratios to `base` in the same round."""
    summary = {}
    for name, by_peer in values.items():
        for peer, row in by_peer.items():
            good = [one["value"] for one in row if one]
            ratios = [one["value"] / other["value"] for one, other in zip(row, by_peer.get(base, [])) if one and other]
            busy = [(one["server_busy"], one["client_busy"]) for one in row if one and "server_busy" in one]
            summary.setdefault(name, {})[peer] = {
                "median": statistics.median(good) if good else None,
                "ratio": statistics.median(ratios) if ratios else None,
                "ratio_range": [min(ratios), max(ratios)] if ratios else None,
                "rounds": len(good),
                "server_busy": statistics.median(b[0] for b in busy) if busy else None,
                "client_busy": statistics.median(b[1] for b in busy) if busy else None,
            }
    return summary


def table(cases, summary, base):
    lines = [f"{'':16} {'':12} {'median':>10}      {'× ' + base:>7}  {'range':13}  server/client busy"]
    for name, case in cases.items():
        lines.append(f"{name}: {case.what}")
        rows = summary.get(name, {})
        for peer in sorted(rows, key=lambda peer: rows[peer]["median"] or 1e99):
            row = rows[peer]
            if row["median"] is None:
                lines.append(f"{'':16} {peer:12} {'failed':>10}")
                continue
            digits = 1 if row["median"] >= 2 else 3
            line = f"{'':16} {peer:12} {row['median']:10.{digits}f} {case.unit:4}"
            line += f" {row['ratio']:6.2f}×" if row["ratio"] else " " * 8
            line += "  {:.2f}–{:.2f}    ".format(*row["ratio_range"]) if row["ratio"] else " " * 15
            if row["server_busy"] is not None and peer != "limit":
                line += f"  {row['server_busy']:4.0%} /{row['client_busy']:4.0%}"
            lines.append(line)
    return "\n".join(lines)


def machine():
    model = next((line.split(":")[1].strip() for line in open("/proc/cpuinfo") if line.startswith("model name")), "?")
    versions = {}
    for name, command in {"openssl": ["openssl", "version"], "nginx": [peers.program("nginx"), "-v"]}.items():
        if command[0] and shutil.which(command[0]):
            done = subprocess.run(command, capture_output=True, text=True)
            versions[name] = (done.stdout + done.stderr).strip()
    return {"cpu": model, "cores": os.cpu_count(), "kernel": platform.release(), **versions}


def parse():
    parser = argparse.ArgumentParser(description=__doc__, epilog="cases: " + "; ".join(
        f"{name}: {case.what}" for name, case in CASES.items()))
    parser.add_argument("--peers", default="sticky,nginx,haproxy,hitch+nginx",
                        help=f"of {', '.join(peers.KNOWN)}; those that cannot start are left out (default %(default)s)")
    parser.add_argument("--base", default="nginx", help="the peer that the ratios refer to (default %(default)s)")
    parser.add_argument("--cases", default=USUAL, help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=7, help="counted rounds, after one that is not (default 7)")
    parser.add_argument("--seconds", type=float, default=1, help="of each measurement (default 1)")
    parser.add_argument("--idle", type=int, default=2000, help="connections in the case `idle` (default 2000)")
    parser.add_argument("--no-limit", dest="limit", action="store_false", help="without the bare limit")
    parser.add_argument("--no-build", action="store_true", help="take the release build that is there")
    parser.add_argument("--sticky", help="take this sticky-demo and build none")
    parser.add_argument("--sticky-options", default="", help="more options for sticky-demo")
    parser.add_argument("--libssl-client", action="store_true", help="libssl's client where ours is the default")
    parser.add_argument("--fifo", action="store_true", help="real-time scheduling, for latencies (needs root)")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    options = parser.parse_args()
    options.peers = options.peers.split(",")
    for name in options.peers:
        if name not in peers.KNOWN:
            parser.error(f"no peer {name}")
    unknown = [name for name in options.cases.split(",") if name not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    if not {options.server_core, options.client_core} <= os.sched_getaffinity(0):
        parser.error("server and client need a core each; see --server-core and --client-core")
    return options


def main():
    options = parse()
    cases = {name: CASES[name] for name in options.cases.split(",")}
    if options.libssl_client:
        cases = {name: dataclasses.replace(case, client=case.client.replace(RAW, LIBSSL)) for name, case in cases.items()}
    compile_c("client", "-lssl", "-lcrypto", "-lm")
    peers.BareTCP.binary = compile_c("limit", "-lssl", "-lcrypto")
    peers.Sticky.options = options.sticky_options.split()
    if "sticky" in options.peers:
        peers.Sticky.binary = os.path.abspath(options.sticky) if options.sticky else build_sticky(options.no_build)

    with tempfile.TemporaryDirectory(prefix="sticky-bench-") as directory:
        values = rounds(options, cases, directory)
    summary = summarize(values, options.base)
    print(table(cases, summary, options.base))

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    file = results / now.strftime("%Y-%m-%dT%H%M%SZ.json")
    file.write_text(json.dumps({"time": now.isoformat(timespec="seconds"), "machine": machine(),
                                "options": vars(options), "base": options.base, "summary": summary, "rounds": values},
                               indent=1, default=str))
    say(f"written: {file}")


if __name__ == "__main__":
    main()
