#!/bin/bash
#
# usage: test-upgrade.sh REVISION
#
# Builds that revision in OBJS/from and upgrades it to what OBJS holds while
# it serves (t/release/upgrade_from.t).

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

from=$OBJS/from
revision=$(git rev-parse --verify --quiet "$1^{commit}") || {
    echo "test-upgrade: \"$1\" is no revision: say FROM=REVISION" >&2
    exit 1
}

rm -rf "$from"
mkdir -p "$from"
git archive "$revision" | tar -x -C "$from"

rm -rf "$from/t"
mkdir "$from/t"
cp -r t/lib t/release "$from/t"

make --no-print-directory -C "$from" OBJS="$from/objs" all >"$from/make.log" \
    2>&1 || {
    tail -n 20 "$from/make.log" >&2
    echo "test-upgrade: the build of $1 failed" >&2
    exit 1
}

export TEST_NEW_ROOT=$top TEST_NEW_OBJS=$OBJS
OBJS=$from/objs \
    exec prove -I"$from/t/lib" --timer "$from/t/release/upgrade_from.t"
