"""One server that runs: how it is started and ended, and what it uses. Only the standard library."""

import os
import pathlib
import re
import resource
import shutil
import signal
import socket
import subprocess
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
CERTS = ROOT / "certs"
BULK = 1 << 20


class CannotStart(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def program(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")


class Peer:
    """One running server: a process that we started, and its children."""

    name = ""
    cases = None  # names of the cases that it can serve; None: those that need no several workers
    wait = 20  # seconds for the start

    def __init__(self, leaf, directory, core):
        self.leaf, self.core = leaf, core  # leaf: "ecdsa", "rsa", or "plain" for no TLS
        self.directory = pathlib.Path(directory) / f"{self.name}-{leaf}-{time.monotonic_ns()}"
        self.directory.mkdir()
        self.certificate, self.key = CERTS / f"localhost-{leaf}.pem", CERTS / f"localhost-{leaf}-key.pem"
        self.started, self.log = [], open(self.directory / "log", "w+")
        self.port, self.two_sources = 0, None
        for attempt in range(3):  # somebody else may take a free port before the server binds it
            try:
                self.start()
                return
            except CannotStart as error:
                self.stop()
                if attempt == 2:
                    raise CannotStart(f"{error}; its log: {self.tail()}") from None
            except BaseException:
                self.stop()
                raise

    @classmethod
    def serves(cls, case):
        return case in cls.cases if cls.cases else case not in ("two-full", "two-keepalive")

    def start(self):
        raise NotImplementedError

    def spawn(self, *command, **options):
        def settle():
            os.sched_setaffinity(0, {self.core})
            most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
            resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))

        process = subprocess.Popen([str(part) for part in command], preexec_fn=settle, stdin=subprocess.DEVNULL,
                                   stderr=self.log, cwd=self.directory, **{"stdout": self.log, **options})
        self.started.append(process)
        return process

    def await_port(self, port):
        """Returns when the server accepts; fails when the process that should do so has ended."""
        deadline = time.monotonic() + self.wait
        while time.monotonic() < deadline and self.started[-1].poll() is None:
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            time.sleep(0.01)
        raise CannotStart(f"{self.name} does not listen on port {port}")

    def tail(self):
        self.log.flush()
        return (self.directory / "log").read_text(errors="replace")[-400:].strip() or "(empty)"

    def stop(self):
        for process in reversed(self.started):
            if process.poll() is None:
                process.terminate()
        for process in self.started:
            try:
                process.wait(15)
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
        self.started = []

    # What it uses, over all of its processes

    def processes(self):
        children = {}
        for entry in os.listdir("/proc"):
            if entry.isdigit():
                try:
                    stat = pathlib.Path("/proc", entry, "stat").read_text()
                except OSError:
                    continue
                children.setdefault(int(stat.rpartition(")")[2].split()[1]), []).append(int(entry))
        found = [process.pid for process in self.started]
        for pid in found:  # grows while we walk
            found += children.get(pid, [])
        return found

    @staticmethod
    def cpu(pids):
        """Nanoseconds of CPU for each process so far, user and system, threads that have ended included."""
        # The CPU clock of a process, as clock_getcpuclockid(3) makes it: exact, where /proc shows ticks.
        return {pid: time.clock_gettime_ns((~pid << 3) | 2) for pid in pids}

    def memory(self):
        """Bytes of memory; pages that processes share are split between them."""
        total = 0
        for pid in self.processes():
            rollup = pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text()
            total += int(re.search(r"^Pss:\s+(\d+)", rollup, re.M)[1]) * 1024
        return total
