#!/usr/bin/env python3
"""Server CPU per unit of work, against other servers, in interleaved rounds. See README.md for how to read it."""

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile

import peers
from cases import CASES, LIBSSL, RAW, USUAL
from measure import BUILD, measure, measure_crowd, measure_idle, measure_limit, start
from realtime import Guard, NoGuard
from report import compare, failures, machine, strangers, summarize, table

HERE = pathlib.Path(__file__).resolve().parent
FAILED = None


def say(*text):
    print(*text, file=sys.stderr, flush=True)


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
    command = ["swift", "build", "-c", "release", "--traits", "Hummingbird", "--product", "sticky-demo"]
    if not skip:
        say("$", *command)
        subprocess.run(command, cwd=peers.ROOT, check=True, stdout=sys.stderr)
    found = subprocess.run([*command, "--show-bin-path"], cwd=peers.ROOT, check=True, capture_output=True, text=True)
    return found.stdout.strip() + "/sticky-demo"


def start_all(options, cases, directory, running):
    """Starts all peers, for each kind of leaf that the cases need, into `running` by (name, leaf). Reports those that
    cannot start; returns the kinds of the others by name."""
    kinds = {}
    for name in options.peers:
        kind = peers.KNOWN[name]
        served = [case for case in cases.values() if kind.serves(case.name)]
        shared = {case.leaf for case in served if not case.own_server}
        try:
            for leaf in sorted(shared):
                running[name, leaf] = start(options, kind, leaf, directory)
            if served and not shared:
                start(options, kind, served[0].leaf, directory).stop()  # only to see that it can
            kinds[name] = kind
        except peers.CannotStart as error:
            options.left_out[name] = str(error)
            say(f"without {name}: {error}")
            if name == options.base:
                sys.exit(f"nothing to compare with: {name} cannot start")
    return kinds


def rounds(options, cases, directory, guard):
    """values[case][peer] is a list with one measurement a round, or FAILED."""
    values = {name: {} for name in cases}
    running, tcp = {}, None
    try:
        kinds = start_all(options, cases, directory, running)
        if options.limit:
            tcp = start(options, peers.BareTCP, "ecdsa", directory)
        for number in range(options.rounds + 1):
            for name, case in cases.items():
                order = [peer for peer in kinds if kinds[peer].serves(name)]
                if tcp and case.limit:
                    order.append("limit")
                if (case.own_server and number == 0) or (name == "idle" and number > 3):
                    continue  # new servers need no warm-up, and memory hardly varies
                random.shuffle(order)
                for peer in order:
                    try:
                        if peer == "limit":
                            one = measure_limit(options, case, tcp, guard)
                        elif case.own_server:
                            one = {"idle": measure_idle, "crowd": measure_crowd}[name](options, case, kinds[peer],
                                                                                       directory, guard)
                        else:
                            one = measure(options, case, running[peer, case.leaf], guard)
                    except (RuntimeError, peers.CannotStart, OSError, subprocess.SubprocessError) as error:
                        say(f"round {number}: {peer}, {name}: {error}")
                        one = FAILED
                    if number > 0:  # the first round only warms up
                        values[name].setdefault(peer, []).append(one)
            say(f"round {number} of {options.rounds}" + (" (warm-up, not counted)" if number == 0 else ""))
    finally:
        for peer in [*running.values(), *([tcp] if tcp else [])]:
            peer.stop()
    return values


def parse():
    parser = argparse.ArgumentParser(description=__doc__, epilog="cases: " + "; ".join(
        f"{name}: {case.what}" for name, case in CASES.items()))
    parser.add_argument("--peers", default="sticky,nginx,haproxy,hitch+nginx",
                        help=f"of {', '.join(peers.KNOWN)}; those that cannot start are left out (default %(default)s)")
    parser.add_argument("--base", default="nginx", help="the peer that the ratios refer to (default %(default)s)")
    parser.add_argument("--cases", default=USUAL, help="default %(default)s")
    parser.add_argument("--rounds", type=int, default=11, help="counted rounds, after one that is not (default 11)")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each measurement (default 0.5)")
    parser.add_argument("--idle", type=int, default=2000, help="connections in the case `idle` (default 2000)")
    parser.add_argument("--crowd", type=int, default=10000, help="connections in the case `crowd` (default 10000)")
    parser.add_argument("--rate", type=int, default=1000,
                        help="new connections a second in the cases connect-latency and plain-latency (default 1000)")
    parser.add_argument("--no-limit", dest="limit", action="store_false", help="without the bare limit")
    parser.add_argument("--no-build", action="store_true", help="take the release build that is there")
    parser.add_argument("--sticky", help="take this sticky-demo and build none")
    parser.add_argument("--hummingbird", help="the release HummingbirdFixture, for the peers with an application")
    parser.add_argument("--sticky-options", default="", help="more options for sticky-demo")
    parser.add_argument("--libssl-client", action="store_true", help="libssl's client where ours is the default")
    parser.add_argument("--fifo", action="store_true", help="real-time scheduling, for latencies (needs root)")
    parser.add_argument("--server-core", type=int, default=0)
    parser.add_argument("--client-core", type=int, default=1)
    options = parser.parse_args()
    options.peers, options.left_out = options.peers.split(","), {}
    for name in options.peers:
        if name not in peers.KNOWN:
            parser.error(f"no peer {name}")
    unknown = [name for name in options.cases.split(",") if name not in CASES]
    if unknown:
        parser.error(f"no case {', '.join(unknown)}")
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    if max(options.crowd, options.idle) + 1000 > most:
        parser.error(f"--crowd and --idle need more descriptors than a process may have, which is {most} (ulimit -Hn)")
    if not {options.server_core, options.client_core} <= os.sched_getaffinity(0):
        parser.error("server and client need a core each; see --server-core and --client-core")
    return options


def main():
    options = parse()
    for fatal in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(fatal, lambda *_: sys.exit(143))  # so that the servers are stopped then too
    cases = {name: CASES[name] for name in options.cases.split(",")}
    for name, case in cases.items():
        cases[name] = dataclasses.replace(case, client=case.client.replace("--rate 1000 ", f"--rate {options.rate} "),
                                          what=case.what.replace("1000 conn", f"{options.rate} conn"))
    if options.libssl_client:
        for name, case in cases.items():
            cases[name] = dataclasses.replace(case, client=case.client.replace(RAW, LIBSSL))
    compile_c("client", "-lssl", "-lcrypto", "-lm")
    peers.BareTCP.binary = compile_c("limit", "-lssl", "-lcrypto")
    peers.Sticky.options = options.sticky_options.split()
    peers.StickyHummingbird.fixture = options.hummingbird and os.path.abspath(options.hummingbird)
    if any(name.startswith("sticky") for name in options.peers):
        peers.Sticky.binary = os.path.abspath(options.sticky) if options.sticky else build_sticky(options.no_build)

    # From here on this process stays away from the servers' core, and so do its looks into /proc.
    os.sched_setaffinity(0, {options.client_core})
    guard = Guard(options.client_core) if options.fifo else NoGuard()
    try:
        with tempfile.TemporaryDirectory(prefix="sticky-bench-") as directory:
            values = rounds(options, cases, directory, guard)
    finally:
        guard.end()
    summary = summarize(values, options.base)
    comparisons = compare(values)
    print(table(cases, summary, options.base))
    for line in comparisons:
        print(line["text"])
    if options.left_out:
        print("Left out, because they could not start: " + ", ".join(options.left_out))
    others = strangers(values)
    if others > 0.1:
        print(f"Other processes used {others:.0%} of the two cores meanwhile: trust these numbers less.")

    results = HERE / "results"
    results.mkdir(exist_ok=True)
    now = datetime.datetime.now(datetime.timezone.utc)
    file = results / now.strftime("%Y-%m-%dT%H%M%SZ.json")
    file.write_text(json.dumps({"time": now.isoformat(timespec="seconds"), "machine": machine(),
                                "options": vars(options), "base": options.base, "others": others,
                                "units": {name: case.unit for name, case in cases.items()},
                                "load": os.getloadavg(), "summary": summary,
                                "comparisons": comparisons, "rounds": values}, indent=1, default=str))
    say(f"written: {file}")
    if failed := failures(values):
        sys.exit("this run is not whole: " + "; ".join(failed))


if __name__ == "__main__":
    main()
