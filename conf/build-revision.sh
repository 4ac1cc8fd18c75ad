#!/bin/bash
#
# usage: build-revision.sh REVISION DIR
#
# Builds an earlier revision in DIR, with DIR/objs; does nothing when it is
# there already.

set -eu

cd "$(dirname "$0")/.."

dir=$2
revision=$(git rev-parse --verify --quiet "$1^{commit}") || {
    echo "build-revision: \"$1\" is no revision of this repository" >&2
    exit 1
}

[ "$(cat "$dir/objs/revision" 2>/dev/null)" != "$revision" ] || exit 0

rm -rf "$dir"
mkdir -p "$dir"
git archive "$revision" | tar -x -C "$dir"

make --no-print-directory -C "$dir" OBJS="$dir/objs" all >"$dir/make.log" \
    2>&1 || {
    tail -n 20 "$dir/make.log" >&2
    echo "build-revision: the build of $1 failed" >&2
    exit 1
}

echo "$revision" >"$dir/objs/revision"
