"""Real-time priority for exactly as long as a measurement takes, and a guard that takes it back whatever happens.

A process that starts or ends with real-time priority can stop a machine: a master that reaps a worker waits inside the
kernel, without sleeping, for whoever holds the worker's entry in /proc, and an ordinary process on the same core never
gets to let go of it. So servers start, end and reap with ordinary priority, what they start meanwhile is ordinary too
(SCHED_RESET_ON_FORK), and nothing here looks into /proc while the priority is up."""

import contextlib
import os
import pathlib
import selectors
import signal
import subprocess
import sys
import time

PRIORITY = 1


def threads(pid):
    try:
        return [int(tid) for tid in os.listdir(pathlib.Path("/proc", str(pid), "task"))]
    except FileNotFoundError:
        return []


def make_ordinary(tids, policies=()):
    """To what they were before, or to SCHED_OTHER."""
    for tid in tids:
        with contextlib.suppress(ProcessLookupError):
            os.sched_setscheduler(tid, dict(policies).get(tid, os.SCHED_OTHER), os.sched_param(0))


class Guard:
    """A process of a higher priority that knows which threads have been raised. It makes them ordinary and ends their
    processes when their time is over or when this process has ended, even by SIGKILL."""

    def __init__(self, core):
        def settle():
            os.sched_setaffinity(0, {core})
            os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(PRIORITY + 1))

        # A session of its own: an interrupt from the terminal is not for it.
        self.process = subprocess.Popen([sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        text=True, preexec_fn=settle, start_new_session=True)
        self.tell("watch 10")  # it answers, so it runs
        self.tell("rest")

    def tell(self, line):
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        if self.process.stdout.readline() != "ok\n":
            raise SystemExit("the guard of real-time priorities has ended")

    @contextlib.contextmanager
    def raised(self, pids, seconds):
        """Real-time priority for all threads of these processes, for at most so many seconds."""
        tids = [tid for pid in pids for tid in threads(pid)]
        policies = {}
        self.tell(f"watch {seconds} {' '.join(map(str, pids))} : {' '.join(map(str, tids))}")
        try:
            for tid in tids:
                with contextlib.suppress(ProcessLookupError):
                    policies[tid] = os.sched_getscheduler(tid)
                    os.sched_setscheduler(tid, os.SCHED_FIFO | os.SCHED_RESET_ON_FORK, os.sched_param(PRIORITY))
            yield
        finally:
            make_ordinary(tids, policies)
            self.tell("rest")

    def end(self):
        self.process.stdin.close()
        self.process.wait()


class NoGuard:
    """Without --fifo."""

    @contextlib.contextmanager
    def raised(self, pids, seconds):
        yield

    def end(self):
        pass


def stand_guard():
    """The guard's life: `watch SECONDS PID... : TID...` and `rest` on standard input, each answered with `ok`."""
    for ignored in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(ignored, signal.SIG_IGN)
    os.set_blocking(0, False)
    parent, pids, tids, deadline, buffer = os.getppid(), [], [], None, b""
    with selectors.DefaultSelector() as selector:
        selector.register(0, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else max(0, deadline - time.monotonic())
            if not selector.select(left):
                make_ordinary(tids)
                print(f"real-time priority was kept for too long: ending {pids} and the run", file=sys.stderr)
                end(pids)
                end([parent], signal.SIGTERM)
                pids, tids, deadline = [], [], None
                continue
            piece = os.read(0, 65536)
            if not piece:  # whoever raised them has ended, and left them so if it was killed
                make_ordinary(tids)
                return end(pids)
            buffer += piece
            while b"\n" in buffer:
                line, _, buffer = buffer.partition(b"\n")
                words = line.decode().split()
                if words[0] == "watch":
                    deadline = time.monotonic() + float(words[1])
                    colon = words.index(":") if ":" in words else len(words)
                    pids, tids = [int(pid) for pid in words[2:colon]], [int(tid) for tid in words[colon + 1:]]
                else:
                    pids, tids, deadline = [], [], None
                os.write(1, b"ok\n")


def end(pids, how=signal.SIGKILL):
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, how)


if __name__ == "__main__":
    stand_guard()
