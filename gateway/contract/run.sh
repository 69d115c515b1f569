#!/usr/bin/env bash
# Holds what the server answers against the document that it serves, with Schemathesis: as a vendor and as a buyer, each
# with a server of its own, side by side.
#
#   gateway/contract/run.sh                 some two minutes on two cores; the same seed each time
#   CONTRACT_SEED=7 gateway/contract/run.sh other requests
#   gateway/contract/run.sh --include-operation-id create_drop      anything more is for `schemathesis run`
#
# What is checked, and what is not, is in schemathesis.toml. Needs target/debug/fusion, which `make contract`
# builds, or another in FUSION_BIN.
set -euo pipefail
cd "$(dirname "$0")/../.."
here=gateway/contract
venv=target/contract/venv

. gateway/black-box/environment.sh
need_python venv
need_fusion target/debug/fusion "cargo build -p server"
make_venv "$venv" "$here/requirements.txt"
exec "$venv/bin/python" "$here/contract.py" "$@"
