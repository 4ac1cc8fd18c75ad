#!/bin/bash
#
# usage: test-valgrind.sh [TEST...]
#
# Runs tests with the programs of this project under valgrind's memcheck:
# nginx with the module linked in, its workers too, cargoctl, and the unit
# tests.  nginx's pools are plain malloc here, so that an overrun of a pool
# allocation is seen too.  conf/valgrind.supp names what is not ours.  An error
# or a definite leak fails the test that saw it.
#
# When none is named, those run that go through all of the module: every
# endpoint, the cache, logins, an outage with its reloads, a change of others.
# A test of how fast something is, or of thousands of requests, is none.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

tests=(t/api_tokens.t t/audit.t t/auth.t t/batch.t t/cache.t t/cache_login.t
       t/cache_tls.t t/cargo_owner.t t/cargo_search.t t/cargoctl.t
       t/coherence.t t/crates_io.t t/delete.t t/download.t
       t/download_counts.t t/errors.t t/index.t t/me.t t/pg_outage.t
       t/publish.t t/publish_archive.t t/publish_body.t t/publish_refused.t
       t/publish_rules.t t/refusals.t t/url_token.t t/yank.t)


die()
{
    echo "test-valgrind: $*" >&2
    exit 1
}


# A name of its own for each program, so that tests need not know of it.

wrap()
{
    printf '#!/bin/sh\nexec valgrind %s -- "%s" "$@"\n' "$memcheck" "$2" >"$1"
    chmod 755 "$1"
}


mkdir -p "$OBJS/bin/unit" "$OBJS/bin/tools"

NGX_SRC=$(conf/nginx-source.sh) || exit
export NGX_SRC

make --no-print-directory OBJS="$OBJS" CFLAGS="-g -O1" WARN="-Wall -Wextra" \
    "$OBJS/cargoctl" unit >"$OBJS/make.log" 2>&1 \
    || { tail -n 20 "$OBJS/make.log"; die "the build failed"; }

CFLAGS="-g -O1 -DNGX_DEBUG_PALLOC=1 -DNGX_SUPPRESS_WARN=1" \
    CC="${CC:-gcc}" conf/build-nginx.sh static

memcheck="-q --error-exitcode=99 --leak-check=full --show-leak-kinds=definite"
memcheck="$memcheck --errors-for-leak-kinds=definite --num-callers=30"
memcheck="$memcheck --suppressions=$top/conf/valgrind.supp"

wrap "$OBJS/bin/nginx" "$OBJS/static/nginx"
wrap "$OBJS/bin/cargoctl" "$OBJS/cargoctl"

# (the single steps by which test_zone_step goes would be those of memcheck)

for program in "$OBJS"/unit/test_*; do
    if [ "${program##*/}" != test_zone_step ]; then
        wrap "$OBJS/bin/unit/${program##*/}" "$program"
    fi
done

cp "$OBJS"/tools/* "$OBJS/bin/tools"

export TEST_OBJS=$OBJS/bin TEST_NGINX_STATIC=1 CMOCKA_MESSAGE_OUTPUT=TAP
export TEST_NGINX_BINARY=$OBJS/bin/nginx TEST_PATIENCE=10

if [ $# -eq 0 ]; then
    set -- "${tests[@]}" "$OBJS"/bin/unit/test_*
fi

exec prove -It/lib -j"$(nproc)" --timer "$@"
