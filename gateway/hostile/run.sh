#!/usr/bin/env bash
# Runs hostile clients against servers of its own, on loopback, and judges what they cost: memory, CPU, descriptors,
# bytes on disk, and the latency of other buyers' claims. The bounds are at the top of hostile.py.
#
#   gateway/hostile/run.sh              all attacks, in less than three minutes on two cores
#   gateway/hostile/run.sh lists hosts  some of them; --help lists them
#
# Needs target/release/fusion, which `make hostile` builds, or another binary in FUSION_BIN; the bounds are those of a
# release build. Needs python3 from 3.11 on and nothing else. The results for machines: target/hostile/report.json.
set -euo pipefail
cd "$(dirname "$0")/../.."
# A timeout, so that an attack that hangs does not block the build.
seconds_max=420

. gateway/black-box/environment.sh
need_python
need_fusion target/release/fusion "cargo build --release -p server"
exec timeout "$seconds_max" python3 gateway/hostile/hostile.py "$@"
