#!/usr/bin/env bash
# Makes every certificate and key in this directory. They are for tests alone: the keys are published.
#
#   certs/generate.sh           makes what is missing or no longer verifies; leaves a good set as it is
#   certs/generate.sh --force   makes everything anew
#
# Needs only OpenSSL, and no network. The private keys of the authorities are thrown away at the end.
set -euo pipefail
cd "$(dirname "$0")"
umask 077

from=20250101000000Z
until=20450101000000Z

# --- Checks -----------------------------------------------------------------------------------------------------------

same_key() { # same_key CERTIFICATE KEY: whether they belong together
    [ "$(openssl x509 -in "$1" -noout -pubkey)" = "$(openssl pkey -in "$2" -pubout)" ]
}

check() {
    local name
    for name in localhost other; do
        for kind in ecdsa rsa; do
            openssl verify -x509_strict -purpose sslserver -CAfile ca.pem "$name-$kind.pem" &&
                same_key "$name-$kind.pem" "$name-$kind-key.pem" || return 1
        done
    done
    openssl verify -x509_strict -verify_ip 127.0.0.1 -CAfile ca.pem localhost.pem &&
        openssl verify -x509_strict -verify_hostname www.other.test -CAfile ca.pem other-rsa.pem &&
        same_key localhost.pem localhost.pem &&
        openssl verify -x509_strict -purpose sslclient -CAfile client-ca.pem client.pem &&
        same_key client.pem client-key.pem &&
        openssl verify -x509_strict -no_check_time -CAfile ca.pem expired.pem &&
        same_key expired.pem expired-key.pem &&
        ! openssl x509 -in expired.pem -noout -checkend 0
}

if [ "${1:-}" != --force ] && check >/dev/null 2>&1; then
    echo "certs: all good, nothing to do (--force makes them anew)"
    exit
fi

# --- Making them ------------------------------------------------------------------------------------------------------

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# `openssl ca` and not `openssl x509 -req`, because only the former can set the first day (OpenSSL 3.0).
cat >"$work/config" <<CONFIG
[req]
distinguished_name = empty
string_mask = utf8only
[empty]
[ca]
default_ca = test
[test]
database = $work/index
new_certs_dir = $work
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
[any]
organizationName = optional
commonName = supplied
[authority]
basicConstraints = critical, CA:true, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
subjectAltName = \${ENV::names}
[client]
basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature
extendedKeyUsage = clientAuth
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid:always
CONFIG
: >"$work/index"
export names=DNS:localhost # the configuration names the variable, so it must always be there

key() { # key KIND FILE
    case $1 in
    ecdsa) openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$2" ;;
    rsa) openssl genpkey -quiet -algorithm RSA -pkeyopt rsa_keygen_bits:2048 -out "$2" ;;
    esac
}

sign() { # sign SECTION KEY SUBJECT FILE FROM UNTIL [options of openssl ca...]
    local section=$1 key=$2 subject=$3 file=$4 start=$5 end=$6
    shift 6
    openssl req -new -config "$work/config" -key "$key" -subj "$subject" -out "$work/request"
    openssl ca -batch -notext -config "$work/config" -extensions "$section" -in "$work/request" -out "$file" \
        -startdate "$start" -enddate "$end" "$@" 2>"$work/log" || {
        cat "$work/log" >&2
        return 1
    }
}

authority() { # authority KIND NAME SUBJECT
    key "$1" "$work/$2-key.pem"
    sign authority "$work/$2-key.pem" "$3" "$work/$2.pem" $from $until -selfsign -keyfile "$work/$2-key.pem"
}

leaf() { # leaf SECTION KIND AUTHORITY SUBJECT NAME [FROM UNTIL]
    key "$2" "$5-key.pem"
    sign "$1" "$5-key.pem" "$4" "$5.pem" "${6:-$from}" "${7:-$until}" \
        -cert "$work/$3.pem" -keyfile "$work/$3-key.pem"
}

organization="/O=StickyServer tests"
authority ecdsa ecdsa "$organization/CN=StickyServer test CA (ECDSA)"
authority rsa rsa "$organization/CN=StickyServer test CA (RSA)"
authority ecdsa client-ca "$organization/CN=StickyServer test client CA"
cat "$work/ecdsa.pem" "$work/rsa.pem" >ca.pem
cat "$work/client-ca.pem" >client-ca.pem

for kind in ecdsa rsa; do
    names="DNS:localhost, DNS:*.localhost, IP:127.0.0.1, IP:::1"
    leaf server $kind $kind "$organization/CN=localhost" localhost-$kind
    names="DNS:other.test, DNS:*.other.test"
    leaf server $kind $kind "$organization/CN=other.test" other-$kind
done
cat localhost-ecdsa.pem localhost-ecdsa-key.pem >localhost.pem

names="DNS:localhost, IP:127.0.0.1, IP:::1"
leaf server ecdsa ecdsa "$organization/CN=localhost" expired 20200101000000Z 20210101000000Z
leaf client ecdsa client-ca "$organization/CN=test client" client

# Certificates may be read by all, keys by their owner.
chmod 644 ca.pem client-ca.pem client.pem expired.pem {localhost,other}-{ecdsa,rsa}.pem
check
