# Certificates for a day: three authorities, servers, clients, and some that are no good.
# shellcheck shell=bash

make_certs() {
  local c=$W/certs
  mkdir -p "$c"/{agent,wrong,expired,server}
  authority "$c/ca"
  authority "$c/agent/ca"
  authority "$c/wrong/ca"
  cp "$c/ca.pem" "$c/expired/ca.pem"
  issue "$c/ca" "$c/" drowse
  issue "$c/agent/ca" "$c/agent/" drowse
  issue "$c/wrong/ca" "$c/wrong/" drowse
  issue "$c/ca" "$c/expired/" drowse expired
  issue "$c/ca" "$c/server/dockerd-" localhost
  issue "$c/ca" "$c/server/late-" localhost expired
  issue "$c/agent/ca" "$c/server/agent-" godoxy.agent
  for c in "$c"/server/*-cert.pem; do # haproxy wants both in one file
    cat "$c" "${c%cert.pem}key.pem" >"${c%-cert.pem}.pem"
  done
}

# Makes $1.pem and $1.key.
authority() {
  mkdir "$1.d" && : >"$1.d/index"
  openssl_settings "$1" DNS:none >"$1.cnf"
  openssl req -x509 -config "$1.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=${1##*/} of drowse's tests" -keyout "$1.key" -out "$1.pem" 2>>"$W/log/certs"
}

# Authority $1 makes $2cert.pem and $2key.pem for the name $3; valid for a day, or `expired`.
issue() {
  local names=DNS:$3 from to
  [[ $3 == localhost ]] && names+=,IP:127.0.0.1,IP:::1
  case ${4-} in
    expired) from='3 days ago' to='2 days ago' ;;
    *) from='1 hour ago' to='1 day' ;;
  esac
  openssl_settings "$1" "$names" >"$1.cnf"
  openssl req -config "$1.cnf" -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes \
    -subj "/CN=$3" -keyout "$2key.pem" -out "$1.csr" 2>>"$W/log/certs"
  openssl ca -batch -notext -config "$1.cnf" -extensions leaf \
    -startdate "$(date -ud "$from" +%Y%m%d%H%M%SZ)" -enddate "$(date -ud "$to" +%Y%m%d%H%M%SZ)" \
    -in "$1.csr" -out "$2cert.pem" 2>>"$W/log/certs"
}

# For authority $1, and for leaves with the subject alternative names $2.
openssl_settings() {
  cat <<END
[req]
distinguished_name = any
x509_extensions = authority
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[leaf]
basicConstraints = critical, CA:FALSE
extendedKeyUsage = serverAuth, clientAuth
subjectAltName = $2
[ca]
default_ca = this
[this]
certificate = $1.pem
private_key = $1.key
database = $1.d/index
new_certs_dir = $1.d
default_md = sha256
unique_subject = no
rand_serial = yes
policy = any_name
[any_name]
commonName = supplied
[any]
END
}
