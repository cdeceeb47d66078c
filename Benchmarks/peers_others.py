"""The servers that ours are compared with."""

import os
import subprocess

from peer import BULK, ROOT, CannotStart, Peer, free_port, program
from peers_ours import StickyHummingbird


class Nginx(Peer):
    """One worker process and nginx's own defaults (two tickets a handshake), without an access log."""

    name = "nginx"
    directives = ""
    workers = 1

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


class Nginx2Workers(Nginx):
    name = "nginx-2-workers"
    workers = 2


class Nginx32Workers(Nginx):
    name = "nginx-32-workers"
    workers = 32


class NginxHummingbird(Peer):
    """What one would use instead: nginx terminates TLS and hashes addresses to two processes of the same program."""

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
        daemon off; worker_processes {getattr(peer, 'workers', 1)}; pid {peer.directory}/nginx.pid; error_log stderr;
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
    cases = {"full", "full-rsa", "full-1.2", "resume", "resume-1.2", "keepalive", "idle", "crowd",
             "connect-latency", "request-latency"}

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
    maxconn 18000
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
    cases = {"plain", "plain-keepalive", "plain-latency"}
    binary = None  # set by run.py

    def start(self):
        process = self.spawn(self.binary, "tcp", stdout=subprocess.PIPE)
        line = process.stdout.readline().split()
        if len(line) != 2:
            raise CannotStart("the bare TCP server did not start")
        self.port = int(line[1])
