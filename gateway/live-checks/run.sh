#!/usr/bin/env bash
# Checks the real-time API with independent clients: the Autobahn cases against /v1/ws,
# docs/realtime.md step by step in both subprotocols, and a load of faults next to twenty well-behaved clients. Each has a
# separate server.
#
#   gateway/live-checks/run.sh                        under three minutes on two cores
#   gateway/live-checks/run.sh conformance 6.4.1 '5.*'  some of the Autobahn cases
#   gateway/live-checks/run.sh faults                 one of them: conformance, transcript, transcript protobuf, faults
#
# Needs target/debug/fusion, or another binary in FUSION_BIN. Writes the results to target/live-checks/*.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=gateway/live-checks
venv=target/live-checks-venv
# A timeout, so that a check that hangs does not block the build.
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
# The transcripts mostly wait, so the cases run concurrently with them. The faults need the machine
# without other load.
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
