#!/usr/bin/perl

# The database is away: what is known goes on being served, within bounds,
# the rest hears 503 at once, and nobody storms the database when it is back.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

my $LEASE = 2;

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

my $proxy = Test::Cargo::Proxy->start($t);

sub conf {
    my ($bounds) = @_;

    return (main => 'worker_processes 2;', conninfo => $proxy->conninfo(),
            http => "cargo_zone cargo:8m lease=${LEASE}s $bounds;" . <<'CONF');
cargo_postgres_timeout 700ms;
cargo_postgres_connect_timeout 700ms;
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF
}

$t->nginx(conf(''));

my $token = $t->account('alice');
my $vera = $t->account('vera', registry => 'vault');
my @vault = (port => $t->port('vault'), Authorization => $vera);

$t->publish($token, { name => 'foo' });
$t->publish($token, { name => 'gem' });
$t->publish($vera, { name => 'bar' }, @vault[0, 1]);
$t->cargoctl('crate', 'restrict', 'gem', '--registry', 'main');

# [status when the database is there, URI, headers]
my @warm = (
    [ 200, '/index/config.json' ], [ 200, '/index/3/f/foo' ],
    [ 304, '/index/3/f/foo', 'If-None-Match' => '*' ],
    [ 404, '/index/3/n/non' ], [ 200, '/api/v1/crates/foo/1.0.0/download' ],
    [ 200, '/index/config.json', @vault ], [ 200, '/index/3/b/bar', @vault ],
    [ 200, '/api/v1/crates/bar/1.0.0/download', @vault ],
    [ 401, '/index/config.json', @vault[0, 1] ],
    [ 404, '/index/3/g/gem' ],
    [ 200, '/index/3/g/gem', Authorization => $token ],
);

ok(listening($t), 'the server listens');

stopped();
silent();
bounds();

$t->done();


sub warm_up {
    my ($name) = @_;

    ok($t->wait_for(sub {
        my $before = asked($t);
        my @wrong = grep { answer($_) != $_->[0] } @warm;

        return !@wrong && asked($t) == $before;
    }), $name) or diag(join ' ', map { answer($_) } @warm);
}


sub answer {
    my ($case) = @_;

    my (undef, $uri, @headers) = @$case;

    return $t->get($uri, @headers)->{status};
}


sub statuses { return join ' ', map { answer($_) } @warm }


sub expected { return join ' ', map { $_->[0] } @warm }


sub goes_on {
    my ($name) = @_;

    my ($got, $seconds) = timed_alone(sub { statuses() });

    is($got, expected(), "$name: all that is known is served");
    cmp_ok($seconds, '<', 0.5, "$name: at once");
}


my $colds;

sub cold { return '/index/co/ld/cold' . ++$colds }


sub cold_ones_hear_503 {
    my ($name) = @_;

    for my $case ([ cold() ], [ '/index/3/f/foo', Authorization =>
                    'ngxcargo_' . 'x' x 38 ],
                  [ '/api/v1/crates/cold/1.0.0/download' ],
                  [ '/index/3/c/cld', @vault ])
    {
        my ($uri, @headers) = @$case;
        my $r = $t->get($uri, @headers);

        is($r->{status}, 503, "$name: not known: $uri");
        ok($r->header('Retry-After'), "$name: with Retry-After");
    }
}


sub stopped {
    warm_up('warm');

    my $end = Time::HiRes::time() + $LEASE + 2;

    $t->stop_postgres();

    my $slowest = 0;
    my %seen;

    while (Time::HiRes::time() < $end) {
        my ($got, $seconds) = timed(sub { statuses() });

        $seen{$got}++;
        $slowest = $seconds if $seconds > $slowest;
    }

    is(join('|', keys %seen), expected(),
       'a database that is stopped: nobody notices');
    cmp_ok($slowest, '<', 2.5, 'but for a moment when the lease is over');
    goes_on('stopped');
    cold_ones_hear_503('stopped');

    ok($t->reload_nginx(), 'reloaded meanwhile');
    $t->wait_for(sub { $t->workers() == 2 });
    statuses() for 1 .. 3;
    goes_on('reloaded');

    comes_back('stopped', sub { $t->start_postgres() });
}


# Connections stand, and nothing comes.

sub silent {
    warm_up('warm again');
    $proxy->stall();

    # by then each worker has waited once
    my $end = Time::HiRes::time() + $LEASE + 4;
    my %seen;

    $seen{ statuses() }++ while Time::HiRes::time() < $end;

    is(join('|', keys %seen), expected(), 'one that is silent: all is served');
    goes_on('silent');
    cold_ones_hear_503('silent');
    comes_back('silent', sub { $proxy->pass() });
}


sub comes_back {
    my ($name, $code) = @_;

    $code->();

    my $before = asked($t);
    my $end = Time::HiRes::time() + 3;

    my @readers = map {
        in_background($t, sub {
            my $bad = 0;

            while (Time::HiRes::time() < $end) {
                $bad++ if $t->get('/index/3/f/foo')->{status} != 200;
            }

            return $bad;
        });
    } 1 .. 3;

    my $seconds = refreshed($t, sub {
        $t->get(cold())->{status} == 404
    });

    cmp_ok($seconds // 100, '<', 2, "$name: it is back within 2 s");
    is(join(' ', map { $_->() } @readers), '0 0 0',
       "$name: which nobody notices");
    cmp_ok(asked($t) - $before, '<', 60, "$name: nor is it stormed");
    warm_up("$name: all is well");
}


sub bounds {
    my ($name, %bound) = @_;

    $t->write_config(conf('stale=8s stale_access=4s'));
    ok($t->reload_nginx(), 'with bounds');
    $t->wait_for(sub { $t->workers() == 2 });
    warm_up('warm');

    my $start = Time::HiRes::time();

    $t->stop_postgres();

    my ($access, $document);

    while (!$document && Time::HiRes::time() < $start + 15) {
        my $now = Time::HiRes::time() - $start;

        $access //= $now if $t->get('/index/3/b/bar', @vault)->{status} == 503;
        $document //= $now if $t->get('/index/3/f/foo')->{status} == 503;
    }

    cmp_ok($access // 100, '>', 2.5, 'who may read is believed for a while');
    cmp_ok($access // 100, '<', 6.5, 'as stale_access says');
    cmp_ok($document // 100, '>', 6.5, 'what there is for a longer one');
    cmp_ok($document // 100, '<', 10.5, 'as stale says');

    $t->start_postgres();
    ok($t->wait_for(sub { statuses() eq expected() }), 'and again');
}
