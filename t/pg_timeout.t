#!/usr/bin/perl

# A database that is there and does not answer: requests hear 503 in time, the
# queue has an end, and nobody else in the worker notices.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

# the module's clock is the turn of the event loop, the machine may be busy
my $LATE = 0.9;

my $LOCK = 'lock table cargo_store.registries in access exclusive mode';
my $YANK = '/api/v1/crates/foo/1.0.0/yank';

my $t = Test::Cargo->new();

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);
my $token = $t->account('alice');

$t->write_file('html/static.txt', "static\n");

my $static = 'location /static.txt { root ' . $t->dir() . '/html; }';

$t->nginx(conninfo => $proxy->conninfo(), server => $static, http => conf());
$t->publish($token, { name => 'foo' });

a_query_that_ends_late();
a_query_that_does_not_end();
a_write_that_hangs();
the_queue_of_cold_connections();
the_queue_of_writes();
the_queue_of_reads();
connect_timeout();
timeouts_of_the_role();

$t->done();


sub conf {
    my (%set) = (timeout => '700ms', connect_timeout => '10s', queue => 100,
                 connections => 'read=1 write=1', @_);

    # the listener has no part in this, nor what is remembered
    return join ' ', map({ "cargo_postgres_$_ $set{$_};" } sort keys %set),
                     'cargo_postgres_listen "' . $t->conninfo() . '";';
}


sub reconfigure {
    $proxy->pass();
    $t->write_config(http => conf(@_));
    $t->reload_nginx() or BAIL_OUT('nginx does not reload');

    # the old worker is gone with its connections
    $t->wait_for(sub { $t->workers() == 1 })
        or BAIL_OUT('the old worker stays');
}


sub yank { return $t->delete($YANK, Authorization => $token) }


sub reader { return $t->sql(<<'SQL') }
select pid from pg_stat_activity
where usename = 'cargo_web' and query ~ 'show_(crate|registry)'
order by backend_start desc limit 1
SQL


# The rule of all: a database that says nothing keeps nobody else waiting.

sub others_are_served {
    my ($name) = @_;

    my $slowest = 0;

    for my $uri (('/me', '/static.txt') x 3) {
        my ($r, $seconds) = timed_alone(sub { $t->get($uri) });

        $seconds = 100 + $r->{status} if $r->{status} != 200;
        $slowest = $seconds if $seconds > $slowest;
    }

    cmp_ok($slowest, '<', 0.1, "$name: others are served within 100 ms");
}


sub times_out {
    my ($name, $r, $seconds, $limit) = @_;

    is($r->{status}, 503, "$name: 503");
    ok($r->header('Retry-After'), "$name: with Retry-After");
    cmp_ok($seconds, '>', $limit - 0.05, "$name: not before the time is over");
    cmp_ok($seconds, '<', $limit + $LATE, "$name: not long after it");
}


sub a_query_that_ends_late {
    is($t->get('/api/v1/crates/foo')->{status}, 200, 'a crate is there');

    my $before = reader();
    my $accepted = $proxy->accepted();
    my $held = hold($t, $LOCK);

    my ($r, $seconds) = timed(sub { $t->get('/api/v1/crates/foo') });

    times_out('a query behind a lock', $r, $seconds, 0.7);

    my $waiting = start_request($t, 'GET', '/api/v1/crates/foo');

    release($t, $held);

    is($waiting->receive()->{status}, 200,
       'the request behind it is answered when the query ends');
    is(reader(), $before, 'on the same connection, which was drained');
    is($proxy->accepted(), $accepted, 'and no other was opened');
    is(log_lines($t, qr/took longer than 700 ms \(in the database\)/), 1,
       'the log says which query was too slow');
}


sub a_query_that_does_not_end {
    my $before = reader();
    my $held = hold($t, $LOCK);

    my ($r, $seconds) = timed(sub { $t->get('/api/v1/summary') });

    times_out('a query that does not end', $r, $seconds, 0.7);
    others_are_served('a query that does not end');

    ok($t->wait_for(sub { log_lines($t, qr/waiting for a job that timed out/) },
                    5), 'its connection is given up in the end');

    release($t, $held);

    is($t->get('/api/v1/summary')->{status}, 200, 'later requests work');
    isnt(reader(), $before, 'on a new connection');
}


sub a_write_that_hangs {
    is(yank()->{status}, 200, 'a yank works');

    my $held = hold($t, 'lock table cargo_store.versions in exclusive mode');

    my $waiting = start_request($t, 'PUT', '/api/v1/crates/foo/1.0.0/unyank',
                                Authorization => $token, 'Content-Length' => 0);
    my $start = Time::HiRes::time();

    my ($r, $seconds) = timed_alone(sub { $t->get('/api/v1/crates/foo') });

    is($r->{status}, 200, 'reads do not wait for a write');
    cmp_ok($seconds, '<', 0.4, 'not at all');

    $r = $waiting->receive();

    times_out('a write that hangs', $r, Time::HiRes::time() - $start, 0.7);
    like($r->detail() // '', qr/before it heard whether this was done/,
         'the client hears that it may have been done');

    release($t, $held);

    is(yank()->{status}, 200, 'later writes work');
}


# A database that accepts the connection and never says a word.

sub the_queue_of_cold_connections {
    reconfigure(queue => 4, timeout => '2s');
    $proxy->stall();

    my $start = Time::HiRes::time();
    my @waiting = map { start_request($t, 'GET', '/api/v1/crates/foo') } 1 .. 4;

    $t->wait_for(sub { $proxy->accepted() > 0 });
    others_are_served('in the middle of connecting');

    my ($r, $seconds) = timed_alone(sub { $t->get('/api/v1/crates/foo') });

    is($r->{status}, 503, 'with a queue of four the fifth waiter gets 503');
    like($r->{body}, qr/overloaded/, 'and is told why');
    ok($r->header('Retry-After'), 'and when to try again');
    cmp_ok($seconds, '<', 0.2, 'at once');
    is(log_lines($t, qr/\[error\].*4 reads wait already/), 1,
       'the log tells the administrator which directives to look at');

    times_out('one of the four', $waiting[0]->receive(),
              Time::HiRes::time() - $start, 2);
    is(join(' ', map { $_->receive()->{status} } @waiting[1 .. 3]),
       '503 503 503', 'the others as well');

    my @late = map { start_request($t, 'GET', '/api/v1/crates/foo') } 1 .. 4;

    $proxy->pass();

    is(join(' ', map { $_->receive()->{status} } @late), '200 200 200 200',
       'the queue is empty again, and is served when the database speaks');
}


sub the_queue_of_writes {
    # none of them has waited that long when the queue is looked at
    reconfigure(queue => 4, timeout => '30s');
    is(yank()->{status}, 200, 'a connection for writes is open');

    my $held = hold($t, 'lock table cargo_store.audit in exclusive mode');
    my @waiting = map {
        start_request($t, 'DELETE', $YANK, Authorization => $token)
    } 1 .. 5;

    my $behind = "wait_event_type = 'Lock'";

    ok($t->wait_for(sub { backends($t, $behind) == 1 }),
       'one write of five is at the database, since they are not pipelined');

    my ($r, $seconds) = timed_alone(sub { yank() });

    is($r->{status}, 503, 'the write that finds four others waiting gets 503');
    like($r->detail() // '', qr/overloaded/, 'and is told why');
    cmp_ok($seconds, '<', 0.2, 'at once');
    is(backends($t, $behind), 1, 'and still only one is at the database');

    release($t, $held);

    is(join(' ', map { $_->receive()->{status} } @waiting),
       '200 200 200 200 200', 'the five are done');
}


# A connection for reads holds 32 that were sent; the queue comes after them.

sub the_queue_of_reads {
    reconfigure(queue => 4, timeout => '30s');
    is($t->get('/api/v1/crates/foo')->{status}, 200, 'a connection is open');

    $proxy->stall();

    my @waiting = map { start_request($t, 'GET', '/api/v1/crates/foo') } 1 .. 36;

    others_are_served('with 36 reads waiting');

    my ($r, $seconds) = timed_alone(sub { $t->get('/api/v1/crates/foo') });

    is($r->{status}, 503, 'the 37th read is one too many');
    cmp_ok($seconds, '<', 0.2, 'and is told at once');

    $proxy->pass();

    my %seen;
    $seen{ $_->receive()->{status} }++ for @waiting;

    is(join(' ', %seen), '200 36', 'the 36 are answered');
}


sub connect_timeout {
    reconfigure(connect_timeout => '500ms', timeout => '1500ms');

    my $accepted = $proxy->accepted();

    $proxy->stall();

    my ($r, $seconds) = timed(sub { $t->get('/api/v1/crates/foo') });

    times_out('a server that is silent to a new connection', $r, $seconds, 1.5);
    cmp_ok($proxy->accepted() - $accepted, '>=', 2,
           'the connection was tried more than once meanwhile');
    is(log_lines($t, qr/cannot connect.*cargo_postgres_connect_timeout/), 1,
       'the log says so once');

    $proxy->pass();

    ok($t->wait_for(sub { $t->get('/api/v1/crates/foo')->{status} == 200 }, 3),
       'the service is back when the database speaks');
}


sub timeouts_of_the_role {
    reconfigure(timeout => '5s');

    my %states = (statement_timeout => '57014', lock_timeout => '55P03');

    for my $setting (sort keys %states) {
        my $alter = 'alter role cargo_web in database cargo';

        $t->sql("$alter reset all; $alter set $setting = '300ms'");
        terminate_backends($t);

        # a new connection's first query may be slower than that
        ok($t->wait_for(sub {
            $t->get('/api/v1/crates/foo')->{status} == 200
        }), "$setting: a read works");

        my $before = reader();
        my $words = qr/show_crate failed: $states{$setting} /;
        my $logged = log_lines($t, $words);
        my $held = hold($t, $LOCK);
        my ($r, $seconds) = timed(sub { $t->get('/api/v1/crates/foo') });

        times_out("$setting of the role", $r, $seconds, 0.3);

        # (the listener, which asks at times of its own, has its own lines)
        is(log_lines($t, $words) - $logged, 1,
           "$setting: the log has PostgreSQL's words");

        release($t, $held);

        is($t->get('/api/v1/crates/foo')->{status}, 200, "$setting: and goes on");
        is(reader(), $before, "$setting: on the same connection");
    }
}
