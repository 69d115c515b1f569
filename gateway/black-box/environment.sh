# Functions of the black-box checks: sourced by gateway/contract/run.sh, gateway/live-checks/run.sh and
# gateway/hostile/run.sh, in the root folder of the repository.

# Ends the script unless python3 3.11 or later is available. `need_python venv`: with support for virtual environments.
need_python() {
  local modules="sys" package="python3"
  if [ "${1:-}" = venv ]; then
    modules="ensurepip, venv, sys"
    package="python3-venv"
  fi
  if ! python3 -c "import $modules; sys.exit(sys.version_info < (3, 11))" >/dev/null 2>&1; then
    echo "missing: python3 from 3.11 on${1:+, with $1} (Debian: apt-get install $package)" >&2
    exit 1
  fi
}

# Recreates the virtual environment in folder $1 if its packages differ from the file $2.
make_venv() {
  if ! cmp -s "$2" "$1/requirements.txt"; then
    rm -rf "$1"
    python3 -m venv "$1"
    "$1/bin/pip" install --quiet --disable-pip-version-check --no-deps -r "$2"
    cp "$2" "$1/"
  fi
}

# Exports FUSION_BIN: the binary to check, $1 by default. Ends the script if it does not exist; $2 is the command that
# builds it.
need_fusion() {
  export FUSION_BIN="${FUSION_BIN:-$1}"
  if [ ! -x "$FUSION_BIN" ]; then
    echo "missing: $FUSION_BIN ($2, or FUSION_BIN)" >&2
    exit 1
  fi
  FUSION_BIN="$(realpath "$FUSION_BIN")"
}

# Python finds the modules of this folder and writes no bytecode.
export PYTHONDONTWRITEBYTECODE=1
export PYTHONPATH="$PWD/gateway/black-box${PYTHONPATH:+:$PYTHONPATH}"
