#!/bin/sh
#
# usage: install-packages.sh [build] [run] [test] [bench] [fuzz]
#                            [lint] [valgrind]
#
# Installs the Debian packages that are missing for building, running, testing,
# measuring, fuzzing and checking, and says which; does nothing when none is.
#
# Debian starts the services of a package when it installs it: nginx on port
# 80, PostgreSQL with a cluster "main".  Nobody asked for these here, so while
# apt runs, and only where there is none, a policy-rc.d denies every start of
# a service.  It is removed again however this script ends; if it is killed
# with SIGKILL, the next run removes it.  Neither the environment (RUNLEVEL is
# not read on systemd) nor another choice of packages (nginx has one binary
# package, the server comes only in postgresql-N) would do.

set -eu

policy=/usr/sbin/policy-rc.d
mark='# made by ngx_cargo, for the time of an installation'


die()
{
    echo "install-packages: $*" >&2
    exit 1
}


installed()
{
    dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null | grep -q '^.i'
}


# The newest PostgreSQL whose server is here, else what this Debian has.

postgresql_major()
{
    major=$(ls -d /usr/lib/postgresql/*/bin/initdb 2>/dev/null \
            | cut -d / -f 5 | sort -n | tail -n 1)

    if [ -z "$major" ]; then
        major=$(apt-cache depends postgresql 2>/dev/null \
                | sed -n 's/.*Depends: postgresql-\([0-9]*\)$/\1/p' \
                | head -n 1)
    fi

    echo "$major"
}


packages_of()
{
    case $1 in
    build)
        echo gcc g++ make nginx-dev libpq-dev libjansson-dev libssl-dev \
             zlib1g-dev libtomlplusplus-dev
        ;;
    run)
        echo nginx "postgresql-$major"
        ;;
    test)
        # prometheus for its promtool
        echo curl openssl perl pgbouncer prometheus strace systemd \
             libcmocka-dev "postgresql-$major-pgtap" \
             libtap-parser-sourcehandler-pgtap-perl
        ;;
    bench)
        # pgbench comes with PostgreSQL's server
        echo nghttp2-client openssl perl wrk
        ;;
    fuzz)
        # libFuzzer is in the runtime; llvm's symbolizer names lines
        echo clang libclang-rt-dev llvm
        ;;
    lint)
        echo clang-tidy cppcheck libperl-critic-perl shellcheck
        ;;
    valgrind)
        # the names of libc's functions, which memcheck needs
        echo libc6-dbg valgrind
        ;;
    esac
}


missing_packages()
{
    for set in "$@"; do
        for package in $(packages_of "$set"); do
            installed "$package" || echo "$package"
        done
    done | sort -u | paste -s -d ' '
}


install_packages()
{
    trap 'remove_policy' EXIT
    trap 'exit 1' HUP INT TERM

    remove_policy

    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\n%s\nexit 101\n' "$mark" > "$policy"
        chmod 755 "$policy"
    fi

    # lists that are missing or old are the usual reason for a failure
    apt_install \
        || { apt-get update -q >&2 && apt_install; } \
        || die "apt-get could not install them (see above)"

    disable_service pgbouncer
}


# What only the tests need is not to run after the next boot either.

disable_service()
{
    case " $missing " in *" $1 "*)
        systemctl disable "$1" >&2 || update-rc.d "$1" disable >&2 || true
        ;;
    esac
}


apt_install()
{
    # shellcheck disable=SC2086
    DEBIAN_FRONTEND=noninteractive \
        apt-get install -q -y --no-install-recommends $missing >&2
}


remove_policy()
{
    if grep -qsxF "$mark" "$policy"; then
        rm -f "$policy"
    fi
}


[ $# -gt 0 ] || set -- build run

for set in "$@"; do
    case $set in
    build|run|test|bench|fuzz|lint|valgrind)
        ;;
    *)
        die "\"$set\" is not a set of packages; there are build, run, test," \
            "bench, fuzz, lint, valgrind"
        ;;
    esac
done

command -v apt-get >/dev/null \
    || die "this is not Debian; install what the README lists by hand"

major=$(postgresql_major)

# There may be no package lists yet, as in a fresh container image.
if [ -z "$major" ] && [ "$(id -u)" -eq 0 ]; then
    apt-get update -q >&2 || die "apt-get update failed (see above)"
    major=$(postgresql_major)
fi

missing=$(missing_packages "$@")

[ -n "$missing" ] || exit 0

if [ "$(id -u)" -eq 0 ]; then
    echo "installing Debian packages: $missing"
    install_packages

elif command -v sudo >/dev/null; then
    exec sudo -- "$0" "$@"

else
    die "missing, and neither root nor sudo to install them: as root, run" \
        "\`apt-get install $missing\`"
fi
