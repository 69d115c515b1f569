#!/usr/bin/env bash
# The servers that the benchmark compares with: Debian's Redis and PostgreSQL, on free loopback ports, with
# temporary data.
#
#   peers.sh install [redis] [postgres]   install what is missing (apt-get, as root), or name it and fail
#   peers.sh hold [redis] [postgres]      the same, then start them, print name_address=… and name_pid=… lines and
#                                         READY, and stop them when standard input closes
#
# BENCH_WORK_DIR (default ${TMPDIR:-/tmp}): where the temporary folder is created; BENCH_CLIENTS (default 256): the
# number of connections that PostgreSQL must accept.
set -euo pipefail

HOST=127.0.0.1
DATA=
PIDS=()

log() { echo "peers: $*" >&2; }
die() { log "$*"; exit 1; }

stop() {
  trap - EXIT INT TERM HUP
  local pid
  for pid in "${PIDS[@]}"; do kill -INT "$pid" 2>/dev/null || true; done
  for pid in "${PIDS[@]}"; do
    for _ in $(seq 100); do kill -0 "$pid" 2>/dev/null || break; sleep 0.1; done
    kill -KILL "$pid" 2>/dev/null || true
  done
  if [ -n "$DATA" ]; then rm -rf "$DATA"; fi
}

# Finds the newest installed PostgreSQL server; Debian keeps it out of PATH.
postgres_bin() {
  local dir
  for dir in $(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V -r) "$(dirname "$(command -v postgres || echo /)")"; do
    if [ -x "$dir/postgres" ] && [ -x "$dir/initdb" ]; then echo "$dir"; return 0; fi
  done
  return 1
}

present() {
  case $1 in
    redis) command -v redis-server >/dev/null && command -v redis-cli >/dev/null ;;
    postgres) postgres_bin >/dev/null ;;
    *) die "unknown peer $1: redis or postgres" ;;
  esac
}

package() { case $1 in redis) echo redis-server ;; postgres) echo postgresql ;; esac; }

install() {
  local name missing=()
  for name in "$@"; do present "$name" || missing+=("$(package "$name")"); done
  [ ${#missing[@]} -gt 0 ] || return 0
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    die "missing: install the Debian package(s) ${missing[*]} (apt-get install ${missing[*]}), or run this as root"
  fi
  log "installing ${missing[*]}"
  # Prevents the packages from creating a cluster or a service: this script starts what it needs.
  if [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  apt-get update -qq >&2 || log "apt-get update failed; trying with the lists that are here"
  RUNLEVEL=1 DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2 ||
    die "apt-get install ${missing[*]} failed"
  for name in "$@"; do present "$name" || die "$name is still not there after installing $(package "$name")"; done
}

# Finds a free port. If another program takes it before the server starts, the start fails with an error.
free_port() {
  local port
  for _ in $(seq 100); do
    port=$((20000 + RANDOM % 12000))
    if ! (exec 3<>"/dev/tcp/$HOST/$port") 2>/dev/null; then echo "$port"; return 0; fi
  done
  die "no free port found"
}

await() { # name, pid, command…
  local name=$1 pid=$2
  shift 2
  for _ in $(seq 300); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  tail -n 20 "$DATA/$name.log" >&2 || true
  die "$name did not start"
}

redis_up() { [ "$(redis-cli -h "$HOST" -p "$1" ping)" = PONG ]; }

start_redis() {
  local port pid
  port=$(free_port)
  mkdir "$DATA/redis"
  # Debian's defaults, except for the required durability. RDB snapshots are off: they would only cost it time.
  redis-server --bind "$HOST" --port "$port" --dir "$DATA/redis" --daemonize no --protected-mode no --save '' \
    --appendonly yes --appendfsync always </dev/null >"$DATA/redis.log" 2>&1 &
  pid=$!
  PIDS+=("$pid")
  await redis "$pid" redis_up "$port"
  echo "redis_address=$HOST:$port"
  echo "redis_pid=$pid"
}

start_postgres() {
  local bin port pid as=()
  bin=$(postgres_bin)
  port=$(free_port)
  mkdir "$DATA/postgres"
  if [ "$(id -u)" = 0 ]; then # PostgreSQL refuses to run as root
    as=(setpriv --reuid=postgres --regid=postgres --init-groups --)
    chown postgres "$DATA/postgres"
    "${as[@]}" test -w "$DATA/postgres" || die "the user postgres cannot reach $DATA: set BENCH_WORK_DIR"
  fi
  (cd / && "${as[@]}" "$bin/initdb" -D "$DATA/postgres/data" -U bench --auth=trust -E UTF8 --locale=C.UTF-8) \
    >"$DATA/postgres.log" 2>&1 || { tail -n 20 "$DATA/postgres.log" >&2; die "initdb failed"; }
  # Durable by default (fsync, full_page_writes, synchronous_commit), with the memory and the WAL that are usual for a
  # server of this size, so that no checkpoint is forced during a measurement.
  cd /
  "${as[@]}" "$bin/postgres" -D "$DATA/postgres/data" -p "$port" -c "listen_addresses=$HOST" \
    -c unix_socket_directories= -c fsync=on -c full_page_writes=on -c synchronous_commit=on \
    -c shared_buffers=512MB -c max_wal_size=4GB -c "max_connections=$((${BENCH_CLIENTS:-256} + 40))" \
    </dev/null >>"$DATA/postgres.log" 2>&1 &
  pid=$!
  cd - >/dev/null
  PIDS+=("$pid")
  await postgres "$pid" "$bin/pg_isready" -q -h "$HOST" -p "$port" -U bench
  echo "postgres_address=$HOST:$port"
  echo "postgres_pid=$pid"
}

command=${1:-}
[ $# -gt 0 ] && shift
[ $# -gt 0 ] || set -- redis postgres
case $command in
  install) install "$@" ;;
  hold)
    install "$@"
    trap stop EXIT
    trap 'exit 130' INT TERM HUP
    DATA=$(mktemp -d "${BENCH_WORK_DIR:-${TMPDIR:-/tmp}}/fusion-bench-peers.XXXXXX")
    chmod 711 "$DATA"
    for name in "$@"; do "start_$name"; done
    echo READY
    while read -r _; do :; done
    ;;
  *) sed -n '2,11s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
esac
