# What everything in the world stands on: files in memory, a loopback, a home. Starts nothing.
# shellcheck shell=bash

W=/run/drowse-test
DROWSE_TEST_IMAGE=drowse-test:latest

build_ground() {
  mount -t tmpfs -o mode=755 world /run || fail "no memory file system can be mounted"
  mkdir -p $W/{bin,home,log,tmp,ssh} /run/podman /run/sshd /run/lock
  own_copy /etc && own_copy /var || fail "no overlay can be mounted: does the kernel have it?"
  mount_cgroups
  ip link set lo up
  # Ports of doors: no client's own port may stand in their way.
  echo 41900-41999 >/proc/sys/net/ipv4/ip_local_reserved_ports
  at_home
  export DROWSE_TEST_DIR=$W
}

# Writes below directory $1 stay in memory.
own_copy() {
  mkdir -p "$W$1/upper" "$W$1/work"
  mount -t overlay -o "lowerdir=$1,upperdir=$W$1/upper,workdir=$W$1/work" world "$1"
}

# Nobody's own settings count; cargo still finds what it fetched.
at_home() {
  export CARGO_HOME=${CARGO_HOME:-$HOME/.cargo} RUSTUP_HOME=${RUSTUP_HOME:-$HOME/.rustup}
  export HOME=$W/home TMPDIR=$W/tmp PATH=$W/bin:$PATH CARGO_NET_OFFLINE=true
  unset "${!DOCKER_@}" "${!CONTAINER@}" "${!DROWSE_CONFIG@}" XDG_CONFIG_HOME XDG_RUNTIME_DIR
  unset SSH_AUTH_SOCK http_proxy https_proxy HTTP_PROXY HTTPS_PROXY all_proxy ALL_PROXY
}

# One layer: a busybox with all its names, and the libraries it asks for.
image_tar() {
  local root=$W/rootfs busybox
  busybox=$(realpath "$(command -v busybox)")
  mkdir -p $root/{bin,etc,proc,sys,dev,tmp,root,var/www}
  cp -L --parents "$busybox" $root
  ldd "$busybox" 2>/dev/null | grep -o '/[^ ]*' | xargs -r cp -L --parents -t $root
  busybox --install -s $root/bin
  echo 'root:x:0:0:root:/root:/bin/sh' >$root/etc/passwd
  echo 'root:x:0:' >$root/etc/group
  echo 'hello' >$root/var/www/index.html
  chmod 1777 $root/tmp
  tar -C $root -cf $W/image.tar .
}

# Waits up to $1 seconds for the rest of the line to succeed, if the server just begun lives.
within() {
  local end=$((SECONDS + $1 + 1))
  while ! "${@:2}" >/dev/null 2>&1; do
    ((SECONDS < end)) && kill -0 "$server" 2>/dev/null || return 1
    sleep 0.05
  done
}

# Runs a server in the background, its output in log/$1.
serve() {
  "${@:2}" >"$W/log/$1" 2>&1 </dev/null &
  server=$!
  disown # a test may kill it; no message then
}
