#!/usr/bin/perl

# make and make install: what they put where, and what they say when they
# cannot.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";

use Test::Cargo;

my $t = Test::Cargo->new()->plan(24);
my $root = $t->root();
my $dest = $t->dir() . '/dest';

# a copy of what is built, so that nothing is built again under other tests

my $objs = $t->dir() . '/objs';

# what a benchmark at full scale leaves is large
my @built = grep { !m{/(?:t|bench)\z} } glob $t->objs() . '/*';

mkdir $objs or die "mkdir $objs: $!\n";
$t->run_ok(command => ['cp', '-a', @built, $objs]);

# of one time, whatever the order: none is older than what it is made from
$t->run_ok(command => ['find', $objs, '-type', 'f', '-exec', 'touch', '-d',
                       '@' . time(), '{}', '+']);

my ($rc, $out) = make('install', "OBJS=$objs", "DESTDIR=$dest");

is($rc, 0, 'make install') or diag $out;

my $module = "$dest/usr/lib/nginx/modules/ngx_http_cargo_module.so";
my $share = "$dest/usr/share/ngx_cargo";

ok(-f $module, 'the module is where nginx looks for it');
ok(-x "$dest/usr/bin/cargoctl", 'cargoctl');
is(files("$share/sql/migrations"), files("$root/sql/migrations"),
   'all migrations');
is(files("$share/sql/functions"), files("$root/sql/functions"),
   'all functions');
ok(-f "$share/conf/cargo.conf", 'the locations to include');
ok(-f "$share/conf/systemd/nginx.service.d/ngx_cargo.conf",
   'the sandbox for an nginx that is there');

$t->postgres();
$t->run_ok(command => ["$dest/usr/bin/cargoctl", 'migrate', '--database',
                       $t->conninfo('cargo'), '--sql', "$share/sql"]);

SKIP: {
    skip('the module is linked into this nginx', 2)
        if $ENV{TEST_NGINX_STATIC};

    my $conf = $t->write_file('installed.conf', <<"CONF");
load_module $module;
events {}
http {
    cargo_postgres "host=/nowhere";
    server {
        listen 127.0.0.1:@{[ $t->port() ]};
        cargo_registry main;
        cargo_blobs @{[ $t->dir() ]}/blobs;
        include $share/conf/cargo.conf;
    }
}
CONF

    ($rc, $out) = $t->run(
        command => [ Test::Cargo::Nginx::nginx_binary(), '-t', '-c', $conf,
                     '-g', 'pid ' . $t->dir() . '/installed.pid;' ],
        merge => 1, Test::Cargo::Nginx::no_leaks());

    is($rc, 0, 'nginx takes the installed module and locations')
        or diag $out;
    like($out, qr/test is successful/, 'and says so');
}

# an nginx that runs has it mapped: another file takes its place

my $stub = $t->write_file('stub/configure', <<'SH');
#!/bin/sh
for arg; do case $arg in --builddir=*) build=${arg#*=} ;; esac; done
printf 'modules:\n\techo new >%s/ngx_http_cargo_module.so\n' "$build" \
    >"$build/Makefile"
SH

chmod 0755, $stub;
$t->write_file('stub/src/core/nginx.h', "#define nginx_version      1022001\n");

my $mapped = $t->write_file('mapped/ngx_http_cargo_module.so', "old\n");

utime 1, 1, $mapped;
open my $old, '<', $mapped or die "open $mapped: $!\n";

($rc, $out) = make($mapped, 'OBJS=' . $t->dir() . '/mapped',
                   'NGX_SRC=' . $t->dir() . '/stub');

is($rc, 0, 'the module is built again') or diag $out;
is($t->read_file('mapped/ngx_http_cargo_module.so'), "new\n", 'it is new');
is(scalar <$old>, "old\n", 'whoever has the old one open keeps it');

# each failure: one line, made by us, and exit code 2 (make's)

refused('a compiler that is not there', qr/no C compiler "no-such-cc"/,
        'CC=no-such-cc');
refused('a source tree that is not there', qr/no nginx source tree/,
        'NGX_SRC=/nonexistent');

$t->write_file('old/src/core/nginx.h', "#define nginx_version      1018000\n");
refused('an nginx that is too old', qr/too old.*1\.22\.0/,
        'NGX_SRC=' . $t->dir() . '/old');

$t->write_file('headers/src/core/nginx.h',
               "#define nginx_version      1022001\n");
refused('a static build without the source', qr/headers only/,
        'NGX_SRC=' . $t->dir() . '/headers', 'static');


sub refused {
    my ($what, $message, @args) = @_;

    my $target = $args[-1] eq 'static' ? 'static'
               : $t->dir() . '/empty/ngx_http_cargo_module.so';

    my ($code, $said) = make(grep({ $_ ne 'static' } @args), $target,
                             'OBJS=' . $t->dir() . '/empty');
    is($code, 2, "$what: fails");

    my @lines = grep { !/^make: / } split /\n/, $said;
    is(@lines, 1, '... with one line') or diag $said;
    like($lines[0], qr/^build-nginx: .*$message/, '... that says why');
}


sub make {
    my (@args) = @_;

    return $t->run(command => ['make', '--no-print-directory', '-C', $root,
                               @args],
                   env => { MAKEFLAGS => undef, MAKELEVEL => undef },
                   merge => 1, timeout => 900);
}


sub files {
    my ($dir) = @_;

    return join ' ', map { s{.*/}{}r } sort glob "$dir/*.sql";
}
