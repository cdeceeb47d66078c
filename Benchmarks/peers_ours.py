"""Our own servers among those that are compared."""

import os
import re
import select
import subprocess
import time

from peer import CannotStart, Peer, free_port


class Sticky(Peer):
    name = "sticky"
    # The demo without Hummingbird has no long answers.
    cases = {"full", "resume", "full-rsa", "full-1.2", "resume-1.2", "keepalive", "plain", "plain-keepalive", "idle",
             "crowd", "two-full", "two-keepalive", "connect-latency", "plain-latency", "request-latency"}
    binary = None  # set by run.py
    options = ()
    variant = ()
    workers = 2
    wait = 30
    ready = re.compile(r"listening https?://127\.0\.0\.1:(\d+)")

    def start(self):
        if not self.binary or not os.path.exists(self.binary):
            raise CannotStart("sticky-demo is not built")
        identity = ["--certificate", self.certificate, "--private-key", self.key]
        if self.leaf == "plain":
            identity = ["--plain"]
        process = self.spawn(self.binary, "--listen", "127.0.0.1:0", "--workers", self.workers, "--bare", *self.options,
                             *self.variant, *identity, stdout=subprocess.PIPE)
        deadline, seen = time.monotonic() + self.wait, b""
        while time.monotonic() < deadline:
            if not select.select([process.stdout], [], [], 0.1)[0]:
                continue
            piece = os.read(process.stdout.fileno(), 4096)
            seen += piece
            if match := self.ready.search(seen.decode(errors="replace")):
                self.port = int(match[1])
                return
            if not piece:
                break
        raise CannotStart("sticky-demo did not say that it listens")


class StickyStock(Sticky):
    """On NIOPosix's own event loop."""

    name = "sticky-stock"
    variant = ("--transport", "stock")


class StickyLean(Sticky):
    """On our event loop."""

    name = "sticky-lean"
    variant = ("--transport", "lean")


class StickySchedule(Sticky):
    """On our event loop, and with our own key schedule of TLS 1.3."""

    name = "sticky-schedule"
    variant = ("--transport", "lean", "--own-key-schedule")


class StickyKernel(Sticky):
    """Without a master in the way of connections."""

    name = "sticky-kernel"
    variant = ("--steering", "kernel")


class StickyKernelSchedule(Sticky):
    """Both levers that are off by default."""

    name = "sticky-kernel-schedule"
    variant = ("--steering", "kernel", "--own-key-schedule")


class Sticky32Workers(Sticky):
    """Sixteen times as many workers, on the same core."""

    name = "sticky-32-workers"
    workers = 32


class StickyHummingbird(Sticky):
    """The application that `nginx+hummingbird` has behind it, on sticky workers."""

    name = "sticky-hummingbird"
    fixture = None  # set by run.py
    cases = {"full", "resume", "full-rsa", "keepalive", "bulk", "plain", "plain-keepalive", "idle"}
    ready = re.compile(r"listening \S*?(\d+)$", re.M)

    def start(self):
        if not self.fixture or not os.path.exists(self.fixture):
            raise CannotStart("HummingbirdFixture is not built; see --hummingbird")
        both, tls = self.directory / "leaf.pem", []
        if self.leaf != "plain":
            both.write_text(self.certificate.read_text() + self.key.read_text())
            tls = [f"certificate={both}", "http2=off"]
        self.port = free_port()
        self.spawn(self.fixture, "sticky", f"port={self.port}", f"workers={self.workers}",
                   *(self.variant or ("transport=lean",)), *tls)
        self.await_port(self.port)
