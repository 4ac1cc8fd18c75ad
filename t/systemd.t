#!/usr/bin/perl

# The units of conf/systemd: that systemd reads them, and how little is left
# to what they start.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Basename qw(basename);
use File::Path qw(make_path);
use Test::More;

use Test::Cargo;

# Of ten, where nothing is kept from a service; what `systemd-analyze
# security` calls OK ends below 5.
my %EXPOSURE = (
    'ngx_cargo.service' => 2.0, 'ngx_cargo-backup.service' => 2.5,
    'ngx_cargo-sweep.service' => 2.5, 'nginx.service' => 4.6,
);

my ($analyze) = grep { -x } map { "$_/systemd-analyze" } split /:/, $ENV{PATH};

plan(skip_all => 'THERE IS NO SYSTEMD-ANALYZE: install systemd')
    if !$analyze;

my $t = Test::Cargo->new();
my $units = $t->root() . '/conf/systemd';
my $dir = "$t->{dir}/units";

make_path("$dir/bin");

for my $path (glob("$units/*.service $units/*.timer")) {
    my $text = $t->read_file($path);

    # what is installed only later
    $text =~ s{/usr/bin/cargoctl}{$dir/bin/cargoctl};
    $text =~ s{/usr/sbin/nginx}{$dir/bin/nginx}g;
    $text =~ s{^Documentation=.*\n}{}mg;

    $t->write_file("units/" . basename($path), $text);
}

$t->write_file("units/nginx.service", "[Service]\nExecStart=$dir/bin/nginx\n"
    . $t->read_file("$units/nginx.service.d/ngx_cargo.conf"));

for my $name (qw(cargoctl nginx)) {
    chmod 0755, $t->write_file("units/bin/$name", "#!/bin/sh\n");
}

my @all = map { basename($_) } glob("$dir/*.service $dir/*.timer");

is_deeply(\@all, [ sort(keys %EXPOSURE), map { "ngx_cargo-$_.timer" }
                   qw(backup sweep) ], 'the units');

for my $unit (@all) {
    my ($rc, $out) = $t->run(command => [ $analyze, 'verify', "$dir/$unit" ],
                             merge => 1);

    is("$rc$out", '0', "systemd reads $unit, and has nothing to say");
}

for my $unit (sort keys %EXPOSURE) {
    my ($rc, $out) = $t->run(command => [ $analyze, 'security', '--no-pager',
                                          '--offline=true', "$dir/$unit" ]);
    my ($level) = $out =~ /exposure level for \S+ ([\d.]+)/;

    cmp_ok($level // 10, '<=', $EXPOSURE{$unit}, "exposure of $unit");
}

# The configuration that goes with it, where this machine can have it.

my $conf = $t->read_file($t->root() . '/conf/standalone.conf');

$conf =~ s{/usr/lib/nginx/modules}{$t->objs()}e;
$conf =~ s{^load_module .*\n}{}m if $ENV{TEST_NGINX_STATIC};
$conf =~ s{/usr/share/ngx_cargo/conf}{$t->root() . '/conf'}e;
$conf =~ s{/(?:run|var/(?:log|cache))/ngx_cargo}{$dir}g;
$conf =~ s{/var/lib/cargo-registry}{$dir}g;
$conf =~ s{127\.0\.0\.1:8080}{'127.0.0.1:' . $t->port()}e;

$t->write_file('units/nginx.conf', $conf);

my ($rc, $out) = $t->run(
    command => [ $t->nginx_binary(), '-t', '-q', '-e', 'stderr', '-c',
                 "$dir/nginx.conf" ],
    merge => 1, Test::Cargo::Nginx::no_leaks());

is($rc, 0, 'nginx reads the configuration') or diag($out);

$t->done();
