#!/usr/bin/env bash
# Checks the live doors from outside, by clients that share no line with the server: the Autobahn cases against /v1/ws,
# docs/realtime.md step by step in both subprotocols, and a load of faults beside twenty clients that behave. Each has a
# server of its own.
#
#   gateway/live-checks/run.sh                        under three minutes on two cores
#   gateway/live-checks/run.sh conformance 6.4.1 '5.*'  some of the Autobahn cases
#   gateway/live-checks/run.sh faults                 one of them: conformance, transcript, transcript protobuf, faults
#
# Wants target/debug/fusion, or another in FUSION_BIN. What was found, for machines: target/live-checks/*.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=gateway/live-checks
venv=target/live-checks-venv
# One that hangs must not hang the build.
seconds_max=200

. gateway/black-box/environment.sh
need_python venv
need_fusion target/debug/fusion "cargo build -p server"
make_venv "$venv" "$here/requirements.txt"

check() {
  timeout "$seconds_max" "$venv/bin/python" "$here/$1.py" "${@:2}"
}
if [ $# -gt 0 ]; then
  check "$@"
  exit
fi

mkdir -p target/live-checks
failed=""
# The transcripts wait for most of their minute; the cases' few seconds fit beside them. The faults want the machine
# alone.
check transcript >target/live-checks/transcript.txt 2>&1 &
transcript=$!
check transcript protobuf >target/live-checks/transcript-protobuf.txt 2>&1 &
protobuf=$!
check conformance >target/live-checks/conformance.txt 2>&1 || failed+=" conformance"
wait "$transcript" || failed+=" transcript"
wait "$protobuf" || failed+=" transcript-protobuf"
check faults >target/live-checks/faults.txt 2>&1 || failed+=" faults"
summary=""
for name in conformance transcript transcript-protobuf faults; do
  echo "== $name"
  cat "target/live-checks/$name.txt"
  summary+="$(tail -n 1 "target/live-checks/$name.txt"); "
done
echo
if [ -n "$failed" ]; then
  echo "live checks FAIL in$failed: ${summary%; }"
  exit 1
fi
echo "live checks hold: ${summary%; }"
