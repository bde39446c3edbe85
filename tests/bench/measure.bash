# Sourced by the benches: runs two commands in turn and compares them pair by pair.
# shellcheck shell=bash

target=${CARGO_TARGET_DIR:-$PWD/target}
drowse=$target/release/drowse
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

need() { command -v "$1" >/dev/null || { echo "bench: $1 is missing: apt-get install $2" >&2; exit 1; }; }

# us COMMAND: microseconds of one run, its output thrown away.
us() {
    local from=$EPOCHREALTIME
    bash -c "exec $1" >/dev/null
    local to=$EPOCHREALTIME
    echo $((${to/./} - ${from/./}))
}

# kib COMMAND: peak resident memory of one run.
kib() {
    /usr/bin/time -o "$work/kib" -f %M bash -c "exec $1" >/dev/null
    cat "$work/kib"
}

median() { sort -g | awk '{ v[NR] = $1 } END { print v[int((NR + 1) / 2)] }'; }

# verdict NAME VALUE LIMIT: a line of the report.
verdict() {
    awk -v name="$1" -v value="$2" -v limit="$3" 'BEGIN {
        printf "%-64s %9.3f  limit %s  %s\n", name, value, limit, value <= limit ? "holds" : "misses" }'
}

# ratio NAME LIMIT PAIRS COMMAND PEER: time of COMMAND over time of PEER, median of the pairs.
ratio() {
    local name=$1 limit=$2 pairs=$3 command=$4 peer=$5 i a b
    : >"$work/ratios" && : >"$work/a" && : >"$work/b"
    us "$command" >/dev/null && us "$peer" >/dev/null
    for ((i = 0; i < pairs; i++)); do
        a=$(us "$command") b=$(us "$peer")
        echo "$a" >>"$work/a" && echo "$b" >>"$work/b"
        awk -v a="$a" -v b="$b" 'BEGIN { print a / b }' >>"$work/ratios"
    done
    verdict "$name" "$(median <"$work/ratios")" "$limit"
    awk -v a="$(median <"$work/a")" -v b="$(median <"$work/b")" -v n="$pairs" \
        'BEGIN { printf "    %.1f ms against %.1f ms, medians of %d pairs\n", a / 1000, b / 1000, n }'
}

# memory NAME LIMIT COMMAND PEER: peak memory of COMMAND over that of PEER, medians of five.
memory() {
    local name=$1 limit=$2 command=$3 peer=$4 a b
    a=$(for _ in 1 2 3 4 5; do kib "$command"; done | median)
    b=$(for _ in 1 2 3 4 5; do kib "$peer"; done | median)
    verdict "$name" "$(awk -v a="$a" -v b="$b" 'BEGIN { print a / b }')" "$limit"
    echo "    $a KiB against $b KiB"
}
