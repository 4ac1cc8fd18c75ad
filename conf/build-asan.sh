#!/bin/bash
#
# usage: build-asan.sh
#
# Builds nginx with the module linked in, cargoctl, the unit tests and the fuzz
# targets with AddressSanitizer and UndefinedBehaviorSanitizer into OBJS.
# nginx's pools become plain malloc, so that an overrun of a pool allocation is
# seen too.  Needs all of nginx's source: NGX_SRC, or else the source package
# of the installed nginx, fetched by apt.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"


die()
{
    echo "build-asan: $*" >&2
    exit 1
}


mkdir -p "$OBJS"

NGX_SRC=$(conf/nginx-source.sh) || exit

san="-fsanitize=address,undefined -fno-sanitize-recover=undefined"
san="$san -fno-omit-frame-pointer -g -O1"

# nginx adds offsets to null pointers, copies empty strings from them and reads
# words at any address, on purpose and everywhere

nginx_san="$san -fno-sanitize=pointer-overflow,alignment,nonnull-attribute"

make --no-print-directory OBJS="$OBJS" CFLAGS="$san" \
    WARN="-Wall -Wextra" "$OBJS/cargoctl" unit replay >"$OBJS/make.log" 2>&1 \
    || { tail -n 20 "$OBJS/make.log"; die "the build failed"; }

CFLAGS="$nginx_san -DNGX_DEBUG_PALLOC=1 -DNGX_SUPPRESS_WARN=1" \
LDFLAGS="-fsanitize=address,undefined" \
CC="${CC:-gcc}" OBJS="$OBJS" NGX_SRC="$NGX_SRC" conf/build-nginx.sh static
