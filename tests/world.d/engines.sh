# The engines and every way to them. Needs the ground; the example containers are scene.sh's.
# shellcheck shell=bash

start_engines() {
  local sockets=()
  if has nft; then
    try_nft || leave_out nft "nft may not add a table, even in a network of its own"
  fi
  image_tar
  if has engine; then
    start_docker || leave_out engine "dockerd does not run here"
  fi
  if has podman; then
    start_podman || leave_out podman "podman does not run here"
  fi
  if has engine; then
    start_fronts
    start_sshd
    sockets+=(/run/docker.sock)
  fi
  has podman && sockets+=(/run/podman/podman.sock)
  has registry && start_registry
  ((${#sockets[@]} == 0)) && return
  export DROWSE_TEST_IMAGE
  listed scene "${DROWSE_WITHOUT-}" || build_scene "${sockets[@]}"
}

try_nft() {
  nft add table inet drowse_probe && nft delete table inet drowse_probe
} 2>/dev/null

start_docker() {
  make_certs
  echo '{}' >$W/daemon.json
  serve dockerd "$here/world.d/dockerd"
  within 20 answers /run/docker.sock || not_up dockerd || return
  docker import --change 'CMD ["sleep", "100000"]' $W/image.tar $DROWSE_TEST_IMAGE \
    >>$W/log/dockerd-import 2>&1 || not_up dockerd-import || return
  export DROWSE_TEST_UNIX=unix:///run/docker.sock
  export DROWSE_TEST_TLS=https://127.0.0.1:2376 DROWSE_TEST_CERTS=$W/certs
}

start_podman() {
  mkdir -p $W/podman /etc/containers
  cat >/etc/containers/storage.conf <<END
[storage]
driver = "overlay"
graphroot = "$W/podman/graph"
runroot = "$W/podman/run"
END
  cat >/etc/containers/containers.conf <<END
[engine]
cgroup_manager = "cgroupfs"
events_logger = "file"
END
  registries >/etc/containers/registries.conf
  serve podman env -C $W podman system service --time 0 unix:///run/podman/podman.sock
  within 20 answers /run/podman/podman.sock || not_up podman || return
  podman import --change 'CMD ["sleep", "100000"]' $W/image.tar $DROWSE_TEST_IMAGE \
    >>$W/log/podman-import 2>&1 || not_up podman-import || return
  # The first container makes the chains of the firewall; two at once would stumble over each other.
  podman run --rm $DROWSE_TEST_IMAGE true >>$W/log/podman-import 2>&1 || not_up podman-import || return
  export DROWSE_TEST_PODMAN=unix:///run/podman/podman.sock
}

# The registry, and the fronts that tests put before it, speak plain HTTP.
registries() {
  local port
  for port in 5000 41971 41972 41973 41974; do
    printf '[[registry]]\nlocation = "127.0.0.1:%s"\ninsecure = true\n' "$port"
  done
}

# Plain TCP, the agent, and an engine whose certificate has expired.
start_fronts() {
  cat >$W/haproxy.cfg <<END
defaults
  timeout connect 5s
  timeout client 1h
  timeout server 1h
backend engine
  server engine unix@/run/docker.sock
frontend plain
  bind 127.0.0.1:2375
  default_backend engine
frontend late
  bind 127.0.0.1:2377 ssl crt $W/certs/server/late.pem
  default_backend engine
backend engine-http
  mode http
  server engine unix@/run/docker.sock
frontend agent
  mode http
  bind 127.0.0.1:8890 ssl crt $W/certs/server/agent.pem ca-file $W/certs/agent/ca.pem verify required
  http-request return status 200 content-type application/json string '{"version":"0.18.0","runtime":"docker"}' if { path /godoxy/agent/info }
  default_backend engine-http
END
  serve haproxy haproxy -db -f $W/haproxy.cfg
  within 5 listens 8890 || not_up haproxy || return 0
  export DROWSE_TEST_TCP=tcp://127.0.0.1:2375 DROWSE_TEST_EXPIRED=https://127.0.0.1:2377
  export DROWSE_TEST_AGENT=agent://127.0.0.1:8890
}

# Root logs in with a key made here, whatever the machine's own sshd, shadow file and ~/.ssh say.
start_sshd() {
  local s=$W/ssh
  ssh-keygen -q -t ed25519 -N '' -f $s/host && ssh-keygen -q -t ed25519 -N '' -f $s/user
  echo "[127.0.0.1]:2222 $(<$s/host.pub)" >$s/known_hosts
  sed -i 's/^root:[^:]*/root:*/' /etc/shadow # sshd refuses an account locked by `!`
  cat >$s/sshd_config <<END
ListenAddress 127.0.0.1:2222
HostKey $s/host
AuthorizedKeysFile $s/user.pub
PermitRootLogin prohibit-password
StrictModes no
UsePAM no
MaxStartups 200
PidFile none
SetEnv PATH=$PATH DROWSE_TEST_DIR=$W
END
  cat >$s/config <<END
Host *
  IdentityFile $s/user
  IdentitiesOnly yes
  UserKnownHostsFile $s/known_hosts
  StrictHostKeyChecking yes
  BatchMode yes
END
  printf '#!/bin/sh\nexec %s -F %s "$@"\n' "$(command -v ssh)" $s/config >$W/bin/ssh
  chmod 755 $W/bin/ssh
  hash -r
  serve sshd "$(command -v sshd)" -D -e -f $s/sshd_config
  within 5 listens 2222 || not_up sshd || return 0
  export DROWSE_TEST_SSH=ssh://root@127.0.0.1:2222
}

start_registry() {
  cat >$W/registry.yml <<END
version: 0.1
storage: {filesystem: {rootdirectory: $W/registry}}
http: {addr: 127.0.0.1:5000}
END
  serve registry docker-registry serve $W/registry.yml
  within 5 listens 5000 || not_up registry || return 0
  export DROWSE_TEST_REGISTRY=127.0.0.1:5000
}

answers() {
  curl -sf --unix-socket "$1" http://engine/_ping
}

listens() {
  : <"/dev/tcp/127.0.0.1/$1"
}

# Says why server $1 is not there, and fails.
not_up() {
  say "$1 did not start:"
  tail -n 5 "$W/log/$1" >&2
  return 1
}
