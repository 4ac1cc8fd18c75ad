#!/usr/bin/perl

# A database that is down, goes away and comes back: nginx starts without it,
# requests wait a moment and then hear 503, and nothing is left half done.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Store;

my $TIMEOUT = 1;

my $t = Test::Cargo->new();

$t->postgres();

my $token = $t->account('alice');

$t->stop_postgres();

starts_without_a_database();
waits_then_refuses();
refuses_at_once_later();
reloads_without_a_database();
recovers();
$t->write_config(http => 'cargo_postgres_timeout 5s;');
ok($t->reload_nginx(), 'reloaded with a longer timeout');
publish_in_an_outage();
publish_is_interrupted();

# so that nobody waits in vain for a start of PostgreSQL, however long it takes
$t->write_config(http => 'cargo_postgres_timeout 60s;');
ok($t->reload_nginx(), 'reloaded with a timeout that is none');
$t->wait_for(sub { $t->workers() == 1 });
restart_under_load('fast');
restart_under_load('immediate');

$t->done();


sub starts_without_a_database {
    $t->write_config(http => "cargo_postgres_timeout ${TIMEOUT}s;");

    my ($rc, $out) = $t->test_config();

    is($rc, 0, 'nginx -t passes while the database is down') or diag($out);

    $t->nginx(http => "cargo_postgres_timeout ${TIMEOUT}s;");

    is($t->get('/me')->{status}, 200, 'and nginx starts and serves');
}


sub is_unavailable {
    my ($r, $json, $name) = @_;

    is($r->{status}, 503, "$name: 503");
    like($r->header('Retry-After') // 'none', qr/^[1-9]\d*$/,
         "$name: says when to try again");

    if ($json) {
        like($r->detail() // "not JSON: $r->{body}", qr/database/,
             "$name: in cargo's JSON");
    } else {
        like($r->{body}, qr/^[^{}<>\n]*database[^{}<>\n]*\n?\z/,
             "$name: one line of text");
    }
}


# Reads and writes have connections of their own, and each learns it alone.

sub waits_then_refuses {
    my ($r, $seconds) = timed(sub { $t->get('/index/config.json') });

    is_unavailable($r, 0, 'an index request at the start of an outage');
    cmp_ok($seconds, '>=', $TIMEOUT * 0.9,
           'it waits for the database to come back');
    cmp_ok($seconds, '<', $TIMEOUT + 1, 'but not much longer than the timeout');

    ($r, $seconds) = timed(sub {
        $t->delete('/api/v1/crates/foo/1.0.0/yank', Authorization => $token)
    });

    is_unavailable($r, 1, 'an API request at the start of an outage');
    cmp_ok($seconds, '<', $TIMEOUT + 1, 'it waits no longer than that either');
}


sub refuses_at_once_later {
    # so long that a job submitted at the beginning has timed out
    $t->wait_for(sub { $t->get('/index/config.json')->{status} != 503 }, 1.5);

    my $lines = log_lines($t, qr/\[error\]/);
    my $slowest = 0;

    for (1 .. 10) {
        for my $uri ('/index/config.json', '/api/v1/summary',
                     '/index/3/f/foo', '/api/v1/crates/foo/1.0.0/download')
        {
            my ($r, $seconds) = timed_alone(sub { $t->get($uri) });

            $slowest = $seconds if $seconds > $slowest;
            $slowest = 1000 + $r->{status} if $r->{status} != 503;
        }
    }

    cmp_ok($slowest, '<', 0.2, 'later in an outage all get their 503 at once');
    is(log_lines($t, qr/\[error\]/), $lines, 'and no request adds to the log');

    is(log_lines($t, qr/cannot connect to the database \(reads\)/), 1,
       'an outage is logged once for the reads');
    is(log_lines($t, qr/cannot connect to the database \(writes\)/), 1,
       'and once for the writes');
}


# Many requests meet the outage at once: the log has one line, not many.

sub reloads_without_a_database {
    ok($t->reload_nginx(), 'nginx reloads while the database is down');
    is(($t->test_config())[0], 0, 'and nginx -t passes still');

    my $before = log_lines($t, qr/\[error\]/);

    my @waiting = map { start_request($t, 'GET', '/index/3/f/foo') } 1 .. 30;
    my @status = map { $_->receive()->{status} } @waiting;

    is("@status", join(' ', (503) x 30), 'all that waited get a 503');
    cmp_ok(log_lines($t, qr/\[error\]/) - $before, '<=', 1,
           'the log says once that the database is away')
        or diag(join "\n", log_lines($t, qr/\[error\]/));
}


sub recovers {
    # nobody asks for a while: what follows must not need a request to start
    $t->wait_for(sub { 0 }, 1.5);

    my $before = log_lines($t, qr/connected to the database again/);

    $t->start_postgres();

    my ($status, $seconds) = timed_alone(sub {
        $t->wait_for(sub {
            $t->get('/api/v1/summary')->{status} == 200
        }, 10)
    });

    ok($status, 'reads work again after the outage');
    cmp_ok($seconds, '<', 2, 'within two seconds of its end');

    ($status, $seconds) = timed_alone(sub {
        $t->wait_for(sub {
            $t->publish($token, { name => 'back' })->{status} == 200
        }, 10)
    });

    ok($status, 'and so do writes');
    cmp_ok($seconds, '<', 2, 'as soon');
    cmp_ok(log_lines($t, qr/connected to the database again/), '>', $before,
           'the log says that it is over');
}


sub publish_in_an_outage {
    my $before = rows($t);

    $t->stop_postgres();

    my $request = in_background($t, sub {
        $t->publish($token, { name => 'patient' })->{status}
    });

    $t->wait_for(sub { log_lines($t, qr/cannot connect.*Is the server/) });
    $t->start_postgres();

    is($request->(), 200, 'a publish waits out a short outage');

    $t->stop_postgres();

    my ($r, $seconds) = timed(sub {
        $t->publish($token, { name => 'impatient' })
    });

    is_unavailable($r, 1, 'a publish in a long outage');
    cmp_ok($seconds, '<', 7, 'it is told in time');

    $t->start_postgres();

    is($t->sql("select count(*) from cargo_store.crates where name in"
               . " ('patient', 'impatient')"), 1,
       'the publish that got 200 is there, the one that got 503 is not');
    isnt(rows($t), $before, 'the first did write');
    is(join(' ', blob_files($t, 'tmp')), '', 'no temporary file is left');

    # connections for reads and for writes come back each in their time
    ok($t->wait_for(sub {
        $t->publish($token, { name => 'impatient' })->{status} == 200
    }), 'the next try succeeds');
    ok($t->wait_for(sub { $t->get('/api/v1/summary')->{status} == 200 }),
       'and reads are answered');
}


# The connection breaks while the database is in the middle of a publish.

sub publish_is_interrupted {
    my $before = rows($t);
    my $held = hold($t, 'lock table cargo_store.versions'
                        . ' in access exclusive mode');

    my $request = in_background($t, sub {
        my $r = $t->publish($token, { name => 'broken-off' });
        return "$r->{status} " . ($r->detail() // $r->{body});
    });

    my $in_publish = "query like '%cargo.publish%'"
                     . " and wait_event_type = 'Lock'";

    ok($t->wait_for(sub { backends($t, $in_publish) }),
       'a publish is in the middle');

    is(terminate_backends($t, $in_publish), 1, 'its connection is ended');
    like($request->(), qr/^503 .*before it heard/,
         'the client hears that nobody knows');

    release($t, $held);

    is(rows($t), $before, 'nothing of it is in the database');
    is($t->publish($token, { name => 'broken-off' })->{status}, 200,
       'and the next try is a first publish');
}


sub reads {
    my $log = $t->read_file('access.log');

    return scalar(() = $log =~ m{ /api/v1/(?:summary|crates/back) \S+" 200 }g);
}


sub restart_under_load {
    my ($mode) = @_;

    my $end = $t->path("$mode.end");

    my @readers = map {
        in_background($t, sub {
            my %seen;

            while (!-e $end) {
                for my $uri ('/api/v1/summary', '/api/v1/crates/back') {
                    $seen{ $t->request('GET', $uri, timeout => 70)->{status} }++;
                }
            }

            return join ' ', map { "$_:$seen{$_}" } sort keys %seen;
        });
    } 1 .. 3;

    my $many = sub {
        my $before = reads();

        ok($t->wait_for(sub { reads() > $before + 20 }, 60),
           "$mode restart: reads are answered");
    };

    for (1 .. 2) {
        $many->();
        $t->stop_postgres($mode);
        $t->start_postgres();
    }

    $many->();
    $t->write_file($end, '');

    my %seen;

    for my $reader (@readers) {
        my %answers = map { split /:/ } split / /, $reader->();
        $seen{$_} += $answers{$_} for keys %answers;
    }

    my $text = join ' ', map { "$_:$seen{$_}" } sort keys %seen;

    note("$mode restarts, answers by status: $text");

    is(join(' ', grep { !/^(?:200|503)$/ } sort keys %seen), '',
       "$mode restart: none with other than 200 or 503");
    cmp_ok($seen{503} // 0, '<=', 1,
           "$mode restart: hardly any 503, since reads are tried again");
    is($t->get('/api/v1/summary')->{status}, 200,
       "$mode restart: and all is well after it");
}
