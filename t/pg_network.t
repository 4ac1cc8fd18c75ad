#!/usr/bin/perl

# Whatever the network does between nginx and PostgreSQL, a document arrives
# whole: over a Unix socket, TCP and TLS, byte by byte, and cut in the middle.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

# what is not remembered
my $SMALL = '/api/v1/crates/confetti/1.0.0/readme';
my $LARGE = '/api/v1/crates/large/1.0.0/readme';

my $t = Test::Cargo->new();

$t->postgres();

# at the second PostgreSQL takes no TLS
my ($TLS, $PLAIN) = listen_on_tcp($t);

$t->sql('create role cargo_nossl login in role cargo_web');

log_statements($t);

my $token = $t->account('alice');
my $proxy = Test::Cargo::Proxy->start($t);
my $tls_proxy = Test::Cargo::Proxy->start($t, to => "$TLS:5432");
my $running;
my %sum;

restart($t->conninfo());
prepare_documents();

large_documents('over a Unix socket', $t->conninfo(), 'not ssl');
large_documents('over TCP', address($PLAIN, 'sslmode=disable'), 'not ssl');
large_documents('over TLS', address($TLS, 'sslmode=require'), 'ssl');
large_documents('through a proxy', $proxy->conninfo(), 'not ssl');
byte_by_byte('over TCP', $proxy, $proxy->conninfo());
byte_by_byte('over TLS', $tls_proxy, $tls_proxy->conninfo('sslmode=require'));
cut_in_the_middle($proxy, 'over TCP', $proxy->conninfo());
cut_in_the_middle($tls_proxy, 'over TLS',
                  $tls_proxy->conninfo('sslmode=require'));
reset_in_the_middle();
half_a_record();
half_a_handshake();
tls_is_preferred_and_rejected();
the_first_host_refuses();
the_first_host_is_read_only();

$t->done();


sub address {
    my ($address, $more) = @_;

    return "host=$address dbname=cargo user=cargo_web $more";
}


sub restart {
    my ($conninfo) = @_;

    $_->pass() for $proxy, $tls_proxy;

    my $listen = $t->conninfo();
    my %conf = (conninfo => $conninfo, http => <<"CONF");
cargo_postgres_timeout 8s;
cargo_postgres_connections read=1;
cargo_postgres_listen "$listen";
CONF

    if (!$running++) {
        $t->nginx(%conf);
        return;
    }

    $t->stop_nginx();
    $t->write_config(%conf);
    $t->start_nginx() or BAIL_OUT('nginx does not start again');
}


sub prepare_documents {
    my %md5s = (confetti => 64, large => 65536);

    for my $name (sort keys %md5s) {
        my $r = $t->publish($token, { name => $name });
        is($r->{status}, 200, "$name is published") or diag($r->{body});

        $t->sql(<<"SQL");
update cargo_store.versions
set readme = (
    select string_agg(md5(i::text), '') from generate_series(1, $md5s{$name}) i)
where crate_id = (select id from cargo_store.crates where name = '$name')
SQL

        $sum{ $t->sql(<<"SQL") } = $name;
select encode(sha256(convert_to(readme, 'UTF8')), 'hex')
from cargo_store.versions
where crate_id = (select id from cargo_store.crates where name = '$name')
SQL
    }
}


# A test of the network proves nothing when memory answers.

sub asked_for_readmes { return asked($t, qr/cargo_readme/) }


sub is_whole {
    my ($r) = @_;

    return 0 if $r->{status} != 200 || $r->{truncated};

    return $sum{ Digest::SHA::sha256_hex($r->{body}) };
}


# PQconsumeInput() does not read to the end: with edge-triggered events one of
# these would stop in the middle, until the timeout.

sub large_documents {
    my ($name, $conninfo, $ssl) = @_;

    restart($conninfo);

    my $before = asked_for_readmes();
    my ($whole, $seconds) = timed(sub {
        my $n = 0;

        for (1 .. 5) {
            my @requests = map {
                (start_request($t, 'GET', $LARGE),
                 start_request($t, 'GET', $SMALL))
            } 1 .. 4;

            $n += grep { is_whole($_->receive()) } @requests;
        }

        return $n;
    });

    is($whole, 40, "documents of 2 MB and of 2 kB are whole $name");
    is(asked_for_readmes() - $before, 40, 'each was asked for');
    cmp_ok($seconds, '<', 8, 'no one waited for the timeout');
    is($t->sql("select bool_and($ssl) from pg_stat_ssl join"
               . ' pg_stat_activity using (pid)'
               . " where usename = 'cargo_web' and query !~ 'changes'"),
       't', "it was $name");
}


sub byte_by_byte {
    my ($name, $proxy, $conninfo) = @_;

    restart($conninfo);
    $proxy->dribble();

    my $before = $proxy->bytes();

    ok(is_whole($t->get($SMALL)),
       "connecting and a document byte by byte $name");
    cmp_ok($proxy->bytes() - $before, '>', 2500, 'that many single bytes');
    ok(is_whole($t->get($SMALL)), 'and again on this connection');
    is($t->delete('/api/v1/crates/large/2.0.0/yank',
                  Authorization => $token)->{status}, 404, 'a write, too');
}


sub cut_in_the_middle {
    my ($proxy, $name, $conninfo) = @_;

    restart($conninfo);
    ok(is_whole($t->get($LARGE)), 'a large document');

    for my $n (1, 7, 1000, 100_000, 1_500_000) {
        my $accepted = $proxy->accepted();

        $proxy->cut($n);

        ok(is_whole($t->get($LARGE)),
           "the connection ends after $n bytes $name: the read is repeated");
        is($proxy->accepted(), $accepted + 1, 'over one new connection');
    }

    # within the greeting of PostgreSQL
    restart($conninfo);
    $proxy->cut(10);

    ok(is_whole($t->get($SMALL)), "it ends in the middle of connecting $name");
}


sub reset_in_the_middle {
    restart($proxy->conninfo());
    ok(is_whole($t->get($SMALL)), 'a document');

    my $before = $proxy->bytes();

    $proxy->stall_after(500_000);

    my @requests = map { start_request($t, 'GET', $LARGE) } 1 .. 5;

    ok($t->wait_for(sub { $proxy->bytes() >= $before + 500_000 }),
       'a part of the answers is there');
    $proxy->reset();
    $proxy->pass();

    is(scalar(grep { is_whole($_->receive()) } @requests), 5,
       'a connection with five reads on it is reset: all are repeated');
}


sub others_are_served {
    my ($name) = @_;

    my $slowest = 0;

    for (1 .. 5) {
        my ($r, $seconds) = timed_alone(sub { $t->get('/me') });

        $seconds = 100 + $r->{status} if $r->{status} != 200;
        $slowest = $seconds if $seconds > $slowest;
    }

    cmp_ok($slowest, '<', 0.1, "$name: others are served within 100 ms");
}


sub worker_ticks {
    my ($worker) = $t->workers();
    my $stat = $t->read_file("/proc/$worker/stat");

    # utime and stime, in hundredths of a second
    return (split ' ', $stat =~ s/^.*\) //r)[11]
           + (split ' ', $stat =~ s/^.*\) //r)[12];
}


# OpenSSL keeps what it has of a record: the worker must not wait for the rest
# anywhere but in the event loop.

sub half_a_record {
    restart($tls_proxy->conninfo('sslmode=require'));
    ok(is_whole($t->get($SMALL)), 'a document over TLS');

    for my $n (3, 9, 20_000, 20_001, 77_777) {
        $tls_proxy->stall_after($n);

        my $before = $tls_proxy->bytes();
        my $request = start_request($t, 'GET', $LARGE);

        ok($t->wait_for(sub { $tls_proxy->bytes() >= $before + $n }),
           'the proxy has stopped');

        others_are_served("TLS stops after $n bytes of an answer");

        my $ticks = worker_ticks();

        $t->wait_for(sub { 0 }, 0.3);
        cmp_ok(worker_ticks() - $ticks, '<', 10, 'the worker does not spin');

        $tls_proxy->pass();
        ok(is_whole($request->receive()), 'then the rest comes');
    }
}


sub half_a_handshake {
    for my $n (1, 50, 1000, 1500) {
        restart($tls_proxy->conninfo('sslmode=require'));
        $tls_proxy->stall_after($n);

        my $before = $tls_proxy->bytes();
        my $request = start_request($t, 'GET', $SMALL);

        ok($t->wait_for(sub { $tls_proxy->bytes() >= $before + $n }),
           'the proxy has stopped');

        others_are_served("connecting stops after $n bytes");

        $tls_proxy->pass();
        ok(is_whole($request->receive()), 'then it goes on');
    }
}


# libpq closes the socket and opens another, which has the same number.

sub tls_is_preferred_and_rejected {
    my $conninfo = "host=$TLS dbname=cargo user=cargo_nossl sslmode=prefer";

    restart($conninfo);

    my ($r, $seconds) = timed(sub { $t->get($SMALL) });

    ok(is_whole($r), 'TLS is preferred and rejected: it goes on without');
    cmp_ok($seconds, '<', 2, 'at once');

    $t->sql('alter system set ssl = off');
    $t->stop_postgres();
    $t->start_postgres();
    restart(address($TLS, 'sslmode=prefer'));

    ($r, $seconds) = timed(sub { $t->get($SMALL) });

    ok(is_whole($r), 'the server has no TLS: it goes on without');
    cmp_ok($seconds, '<', 2, 'at once');
}


sub the_first_host_refuses {
    my $closed = $t->free_port();
    my ($open, $dir) = ($proxy->port(), $t->dir());
    my $rest = 'dbname=cargo user=cargo_web sslmode=disable';

    my %hosts = (
        'a port where nobody listens' =>
            "host=127.0.0.1,127.0.0.1 port=$closed,$open",
        'two such ports' =>
            "host=127.0.0.1,127.0.0.1,127.0.0.1 port=$closed,$closed,$open",
        'a directory without a socket' =>
            "host=$dir/blobs,127.0.0.1 port=5432,$open",
        'a port where nobody listens, then a Unix socket' =>
            "host=127.0.0.1,$dir/pg port=$closed,5432",
    );

    for my $name (sort keys %hosts) {
        restart("$hosts{$name} $rest");

        my ($r, $seconds) = timed(sub { $t->get($SMALL) });

        ok(is_whole($r), "the first host is $name: the next is taken");
        cmp_ok($seconds, '<', 2, 'at once');
    }
}


sub the_first_host_is_read_only {
    my $standby = Test::Cargo->new();

    $standby->postgres(settings => { default_transaction_read_only => 'on' });

    my $first = Test::Cargo::Proxy->start($standby);

    restart('host=127.0.0.1,127.0.0.1 dbname=cargo user=cargo_web'
            . ' sslmode=disable target_session_attrs=read-write'
            . ' port=' . $first->port() . ',' . $proxy->port());

    my ($r, $seconds) = timed(sub { $t->get($SMALL) });

    ok(is_whole($r), 'the first host is read-only: the next is taken');
    cmp_ok($seconds, '<', 2, 'at once');
    cmp_ok($first->accepted(), '>=', 1, 'the first was asked');

    is($t->publish($token, { name => 'written' })->{status}, 200,
       'and a publish goes there, too');

    $standby->stop_everything();
    $standby->{finished} = 1;
    system 'rm', '-rf', $standby->dir();
}
