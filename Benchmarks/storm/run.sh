#!/usr/bin/env bash
# Measures the dispatcher alone: how many connections a second are accepted, passed to a worker, answered with six bytes
# and closed, and what a single client sees meanwhile. The server is Tests/ClusterFixture, optimised, which answers on
# the worker's control thread; there is no TLS and no NIO in it.
#
#   Benchmarks/storm/run.sh [ROUNDS [CONNECTIONS [WIDTH]]]
#
# With FIFO=5 in the environment (as root) server and load have that real-time priority during a round, and only then: a
# master that reaps a worker with it may wait in the kernel for ever (see ../realtime.py).
set -euo pipefail
cd "$(dirname "$0")/../.."

rounds=${1:-5} connections=${2:-100000} width=${3:-64}
build=Benchmarks/build
mkdir -p "$build"
cc -O2 -Wall -Wextra -o "$build/storm" Benchmarks/storm/storm.c -lpthread
swift build -c release --product ClusterFixture --scratch-path "$build/core" >/dev/null
server=$(swift build -c release --product ClusterFixture --scratch-path "$build/core" --show-bin-path)/ClusterFixture

out=$(mktemp)
"$server" workers=2 greet=yes events=lifecycle >"$out" &
master=$!
load=
end() {
    [ -z "$load" ] || kill "$load" 2>/dev/null || true
    ordinary
    kill "$master" 2>/dev/null || true
    wait "$master" 2>/dev/null || true
    rm -f "$out" "$out.round"
}
trap end EXIT
trap 'exit 143' INT TERM HUP

servers() { echo "$master" && cat "/proc/$master/task/"*/children; }
ordinary() {
    [ -z "${FIFO-}" ] || for pid in $(servers 2>/dev/null); do
        chrt --all-tasks --other --pid 0 "$pid" 2>/dev/null || true
    done
}
realtime() {
    [ -z "${FIFO-}" ] || for pid in $(servers); do chrt --all-tasks --reset-on-fork --fifo --pid "$FIFO" "$pid"; done
}
storm() {
    realtime
    timeout --kill-after 1 300 ${FIFO:+chrt --fifo "$FIFO"} \
        "$build/storm" "$port" "$connections" "$width" >"$out.round" &
    load=$!
    wait "$load" # a signal is heard meanwhile
    load=
    ordinary
}

for _ in $(seq 100); do
    grep -q ^listening "$out" && break
    sleep 0.1
done
port=$(sed -n 's/^listening [^ ]*:\([0-9]*\) .*/\1/p' "$out")
echo "2 workers, $connections connections, $width at a time; load average $(cut -d' ' -f1 /proc/loadavg)"
for round in $(seq "$rounds"); do
    storm
    echo "round $round: $(cat "$out.round");" \
        "resident: $(cat "/proc/$master/task/"*/children | xargs -n1 | sort -n |
            while read -r pid; do awk '/VmRSS/ { printf "%d ", $2 }' "/proc/$pid/status"; done)" \
        "$(awk '/VmRSS/ { print $2 }' "/proc/$master/status") KiB"
done
for pid in "$master" $(cat "/proc/$master/task/"*/children); do
    awk -v pid="$pid" -v ticks="$(getconf CLK_TCK)" -v n=$((rounds * connections)) \
        '{ sub(/^.*\) /, ""); printf "process %d: %.1f us of CPU a connection\n", pid, ($12 + $13) / ticks * 1e6 / n }' \
        "/proc/$pid/stat"
done
