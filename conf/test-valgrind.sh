#!/bin/bash
#
# usage: test-valgrind.sh [TEST...]
#
# Runs tests with the programs of this project under valgrind's memcheck:
# nginx with the module linked in, as a single process (see _globals() of
# t/lib/Test/Cargo/Nginx.pm), cargoctl, and the unit tests.  nginx's pools are
# plain malloc here, so that an overrun of a pool allocation is seen too.
# conf/valgrind.supp names what is not ours.  An error or a definite leak
# fails the test that saw it.
#
# What reloads (nginx as one process crashes in that by itself), needs several
# processes or many requests a second
# is not in the list of those that run when none is named.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

tests=(t/api_tokens.t t/cargo_owner.t t/cargo_search.t t/cargoctl.t
       t/crates_io.t t/delete.t t/download.t t/errors.t t/index.t t/me.t
       t/publish.t t/publish_archive.t t/publish_body.t
       t/publish_refused.t t/publish_rules.t t/refusals.t t/url_token.t
       t/yank.t)


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

for program in "$OBJS"/unit/test_*; do
    wrap "$OBJS/bin/unit/${program##*/}" "$program"
done

cp "$OBJS"/tools/* "$OBJS/bin/tools"

export TEST_OBJS=$OBJS/bin TEST_NGINX_STATIC=1 CMOCKA_MESSAGE_OUTPUT=TAP
export TEST_NGINX_BINARY=$OBJS/bin/nginx TEST_PATIENCE=10

if [ $# -eq 0 ]; then
    set -- "${tests[@]}" "$OBJS"/bin/unit/test_*
fi

exec prove -It/lib -j"$(nproc)" --timer "$@"
