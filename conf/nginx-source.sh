#!/bin/bash
#
# usage: nginx-source.sh
#
# Says where all of nginx's source is: NGX_SRC, or else the source package of
# the installed nginx, fetched by apt into OBJS/source.

set -eu


die()
{
    echo "nginx-source: $*" >&2
    exit 1
}


# deb-src lines for what apt has deb lines for, in lists of our own

fetch_nginx()
{
    local dir=$OBJS/source tarball
    local apt=(-qq -o Dir::Etc::sourcelist="$dir/sources.list"
               -o Dir::Etc::sourceparts=/dev/null
               -o Dir::State::lists="$dir/lists"
               -o APT::Sandbox::User=root)

    if [ ! -d "$dir/nginx" ]; then
        echo "fetching nginx's source" >&2
        mkdir -p "$dir/lists/partial" "$dir/nginx.tmp"

        # shellcheck disable=SC2016  # apt-get's, not the shell's
        apt-get indextargets --format 'deb-src $(REPO_URI) $(RELEASE) main' \
            'Created-By: Packages' 'Component: main' \
            | sort -u >"$dir/sources.list"

        (cd "$dir" && apt-get "${apt[@]}" update >&2 \
            && apt-get "${apt[@]}" source --download-only --tar-only nginx >&2) \
            || die "cannot fetch the source package of nginx;" \
                   "say NGX_SRC=DIR of an unpacked source"

        tarball=$(find "$dir" -name 'nginx_*.orig.tar.*' ! -name '*.asc')
        tar -xf "$tarball" -C "$dir/nginx.tmp" --strip-components=1
        mv "$dir/nginx.tmp" "$dir/nginx"
    fi

    NGX_SRC=$dir/nginx
}


if [ ! -f "$NGX_SRC/src/core/nginx.c" ]; then
    fetch_nginx
fi

echo "$NGX_SRC"
