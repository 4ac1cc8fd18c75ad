#!/usr/bin/perl

# Ten thousand requests, with clients and sessions that go away: the worker
# has as many descriptors as before, and hardly more memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Proxy;
use Test::Cargo::Store;

my $REQUESTS = 10_000;

# What a worker may grow by while it serves them, in kB.  It grows by 1.2 MB
# with 10,000 requests and with 30,000: buffers of twenty clients at a time.  If
# it forgot the pool of each job (1 kB), it would be 10 MB.
my $GROWTH = 2048;

my $t = Test::Cargo->new();

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);
my $token = $t->account('alice');

$t->nginx(conninfo => $proxy->conninfo(), http => <<'CONF');
keepalive_requests  100000;
cargo_downloads_flush  100ms;
cargo_postgres_timeout  3s;
CONF

is($t->publish($token, { name => 'foo' })->{status}, 200, 'published');

my $checksum = $t->get('/index/3/f/foo')->json()->{cksum};

my @kinds = (
    [ 'GET', '/index/config.json', 200 ],
    [ 'GET', '/index/3/f/foo', 200 ],
    [ 'HEAD', '/index/3/f/foo', 200 ],
    [ 'GET', '/index/3/b/bar', 404 ],
    [ 'GET', '/index/no/path', 404 ],
    [ 'GET', '/api/v1/crates/foo/1.0.0/download', 200 ],
    [ 'GET', '/api/v1/crates/foo/2.0.0/download', 404 ],
    [ 'GET', "/dl/foo/$checksum/foo-1.0.0.crate", 200 ],
    [ 'DELETE', '/api/v1/crates/foo/1.0.0/yank', 200 ],
    [ 'DELETE', '/api/v1/crates/foo/9.0.0/yank', 404 ],
    [ 'PUT', '/api/v1/crates/foo/1.0.0/unyank', 200 ],
    [ 'GET', '/me', 200 ],
);

my ($worker) = $t->workers();

all_kinds($REQUESTS / 10, 0);
outages(10);

my $descriptors = descriptors();
my $memory = status_of($worker, 'RssAnon');

note("before: @$descriptors descriptors, $memory kB");

all_kinds($REQUESTS * 0.8, 1);
aborted_clients($REQUESTS * 0.1);
uploads(100);
outages(10);
all_kinds($REQUESTS * 0.1, 1);

is(join(' ', $t->workers()), $worker, 'it was one worker all the time');
cmp_ok(scalar database_sockets(), '>=', 1, 'it is connected to the database');
cmp_ok(scalar database_sockets(), '<=', 5, 'five times at most');
ok($t->wait_for(sub { @{ descriptors() } <= @$descriptors }),
   'no descriptor is left open')
    or diag("before: @$descriptors\nafter: @{ descriptors() }");

SKIP: {
    skip 'the memory of a sanitized worker grows: what is freed is kept', 1
        if $t->objs() =~ /asan/;

    my $grown = status_of($worker, 'RssAnon') - $memory;

    note("grown by $grown kB");
    cmp_ok($grown, '<', $GROWTH, 'the memory of the worker does not grow');
}

$t->done();


sub open_files {
    return grep { defined } map { readlink } glob "/proc/$worker/fd/*";
}


# /proc/net/tcp: "sl local_address rem_address st ...", addresses in hex

sub database_sockets {
    my $peer = sprintf ':%04X', $proxy->port();
    my %mine = map { $_ => 1 } open_files();

    return grep { $mine{$_} } map {
        my @fields = split;
        @fields > 9 && $fields[2] =~ /$peer$/ ? "socket:[$fields[9]]" : ();
    } split /\n/, $t->read_file("/proc/$worker/net/tcp");
}


# All but the connections to the database, whose number varies.

sub descriptors {
    my %database = map { $_ => 1 } database_sockets();

    return [ sort grep { !$database{$_} } open_files() ];
}


# Over one connection at a time; every 2,500 requests the sessions are ended.

sub all_kinds {
    my ($n, $reconnect) = @_;

    my $connection = $t->connect();
    my %wrong;

    for my $i (1 .. $n) {
        my ($method, $uri, $status) = @{ $kinds[$i % @kinds] };

        my $r = $t->request($method, $uri, connection => $connection,
                            Authorization => $token);

        $wrong{"$method $uri: $r->{status}"}++ if $r->{status} != $status;

        $connection = $t->connect()
            if ($r->header('Connection') // '') eq 'close' || $i % 1000 == 0;

        terminate_backends($t) if $reconnect && $i % 2500 == 0;
    }

    is(join(', ', map { "$_ ($wrong{$_} times)" } sort keys %wrong), '',
       "$n requests of all kinds have the answers they ought to");
}


# Gone before, while and after the database answers.

sub aborted_clients {
    my ($n) = @_;

    for my $i (1 .. $n / 20) {
        $proxy->stall() if $i % 10 == 0;

        my @clients = map {
            my ($method, $uri) = @{ $kinds[$_ % @kinds] };
            start_request($t, $method, $uri, Authorization => $token);
        } 1 .. 20;

        $_->reset() for @clients[0 .. 9];
        $_->close() for @clients[10 .. 19];

        $proxy->pass() if $i % 10 == 0;
    }

    is($t->get('/index/3/f/foo')->{status}, 200,
       "$n clients went away, the next is served");
}


sub uploads {
    my ($n) = @_;

    my %seen;

    for my $i (1 .. $n) {
        my $r = $i % 2
            ? $t->publish($token, { name => 'foo', vers => "2.0.$i" },
                          crate => 'no archive')
            : $t->publish($token, { name => 'foo' });

        $seen{ $r->{status} }++;
    }

    is(join(' ', sort keys %seen), '200 400',
       "$n uploads are refused or there already");
}


sub outages {
    my ($n) = @_;

    my $answered = 0;
    my $most = 0;

    for (1 .. $n) {
        my $log = -s $t->dir() . '/error.log';

        $proxy->refuse();
        $proxy->reset();

        # what is not remembered
        my @waiting = map {
            start_request($t, 'GET', '/api/v1/crates/foo/owners')
        } 1 .. 20;

        $proxy->pass();

        my $good = grep { $_->receive()->{status} == 200 } @waiting;

        diag(grep { /cargo pg/ } substr($t->read_file('error.log'), $log)
                                 =~ /^.*\n/mg) if $good < @waiting;
        $answered += $good;

        my $connections = database_sockets();
        $most = $connections if $connections > $most;
    }

    cmp_ok($most, '<=', 5, 'without more connections than are allowed');

    is($answered, 20 * $n, "requests wait out $n short outages");
}
