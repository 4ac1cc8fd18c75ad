#!/bin/bash
#
# usage: run.sh [check]
#
# What `make run` does when everything is built: a registry on this machine,
# in the foreground, that keeps all it has under DATA.
#
# From the environment:
#   DATA    the directory, ./var by default
#   PORT    8080 by default
#   LISTEN  the address, 127.0.0.1 by default
#   OBJS    where the module and cargoctl are, ./objs of the checkout
#   NGINX   /usr/sbin/nginx by default
#
# With "check" it only looks whether it could: what needs no module and no
# database, and leaves no trace.
#
# As root, PostgreSQL runs as postgres and nginx's workers as www-data.  Who
# may be whom in the database is decided by the user at the other end of the
# socket (peer), so that no other user of the machine gets in.

set -u

ROOT=$(cd "$(dirname "$0")/.." && pwd -P)
DATA=${DATA:-$ROOT/var}
PORT=${PORT:-8080}
LISTEN=${LISTEN:-127.0.0.1}
OBJS=${OBJS:-$ROOT/objs}
NGINX=${NGINX:-/usr/sbin/nginx}

# In its environment, nginx takes NGINX for the sockets of the nginx that it
# is to replace.
export -n NGINX

NGINX_MIN=1.22.0
SOCKET_MAX=107

nginx_pid=
postgres_pid=


die()
{
    echo "make run: $*" >&2
    exit 1
}


check_arguments()
{
    [[ $PORT =~ ^[0-9]{1,5}$ ]] && ((10#$PORT > 0 && 10#$PORT < 65536)) \
        || die "PORT=$PORT is not a port: take a number from 1 to 65535"

    [[ $DATA == /* ]] || DATA=$PWD/$DATA

    # It is written into nginx.conf and into connection strings.
    [[ $DATA =~ ^[A-Za-z0-9._/+=@~-]+$ ]] \
        || die "DATA=$DATA: choose a path of letters, digits and ._/+=@~-"

    # sun_path ends in NUL, so one byte of its 108 is not for the name
    local socket=$DATA/pg/.s.PGSQL.5432
    local over=$((${#socket} - SOCKET_MAX))

    ((over <= 0)) \
        || die "DATA=$DATA is $over bytes too long for a Unix socket in it:" \
               "choose a shorter one"
}


check_built()
{
    local file

    for file in "$OBJS/ngx_http_cargo_module.so" "$OBJS/cargoctl"; do
        [[ -e $file ]] || die "$file is missing: run \`make\` first"
    done

    OBJS=$(cd "$OBJS" && pwd -P)
}


check_nginx()
{
    [[ -x $NGINX ]] || die "there is no nginx at $NGINX: install nginx," \
                           "or set NGINX"

    local built version
    built=$("$NGINX" -V 2>&1)
    version=$(sed -n 's|^nginx version: [^/]*/\([0-9.]*\).*|\1|p' <<< "$built")

    [[ $(printf '%s\n' "$NGINX_MIN" "$version" | sort -V | head -n 1) \
       == "$NGINX_MIN" ]] \
        || die "$NGINX is nginx ${version:-of unknown version}, and" \
               "$NGINX_MIN is the oldest that will do"

    [[ $built == *--with-threads* ]] \
        || die "$NGINX was built without --with-threads, which uploads need"
}


# With a cluster there is no choice: a data directory belongs to one major.

find_postgres()
{
    local major=

    if [[ -e $DATA/pgdata/PG_VERSION ]]; then
        major=$(< "$DATA/pgdata/PG_VERSION")
        PGBIN=/usr/lib/postgresql/$major/bin

        [[ -x $PGBIN/postgres ]] \
            || die "$DATA was made by PostgreSQL $major, which is not here:" \
                   "install postgresql-$major, or choose another DATA"
        return
    fi

    major=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null \
            | cut -d / -f 5 | sort -n | tail -n 1)

    [[ -n $major ]] || die "there is no PostgreSQL server: install postgresql"
    ((major >= 14)) || die "PostgreSQL $major is here, and 14 is the oldest" \
                           "that will do"

    PGBIN=/usr/lib/postgresql/$major/bin
}


choose_users()
{
    SELF=$(id -un)
    POSTGRES_USER=$SELF
    WORKER_USER=$SELF

    if [[ $SELF == root ]]; then
        POSTGRES_USER=postgres
        WORKER_USER=www-data
        id "$POSTGRES_USER" >/dev/null 2>&1 \
            && id "$WORKER_USER" >/dev/null 2>&1 \
            || die "users $POSTGRES_USER and $WORKER_USER are needed when" \
                   "started by root: run it as an ordinary user"
    fi
}


# as USER SIGNAL COMMAND...: the kernel sends the signal should this shell be
# killed; setsid keeps the terminal's Ctrl-C away, so that nginx stops first

as()
{
    local user=$1 signal=$2 who=()
    shift 2

    if [[ $user != "$SELF" ]]; then
        who=(--reuid="$user" --regid="$(id -g "$user")" --init-groups)
    fi

    exec setsid setpriv "${who[@]}" --pdeathsig "$signal" "$@"
}


# check_entry DIR: for PostgreSQL and for the workers

check_entry()
{
    local user

    for user in "$POSTGRES_USER" "$WORKER_USER"; do
        (as "$user" KILL test -x "$1") \
            || die "user $user cannot get into $DATA, since a directory" \
                   "above it is closed: choose DATA elsewhere, such as" \
                   "DATA=/var/tmp/cargo-registry"
    done
}


# DATA itself is opened when it is made

check_way()
{
    local dir=${DATA%/*}

    while [[ -n $dir && ! -e $dir ]]; do
        dir=${dir%/*}
    done

    check_entry "${dir:-/}"
}


make_directories()
{
    if [[ -d $DATA && ! -e $DATA/made-by-make-run && -n $(ls -A "$DATA") ]]
    then
        die "$DATA is in use for something else: choose another DATA"
    fi

    { mkdir -p "$DATA" && : >> "$DATA/made-by-make-run"; } 2>/dev/null \
        || die "cannot write to $DATA: choose another DATA, or run this as" \
               "the user it belongs to"

    DATA=$(cd "$DATA" && pwd -P)
    check_arguments

    exec 9>> "$DATA/made-by-make-run"
    flock -n 9 || die "another \`make run\` is at work in $DATA"

    mkdir -p "$DATA/pg" "$DATA/blobs" "$DATA/temp" \
        && chmod 755 "$DATA" "$DATA/pg" \
        || die "cannot set up $DATA (see above)"

    if [[ $SELF == root ]]; then
        chown "$POSTGRES_USER:" "$DATA/pg"
        chown "$WORKER_USER:" "$DATA/blobs"
    fi

    check_entry "$DATA/pg"
}


check_port()
{
    if (exec 3<> "/dev/tcp/$LISTEN/$PORT") 2>/dev/null; then
        die "port $PORT of $LISTEN is busy: stop what listens there, or" \
            "choose another, as in \`make run PORT=8081\`"
    fi
}


create_cluster()
{
    local new=$DATA/pgdata.new

    [[ ! -e $DATA/pgdata ]] || return 0

    rm -rf "$new"
    mkdir -m 700 "$new" && chown "$POSTGRES_USER" "$new" \
        || die "cannot make $new"

    (as "$POSTGRES_USER" KILL "$PGBIN/initdb" -D "$new" -U postgres -A peer \
        -E UTF8 --locale C.UTF-8) > "$DATA/postgres.log" 2>&1 9>&- \
        || die "initdb failed: $(tail -n 1 "$DATA/postgres.log")"

    cat >> "$new/postgresql.conf" <<CONF
listen_addresses = ''
unix_socket_directories = '../pg'
CONF

    cat > "$new/pg_hba.conf" <<CONF
local  all  all  peer  map=registry
CONF

    printf 'registry  %s  %s\n' "$SELF" postgres "$SELF" cargo \
        "$WORKER_USER" cargo_web > "$new/pg_ident.conf"

    mv "$new" "$DATA/pgdata" || die "cannot make $DATA/pgdata"
}


start_postgres()
{
    local i

    (as "$POSTGRES_USER" INT "$PGBIN/postgres" -D "$DATA/pgdata") \
        >> "$DATA/postgres.log" 2>&1 9>&- &
    postgres_pid=$!

    for ((i = 0; i < 600; i++)); do
        kill -0 "$postgres_pid" 2>/dev/null || break
        "$PGBIN/pg_isready" -q -h "$DATA/pg" && return
        sleep 0.05
    done

    die "PostgreSQL does not start: $(tail -n 1 "$DATA/postgres.log")" \
        "(more in $DATA/postgres.log)"
}


psql_run()
{
    "$PGBIN/psql" -XAtq -v ON_ERROR_STOP=1 -h "$DATA/pg" -U postgres \
        -d postgres -c "$1"
}


cargoctl()
{
    CARGO_DATABASE="host=$DATA/pg dbname=cargo user=cargo" \
        CARGO_SQL=$ROOT/sql "$OBJS/cargoctl" "$@"
}


create_database()
{
    if [[ -z $(psql_run "select 1 from pg_roles where rolname = 'cargo'") ]]
    then
        psql_run "create role cargo login createrole" \
            || die "cannot make the role cargo (see above)"
    fi

    if [[ -z $(psql_run "select 1 from pg_database where datname = 'cargo'") ]]
    then
        psql_run "create database cargo owner cargo" \
            || die "cannot make the database cargo (see above)"
    fi

    cargoctl migrate --quiet || die "cannot migrate the database (see above)"
}


# A token's text is nowhere but in its file: when that is gone, or was not
# written whole, there has to be another.

create_account()
{
    local names

    names=$(cargoctl registry list --json) || die "no registries (see above)"
    [[ $names =~ \"name\":\ *\"main\" ]] \
        || cargoctl registry create main --quiet \
        || die "cannot make the registry (see above)"

    names=$(cargoctl account list --json) || die "no accounts (see above)"
    [[ $names =~ \"login\":\ *\"admin\" ]] \
        || cargoctl account create admin --registry main --role admin --quiet \
        || die "cannot make the account (see above)"

    if [[ ! -s $DATA/admin-token ]]; then
        (umask 077
         cargoctl token create admin --name "make run" --quiet \
             | grep -om 1 'ngxcargo_[0-9A-Za-z]*' > "$DATA/admin-token.new") \
            && mv "$DATA/admin-token.new" "$DATA/admin-token" \
            || die "cannot make a token (see above)"
    fi
}


write_config()
{
    local user=

    [[ $SELF != root ]] \
        || user="user $WORKER_USER $(id -gn "$WORKER_USER");"

    sed -e "s|@USER@|$user|" -e "s|@DATA@|$DATA|g" -e "s|@OBJS@|$OBJS|g" \
        -e "s|@ROOT@|$ROOT|g" -e "s|@PORT@|$PORT|g" \
        -e "s|@LISTEN@|$LISTEN|g" \
        "$ROOT/conf/nginx.conf.in" > "$DATA/nginx.conf" \
        || die "cannot write $DATA/nginx.conf"

    cat > "$DATA/cargo-config.toml" <<CONF
[registries.main]
index = "sparse+http://$LISTEN:$PORT/index/"
credential-provider = ["cargo:token"]
CONF
}


nginx_run()
{
    as "$SELF" TERM "$NGINX" -p "$DATA/" -c "$DATA/nginx.conf" \
        -e "$DATA/error.log" "$@"
}


start_nginx()
{
    local i before reason code

    reason=$( (nginx_run -q -t) 2>&1 9>&- )
    code=$?

    if ((code != 0)); then
        reason=$(grep -m 1 emerg <<< "$reason" || echo "$reason")

        # a module that was cut off may kill nginx when it is mapped
        ((code < 128)) \
            || reason="signal $((code - 128)) at ngx_http_cargo_module.so"

        [[ $reason != *ngx_http_cargo_module.so* ]] \
            || reason+="; build the module for this nginx: \`make clean all\`"

        die "nginx refuses the configuration: $reason"
    fi

    before=$(stat -c %s "$DATA/error.log" 2>/dev/null || echo 0)
    rm -f "$DATA/nginx.pid"

    (nginx_run) > /dev/null 2>&1 9>&- &
    nginx_pid=$!

    for ((i = 0; i < 300; i++)); do
        [[ ! -s $DATA/nginx.pid ]] || return 0
        kill -0 "$nginx_pid" 2>/dev/null || break
        sleep 0.05
    done

    reason=$(tail -c "+$((before + 1))" "$DATA/error.log" | grep -m 1 emerg)
    die "nginx does not start: ${reason:-see $DATA/error.log}"
}


say_hello()
{
    cat <<HELLO

The registry is at http://$LISTEN:$PORT/me (all it has is in $DATA).

Put this into ~/.cargo/config.toml (\$CARGO_HOME; \`cargo install\` reads only
that), or into .cargo/config.toml of the directory you work below;
$DATA/cargo-config.toml holds it:

$(sed 's/^/    /' "$DATA/cargo-config.toml")

Log in as admin, with the token in $DATA/admin-token:

    cargo login --registry main < $DATA/admin-token

Publish a first crate:

    cargo new --lib --vcs none hello-registry && cd hello-registry
    sed -i '/^edition/a description = "A first crate"\nlicense = "MIT"' Cargo.toml
    cargo publish --registry main --allow-dirty

Administer it, from another terminal, as $SELF:

    export CARGO_DATABASE="host=$DATA/pg dbname=cargo user=cargo" CARGO_BLOBS=$DATA/blobs
    $OBJS/cargoctl help

Ctrl-C stops it.
HELLO
}


# stop PID SIGNAL: politely for ten seconds

stop()
{
    local i

    [[ -n $1 ]] || return 0

    kill "-$2" "$1" 2>/dev/null

    for ((i = 0; i < 200; i++)); do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.05
    done

    kill -KILL "$1" 2>/dev/null
}


stop_everything()
{
    trap '' INT TERM HUP

    stop "$nginx_pid" QUIT
    stop "$postgres_pid" INT
}


trap stop_everything EXIT
trap 'exit 0' INT
trap 'exit 1' TERM HUP

check_arguments
check_nginx
find_postgres
choose_users
check_port
check_way

[[ ${1:-} != check ]] || exit 0

check_built
make_directories
create_cluster
start_postgres
create_database
create_account
write_config
start_nginx
say_hello

wait -n "$nginx_pid" "$postgres_pid"

die "nginx or PostgreSQL has ended by itself: see $DATA/error.log and" \
    "$DATA/postgres.log"
