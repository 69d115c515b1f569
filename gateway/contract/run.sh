#!/usr/bin/env bash
# Holds what the server answers against the document that it serves, with Schemathesis: as a vendor, then as a buyer.
#
#   gateway/contract/run.sh                 about three minutes; the same requests each time
#   CONTRACT_SEED=7 gateway/contract/run.sh other requests
#   gateway/contract/run.sh --include-operation-id create_drop      anything more is for `schemathesis run`
#
# What is checked, and what is not, is in schemathesis.toml. Wants target/debug/fusion; `make contract` builds it.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=gateway/contract
venv=target/contract/venv

if ! python3 -c 'import ensurepip, venv' >/dev/null 2>&1; then
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1; then
    apt-get update -qq && apt-get install -y -qq python3-venv
  else
    echo "missing: python3 with venv (Debian: python3-venv)" >&2
    exit 1
  fi
fi
if ! cmp -s "$here/requirements.txt" "$venv/requirements.txt"; then
  rm -rf "$venv"
  python3 -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$here/requirements.txt"
  cp "$here/requirements.txt" "$venv/"
fi
exec "$venv/bin/python" "$here/contract.py" "$@"
