# Which parts of the world can be had on this machine; installs what is missing. Starts nothing.
# shellcheck shell=bash

parts=()

# The commands a part needs, and the Debian packages that bring them.
declare -A commands=(
  [engine]="dockerd docker busybox openssl curl jq haproxy sshd ssh ip"
  [podman]="podman busybox curl jq ip"
  [nft]="nft ip"
  [chromium]="chromium"
  [registry]="docker-registry"
)
declare -A packages=(
  [engine]="docker.io docker-cli busybox-static openssl curl jq haproxy
            openssh-server openssh-client iproute2"
  [podman]="podman netavark aardvark-dns busybox-static curl jq iproute2"
  [nft]="nftables iproute2"
  [chromium]="chromium"
  [registry]="docker-registry"
)

# Fills `parts`. Ends the script when a required part is not to be had.
find_parts() {
  local wanted="engine podman nft" name missing=()
  required chromium && wanted+=" chromium"
  listed registry "${DROWSE_WITH-}" && wanted+=" registry"
  for name in $(tr , ' ' <<<"${DROWSE_REQUIRE-}"); do
    [[ -n ${commands[$name]-} ]] || fail "DROWSE_REQUIRE: no part is called $name"
  done
  PATH=$PATH:/usr/local/sbin:/usr/sbin:/sbin
  for name in $wanted; do
    [[ -z $(lacking "$name") ]] || missing+=("$name")
  done
  if ((${#missing[@]})) && ((EUID == 0)) && command -v apt-get >/dev/null; then
    install_parts "${missing[@]}"
  fi
  for name in $wanted; do
    keep_or_leave "$name"
  done
}

# Chromium is a plain program; everything else needs root for its namespaces.
keep_or_leave() {
  local name=$1 lacks
  lacks=$(lacking "$name")
  if [[ -n $lacks ]]; then
    leave_out "$name" "there is no $lacks"
  elif [[ $name != chromium ]] && ((EUID)); then
    leave_out "$name" "not root"
  else
    parts+=("$name")
  fi
}

has() {
  [[ " ${parts[*]} " == *" $1 "* ]]
}

# One line, or the end when DROWSE_REQUIRE names the part.
leave_out() {
  required "$1" && fail "$1 is required (DROWSE_REQUIRE), but: $2"
  say "without $1: $2"
  read -ra parts < <(printf '%s\n' "${parts[@]}" | grep -vx "$1" | paste -sd' ')
}

required() {
  listed "$1" "${DROWSE_REQUIRE-}"
}

listed() {
  [[ ,${2// /}, == *,$1,* ]]
}

# The first command that part $1 lacks.
lacking() {
  local command
  for command in ${commands[$1]}; do
    command -v "$command" >/dev/null || {
      echo "$command"
      return
    }
  done
}

# No service is started: /usr/sbin/policy-rc.d says no while it is there.
install_parts() {
  local policy=/usr/sbin/policy-rc.d made='' log list
  log=$(mktemp)
  if ! compgen -G '/var/lib/apt/lists/*_Packages*' >/dev/null; then # a new machine
    apt-get -qq update >"$log" 2>&1 </dev/null
  fi
  list=$(known_packages "$@")
  say "installing what is missing for $*: $list"
  if [[ ! -e $policy ]]; then
    made=$policy
    # shellcheck disable=SC2064
    trap "rm -f $policy $log" EXIT
    printf '#!/bin/sh\nexit 101\n' >$policy
    chmod 755 $policy
  fi
  # shellcheck disable=SC2086
  try_install $list >"$log" 2>&1 ||
    { apt-get -qq update && try_install $list; } >"$log" 2>&1 ||
    { say "apt-get failed:" && tail -n 5 "$log" >&2; }
  rm -f "$log" ${made:+"$made"}
  trap - EXIT
  hash -r
}

# The packages of the parts $@, without those that this Debian does not have or need.
known_packages() {
  local part
  for part in "$@"; do
    # shellcheck disable=SC2086
    apt-cache show --no-all-versions ${packages[$part]} 2>/dev/null | sed -n 's/^Package: //p'
  done | sort -u | paste -sd' '
}

try_install() {
  DEBIAN_FRONTEND=noninteractive apt-get -qq -y --no-install-recommends install "$@" </dev/null
}
