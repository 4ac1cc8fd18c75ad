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

[ -n "$1" ] || { echo "test-upgrade: say FROM=REVISION" >&2; exit 1; }
conf/build-revision.sh "$1" "$from"

rm -rf "$from/t"
mkdir "$from/t"
cp -r t/lib t/release "$from/t"

export TEST_NEW_ROOT=$top TEST_NEW_OBJS=$OBJS
OBJS=$from/objs \
    exec prove -I"$from/t/lib" --timer "$from/t/release/upgrade_from.t"
