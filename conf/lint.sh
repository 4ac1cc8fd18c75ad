#!/bin/bash
#
# usage: lint.sh
#
# Looks for mistakes without running anything: clang-tidy (.clang-tidy) and
# cppcheck (conf/cppcheck.supp) in C, gcc's analyzer in core/, shellcheck in
# the scripts, perlcritic (.perlcriticrc) in t/.  Fails when there are any.
# Needs a built module: OBJS.
#
# What clang-tidy, cppcheck and the analyzer have found clean is remembered in
# OBJS/lint and not read again until it, or what is looked for, has changed.

set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit

failed=0
source=ngx_cargo_module
memory=$OBJS/lint
log=$memory/log


# what a tool says is shown when it fails

check()
{
    local name=$1

    shift
    echo "LINT $name"

    if ! "$@" >"$log" 2>&1; then
        # clang-tidy counts what it does not report
        grep -v '^[0-9]* warnings\? generated\.$' "$log"
        echo "lint: $name found something" >&2
        failed=1
    fi
}


# one_file TOOL FILE OPTION...: the options are the compiler's

one_file()
{
    local tool=$1 file=$2 clean

    shift 2

    # comments are kept: there are NOLINT among them
    clean=$memory/$(
        { "$tool" --version; cat .clang-tidy; echo "$tool $file $*"
          gcc -E -C "$@" "$file"; } | sha256sum | cut -d ' ' -f 1)

    [ -e "$clean" ] && return

    case $tool in
    clang-tidy)
        clang-tidy --quiet "$file" -- "$@"
        ;;
    gcc)
        gcc "$@" -Werror -fanalyzer -c -o /dev/null "$file"
        ;;
    esac && touch "$clean"
}


# every_file TOOL OPTION...; stdin: the files

every_file()
{
    local tool=$1

    shift
    xargs -P "$(nproc)" -I{} bash -c 'one_file "$@"' one_file "$tool" {} "$@"
}


tidy_c()
{
    printf '%s\n' "$source"/*/*.c \
        | every_file clang-tidy -std=c11 -O2 "${includes[@]}" -DCARGO_SQL_DIR='""'
}


tidy_cpp()
{
    printf '%s\n' "$source"/*/*.cpp \
        | every_file clang-tidy -std=c++17 -I"$source/core"
}


check_c()
{
    local clean

    clean=$memory/cppcheck.$(sha256sum conf/cppcheck.supp | cut -c 1-8)
    mkdir -p "$clean"

    cppcheck --cppcheck-build-dir="$clean" -j "$(nproc)" --quiet --error-exitcode=1 --std=c11 \
        --library=posix --enable=warning,style,performance,portability \
        --max-configs=1 -D__linux__ -D__x86_64__ -DCARGO_SQL_DIR='""' \
        --suppressions-list=conf/cppcheck.supp "${includes[@]}" "$source"
}


analyze_c()
{
    printf '%s\n' "$source"/core/*.c | every_file gcc -std=c11 -O2
}


# as the compiler has them

includes=(-I"$OBJS/dynamic" -I"$(pg_config --includedir)")

for dir in core event event/modules os/unix http http/modules http/v2; do
    includes+=(-I"$NGX_SRC/src/$dir")
done

for dir in core pg shm blob http; do
    includes+=(-I"$source/$dir")
done

mkdir -p "$memory"
export memory
export -f one_file

check "clang-tidy, C" tidy_c
check "clang-tidy, C++" tidy_cpp
check cppcheck check_c
check "gcc -fanalyzer" analyze_c
check shellcheck shellcheck --severity=warning conf/*.sh .ci/run t/fuzz/run
check perlcritic perlcritic --quiet --profile .perlcriticrc t

exit $failed
