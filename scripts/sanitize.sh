#!/usr/bin/env bash
# Builds the tests with the address sanitizer and with the thread sanitizer, and runs those of single modules.
#
#   scripts/sanitize.sh [address|thread]...     both, unless told otherwise
#
# Left out are: two tests that need Swift's backtracer, which is switched off here (it hangs in a process with a sanitizer,
# or does not come); one that counts descriptors, of which the sanitizers use some; one that looks for locked pages, for the
# sanitizers make mlock(2) do nothing; and those that measure or search memory, where they keep what was freed and terabytes
# of their own.
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
        --skip 'SupervisionTests/crash|KillTests/killedDuringReportAfterUpgrade|UnavailableTests/everybodyIsServed' \
        --skip 'KeyMemoryTests/(pages|sharedFiles|decodedRing)|SharedStateTests/wiping|BackPressureTests/stoppedReceiver'
done
