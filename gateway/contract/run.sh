#!/usr/bin/env bash
# Checks responses against the served OpenAPI document with Schemathesis: as a vendor and as a buyer, each
# with a separate server, concurrently.
#
#   gateway/contract/run.sh                 about two minutes on two cores; a fixed seed
#   CONTRACT_SEED=7 gateway/contract/run.sh other requests
#   gateway/contract/run.sh --include-operation-id create_drop      further arguments are passed to `schemathesis run`
#
# The checks are configured in schemathesis.toml. Needs target/debug/fusion, which `make contract`
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
