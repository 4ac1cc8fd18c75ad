#!/usr/bin/perl

# cargo_status: /-/live never asks anybody, /-/ready says who cannot do what
# and why, and changes its mind soon, in both directions.

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

# what an outage or its end may take to be seen: waits of 0.8 s, attempts to
# connect at 1.25 s, and a busy machine
my $SOON = 4;

# a stale that this test outlives
my $STALE = 6;

# reasons
my ($NONE, $ANY) = (qr/^$/, qr/./);

my $t = Test::Cargo->new();
my $conf = $t->root() . '/conf';

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);

$t->nginx(conninfo => $proxy->conninfo(), http => <<"HTTP", server => <<"SERVER");
cargo_zone  cargo:8m lease=2s stale=${STALE}s;
cargo_postgres_timeout  2s;
cargo_postgres_connect_timeout  1s;
server {
    listen   127.0.0.1:%%port:closed%%;
    include  $conf/cargo_status.conf;
    location = /health/live { cargo_status; }
    location = /limited/ready { limit_except GET { deny all; } cargo_status; }
    location /index/ { cargo_registry main; cargo_index; }
}
HTTP
include  $conf/cargo_status.conf;
SERVER

my $token = $t->account('alice');

$t->publish($token, { name => 'foo' });

answers();
all_is_well();
stopped();
silent();
full();
read_only();
migrations();
store();
empty_memory();

$t->done();


sub ready {
    my ($which) = @_;

    my $r = $t->get('/-/ready' . ($which ? "/$which" : ''));
    my $json = $r->json() // {};

    return {
        status => $r->{status}, seen => join(' ', map {
            $_ . ($json->{$_}{ready} ? '+' : '-')
        } qw(reads writes)),
        all => $json->{ready} ? 1 : 0,
        reads => join('|', @{ $json->{reads}{reasons} // [] }),
        writes => join('|', @{ $json->{writes}{reasons} // [] }),
    };
}


# becomes(NAME, STATUS, READS AND WRITES, REASON OF READS, OF WRITES)

sub becomes {
    my ($name, $status, $seen, $reads, $writes) = @_;

    my $start = Time::HiRes::time();
    my $got;

    $t->wait_for(sub {
        $got = ready();

        return $got->{seen} eq $seen
               && $got->{reads} =~ $reads && $got->{writes} =~ $writes;
    });

    my $seconds = Time::HiRes::time() - $start;

    is("$got->{status} $got->{seen}", "$status $seen", $name);
    is($got->{all}, $status == 200 ? 1 : 0, "$name: both together");
    like($got->{reads}, $reads, "$name: reads");
    like($got->{writes}, $writes, "$name: writes");
    cmp_ok($seconds, '<', $SOON, "$name: soon");
}


sub lives {
    my ($name) = @_;

    my ($r, $seconds) = timed_alone(sub { $t->get('/-/live') });

    is($r->{status}, 200, "$name: alive");
    cmp_ok($seconds, '<', 0.5, "$name: at once");

    ($r, $seconds) = timed_alone(sub { $t->get('/-/metrics') });

    is($r->{status}, 200, "$name: metrics");
    cmp_ok($seconds, '<', 0.5, "$name: at once as well");

    return $r->{body};
}


sub answers {
    my $r = $t->get('/-/live');

    is_deeply($r->json(), { live => JSON::PP::true() }, 'live');
    is($r->header('Content-Type'), 'application/json', 'JSON');
    is($r->header('Cache-Control'), 'no-store', 'which nobody keeps');

    is($t->head("/-/$_")->{status}, 200, "HEAD $_")
        for qw(live ready ready/reads ready/writes metrics);

    $r = $t->put('/-/ready', 'x');
    is($r->{status}, 405, 'PUT is not allowed');
    like($r->{body}, qr/^PUT is not allowed here, only GET, HEAD\n\z/,
         'in a line of text');

    for my $uri ('/-/', '/-/nothing', '/-/liver', '/-/ready/') {
        $r = $t->get($uri);
        is($r->{status}, 404, "$uri: 404");
        like($r->{body}, qr/live, ready, .* and metrics\n\z/,
             'which says what there is');
    }

    my @closed = (port => $t->port('closed'));

    is($t->get('/-/live', @closed)->{status}, 200,
       'a server without a registry');
    is($t->get('/health/live', @closed)->{status}, 200, 'any path');
    is($t->get('/limited/ready', @closed)->{status}, 200, 'limit_except');
    is($t->put('/limited/ready', 'x', @closed)->{status}, 403,
       'limit_except refuses');

    my ($rc, $out) = config('location /x/ { cargo_status; cargo_index; }');

    isnt($rc, 0, 'one handler in a location');
    like($out, qr/"cargo_index" directive cannot stand beside another/,
         'nginx -t says so');

    ($rc, $out) = config('location /x/ { cargo_status on; }');
    like($out, qr/invalid number of arguments in "cargo_status"/,
         'no arguments');

    $t->write_file('nginx.conf', $t->read_file('nginx.conf')
                                 =~ s/cargo_postgres .*;//r);
    ($rc, $out) = $t->test_config();
    like($out, qr/needs "cargo_postgres"/, 'a database is needed');

    $t->write_config();

    is(refused_from('127.0.0.2'), 403, 'the snippet lets only this host in');
}


sub config {
    my ($server) = @_;

    my $kept = $t->{conf}{server};

    $t->write_config(server => $server);

    my @result = $t->test_config();

    $t->write_config(server => $kept);

    return @result;
}


# 127.0.0.2 is this host's as well, and not in the list

sub refused_from {
    my ($address) = @_;

    my $socket = IO::Socket::INET->new(
        LocalAddr => $address, PeerAddr => '127.0.0.1',
        PeerPort => $t->port(), Timeout => 5,
    ) or die "connect from $address: $!\n";

    print {$socket} "GET /-/live HTTP/1.0\r\n\r\n";

    return (<$socket> // '') =~ m{^HTTP/1\.1 (\d+)} ? $1 : 'nothing';
}


sub warm {
    $t->wait_for(sub {
        $t->get('/index/3/f/foo')->{status} == 200 && ready()->{reads} eq '';
    });
}


sub all_is_well {
    warm();
    becomes('all is well', 200, 'reads+ writes+', $NONE, $NONE);

    is(ready($_)->{status}, 200, "$_ alone") for qw(reads writes);

    # many who ask make few questions
    log_statements($t);
    terminate_backends($t);
    becomes('lost its connections', 200, 'reads+ writes+', $NONE, $NONE);

    my $before = asked($t, qr/cargo_ready/);
    my @asking = map { start_request($t, 'GET', '/-/ready') } 1 .. 30;

    is(join(' ', map { $_->receive()->{status} } @asking),
       join(' ', (200) x 30), '30 at once');
    cmp_ok(asked($t, qr/cargo_ready/) - $before, '<=', 12,
           'the database is asked a few times');
}


sub stopped {
    warm();
    $t->stop_postgres();

    becomes('stopped', 503, 'reads+ writes-',
            qr/takes no connections for reads \(\d+ s now\).*
               |what\ is\ in\ memory\ is\ served\ for\ \d+\ s/x,
            qr/takes no connections for writes \(\d+ s now\)/);
    is(ready('reads')->{status}, 200, 'reads alone go on');
    is(ready('writes')->{status}, 503, 'writes alone do not');

    my (undef, $seconds) = timed_alone(sub { ready() });

    cmp_ok($seconds, '<', 0.5, 'later it is told at once');
    like(lives('stopped'),
         qr/^ngx_cargo_postgres_workers_without\{pool="writes"\} 1$/m,
         'the metrics say so');

    # until memory may not be served any more
    becomes('for long', 503, 'reads- writes-',
            qr/nothing in memory may be served/, $ANY)
        if $t->wait_for(sub { ready()->{seen} eq 'reads- writes-' });

    $t->start_postgres();
    becomes('started', 200, 'reads+ writes+', $NONE, $NONE);
    like($t->get('/-/metrics')->{body},
         qr/^ngx_cargo_postgres_workers_without\{pool="writes"\} 0$/m,
         'the metrics, too');
}


sub silent {
    warm();
    $proxy->stall();

    becomes('silent', 503, 'reads+ writes-', qr/does not answer reads/,
            qr/does not answer writes|takes no connections for writes/);
    lives('silent');

    $proxy->pass();
    becomes('speaking', 200, 'reads+ writes+', $NONE, $NONE);
}


# All connections are busy and as many wait as may.

sub full {
    $t->write_config(http => <<"CONF");
cargo_zone  cargo:8m lease=2s stale=${STALE}s;
cargo_postgres_connections  read=1 write=1;
cargo_postgres_queue        1;
cargo_postgres_timeout      8s;
CONF
    ok($t->reload_nginx(), 'one connection, and one that may wait');
    $t->wait_for(sub { $t->workers() == 1 });
    warm();

    my $held = hold($t, 'lock table cargo_store.versions, cargo_store.crates'
                        . ' in access exclusive mode');
    my @waiting = map {
        start_request($t, 'DELETE', "/api/v1/crates/foo/1.0.0/yank",
                      Authorization => $token)
    } 1 .. 2;

    $t->wait_for(sub {
        $t->get('/-/metrics')->{body}
            =~ /^ngx_cargo_postgres_jobs_waiting\{pool="writes"\} 1$/m
    });

    becomes('full', 503, 'reads+ writes-', $NONE,
            qr/too many writes wait for it/);
    like(lives('full'),
         qr/^ngx_cargo_postgres_jobs_sent\{pool="writes"\} 1$/m,
         'what is under way is counted');

    release($t, $held);
    like($_->receive()->{status}, qr/^200$/, 'what waited is done')
        for @waiting;
    becomes('room', 200, 'reads+ writes+', $NONE, $NONE);
}


sub read_only {
    $t->sql("alter role cargo_web set default_transaction_read_only = on");
    terminate_backends($t);
    becomes('read only', 503, 'reads+ writes-', $NONE,
            qr/takes no writes: it is a standby, or set to read-only/);

    $t->sql("alter role cargo_web reset default_transaction_read_only");
    terminate_backends($t);
    becomes('no more', 200, 'reads+ writes+', $NONE, $NONE);
}


sub migrations {
    my ($last) = map { m{/0*(\d+)_[^/]*\z} } reverse sort
                 glob $t->root() . '/sql/migrations/*.sql';

    like($t->get('/-/metrics')->{body}, qr/^ngx_cargo_build_info\{.*
         schema="$last"\}\ 1$/xm, 'the module knows its migration');

    $t->sql("update cargo_store.migrations set number = number + 100"
            . " where number = $last");
    becomes('newer', 200, 'reads+ writes+', $NONE,
            qr/at migration @{[ $last + 100 ]}, this module is of $last/);

    $t->sql("update cargo_store.migrations set number = -1"
            . " where number = $last + 100");
    becomes('older', 503, 'reads+ writes-', $NONE,
            qr/at migration @{[ $last - 1 ]}, this module needs $last: run/);
    $t->sql("update cargo_store.migrations set number = $last"
            . " where number = -1");

    $t->sql('alter function cargo.ready() rename to not_ready');
    becomes('no such function', 503, 'reads+ writes-',
            qr/does not know this module's functions/,
            qr/run "cargoctl migrate"/);
    $t->sql('alter function cargo.not_ready() rename to ready');
    becomes('migrated', 200, 'reads+ writes+', $NONE, $NONE);
}


sub store {
    my $tmp = $t->dir() . '/blobs/tmp';

    rename $tmp, "$tmp.away" or die "rename $tmp: $!\n";
    becomes('no store', 503, 'reads+ writes-', $NONE,
            qr/cargo_blobs:\ creating\ a\ file\ in\ tmp\/\ of
               \ ".*\/blobs"\ failed:\ No\ such\ file/x);
    rename "$tmp.away", $tmp or die "rename $tmp: $!\n";
    becomes('a store', 200, 'reads+ writes+', $NONE, $NONE);

    is(join(' ', glob "$tmp/*"), '', 'and nothing is left in it');

    $t->write_config(server => "cargo_max_crate_size 8000000g;"
                               . " include $conf/cargo_status.conf;");
    ok($t->reload_nginx(), 'crates larger than any disk');
    $t->wait_for(sub { $t->workers() == 1 });
    becomes('no room', 503, 'reads+ writes-', $NONE,
            qr/has no room for a crate of cargo_max_crate_size/);
    $t->write_config(server => "include $conf/cargo_status.conf;");
    ok($t->reload_nginx(), 'as before');
    $t->wait_for(sub { $t->workers() == 1 });
    becomes('room for all', 200, 'reads+ writes+', $NONE, $NONE);
}


sub empty_memory {
    ok($t->stop_nginx(), 'nginx stops');
    $t->stop_postgres();
    ok($t->start_nginx(), 'and starts without a database');

    becomes('nothing known', 503, 'reads- writes-',
            qr/nothing in memory may be served without it/, $ANY);
    is(ready('reads')->{status}, 503, 'no reads');
    lives('without a database');

    $t->start_postgres();
    becomes('it comes', 200, 'reads+ writes+', qr/^$|not been read yet/,
            $NONE);
}
