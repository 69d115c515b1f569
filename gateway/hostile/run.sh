#!/usr/bin/env bash
# Runs hostile clients against a server of its own, on loopback, and judges what they cost: memory, connections, files,
# CPU, and how long the claims of others take meanwhile.
#
#   gateway/hostile/run.sh            everything, in some two minutes
#   gateway/hostile/run.sh lists      one of them: descriptors, heads, readers, lists, messages, hosts, numbers
#
# Wants target/debug/fusion, or another in FUSION_BIN: `FUSION_BIN=target/release/fusion gateway/hostile/run.sh`. CI takes
# the debug binary, which is there: the release build links across crates and would take longer than all of this. Needs
# python3 from 3.11 on and nothing else. What was found, for machines: target/hostile/report.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
# One that hangs must not hang the build.
seconds_max=400

if ! python3 -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
  echo "missing: python3 from 3.11 on" >&2
  exit 1
fi
fusion=${FUSION_BIN:-target/debug/fusion}
if [ ! -x "$fusion" ]; then
  echo "missing: $fusion (cargo build -p server, or FUSION_BIN)" >&2
  exit 1
fi
export PYTHONDONTWRITEBYTECODE=1
exec timeout "$seconds_max" python3 gateway/hostile/hostile.py "$@"
