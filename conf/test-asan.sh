#!/bin/bash
#
# usage: test-asan.sh [TEST...]
#
# Builds everything with AddressSanitizer, LeakSanitizer and
# UndefinedBehaviorSanitizer into OBJS (see build-asan.sh) and runs the tests
# against that.  conf/lsan.supp names the leaks that are not ours.

set -eu

top=$(cd "$(dirname "$0")/.." && pwd)
cd "$top"

conf/build-asan.sh

export ASAN_OPTIONS="detect_leaks=1:abort_on_error=0:halt_on_error=1"
export LSAN_OPTIONS="suppressions=$top/conf/lsan.supp:print_suppressions=0"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1"
export TEST_OBJS=$OBJS TEST_NGINX_STATIC=1 CMOCKA_MESSAGE_OUTPUT=TAP
export TEST_NGINX_BINARY=$OBJS/static/nginx

if [ $# -eq 0 ]; then
    set -- t/*.t "$OBJS"/unit/test_*
fi

exec prove -It/lib -j"$(nproc)" --timer "$@"
