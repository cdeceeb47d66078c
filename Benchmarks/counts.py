#!/usr/bin/env python3
"""What repeats on any machine, however busy: system calls, wake-ups, instructions and allocations for each unit of
work.

System calls come from strace, of master and worker; instructions and allocations from callgrind, of the worker's user
space alone. See README.md."""

import argparse
import collections
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time

import peers
from run import BUILD, build_sticky, compile_c, say

# (leaf, options of the client)
CASES = {
    "full": ("ecdsa", "--mode full --raw"),
    "resume": ("ecdsa", "--mode resume --raw"),
    "keepalive": ("ecdsa", "--mode keepalive --fast"),
    "plain": ("plain", "--mode full --tls off"),
    "plain-keepalive": ("plain", "--mode keepalive --tls off"),
}
VARIANTS = {
    "stock": ["--transport", "stock"],
    "lean": ["--transport", "lean"],
    "lean+schedule": ["--transport", "lean", "--own-key-schedule"],
}
# With --hummingbird: one application on sticky workers.
HUMMINGBIRD = {"hb-stock": ["transport=stock"], "hb-lean": ["transport=lean"]}
WAITS = {"epoll_wait", "epoll_pwait", "epoll_pwait2", "poll", "ppoll", "select", "futex"}
ALLOCATORS = {"malloc", "calloc", "realloc", "posix_memalign", "aligned_alloc", "memalign"}
# OpenSSL 3.0 asks who it is for every random number; nothing of ours.
UNCOUNTED = {"getpid"}


def client(case, port, count, steps=False):
    # One at a time: what a wake-up finds does not depend on the machine then.
    command = [str(BUILD / "client"), "--port", str(port), *CASES[case][1].split(), "--connections", "1",
               "--count", str(count)]
    return subprocess.Popen(command + ["--steps"] * steps, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


class Load:
    """A client that stands still before and after the part that is counted, with its connections open."""

    def __init__(self, case, port, count):
        self.count, self.process = count, client(case, port, count, steps=True)
        if self.process.stdout.readline() != "ready\n":
            sys.exit("the client did not become ready")

    def go(self):
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        result = json.loads(self.process.stdout.readline())
        if result["operations"] != self.count or sum(result["failed"].values()):
            sys.exit(f"failures: {result}")

    def end(self):
        self.process.communicate("\n")


def children(pid):
    return [int(child) for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def settle():
    """The server has nothing left to do: the end of the last connection is its last work."""
    time.sleep(0.3)


# --- System calls

def system_calls(case, peer, count):
    """By process and name, for one unit of work, from the difference between a long run and a short one."""
    found = {}
    for times in (1, 2):
        load = Load(case, peer.port, count * times)
        pids = sum([["-p", str(pid)] for pid in peer.processes()], [])
        log = peer.directory / f"strace-{times}"
        for old in peer.directory.glob(f"strace-{times}.*"):
            old.unlink()
        tracer = subprocess.Popen(["strace", "-qq", "-ff", "-f", "-o", log, *pids], stderr=subprocess.PIPE, text=True)
        await_tracers(peer)
        load.go()
        settle()
        tracer.send_signal(signal.SIGINT)
        tracer.wait()
        load.end()
        settle()
        for file in peer.directory.glob(f"strace-{times}.*"):
            counts = collections.Counter(re.findall(r"^(\w+)\(", file.read_text(errors="replace"), re.M))
            waits = collections.Counter(re.findall(r"^(\w+)\(.* = [1-9]\d*", file.read_text(errors="replace"), re.M))
            found.setdefault(file.suffix, {})[times] = (counts, waits)
    calls, wakes = collections.Counter(), 0
    for by_times in found.values():
        one, two = (by_times.get(times, (collections.Counter(), collections.Counter())) for times in (1, 2))
        for name in two[0] | one[0]:
            calls[name] += (two[0][name] - one[0][name]) / count
        wakes += sum((two[1][name] - one[1][name]) / count for name in WAITS)
    return {"calls": {name: round(value, 2) for name, value in calls.most_common() if abs(value) >= 0.01},
            "total": sum(value for name, value in calls.items() if name not in UNCOUNTED), "wakes": wakes}


def await_tracers(peer):
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        traced = [re.search(r"^TracerPid:\s+(\d+)", pathlib.Path(task, "status").read_text(), re.M)[1] != "0"
                  for pid in peer.processes() for task in pathlib.Path(f"/proc/{pid}/task").iterdir()]
        if all(traced):
            return
        time.sleep(0.02)
    sys.exit("strace does not trace the server")


# --- Instructions and allocations

class UnderValgrind(peers.Sticky):
    wait = 180
    preload = str(BUILD / "valgrind.so")

    def spawn(self, program, *rest, **options):
        environment = {**os.environ, "LD_PRELOAD": self.preload, "COUNTED_PROGRAM": program}
        return super().spawn(program, *rest, env=environment, **options)


class HummingbirdUnderValgrind(UnderValgrind, peers.StickyHummingbird):
    start = peers.StickyHummingbird.start


def strip(binary):
    """Valgrind gives up on Swift's debug information; names of functions are elsewhere."""
    stripped = str(BUILD / f"{os.path.basename(binary)}-stripped")
    subprocess.run(["objcopy", "--strip-debug", binary, stripped], check=True)
    return stripped


def instructions(case, peer, count):
    warm = client(case, peer.port, 20)
    warm.communicate()
    # The worker: the master has no other children.
    worker = max(pid for pid in peer.processes() if pid != peer.started[0].pid)
    load = Load(case, peer.port, count)
    settle()
    control("--zero", worker, peer)
    load.go()
    settle()
    before = set(peer.directory.glob(f"callgrind.{worker}*"))
    control("--dump", worker, peer)
    load.end()
    made = set(peer.directory.glob(f"callgrind.{worker}*")) - before
    if len(made) != 1:
        sys.exit(f"callgrind wrote {len(made)} files")
    file = made.pop()
    profile = read_profile(file)
    profile = {"instructions": profile["instructions"] / count, "allocations": profile["allocations"] / count,
               "objects": {name: round(value / count) for name, value in profile["objects"].most_common(12)}}
    return profile, file


def control(what, pid, peer):
    done = subprocess.run(["callgrind_control", what, str(pid)], cwd=peer.directory, capture_output=True, text=True,
                          timeout=120)
    if done.returncode or "Error" in done.stdout:
        sys.exit(f"callgrind_control {what}: {done.stdout} {done.stderr}")


def read_profile(file):
    """Totals of a callgrind file: instructions by object, and calls of the allocator."""
    names, objects = {}, {}
    instructions, allocations = collections.Counter(), 0
    of, skip, callee = "?", False, ""
    name = re.compile(r"\((\d+)\)(?: (.*))?")

    def expand(text, table):
        number, text = name.match(text).groups()
        if text is not None:
            table[number] = text
        return table.get(number, "?")

    for line in open(file, errors="replace"):
        line = line.rstrip("\n")
        if line.startswith("ob="):
            of = os.path.basename(expand(line[3:], objects))
        elif line.startswith("cob="):
            expand(line[4:], objects)
        elif line.startswith("fn="):
            expand(line[3:], names)
        elif line.startswith("cfn="):
            callee = expand(line[4:], names)
        elif line.startswith("calls="):
            if callee.split("@")[0].split("'")[0] in ALLOCATORS:
                allocations += int(line[6:].split()[0])
            skip = True
        elif line[:1] in "0123456789+-*" and line:
            # The cost of a call is in the callee too.
            if not skip:
                instructions[of] += int(line.split()[1])
            skip = False
    return {"instructions": sum(instructions.values()), "allocations": allocations, "objects": instructions}


# --- The command

def row(name, case, result):
    profile = result.get("profile")
    line = f"{case:16} {name:13}"
    if "system" in result:
        line += f" {result['system']['total']:8.1f} {result['system']['wakes']:8.1f}"
    else:
        line += " " * 18
    if profile:
        line += f" {profile['instructions'] / 1000:12.1f} {profile['allocations']:8.1f}"
    return line


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--cases", default=",".join(CASES), help=f"of {','.join(CASES)}")
    parser.add_argument("--variants", default=",".join(VARIANTS),
                        help=f"of the demo, of {','.join(VARIANTS)}; of Hummingbird, of {','.join(HUMMINGBIRD)}")
    parser.add_argument("--hummingbird", help="a release HummingbirdFixture, to count it instead of the demo")
    parser.add_argument("--count", type=int, default=200, help="units of work that are counted")
    parser.add_argument("--workers", type=int, default=1, help="of the server; more than one only with --what system")
    parser.add_argument("--what", default="system,profile", help="system calls, profile, or both")
    parser.add_argument("--sticky", help="the sticky-demo to count, instead of building one")
    parser.add_argument("--no-build", action="store_true", help="use the sticky-demo that is there")
    parser.add_argument("--keep", help="directory for callgrind's files, for callgrind_annotate")
    options = parser.parse_args()
    if options.hummingbird and options.variants == ",".join(VARIANTS):
        options.variants = ",".join(HUMMINGBIRD)
    if options.workers != 1 and options.what != "system":
        parser.error("a profile is that of one worker; see --what")
    return options


def count(options, case, variant, directory):
    kinds = {"system": peers.Sticky, "profile": UnderValgrind}
    if options.hummingbird:
        kinds = {"system": peers.StickyHummingbird, "profile": HummingbirdUnderValgrind}
    result = {}
    for what in options.what.split(","):
        if options.hummingbird:
            peers.StickyHummingbird.variant = HUMMINGBIRD[variant]
        else:
            peers.Sticky.options = [*VARIANTS[variant], "--allow-root"]
        peers.Sticky.workers = options.workers
        peer = kinds[what](CASES[case][0], directory, min(os.sched_getaffinity(0)))
        try:
            if what == "system":
                result["system"] = system_calls(case, peer, options.count)
            else:
                result["profile"], file = instructions(case, peer, max(20, options.count // 4))
                if options.keep:
                    pathlib.Path(options.keep).mkdir(parents=True, exist_ok=True)
                    shutil.copy(file, pathlib.Path(options.keep, f"{case}.{variant}.callgrind"))
        finally:
            peer.stop()
    return result


def main():
    options = parse()
    compile_c("client", "-lssl", "-lcrypto", "-lm")
    if options.hummingbird:
        peers.StickyHummingbird.fixture = os.path.abspath(options.hummingbird)
        HummingbirdUnderValgrind.fixture = strip(options.hummingbird)
    else:
        peers.Sticky.binary = os.path.abspath(options.sticky) if options.sticky else build_sticky(options.no_build)
        UnderValgrind.binary = strip(peers.Sticky.binary)
    source = pathlib.Path(__file__).parent / "valgrind" / "preload.c"
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", UnderValgrind.preload, source], check=True)
    print(f"{'for each unit of work':30} {'calls':>8} {'wake-ups':>8} {'1000 instr.':>12} {'allocs':>8}", flush=True)
    results = {}
    with tempfile.TemporaryDirectory(prefix="sticky-counts-") as directory:
        for case in options.cases.split(","):
            for variant in options.variants.split(","):
                result = count(options, case, variant, directory)
                results.setdefault(case, {})[variant] = result
                print(row(variant, case, result), flush=True)
    target = pathlib.Path(__file__).parent / "results"
    target.mkdir(exist_ok=True)
    file = target / "counts.json"
    file.write_text(json.dumps(results, indent=1))
    say(f"written: {file}")


if __name__ == "__main__":
    main()
