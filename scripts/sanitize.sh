#!/usr/bin/env bash
# Builds the tests with the address sanitizer and with the thread sanitizer, and runs those of single modules.
#
#   scripts/sanitize.sh [address|thread]...     both, unless told otherwise
#
# Left out are: a test that waits for the whole backtrace of a crashed process, which is switched off here (Swift's
# backtracer hangs in a process with a sanitizer); one that counts descriptors, of which the sanitizers use some; and those
# that search the process's memory, where the sanitizers keep what was freed and terabytes of their own.
set -euo pipefail
cd "$(dirname "$0")/.."

export SWIFT_BACKTRACE=enable=no
kinds=("$@")
[ ${#kinds[@]} -gt 0 ] || kinds=(address thread)
for kind in "${kinds[@]}"; do
    case $kind in
    address) path=.build-asan && export ASAN_OPTIONS=detect_leaks=0 ;;
    thread) path=.build-tsan && export TSAN_OPTIONS="suppressions=$PWD/scripts/tsan-suppressions.txt exitcode=66" ;;
    *) echo "usage: $0 [address|thread]..." >&2 && exit 2 ;;
    esac
    swift build --build-tests --traits Hummingbird --sanitize "$kind" --scratch-path "$path"
    swift test --skip-build --no-parallel --disable-xctest --traits Hummingbird --sanitize "$kind" --scratch-path "$path" \
        --filter '^(StickyTLSTests|StickyServerTests|StickyNIOTests|StickyHummingbirdTests|StickyDemoTests)\.' \
        --skip 'SupervisionTests/crash|UnavailableTests/everybodyIsServed' \
        --skip 'KeyMemoryTests/(sharedFiles|decodedRing)|SharedStateTests/wiping'
done
