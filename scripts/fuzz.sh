#!/usr/bin/env bash
# Runs the libFuzzer drivers of Fuzz/, with the address sanitizer, from the seeds in Fuzz/Corpora.
#
#   scripts/fuzz.sh [SECONDS [TARGET...]]     60 seconds in all for all targets, unless told otherwise
#
# Exit status 3: there is no libFuzzer. What is found is written to Fuzz/findings/TARGET-*; run it again with Fuzz/.build/release/StickyFuzz TARGET FILE.
set -euo pipefail
cd "$(dirname "$0")/.."

# Swift's backtracer would hold a crashed process, and the pipe with it.
export SWIFT_BACKTRACE=enable=no ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0}
seconds=${1:-60}
shift || true
targets=("$@")
[ ${#targets[@]} -gt 0 ] || targets=(session hello files frames addresses)

# Not -sanitize=fuzzer: that links libFuzzer's own main function, where SwiftPM wants the program's.
resources=$(swift -print-target-info | python3 -c 'import json, sys; print(json.load(sys.stdin)["paths"]["runtimeResourcePath"])')
library=$(find -L "$resources" -name "libclang_rt.fuzzer_no_main-$(uname -m).a" -print -quit)
if [ -z "$library" ]; then
    echo "fuzz: this Swift has no libFuzzer; the tests' own random drivers run everywhere" >&2
    exit 3
fi
swift build --package-path Fuzz -c release -Xswiftc -enable-testing \
    -Xswiftc -sanitize=address -Xswiftc -sanitize-coverage=edge,inline-8bit-counters,pc-table,trace-cmp \
    -Xlinker "$library" -Xlinker -lstdc++

each=$((seconds / ${#targets[@]}))
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
mkdir -p Fuzz/findings
for target in "${targets[@]}"; do
    # What is new goes to the first folder, and not among the seeds.
    mkdir "$work/$target"
    status=0
    TMPDIR=$work Fuzz/.build/release/StickyFuzz "$target" -max_total_time="$each" -max_len=8192 -timeout=10 -verbosity=0 \
        -print_final_stats=1 -artifact_prefix="Fuzz/findings/$target-" "$work/$target" "Fuzz/Corpora/$target" \
        >"$work/$target.log" 2>&1 || status=$?
    if [ "$status" != 0 ]; then
        tail -n 60 "$work/$target.log"
        echo "fuzz: $target FAILED, see Fuzz/findings"
        exit 1
    fi
    runs=$(sed -n 's/.*number_of_executed_units: *//p' "$work/$target.log")
    echo "fuzz: $target: $runs runs in $each s, nothing found"
done
