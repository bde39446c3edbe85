#!/bin/sh
# Makes the certificates of the tests, valid for a hundred years, with keys that open nothing. Run it
# only to replace them all: each of them hangs on the CA, whose key is thrown away.
set -eu
cd "$(dirname "$0")"
work=$(mktemp -d)
trap 'rm -r "$work"' EXIT
days=36500

key() { openssl ecparam -name prime256v1 -genkey -noout | openssl pkcs8 -topk8 -nocrypt -out "$1"; }

authority() { # FILE NAME
    openssl req -x509 -new -key "$work/$1.key" -subj "/CN=$2" -days $days -out "$1.pem"
}

signed() { # FILE KEY EXTENSIONS NOT_AFTER
    openssl req -new -key "$2" -subj "/CN=drowse $1" -out "$work/csr"
    printf '%s\n' "$3" >"$work/ext"
    : >"$work/index"
    cat >"$work/ca.cnf" <<END
[ca]
default_ca = one
[one]
database = $work/index
rand_serial = yes
new_certs_dir = $work
default_md = sha256
policy = any
[any]
commonName = supplied
END
    openssl ca -batch -notext -config "$work/ca.cnf" -keyfile "$work/ca.key" -cert ca.pem \
        -in "$work/csr" -out "$1.pem" -extfile "$work/ext" \
        -startdate 20150101000000Z -enddate "$4" 2>/dev/null
}

key "$work/ca.key"
key "$work/other-ca.key"
key server.key
key client.key
authority ca "drowse test CA"
authority other-ca "another CA"
names='subjectAltName = DNS:engine.test, DNS:localhost, IP:127.0.0.1'
signed server server.key "$names" 21150101000000Z
signed expired server.key "$names" 20200101000000Z
signed elsewhere server.key 'subjectAltName = DNS:elsewhere.test, IP:192.0.2.1' 21150101000000Z
signed nameless server.key 'basicConstraints = CA:FALSE' 21150101000000Z
signed client client.key 'extendedKeyUsage = clientAuth' 21150101000000Z
