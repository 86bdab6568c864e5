#!/usr/bin/env bash
# Runs a command with a MariaDB and a PostgreSQL of its own, and leaves nothing of them behind.
# Usage: scripts/databases.sh COMMAND [ARGUMENT]...
#
# Both listen on a free port of loopback alone and keep their files in a temporary folder. The command knows them as
# LEGWORK_TEST_MYSQL_URL and LEGWORK_TEST_POSTGRES_URL, whose users may create databases. A server whose programs are not
# installed is left out, and so is its variable.
set -euo pipefail

readonly start_seconds=60

home="$(mktemp -d "${TMPDIR:-/tmp}/legwork-databases.XXXXXX")"
password="$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')"
postgres_pid='' mariadb_pid=''

# Debian keeps the server programs out of PATH; the newest PostgreSQL wins.
newest_postgres="$(printf '%s\n' /usr/lib/postgresql/*/bin | sort -V | tail -n 1)"
PATH="$newest_postgres:$PATH:/usr/sbin"

# SIGQUIT makes PostgreSQL leave without waiting for clients or writing a checkpoint that nobody will read.
stop() {
  [ -z "$postgres_pid" ] || kill -QUIT "$postgres_pid" 2>/dev/null || true
  [ -z "$mariadb_pid" ] || kill -TERM "$mariadb_pid" 2>/dev/null || true
  wait
  rm -rf "$home"
}

# A prefix, and not a function, so that $! is the server itself. PostgreSQL refuses to run as root, and neither server
# needs more than its folder. Should this script be killed, the kernel ends the servers: hence setpriv where there is one.
if [ "$(id -u)" -eq 0 ]; then
  as_owner=(setpriv --reuid nobody --regid nogroup --clear-groups --pdeathsig KILL)
elif command -v setpriv >/dev/null; then
  as_owner=(setpriv --pdeathsig KILL)
else
  as_owner=(env)
fi

# Folders and files with the password in them are the owner's alone.
give_to_owner() {
  chmod go= "$1"
  [ "$(id -u)" -ne 0 ] || chown nobody:nogroup "$1"
}

# A port that nobody listens on, below those that the kernel gives to outgoing connections.
free_port() {
  local port
  while port=$((20000 + RANDOM % 12000)); do
    (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo "$port"; return; }
  done
}

# wait_for NAME PID CHECK...: until the check succeeds; fails with the end of the server's log.
wait_for() {
  local name="$1" pid="$2" deadline=$((SECONDS + start_seconds))
  shift 2
  until "$@" >/dev/null 2>&1; do
    if ! kill -0 "$pid" 2>/dev/null || [ "$SECONDS" -ge "$deadline" ]; then
      echo "$name did not start:" >&2
      tail -n 20 "$home/$name.log" >&2
      exit 1
    fi
    sleep 0.1
  done
}

# Every write may be lost with the machine, so none waits for the disk; nothing else differs from a server in earnest.
start_postgres() {
  local data="$home/postgres" port
  port="$(free_port)"
  mkdir "$data"
  echo "$password" >"$home/password"
  give_to_owner "$data"
  give_to_owner "$home/password"
  "${as_owner[@]}" initdb --pgdata "$data" --username legwork --pwfile "$home/password" \
    --auth scram-sha-256 --encoding UTF8 --locale C --no-sync >"$home/postgres.log" 2>&1 || { cat "$home/postgres.log" >&2; exit 1; }
  "${as_owner[@]}" postgres -D "$data" -p "$port" -c listen_addresses=127.0.0.1 -c unix_socket_directories= \
    -c max_connections=300 -c fsync=off -c full_page_writes=off </dev/null >>"$home/postgres.log" 2>&1 &
  postgres_pid=$!
  wait_for postgres "$postgres_pid" pg_isready --quiet --host 127.0.0.1 --port "$port"
  export LEGWORK_TEST_POSTGRES_URL="postgres://legwork:$password@127.0.0.1:$port/postgres"
}

start_mariadb() {
  local data="$home/mariadb" port
  port="$(free_port)"
  mkdir "$data"
  give_to_owner "$data"
  "${as_owner[@]}" mariadb-install-db --no-defaults --datadir "$data" --auth-root-authentication-method=normal --skip-test-db \
    >"$home/mariadb.log" 2>&1 || { cat "$home/mariadb.log" >&2; exit 1; }
  cat >"$home/grants.sql" <<SQL
DELETE FROM mysql.global_priv WHERE User = 'root';
FLUSH PRIVILEGES;
CREATE DATABASE legwork CHARACTER SET utf8mb4;
CREATE USER legwork@'127.0.0.1' IDENTIFIED BY '$password';
GRANT ALL ON *.* TO legwork@'127.0.0.1';
SQL
  give_to_owner "$home/grants.sql"
  "${as_owner[@]}" mariadbd --no-defaults --datadir "$data" --port "$port" --bind-address 127.0.0.1 --socket "$data/socket" \
    --pid-file "$data/pid" --init-file "$home/grants.sql" --skip-name-resolve --max-connections=300 \
    --innodb-flush-log-at-trx-commit=0 --innodb-doublewrite=0 </dev/null >>"$home/mariadb.log" 2>&1 &
  mariadb_pid=$!
  wait_for mariadb "$mariadb_pid" env MYSQL_PWD="$password" mariadb-admin --no-defaults --protocol tcp --host 127.0.0.1 --port "$port" \
    --user legwork ping
  export LEGWORK_TEST_MYSQL_URL="mysql://legwork:$password@127.0.0.1:$port/legwork"
}

trap stop EXIT
trap 'exit 130' INT
trap 'exit 143' TERM
chmod 711 "$home"
if command -v postgres >/dev/null; then start_postgres; fi
if command -v mariadbd >/dev/null; then start_mariadb; fi
"$@"
