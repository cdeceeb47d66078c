"""identities.py FOLDER: makes the certificates that the tests use, with openssl, in a second or two.

ca, other-ca: authorities of servers (ECDSA); ca-rsa: one for RSA leaves; client-ca, stranger-ca: authorities of clients.
open, mtls, vanish, exact, wild (*.wild.test): servers with ECDSA keys; wild-rsa, rsa: with RSA keys; renewed: another
certificate for open.test; wrong-key: a key that belongs to nothing; expired: a server whose time is over.
client, revoked, stranger, old, spiffe: clients; client-chain: one whose chain has 100 kB; crl.pem, crl-empty.pem; staple.der."""

import os
import subprocess
import sys

os.makedirs(sys.argv[1], exist_ok=True)
os.chdir(sys.argv[1])
os.umask(0o077)


def openssl(*arguments, **more):
    done = subprocess.run(["openssl", *arguments], capture_output=True, text=True, **more)
    if done.returncode:
        sys.exit(f"openssl {' '.join(arguments)}: {done.stderr}")
    return done.stdout


def key(name, kind="ec"):
    how = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"] if kind == "ec" else ["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"]
    openssl("genpkey", *how, "-out", f"{name}-key.pem")


def authority(name, kind="ec"):
    key(name, kind)
    openssl("req", "-new", "-x509", "-key", f"{name}-key.pem", "-subj", f"/CN={name}", "-days", "30", "-out", f"{name}.pem",
            "-addext", "keyUsage=critical,keyCertSign,cRLSign", "-config", "minimal.cnf", "-extensions", "authority")


def leaf(name, by, names=None, kind="ec", days=("-1", "300"), subject=None):
    key(name, kind)
    openssl("req", "-new", "-key", f"{name}-key.pem", "-subj", f"/CN={subject or name}", "-config", "minimal.cnf", "-out", f"{name}.csr")
    start, end = days
    extensions = "server" if names and "DNS" in names else "client"
    with open("ca.cnf", "w") as file:
        file.write(f"""[ca]
default_ca=c
[c]
database=index-{by}
new_certs_dir=.
rand_serial=yes
unique_subject=no
default_md=sha256
policy=p
copy_extensions=none
default_crl_days=30
[p]
commonName=supplied
[server]
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=serverAuth
authorityKeyIdentifier=keyid
authorityInfoAccess=OCSP;URI:http://127.0.0.1:9/
crlDistributionPoints=URI:http://127.0.0.1:9/
{"subjectAltName=" + names if names else ""}
[client]
basicConstraints=critical,CA:false
keyUsage=critical,digitalSignature
extendedKeyUsage=clientAuth
authorityKeyIdentifier=keyid
{"subjectAltName=" + names if names else ""}
[middle]
basicConstraints=critical,CA:true
nsComment={"x" * 20000}
""")
    if not os.path.exists(f"index-{by}"):
        open(f"index-{by}", "w").close()
    import datetime

    def moment(day):
        return (datetime.datetime.utcnow() + datetime.timedelta(days=int(day))).strftime("%Y%m%d%H%M%SZ")

    openssl("ca", "-batch", "-notext", "-config", "ca.cnf", "-cert", f"{by}.pem", "-keyfile", f"{by}-key.pem", "-in", f"{name}.csr",
            "-startdate", moment(start), "-enddate", moment(end), "-extensions", extensions, "-out", f"{name}.pem")


with open("minimal.cnf", "w") as file:
    file.write("[req]\ndistinguished_name=d\n[d]\n[authority]\nbasicConstraints=critical,CA:true\nsubjectKeyIdentifier=hash\n")

for name in ("ca", "other-ca", "client-ca", "stranger-ca"):
    authority(name)
authority("ca-rsa", "rsa")
leaf("open", "ca", "DNS:open.test,DNS:localhost,IP:127.0.0.1")
leaf("renewed", "ca", "DNS:open.test,DNS:localhost,IP:127.0.0.1")
leaf("mtls", "ca", "DNS:mtls.test")
leaf("optional", "ca", "DNS:optional.test")
leaf("vanish", "ca", "DNS:vanish.test")
leaf("exact", "ca", "DNS:a.wild.test")
leaf("wild", "ca", "DNS:*.wild.test")
leaf("wild-rsa", "ca-rsa", "DNS:*.wild.test", kind="rsa")
leaf("rsa", "ca-rsa", "DNS:open.test,DNS:localhost,IP:127.0.0.1", kind="rsa")
leaf("expired", "ca", "DNS:open.test,DNS:localhost", days=("-20", "-1"))
key("wrong")
leaf("client", "client-ca", "URI:spiffe://test/client")
leaf("revoked", "client-ca")
leaf("stranger", "stranger-ca")
leaf("old", "client-ca", days=("-20", "-1"))

with open("ca.pem") as one, open("ca-rsa.pem") as two, open("roots.pem", "w") as both:
    both.write(one.read() + two.read())
with open("open.pem") as certificate, open("open-key.pem") as private, open("open-both.pem", "w") as both:
    both.write(certificate.read() + private.read())

# Lists of revoked clients: nobody, and one.
def crl(name):
    openssl("ca", "-config", "ca.cnf", "-gencrl", "-cert", "client-ca.pem", "-keyfile", "client-ca-key.pem", "-out", name)


crl("crl-empty.pem")
openssl("ca", "-config", "ca.cnf", "-revoke", "revoked.pem", "-cert", "client-ca.pem", "-keyfile", "client-ca-key.pem")
crl("crl.pem")

# A staple that is good for a day, and one for a minute.
openssl("ocsp", "-issuer", "ca.pem", "-cert", "open.pem", "-reqout", "request.der", "-no_nonce")
openssl("ocsp", "-index", "index-ca", "-rsigner", "ca.pem", "-rkey", "ca-key.pem", "-CA", "ca.pem", "-reqin", "request.der",
        "-respout", "staple.der", "-ndays", "1")
openssl("ocsp", "-index", "index-ca", "-rsigner", "ca.pem", "-rkey", "ca-key.pem", "-CA", "ca.pem", "-reqin", "request.der",
        "-respout", "staple-short.der", "-nmin", "1")

# A client whose chain is far too long: its own certificate and five of 20 kB that do not matter.
key("bulky")
openssl("req", "-new", "-x509", "-key", "bulky-key.pem", "-subj", "/CN=bulky", "-days", "30", "-out", "bulky.pem",
        "-config", "minimal.cnf", "-addext", "nsComment=" + "x" * 20000)
with open("bulky.pem") as file, open("client.pem") as own, open("client-chain.pem", "w") as chain:
    chain.write(own.read() + file.read() * 5)
openssl("pkcs12", "-export", "-in", "open.pem", "-inkey", "open-key.pem", "-passout", "pass:secret", "-out", "open.p12")
openssl("ec", "-in", "open-key.pem", "-aes256", "-passout", "pass:secret", "-out", "open-locked-key.pem")
print("{}")
