#!/usr/bin/perl

# From an earlier version to this one while it serves: the database first,
# then nginx.  `make test-upgrade FROM=REVISION` runs it in a tree of the
# earlier version, with this one's t/lib.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/../lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Load;

my $NEW = $ENV{TEST_NEW_ROOT} // die "say TEST_NEW_ROOT\n";
my $OBJS = $ENV{TEST_NEW_OBJS} // "$NEW/objs";

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(daemon => 1, main => 'worker_processes 2;');

my $token = $t->account('alice');
my $load = Test::Cargo::Load->start($t, token => $token, strict => 1,
                                    clients => 3, stale => 1);
my %done;

$load->go();
served('the old version');
migrate();
served('the old nginx, the new database');
verdict('migrating');

$load->go();
upgrade();
served('the new version');
verdict('upgrading nginx');

ok($load->stop(), 'the clients lived');
cmp_ok($done{$_} // 0, '>', 5, "there was load: $_")
    for qw(publish yank unyank index download);
is(join("\n", log_lines($t, qr/\[error\]/)), '', 'nothing to complain of');

$t->done();


sub served {
    my ($what) = @_;

    my $rounds = grep { $load->answered(10) } 1 .. 10;

    is($rounds, 10, "$what: everybody is served");
}


sub verdict {
    my ($what) = @_;

    my $known = $load->pause();

    $done{$_} += $known->{done}{$_} for keys %{ $known->{done} };
    is(join("\n", @{ $known->{wrong} }), '', "$what: no request failed");
}


sub migrate {
    my ($rc, $out) = $t->run(merge => 1, command => [
        "$OBJS/cargoctl", 'migrate', '--database', $t->conninfo('cargo'),
        '--sql', "$NEW/sql" ]);

    is($rc, 0, 'the new cargoctl migrates');
    diag($out);
}


sub upgrade {
    my $old = $t->{nginx};
    my $conf = $t->read_file('nginx.conf');

    $conf =~ s{load_module \S+;}
              {load_module $OBJS/ngx_http_cargo_module.so;};
    $t->write_file('nginx.conf', $conf);
    kill 'USR2', $old;

    my $new = $t->wait_for(sub {
        my ($pid) = ($t->read_file('nginx.pid') // '') =~ /^(\d+)\n/;
        return $pid && $pid != $old && $t->workers($pid) >= 2 && $pid;
    });

    ok($new, 'another master') or BAIL_OUT('no upgrade');
    $t->adopt($new, 'the new nginx');
    served('old and new');

    kill 'WINCH', $old;
    ok($t->wait_for(sub { ($t->workers($old))[0] == $new }),
       'only the new one has workers');
    kill 'QUIT', $old;
    ok($t->wait_for(sub { !$t->running($old) }), 'the old one is gone');
    $t->{nginx} = $new;
}
