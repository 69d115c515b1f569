#!/usr/bin/env bash
# Holds what the server answers against the document that it serves, with Schemathesis: as a vendor and as a buyer, each
# with a server of its own, side by side.
#
#   gateway/contract/run.sh                 some two minutes on two cores; the same seed each time
#   CONTRACT_SEED=7 gateway/contract/run.sh other requests
#   gateway/contract/run.sh --include-operation-id create_drop      anything more is for `schemathesis run`
#
# What is checked, and what is not, is in schemathesis.toml. Wants target/debug/fusion; `make contract` builds it.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=gateway/contract
venv=target/contract/venv

if ! python3 -c 'import ensurepip, venv, sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
  echo "missing: python3 from 3.11 on, with venv (Debian: apt-get install python3-venv)" >&2
  exit 1
fi
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/"
fi
exec "$venv/bin/python" "$here/contract.py" "$@"
