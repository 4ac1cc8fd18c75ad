#!/bin/bash
#
# usage: lint.sh
#
# Looks for mistakes without running anything: clang-tidy (.clang-tidy) and
# cppcheck (conf/cppcheck.supp) in C, gcc's analyzer in core/, shellcheck in
# the scripts, perlcritic (.perlcriticrc) in t/.  Fails when there are any.
# Needs a built module: OBJS.

set -u

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top" || exit

failed=0
source=ngx_cargo_module
log=$OBJS/lint.log


# what a tool says is shown when it fails

check()
{
    local name=$1

    shift
    echo "LINT $name"

    if ! "$@" >"$log" 2>&1; then
        cat "$log"
        echo "lint: $name found something" >&2
        failed=1
    fi
}


# stdin: the files; the arguments: the compiler's

tidy()
{
    xargs -P "$(nproc)" -I{} clang-tidy --quiet {} -- "$@"
}


tidy_c()
{
    printf '%s\n' "$source"/*/*.c \
        | tidy -std=c11 -O2 "${includes[@]}" -DCARGO_SQL_DIR='""'
}


tidy_cpp()
{
    printf '%s\n' "$source"/*/*.cpp | tidy -std=c++17 -I"$source/core"
}


check_c()
{
    cppcheck -j "$(nproc)" --quiet --error-exitcode=1 --std=c11 \
        --library=posix --enable=warning,style,performance,portability \
        --max-configs=1 -D__linux__ -D__x86_64__ -DCARGO_SQL_DIR='""' \
        --suppressions-list=conf/cppcheck.supp "${includes[@]}" "$source"
}


analyze_c()
{
    printf '%s\n' "$source"/core/*.c \
        | xargs -P "$(nproc)" -I{} gcc -std=c11 -O2 -Werror -fanalyzer -c \
              -o /dev/null {}
}


# as the compiler has them

includes=(-I"$OBJS/dynamic" -I"$(pg_config --includedir)")

for dir in core event event/modules os/unix http http/modules http/v2; do
    includes+=(-I"$NGX_SRC/src/$dir")
done

for dir in core pg shm blob http; do
    includes+=(-I"$source/$dir")
done

check "clang-tidy, C" tidy_c
check "clang-tidy, C++" tidy_cpp
check cppcheck check_c
check "gcc -fanalyzer" analyze_c
check shellcheck shellcheck --severity=warning conf/*.sh .ci/run t/fuzz/run
check perlcritic perlcritic --quiet --profile .perlcriticrc t

exit $failed
