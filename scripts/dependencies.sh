#!/usr/bin/env bash
# Installs the Debian packages that a task needs, if they are missing, and says which and why.
#
#   scripts/dependencies.sh run|test|interop|bench|counts|certs|make...
#
# Does nothing, quickly and silently, when all is there. STICKY_INSTALL=no only says what is missing, and fails.
set -euo pipefail

missing=()

need() { # need PACKAGE WHY PROBE...: the package is missing if the probe fails
    local package=$1 why=$2
    shift 2
    case " ${missing[*]-} " in *" $package "*) return ;; esac
    if ! "$@" >/dev/null 2>&1; then
        echo "missing: $package ($why)" >&2
        missing+=("$package")
    fi
}

has() { command -v "$1" || [ -x "/usr/sbin/$1" ]; }
has_openssl_headers() { pkg-config --atleast-version=3.0 openssl || [ -e /usr/include/openssl/ssl.h ]; }
has_h2() { python3 -c "import h2" || /usr/bin/python3 -c "import h2"; }
has_compiler() { command -v cc || command -v clang; }

needs_of() {
    case $1 in
    run)
        command -v swift >/dev/null || {
            echo "Swift 6.1 or newer is missing; see https://www.swift.org/install and put it on PATH" >&2
            exit 1
        }
        need pkg-config "finds libssl for the Swift build" has pkg-config
        need libssl-dev "OpenSSL's headers, for StickyTLS" has_openssl_headers
        ;;
    test)
        needs_of run
        needs_of certs
        need curl "a client of the tests" has curl
        need python3 "a client of the tests" has python3
        need nghttp2-client "h2load and nghttp, clients of the tests" has h2load
        need python3-h2 "an HTTP/2 client of the tests" has_h2
        need gnutls-bin "gnutls-cli, a client of the tests that is not OpenSSL" has gnutls-cli
        need sslscan "judges the TLS server in a test" has sslscan
        need testssl.sh "judges the TLS server in a test" has testssl
        need strace "counts system calls in tests" has strace
        ;;
    interop)
        need libnss3-tools "tstclnt, NSS's client" has tstclnt
        need botan "Botan's client" has botan
        need default-jdk-headless "Java's TLS" has javac
        need nodejs "Node's TLS" has node
        ;;
    bench)
        needs_of run
        need gcc "compiles the load client" has_compiler
        need libc6-dev "compiles the load client" test -e /usr/include/stdio.h
        need python3 "runs the rounds" has python3
        need nginx "the peer that everything is compared with" has nginx
        ;;
    counts)
        needs_of bench
        need strace "counts system calls" has strace
        need valgrind "counts instructions and allocations" has valgrind
        need binutils "objcopy, which prepares the program for valgrind" has objcopy
        ;;
    certs) need openssl "makes and checks the test certificates" has openssl ;;
    make) need make "runs the Makefile" has make ;;
    *)
        echo "usage: $0 run|test|interop|bench|counts|certs|make..." >&2
        exit 2
        ;;
    esac
}

for task in "$@"; do needs_of "$task"; done
[ ${#missing[@]} -gt 0 ] || exit 0

by_hand="apt-get install --no-install-recommends ${missing[*]}"
if [ "${STICKY_INSTALL:-yes}" = no ]; then
    echo "not installing, as STICKY_INSTALL=no asks; by hand: $by_hand" >&2
    exit 1
elif ! command -v apt-get >/dev/null; then
    echo "no apt-get here; please install what these Debian packages hold: ${missing[*]}" >&2
    exit 1
elif [ "$(id -u)" = 0 ]; then
    as_root=()
elif command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; then
    as_root=(sudo)
else
    echo "cannot install without root or sudo; please run as root: $by_hand" >&2
    exit 1
fi

apt() {
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o DPkg::Lock::Timeout=120 "$@" >&2
}
install() { apt install --no-install-recommends -y "${missing[@]}"; }

echo "installing from Debian's packages: ${missing[*]}" >&2
# On a fresh system the package lists are absent or old, and then the first attempt fails.
install 2>/dev/null || { apt update && install; } || {
    echo "the installation failed; by hand: $by_hand" >&2
    exit 1
}

# Debian starts nginx as a system service when it is installed. The benchmark wants the program alone.
case " ${missing[*]} " in *" nginx "*)
    echo "stopping the nginx service that the installation started" >&2
    if [ -d /run/systemd/system ]; then
        "${as_root[@]}" systemctl disable --now --quiet nginx >&2 || true
    else
        "${as_root[@]}" service nginx stop >/dev/null 2>&1 || true
    fi
    ;;
esac
