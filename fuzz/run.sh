#!/usr/bin/env bash
# Runs the targets of fuzz/targets for a while, with libFuzzer and the stable compiler.
#
#   SECONDS_EACH=60 fuzz/run.sh            all of them
#   SECONDS_EACH=600 fuzz/run.sh batch     these
#   fuzz/run.sh batch FILE                 one input of target/fuzz/artifacts
#
# Seeds are in fuzz/seeds and engine/tests/golden. Interesting inputs are written to target/fuzz/corpus.
# `body` needs the gateway, which takes longer to build than everything else.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${SECONDS_EACH:-60}
host=$(rustc -vV | sed -n 's/^host: //p')
out=$PWD/target/fuzz

input=
if [ $# = 2 ] && [ -f "$2" ]; then
  input=$2
  set -- "$1"
fi
[ $# -gt 0 ] || set -- batch body catalogue event snapshot
build=()
for target in "$@"; do
  build+=(--bin "$target")
  if [ "$target" = body ]; then build+=(--features gateway); fi
done

# Builds like `cargo fuzz`, without the sanitizers, which need a nightly compiler. With --target, build scripts and macros
# are not instrumented.
export RUSTFLAGS="--cfg fuzzing -Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4 \
-Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table \
-Cllvm-args=-sanitizer-coverage-trace-compares"
# The versions of the program's lock file.
cp Cargo.lock fuzz/Cargo.lock
cargo build --quiet --manifest-path fuzz/Cargo.toml --target "$host" --target-dir "$out" "${build[@]}"
if [ -n "$input" ]; then
  exec "$out/$host/debug/$1" "$input"
fi

# Text is used unchanged; bytes are in hexadecimal digits, and golden files are prefixed with their kind.
bytes() { perl -ne 's/\s+//g; print pack("H*", $_)' "$1"; }
rm -rf "$out/seeds"
mkdir -p "$out"/seeds/{batch,event,snapshot}
cp -r fuzz/seeds/body fuzz/seeds/catalogue "$out/seeds/"
for file in fuzz/seeds/batch/*.hex; do
  bytes "$file" >"$out/seeds/batch/$(basename "$file" .hex)"
done
# The numbers and names of the kinds, from their list.
kinds=$(sed -nE 's/^ +([0-9]+), [A-Za-z]+, "([a-z_]+)", .*;$/\1 \2/p' engine/src/kinds.rs)
while read -r number kind; do
  for file in engine/tests/golden/"$kind".*.hex; do
    case $file in *.snapshot.*) target=snapshot ;; *) target=event ;; esac
    { printf "\\x$(printf '%02x' "$number")"; bytes "$file"; } >"$out/seeds/$target/$(basename "$file" .hex)"
  done
done <<<"$kinds"

for target in "$@"; do
  mkdir -p "$out/corpus/$target" "$out/artifacts/$target"
  echo "== $target, $seconds s"
  log=$out/$target.log
  if ! "$out/$host/debug/$target" "$out/corpus/$target" "$out/seeds/$target" -max_total_time="$seconds" \
    -max_len=65536 -timeout=10 -rss_limit_mb=2048 -print_final_stats=1 \
    -artifact_prefix="$out/artifacts/$target/" >"$log" 2>&1; then
    tail -n 60 "$log" >&2
    echo "$target found something; see it again with: fuzz/run.sh $target FILE" >&2
    exit 1
  fi
  grep -E 'cov:' "$log" | tail -n 1
  grep -E 'number_of_executed_units|average_exec_per_sec|peak_rss_mb' "$log"
done
