# The example containers of scene.json, made by the Engine API in every engine; all have the label
# scene=1. Checks nothing.
# shellcheck shell=bash

# Builds the scene behind every socket in $@, side by side.
build_scene() {
  local socket count
  count=$(jq '(.first + .second) | length' "$here/world.d/scene.json")
  for socket in "$@"; do
    build_scene_at "$socket" &
  done
  for socket in "$@"; do
    wait -n
  done
  for socket in "$@"; do
    [[ $(ask "$socket" GET '/containers/json?all=1' | jq length) == "$count" ]] ||
      say "the scene behind $socket is not whole: see $W/log/scene"
  done
  export DROWSE_TEST_SCENE=$count
}

build_scene_at() {
  local socket=$1 line act n=0
  scene_lines "$socket" .networks '.Name, "", .' | while IFS='|' read -r _ _ line; do
    ask "$socket" POST /networks/create "$line"
  done
  for act in .first .second; do
    scene_lines "$socket" $act '.name, .then, .body' | {
      while IFS='|' read -r name acts body; do
        ((++n <= 4)) || wait -n # four at a time
        stage "$socket" "$name" "$acts" "$body" &
      done
      wait
    }
  done
} >>$W/log/scene 2>&1

# One container: created, then what its `then` says.
stage() {
  local socket=$1 name=$2 verb
  ask "$socket" POST "/containers/create?name=$name" "$4"
  for verb in $3; do
    case $verb in
      connect:*) ask "$socket" POST "/networks/${verb#*:}/connect" "{\"Container\":\"$name\"}" ;;
      probe) [[ $socket != *podman* ]] || podman healthcheck run "$name" ;; # it has no systemd here
      *) ask "$socket" POST "/containers/$name/$verb" ;;
    esac
  done
}

# The members of list $2 as lines of values $3, separated by bars. Both engines share one network, so
# Podman's published ports are 1000 higher and its networks have other addresses. It knows no links.
scene_lines() {
  local move=0 net=5 common
  [[ $1 != *podman* ]] || move=1000 net=6
  common='{"Image": "'$DROWSE_TEST_IMAGE'", "Cmd": ["sleep", "100000"], "Labels": {"scene": "1"}}'
  jq -r --argjson move $move --arg net $net --argjson common "$common" "
    def here: walk(if type != \"object\" then .
      elif has(\"HostPort\") then .HostPort |= (tonumber + \$move | tostring)
      elif has(\"Subnet\") then .Subnet |= (sub(\"29.5\"; \"29.\" + \$net) | sub(\":5:\"; \":\" + \$net + \":\"))
      elif has(\"Links\") and \$move > 0 then del(.Links)
      else . end);
    $2[] | if .body then .body |= (\$common * .) else . end
    | here | [$3 | if type == \"string\" then . else tojson end] | join(\"|\")
  " "$here/world.d/scene.json"
}

# Asks the engine behind socket $1: METHOD PATH [BODY].
ask() {
  curl -sS -w '\n' --unix-socket "$1" -X "$2" -H 'Content-Type: application/json' \
    ${4+-d "$4"} "http://engine/v1.41$3"
}
