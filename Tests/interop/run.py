"""run.py [audit]: the TLS fixture against every other TLS implementation that is installed, as a table; or, with `audit`,
against the whole of testssl.sh and sslscan.

Each stack makes two connections for each version of TLS, and the server says what it saw. `pip install tlslite-ng
curl-cffi uv` adds three; the others are Debian's packages. What is not installed is told and left out."""

import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.join(HERE, "..", "..")
FIXTURE = os.path.join(ROOT, ".build", "debug", "TLSFixture")
REQUEST = "GET / HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def run(arguments, text="", seconds=30, **more):
    try:
        done = subprocess.run(arguments, input=text, capture_output=True, text=True, timeout=seconds, **more)
        return done.stdout + done.stderr
    except subprocess.TimeoutExpired as error:
        return f"timeout {error.stdout}"


def facts(output):
    """What the server said of each connection."""
    return [json.loads(found) for found in re.findall(r"\{[^{}]*\"slot\"[^{}]*\}", output)]


class Stacks:
    """Each method makes two connections, the second with the session of the first; None when not installed."""

    def __init__(self, port, folder):
        self.port, self.folder, self.ca = port, folder, os.path.join(folder, "roots.pem")

    def openssl(self, version):
        saved = os.path.join(self.folder, "session")
        base = ["openssl", "s_client", "-connect", f"127.0.0.1:{self.port}", "-servername", "localhost", "-CAfile", self.ca]
        base += ["-verify_return_error", f"-tls{version.replace('.', '_')}", "-ign_eof"]
        return run(base + ["-sess_out", saved], "who\nclose\n") + run(base + ["-sess_in", saved], "who\nclose\n")

    def python(self, version):
        script = (
            "import sys; sys.path.insert(0, sys.argv[1]); from tls import *\n"
            "made = context(sys.argv[3]); session = None\n"
            "for _ in range(2):\n"
            "    one = Connection(int(sys.argv[2]), name='localhost', made=made, session=session)\n"
            "    print(json.dumps(one.who())); session = one.tls.session; one.close()\n"
        )
        clients = os.path.join(ROOT, "Tests", "TLSIntegrationTests", "Clients")
        environment = dict(os.environ, STICKY_TEST_FILES=self.folder)
        return run([sys.executable, "-c", script, clients, str(self.port), version], env=environment)

    def curl(self, version):
        address = f"https://localhost:{self.port}/"
        return run(["curl", "-sS", "--cacert", self.ca, f"--tlsv{version}", "--tls-max", version, "-H", "Connection: close", address, address])

    def gnutls(self, version):
        base = ["gnutls-cli", "--x509cafile", self.ca, "--port", str(self.port), "--priority", f"NORMAL:-VERS-ALL:+VERS-TLS{version}"]
        # With --resume only the second connection carries data.
        return run(base + ["localhost"], "who\nclose\n") + run(base + ["--resume", "--waitresumption", "localhost"], "who\nclose\n")

    def nss(self, version):
        request = os.path.join(self.folder, "request")
        with open(request, "w", newline="") as file:
            file.write(REQUEST)
        database = os.path.join(self.folder, "nss")
        if not os.path.exists(database):
            os.mkdir(database)
            run(["certutil", "-N", "--empty-password", "-d", f"sql:{database}"])
            for name in ("ca", "ca-rsa"):
                run(["certutil", "-A", "-d", f"sql:{database}", "-n", name, "-t", "C,,", "-i", os.path.join(self.folder, f"{name}.pem")])
        return run(
            ["tstclnt", "-h", "localhost", "-4", "-p", str(self.port), "-V", f"tls{version}:tls{version}", "-d", f"sql:{database}",
             "-u", "-G", "-A", request, "-L", "2"]
        )  # fmt: skip

    def java(self, version):
        return run(["java", os.path.join(HERE, "Client.java"), str(self.port), self.ca, f"TLSv{version}"], seconds=60)

    def go(self, version):
        return run(["go", "run", os.path.join(HERE, "client.go"), str(self.port), self.ca, version], seconds=120)

    def node(self, version):
        return run(["node", os.path.join(HERE, "client.js"), str(self.port), self.ca, version])

    def botan(self, version):
        if version != "1.2":
            return "botan 2 has no TLS 1.3"
        base = ["botan", "tls_client", "localhost", f"--port={self.port}", f"--trusted-cas={self.ca}", "--tls1.2", "--skip-system-cert-store",
                f"--session-db={os.path.join(self.folder, 'botan.db')}", "--session-db-pass=x"]  # fmt: skip
        # It goes at the end of its input without waiting for an answer.
        command = ["sh", "-c", '(printf "who\\n"; sleep 1) | "$@"', "sh"] + base
        return run(command) + run(command)

    def tlslite(self, version):
        return run([sys.executable, os.path.join(HERE, "pure.py"), str(self.port), version])

    def boringssl(self, version):
        return run([sys.executable, os.path.join(HERE, "chrome.py"), str(self.port), self.ca, version])


def has_module(name):
    return subprocess.run([sys.executable, "-c", f"import {name}"], capture_output=True).returncode == 0


STACKS = [
    ("OpenSSL (s_client)", "openssl", lambda: shutil.which("openssl"), ["openssl", "version"]),
    ("Python ssl", "python", lambda: True, [sys.executable, "-c", "import ssl; print(ssl.OPENSSL_VERSION)"]),
    ("curl", "curl", lambda: shutil.which("curl"), ["curl", "--version"]),
    ("GnuTLS (gnutls-cli)", "gnutls", lambda: shutil.which("gnutls-cli"), ["gnutls-cli", "--version"]),
    ("NSS (tstclnt)", "nss", lambda: shutil.which("tstclnt"), ["dpkg-query", "-W", "-f", "${Version}", "libnss3-tools"]),
    ("Java (JSSE)", "java", lambda: shutil.which("java"), ["java", "-version"]),
    ("Go (crypto/tls)", "go", lambda: shutil.which("go"), ["go", "version"]),
    ("Node (tls)", "node", lambda: shutil.which("node"), ["node", "--version"]),
    ("Botan 2", "botan", lambda: shutil.which("botan"), ["botan", "--version"]),
    ("tlslite-ng", "tlslite", lambda: has_module("tlslite"), [sys.executable, "-c", "import tlslite; print(tlslite.__version__)"]),
    ("BoringSSL (curl-cffi)", "boringssl", lambda: has_module("curl_cffi"), [sys.executable, "-c", "import curl_cffi; print(curl_cffi.__version__)"]),
]


def rustls(port, folder, log):
    """uv asks our server for a package list, which it does not have: the handshake is what counts."""
    uv = shutil.which("uv") or os.path.join(os.path.dirname(sys.executable), "uv")
    if not os.path.exists(uv):
        return None
    before = len(log())
    environment = dict(os.environ, SSL_CERT_FILE=os.path.join(folder, "roots.pem"), UV_CACHE_DIR=os.path.join(folder, "uv"), UV_HTTP_RETRIES="0")
    said = run([uv, "pip", "install", "--dry-run", "--target", folder + "/t", "--index-url", f"https://localhost:{port}/simple", "nothing"], env=environment)
    version = run([uv, "--version"]).split("\n")[0]
    trouble = [line for line in log()[before:] if "TLS handshake failed" in line] or re.findall(r"(?i)invalid peer certificate.*|tls .*error.*", said)
    return version, trouble


def main():
    folder = tempfile.mkdtemp(prefix="sticky-interop-")
    server = None
    try:
        made = os.path.join(ROOT, "Tests", "TLSIntegrationTests", "Clients", "identities.py")
        subprocess.run([sys.executable, made, folder], check=True, stdout=subprocess.DEVNULL)
        settings = os.path.join(folder, "settings.json")

        def identity(name):
            return {"certificate": os.path.join(folder, f"{name}.pem"), "key": os.path.join(folder, f"{name}-key.pem")}

        with open(settings, "w") as file:
            json.dump({"workers": 2, "tls": {"identities": [identity("open"), identity("rsa")], "ticketKeys": "master"}}, file)
        errors = os.path.join(folder, "errors")
        server = subprocess.Popen([FIXTURE, settings], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=open(errors, "w"), text=True)
        while not (match := re.search(r"listening 127\.0\.0\.1:(\d+)", server.stdout.readline())):
            if server.poll() is not None:
                sys.exit(open(errors).read())
        port = int(match[1])
        if sys.argv[1:] == ["audit"]:
            return audit(port, folder)
        stacks, good = Stacks(port, folder), True
        print("| Stack | Version | TLS 1.2 full, resumed | TLS 1.3 full, resumed |\n|---|---|---|---|")
        for name, method, installed, told in STACKS:
            if not installed():
                print(f"| {name} | not installed | | |")
                continue
            cells = []
            for version in ("1.2", "1.3"):
                output = getattr(stacks, method)(version)
                seen = facts(output)
                if len(seen) == 2 and all(one["version"] == f"TLSv{version}" for one in seen):
                    cells.append(f"{'yes' if not seen[0]['resumed'] else 'no'}, {'yes' if seen[1]['resumed'] else 'no'}")
                elif "has no TLS 1.3" in output:
                    cells.append("not offered")
                else:
                    good = False
                    cells.append("FAILED")
                    print(output[-600:], file=sys.stderr)
            print(f"| {name} | {run(told).strip().splitlines()[0][:40]} | {' | '.join(cells)} |", flush=True)
        outcome = rustls(port, folder, lambda: open(errors).read().splitlines())
        if outcome is None:
            print("| rustls (uv) | not installed | | |")
        else:
            version, trouble = outcome
            good = good and not trouble
            print(f"| rustls (uv) | {version} | not tried | {'FAILED ' + str(trouble) if trouble else 'yes, not told'} |")
        sys.exit(0 if good else 1)
    finally:
        if server and server.poll() is None:
            server.terminate()
            server.wait(20)
        shutil.rmtree(folder)


def audit(port, folder):
    report = os.path.join(folder, "report.json")
    began = time.time()
    run(["testssl", "--quiet", "--color", "0", "--warnings", "off", "--ip", "127.0.0.1", "--add-ca", os.path.join(folder, "roots.pem"),
         "--jsonfile", report, f"https://localhost:{port}"], seconds=900)  # fmt: skip
    findings = json.load(open(report))
    kinds = {}
    for finding in findings:
        kinds.setdefault(finding["severity"], []).append(finding)
    print(f"testssl.sh: {len(findings)} findings in {time.time() - began:.0f} s:", ", ".join(f"{len(found)} {kind}" for kind, found in sorted(kinds.items())))
    bad = [one for kind in ("LOW", "MEDIUM", "HIGH", "CRITICAL", "FATAL", "WARN") for one in kinds.get(kind, [])]
    for one in bad:
        print(f"  {one['severity']} {one['id']}: {one['finding'][:120]}")
    print(run(["sslscan", "--no-colour", "--no-check-certificate", f"localhost:{port}"]))
    sys.exit(any(one["severity"] in ("MEDIUM", "HIGH", "CRITICAL", "FATAL") for one in bad))


main()
