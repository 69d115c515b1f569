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

if ! python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
  echo "missing: python3 from 3.11 on, with venv (Debian: apt-get install python3-venv)" >&2
  exit 1
fi
fusion=${FUSION_BIN:-target/debug/fusion}
if [ ! -x "$fusion" ]; then
  echo "missing: $fusion (cargo build -p server, or FUSION_BIN)" >&2
  exit 1
fi
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/"
fi

export PYTHONDONTWRITEBYTECODE=1
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
