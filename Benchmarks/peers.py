"""The servers that are compared: how each is started, and what it uses. Only the standard library."""

import os
import pathlib
import re
import select
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
    cases = None  # names of the cases that it can serve; None: all
    wait = 20  # seconds for the start

    def __init__(self, leaf, directory, core):
        self.leaf, self.core = leaf, core  # leaf: "ecdsa", "rsa", or "plain" for no TLS
        self.directory = pathlib.Path(directory) / f"{self.name}-{leaf}-{time.monotonic_ns()}"
        self.directory.mkdir()
        self.certificate, self.key = CERTS / f"localhost-{leaf}.pem", CERTS / f"localhost-{leaf}-key.pem"
        self.started, self.log = [], open(self.directory / "log", "w+")
        self.port = 0
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
        return cls.cases is None or case in cls.cases

    def start(self):
        raise NotImplementedError

    def spawn(self, *command, **options):
        def settle():
            os.sched_setaffinity(0, {self.core})

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


class Sticky(Peer):
    name = "sticky"
    # The demo without Hummingbird has no long answers.
    cases = {"full", "resume", "full-rsa", "full-1.2", "resume-1.2", "keepalive", "plain", "plain-keepalive", "idle",
             "connect-latency", "request-latency"}
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
        process = self.spawn(self.binary, "--listen", "127.0.0.1:0", "--workers", self.workers, "--bare", *self.options, *self.variant,
                             *(["--plain"] if self.leaf == "plain" else identity), stdout=subprocess.PIPE)
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
        self.spawn(self.fixture, "sticky", f"port={self.port}", f"workers={self.workers}", *(self.variant or ("transport=lean",)), *tls)
        self.await_port(self.port)


class Nginx(Peer):
    """One worker process and nginx's own defaults (two tickets a handshake), without an access log."""

    name = "nginx"
    directives = ""

    def start(self):
        if not program("nginx"):
            raise CannotStart("nginx is not installed")
        self.port = free_port()
        tls = f"ssl; ssl_certificate {self.certificate}; ssl_certificate_key {self.key}; {self.directives}"
        run_nginx(self, self.port, "" if self.leaf == "plain" else tls)


class NginxAgain(Nginx):
    """The same once more: what the ratio shows between two equals is the error of the method."""

    name = "nginx-again"


class NginxTuned(Nginx):
    """With the levers that we pull by default: one ticket, AES-128 first."""

    name = "nginx-tuned"
    directives = ("ssl_conf_command NumTickets 1; ssl_prefer_server_ciphers on; "
                  "ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384;")


class NginxHummingbird(Peer):
    """What one would use instead: nginx terminates TLS and hashes addresses to two processes of the same application."""

    name = "nginx+hummingbird"
    cases = StickyHummingbird.cases

    def start(self):
        if not program("nginx") or not StickyHummingbird.fixture:
            raise CannotStart("nginx is not installed or HummingbirdFixture not built; see --hummingbird")
        backends = [free_port(), free_port()]
        for backend in backends:
            self.spawn(StickyHummingbird.fixture, "own", backend)
            self.await_port(backend)
        self.port = free_port()
        tls = f"ssl; ssl_certificate {self.certificate}; ssl_certificate_key {self.key}; "
        run_nginx(self, self.port, "" if self.leaf == "plain" else tls, backends)


class NodeSticky(Peer):
    """The seed of the idea: Node's cluster with a master that hashes addresses and passes sockets to two workers."""

    name = "node-sticky"

    def start(self):
        if not program("node"):
            raise CannotStart("node is not installed")
        self.port = free_port()
        files = ("-", "-") if self.leaf == "plain" else (self.certificate, self.key)
        self.spawn("node", ROOT / "Benchmarks" / "node" / "sticky.js", self.port, *files, 2)
        self.await_port(self.port)


def run_nginx(peer, port, listen, backends=()):
    body = peer.directory / "bytes"
    body.mkdir(exist_ok=True)
    (body / str(BULK)).write_bytes(bytes(BULK))
    configuration = peer.directory / "nginx.conf"
    servers = "".join(f"server 127.0.0.1:{backend}; " for backend in backends)
    upstream = f"upstream app {{ ip_hash; {servers} keepalive 64; }}" if backends else ""
    proxy = "location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ''; }"
    hello = 'location = /hello { return 200 "Hello, world!\\n"; }'
    configuration.write_text(f"""
        daemon off; worker_processes 1; pid {peer.directory}/nginx.pid; error_log stderr;
        {"user root;" if os.getuid() == 0 else ""}
        worker_rlimit_nofile 20000;
        events {{ worker_connections 18000; }}
        http {{
            access_log off; default_type text/plain; keepalive_requests 1000000000; keepalive_timeout 600;
            client_body_temp_path body; proxy_temp_path proxy; fastcgi_temp_path fastcgi;
            uwsgi_temp_path uwsgi; scgi_temp_path scgi;
            {upstream}
            server {{
                listen 127.0.0.1:{port} backlog=4096 {listen or ";"}
                ssl_protocols TLSv1.2 TLSv1.3;
                root {peer.directory};
                {proxy if backends else hello}
            }}
        }}""")
    peer.spawn(program("nginx"), "-p", peer.directory, "-c", configuration)
    peer.await_port(port)


class HAProxy(Peer):
    """One thread; answers by itself, and so has no large body to give (and is not asked for plain TCP)."""

    name = "haproxy"
    cases = {"full", "full-rsa", "full-1.2", "resume", "resume-1.2", "keepalive", "idle", "connect-latency",
             "request-latency"}

    def start(self):
        if not program("haproxy"):
            raise CannotStart("haproxy is not installed")
        self.port = free_port()
        both = self.directory / "leaf.pem"
        both.write_text(self.certificate.read_text() + self.key.read_text())
        configuration = self.directory / "haproxy.cfg"
        configuration.write_text(f"""
global
    nbthread 1
    maxconn 8000
defaults
    mode http
    timeout client 600s
    timeout http-keep-alive 600s
frontend bench
    bind 127.0.0.1:{self.port} ssl crt {both} ssl-min-ver TLSv1.2 alpn http/1.1 backlog 4096
    http-request return status 200 content-type text/plain string "Hello, world!\\n"
""")
        self.spawn(program("haproxy"), "-db", "-f", configuration)
        self.await_port(self.port)


class Hitch(Peer):
    """TLS in hitch, HTTP in an nginx behind it; both are counted."""

    name = "hitch+nginx"
    cases = HAProxy.cases | {"bulk"}

    def start(self):
        if not program("hitch") or not program("nginx"):
            raise CannotStart("hitch or nginx is not installed")
        backend, self.port = free_port(), free_port()
        run_nginx(self, backend, "")
        both = self.directory / "leaf.pem"
        both.write_text(self.certificate.read_text() + self.key.read_text())
        configuration = self.directory / "hitch.conf"
        configuration.write_text(f"""
frontend = {{ host = "127.0.0.1" port = "{self.port}" }}
backend = "[127.0.0.1]:{backend}"
pem-file = "{both}"
workers = 1
backlog = 4096
tls-protos = TLSv1.2 TLSv1.3
daemon = off
{'user = "root"' if os.getuid() == 0 else ""}
""")
        self.spawn(program("hitch"), "--config", configuration)
        self.await_port(self.port)


class BareTCP(Peer):
    """accept, read, write, close in C without TLS: the other half of the bare limit."""

    name = "tcp"
    binary = None  # set by run.py

    def start(self):
        process = self.spawn(self.binary, "tcp", stdout=subprocess.PIPE)
        line = process.stdout.readline().split()
        if len(line) != 2:
            raise CannotStart("the bare TCP server did not start")
        self.port = int(line[1])


KNOWN = {peer.name: peer for peer in (Sticky, StickyStock, StickyLean, StickySchedule, StickyKernel, StickyKernelSchedule, StickyHummingbird, Nginx, NginxAgain, NginxTuned, HAProxy, Hitch,
                                      NginxHummingbird, NodeSticky)}
