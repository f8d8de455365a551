#!/usr/bin/env bash
# SPDX-License-Identifier: PostgreSQL
# fuzz/build.sh TARGET OUT: builds fuzz/TARGET/Fuzz.swift with libFuzzer to the executable OUT.
#
# DurableModel and DurableCore are compiled as the modules they are, instrumented for coverage and with all of
# Swift's checks on, once for all targets: object files are kept in FUZZ_OBJECTS (OUT.build), and made again when a
# source is newer.
# Run it as: OUT fuzz/corpus/TARGET -max_total_time=60
set -euo pipefail

target=${1:?usage: fuzz/build.sh TARGET OUT}
out=${2:?usage: fuzz/build.sh TARGET OUT}
root=$(cd "$(dirname "$0")/.." && pwd)
[ -f "$root/fuzz/$target/Fuzz.swift" ] || { echo "no such target: $target" >&2; exit 2; }

objects=${FUZZ_OBJECTS:-$out.build}
mkdir -p "$objects"
flags=(
    -O -whole-module-optimization -parse-as-library -swift-version 6 -sanitize=fuzzer -I "$objects"
    -enable-upcoming-feature ExistentialAny -enable-upcoming-feature InternalImportsByDefault
    -enable-upcoming-feature MemberImportVisibility -warnings-as-errors
)

for module in DurableModel DurableCore; do
    if [ -f "$objects/$module.o" ] && [ -z "$(find "$0" "$root/Sources/$module" "$root/Sources/DurableModel" \
        -newer "$objects/$module.o" -print -quit)" ]; then
        continue
    fi
    swiftc "${flags[@]}" -module-name "$module" -c "$root/Sources/$module"/*.swift \
        -emit-module -emit-module-path "$objects/$module.swiftmodule" -o "$objects/$module.o"
done
swiftc "${flags[@]}" -module-name Fuzz "$root/fuzz/$target/Fuzz.swift" \
    "$objects/DurableModel.o" "$objects/DurableCore.o" -o "$out"
