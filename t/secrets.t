#!/usr/bin/perl

# The password of the database, from a file or from the configuration: that
# it lets nginx in, and shows up nowhere.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $PASSWORD = 'hush-7Qx2';

my $t = Test::Cargo->new();

$t->postgres();

my $token = $t->account('alice');
my $passfile = $t->write_file('passfile', "*:*:*:cargo_web:$PASSWORD\n");

$t->sql("set password_encryption = 'scram-sha-256';"
        . " alter role cargo_web password '$PASSWORD'");

my $hba = $t->read_file('pgdata/pg_hba.conf');

$t->write_file('pgdata/pg_hba.conf',
               "local all cargo_web scram-sha-256\n$hba");
$t->sql('select pg_reload_conf()');

my %conninfo = (
    'a passfile' => "passfile=$passfile",
    'the configuration' => "password=$PASSWORD",
);

# the file is read by the workers
if ($> == 0) {
    chown((getpwnam('nobody'))[2, 3], $passfile) or die "chown: $!\n";
}

chmod 0600, $passfile or die "chmod: $!\n";

my $number = 0;

for my $name (sort keys %conninfo) {
    $t->nginx(conninfo => $t->conninfo() . " $conninfo{$name}");

    is($t->publish($token, { name => 'foo', vers => '1.0.' . ++$number })
         ->{status}, 200, "a password from $name");
    unlike(command_lines(), qr/\Q$PASSWORD\E/, 'is in no command line');
    $t->stop_nginx();
}

# and wrong: what is said then is the likeliest to tell
$t->sql("alter role cargo_web password 'another'");
$t->nginx(conninfo => $t->conninfo() . " $conninfo{'the configuration'}");

is($t->get('/index/3/f/foo')->{status}, 503, 'a wrong password is 503');

my ($rc, $out) = $t->run(
    command => [ $t->nginx_binary(), '-t', '-c', "$t->{dir}/nginx.conf" ],
    merge => 1, Test::Cargo::Nginx::no_leaks());

is($rc, 0, 'and a configuration that is right');
unlike($out, qr/\Q$PASSWORD\E/, 'which nginx -t does not show');

for my $log (qw(error.log nginx.log postgres.log access.log)) {
    unlike($t->read_file($log) // '', qr/\Q$PASSWORD\E/, "nor is it in $log");
}

($rc, my $said, my $err) = $t->cargoctl('registry', 'list', { env => {
    CARGO_DATABASE => $t->conninfo() . " password=$PASSWORD" } });

is($rc, 3, 'cargoctl is not let in with it');
unlike("$said$err", qr/\Q$PASSWORD\E/, 'and does not show it');

$t->done();


sub command_lines {
    my $all = '';

    for my $path (glob('/proc/[0-9]*/cmdline')) {
        open my $file, '<', $path or next;
        local $/;
        my $line = <$file> // '';

        # sed, grep and the like of whoever looks for it
        $all .= "$line\n" if $line =~ /nginx|postgres|cargo/;
    }

    return $all;
}
