#!/bin/bash
#
# usage: build-nginx.sh dynamic | static
#
# Builds the module against the nginx source tree NGX_SRC, into OBJS:
# ngx_http_cargo_module.so for the nginx of this machine, or a whole nginx
# with the module linked in.  With Debian's nginx-dev the flags are those of
# Debian's nginx; with an upstream tree, --with-compat and what the module
# can use.  CC, CFLAGS and LDFLAGS are honoured.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
kind=$1
build=$OBJS/$kind


die()
{
    echo "build-nginx: $*" >&2
    exit 1
}


command -v "${CC:-cc}" >/dev/null \
    || die "there is no C compiler \"${CC:-cc}\"; install gcc and g++"

[ -d "$NGX_SRC/src" ] \
    || die "\"$NGX_SRC\" is no nginx source tree; install nginx-dev," \
           "or say NGX_SRC=DIR"

mkdir -p "$build"
cd "$NGX_SRC"

version=$(sed -n 's/^#define nginx_version *\([0-9]*\)$/\1/p' \
          src/core/nginx.h)

[ "${version:-0}" -ge 1022000 ] \
    || die "this nginx is too old; the module needs 1.22.0 or newer"

if [ -f conf_flags ]; then
    . ./conf_flags
    configure=./configure
    flags=("${NGX_CONF_FLAGS[@]}")

else
    if [ -x ./configure ]; then configure=./configure; else
        configure=auto/configure; fi
    flags=(--with-compat --with-debug --with-threads --with-http_ssl_module
           --with-http_v2_module --with-http_realip_module
           --with-http_auth_request_module --with-http_gzip_static_module
           --with-http_gunzip_module)
fi

if [ "$kind" = dynamic ]; then
    flags+=(--add-dynamic-module="$top")
    target=modules

else
    [ -f src/core/nginx.c ] \
        || die "\"$NGX_SRC\" has nginx's headers only; a static build needs" \
               "all of its source: NGX_SRC=DIR"
    flags+=(--add-module="$top")
    target=binary
fi

if [ "$kind" = dynamic ]; then
    echo "building the module ..."
else
    echo "building an nginx with the module in it ..."
fi

$configure "${flags[@]}" --builddir="$build" \
    --with-cc="${CC:-cc}" --with-cc-opt="${CFLAGS:-}" \
    --with-ld-opt="${LDFLAGS:-}" >"$build/configure.log" 2>&1 \
    || { tail -n 5 "$build/configure.log" >&2
         die "configure failed; see $build/configure.log"; }

make -f "$build/Makefile" -j"$(nproc)" $target >"$build/make.log" 2>&1 \
    || { grep -E '(error|undefined)' "$build/make.log" | grep -v '^cc ' \
         | head -n 20 >&2
         die "the build failed; see $build/make.log"; }

if [ "$kind" = dynamic ]; then
    # a new file: an nginx that runs has the old one mapped, and crashes when
    # that changes (the linker makes new files, too)
    so=$OBJS/ngx_http_cargo_module.so
    cp "$build/ngx_http_cargo_module.so" "$so.new"
    mv "$so.new" "$so"
    echo "built $so"

else
    echo "built $build/nginx"
fi
