#!/usr/bin/perl

# Workers come and go: nobody who waits is cut off, nothing that was counted
# is lost, and a worker that has nothing to do is gone at once.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

# a worker that is told to end at once leaves what is in flight to the system
$ENV{ASAN_OPTIONS} .= ':detect_leaks=0' if $ENV{ASAN_OPTIONS};

# what is not remembered
my $DOCUMENT = '/api/v1/crates/foo';
my $DOWNLOAD = '/api/v1/crates/foo/1.0.0/download';
my $YANK = '/api/v1/crates/foo/1.0.0/yank';
my $SIZE = 2_000_000;

my $t = Test::Cargo->new();

$t->allow_errors(qr/worker process \d+ exited on signal 9/);

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);
my $token = $t->account('alice');
my $downloads = 0;

$t->nginx(conninfo => $proxy->conninfo(), http => conf());

publish_large();

reload_while_waiting();
reload_while_connecting();
reload_without_an_answer();
idle_worker_exits();
quit_while_waiting();
quit_under_load();
stop_while_waiting();
counts_are_flushed();
counts_of_a_late_download();
counts_survive_an_outage();
killed_worker();
many_workers();
single_process();

$t->done();


sub conf {
    my (%set) = (timeout => '5s', @_);

    return 'cargo_downloads_flush 1h; '
           . join ' ', map { "cargo_postgres_$_ $set{$_};" } sort keys %set;
}


sub publish_large {
    srand 1;

    my $noise = join '', map { chr int rand 256 } 1 .. $SIZE;

    is($t->publish($token, { name => 'foo' },
                   files => { 'noise.bin' => $noise })->{status}, 200,
       'published');
    is($t->get($DOCUMENT)->{status}, 200, 'and there');
}


sub restart {
    my (%conf) = @_;

    $proxy->pass();
    $t->stop_nginx();
    $t->write_config(http => conf(), server => '', main => '', %conf);
    $t->start_nginx() or BAIL_OUT('nginx does not start again');
}


sub gone {
    my ($pid, $seconds) = @_;

    return $t->wait_for(sub { !grep { $_ == $pid } $t->workers() }, $seconds);
}


sub start_four {
    return ((map { start_request($t, 'GET', $DOCUMENT) } 1 .. 3),
            start_request($t, 'DELETE', $YANK, Authorization => $token));
}


sub statuses { return join ' ', map { $_->receive()->{status} } @_ }


sub reload_while_waiting {
    is($t->delete($YANK, Authorization => $token)->{status}, 200,
       'a connection for writes is open');

    waits_through_a_reload('on open connections');
}


# The new worker has no connection yet: requests wait for one to be opened.

sub reload_while_connecting {
    ok($t->reload_nginx(), 'a worker without connections');
    $t->wait_for(sub { $t->workers() == 1 });

    waits_through_a_reload('in the middle of connecting');
}


sub waits_through_a_reload {
    my ($name) = @_;

    my ($old) = $t->workers();

    $proxy->stall();

    my @waiting = start_four();

    # they are all accepted before one that is answered
    is($t->get('/me')->{status}, 200, 'a request that needs no database');
    ok($t->reload_nginx(), "reloaded, requests wait $name");
    is(scalar(grep { $_ == $old } $t->workers()), 1, 'the old worker stays');

    $proxy->pass();

    is(statuses(@waiting), '200 200 200 200',
       "those who waited $name get their answers from it");
    ok(gone($old, 2), 'then it exits');
    is($t->get($DOCUMENT)->{status}, 200, 'the new worker serves');
}


sub reload_without_an_answer {
    restart(http => conf(timeout => '1500ms'));
    $t->get($DOCUMENT);

    my ($old) = $t->workers();

    $proxy->stall();

    my @waiting = start_four();
    my $start = Time::HiRes::time();

    is($t->get('/me')->{status}, 200, 'a request that needs no database');
    ok($t->reload_nginx(), 'reloaded while the database is silent');

    is(statuses(@waiting), '503 503 503 503', 'those who wait get a 503');
    cmp_ok(Time::HiRes::time() - $start, '<', 3, 'in time');
    ok(gone($old, 2), 'and the old worker waits no longer');

    $proxy->pass();
}


sub exits_soon {
    my ($name, $limit) = @_;

    my ($clean, $seconds) = timed(sub { $t->stop_nginx() });

    ok($clean, "$name: nginx exits when told to quit");
    cmp_ok($seconds, '<', $limit // 2, "$name: at once");
}


sub idle_worker_exits {
    restart();
    exits_soon('a worker that never asked the database');

    restart();
    $t->get($DOCUMENT);
    $t->delete($YANK, Authorization => $token);

    my $keepalive = $t->connect();

    $t->get($DOCUMENT, connection => $keepalive);
    exits_soon('a worker with idle connections on both sides');
    ok($t->wait_for(sub { backends($t) == 0 }, 5),
       'its sessions end with it');

    restart();
    $t->stop_postgres();
    $t->wait_for(sub { $t->get($DOCUMENT)->{status} == 503 });
    exits_soon('a worker that looks for a database that is down');
    $t->start_postgres();

    restart();
    $proxy->stall();
    start_request($t, 'GET', $DOCUMENT)->close();
    $t->get('/me');
    exits_soon('a worker that is connecting for a client that went away');
}


sub quit_while_waiting {
    restart();
    $t->get($DOCUMENT);
    $proxy->stall();

    my @waiting = map { start_four() } 1 .. 5;

    $t->get('/me');

    my $quits = log_lines($t, qr/gracefully shutting down/);

    kill 'QUIT', $t->{nginx};

    $t->wait_for(sub { log_lines($t, qr/gracefully shutting down/) > $quits });
    $proxy->pass();

    is(statuses(@waiting), join(' ', (200) x 20),
       'twenty that wait when nginx is told to quit get their answers');

    exits_soon('after the last answer');
}


# What nginx has accepted it answers; a connection that is still in the queue
# of the listening socket is reset with it.

sub quit_under_load {
    restart();

    my @clients = map {
        in_background($t, sub {
            my %seen;

            while (1) {
                my $connection = eval { $t->connect() } or last;
                my $r = $t->get($DOCUMENT, connection => $connection,
                                Connection => 'close');
                $seen{ $r->{status} }++;
                last if $r->{status} == 0;
            }

            return join ' ', map { "$_:$seen{$_}" } sort keys %seen;
        });
    } 1 .. 4;

    my $before = -s $t->path('access.log') // 0;

    $t->wait_for(sub {
        substr($t->read_file('access.log'), $before) =~ tr/\n// > 100
    }, 20);
    exits_soon('under load');

    my %seen;

    for my $client (@clients) {
        my %answers = map { split /:/ } split / /, $client->();
        $seen{$_} += $answers{$_} for keys %answers;
    }

    cmp_ok($seen{200}, '>', 50, 'it was under load');
    is(join(' ', grep { $_ } sort keys %seen), '200',
       'and nobody got another answer');
}


sub stop_while_waiting {
    restart();
    $t->get($DOCUMENT);
    $proxy->stall();

    my @waiting = start_four();

    $t->get('/me');

    my $pid = delete $t->{nginx};
    my ($clean, $seconds) = timed(sub { $t->terminate($pid, 'TERM', 10) });

    ok($clean, 'nginx stops when told to stop');
    cmp_ok($seconds, '<', 2, 'at once, whoever waits');
    is(statuses(@waiting), '0 0 0 0', 'which is what fast means');
}


sub counted {
    return $t->sql('select coalesce(sum(downloads), 0)'
                   . ' from cargo_store.version_downloads');
}


sub download {
    my ($n) = @_;

    for (1 .. $n) {
        my $r = $t->get($DOWNLOAD);
        $downloads++ if $r->{status} == 200 && !$r->{truncated};
    }
}


sub counts_are_flushed {
    restart();
    $downloads = counted();

    my $before = $downloads;

    download(3);
    is($downloads, $before + 3, 'three downloads');
    is(counted(), $before, 'they are not in the database yet');
    exits_soon('with counts to send');
    is(counted(), $downloads, 'counts are sent at quit');

    restart();
    download(2);

    my ($old) = $t->workers();

    $t->reload_nginx();
    ok(gone($old, 2), 'a worker with counts to send exits after a reload');
    is(counted(), $downloads, 'when it has sent them');

    download(2);
    terminate_backends($t);
    $t->wait_for(sub { $proxy->open_now() == 0 });
    exits_soon('with counts and without a connection');
    is(counted(), $downloads, 'counts are sent even so');
}


sub counts_of_a_late_download {
    restart(server => 'limit_rate 1m;');

    my $quits = log_lines($t, qr/gracefully shutting down/);
    my $request = start_request($t, 'GET', $DOWNLOAD);

    ok(IO::Select->new($request->socket())->can_read(5),
       'a download has begun');
    kill 'QUIT', $t->{nginx};
    $t->wait_for(sub { log_lines($t, qr/gracefully shutting down/) > $quits });

    my $r = $request->receive();

    is($r->{status}, 200, 'nginx is told to quit: the download goes on');
    cmp_ok(length $r->{body}, '>', $SIZE * 0.9, 'to its end');
    exits_soon('after the last download', 4);
    is(counted(), ++$downloads, 'and is counted');
}


sub counts_survive_an_outage {
    restart(http => 'cargo_downloads_flush 300ms; cargo_postgres_timeout 1s;');
    $t->get($DOCUMENT);
    $downloads = counted();

    download(2);
    $t->stop_postgres();

    # longer than it takes to send them, in vain, and once more
    $t->wait_for(sub { 0 }, 2);

    $t->start_postgres();

    ok($t->wait_for(sub { counted() == $downloads }, 5),
       'counts that could not be sent are sent after the outage')
        or diag(counted() . " of $downloads");

    # and not twice
    $t->wait_for(sub { 0 }, 0.5);
    is(counted(), $downloads, 'once');
}


sub killed_worker {
    restart();
    is($t->get($DOCUMENT)->{status}, 200, 'a worker serves');

    my ($old) = $t->workers();

    kill 'KILL', $old;

    ok($t->wait_for(sub {
        my @now = $t->workers();
        return @now == 1 && $now[0] != $old;
    }), 'a worker that was killed has a successor');

    is($t->get($DOCUMENT)->{status}, 200, 'which serves');
    is($t->delete($YANK, Authorization => $token)->{status}, 200,
       'and writes');
}


sub many_workers {
    restart(main => 'worker_processes 4;', events => 'accept_mutex on;');

    ok($t->wait_for(sub { $t->workers() == 4 }), 'four workers');

    my @requests = map { start_four() } 1 .. 20;
    my %seen;

    $seen{ $_->receive()->{status} }++ for @requests;

    is(join(' ', %seen), '200 80', 'serve');
    cmp_ok($proxy->open_now(), '<=', 16, 'over four connections each at most');

    my @old = $t->workers();

    ok($t->reload_nginx(), 'they reload');
    ok($t->wait_for(sub {
        my %now = map { $_ => 1 } $t->workers();
        return keys %now == 4 && !grep { $now{$_} } @old;
    }, 3), 'the four old ones make room for four new');
    is($t->get($DOCUMENT)->{status}, 200, 'which serve');
    exits_soon('four workers');
    ok($t->wait_for(sub { backends($t) == 0 }, 5), 'all sessions end');
}


sub single_process {
    restart(main => 'master_process off;', events => '');

    is(scalar $t->workers(), 0, 'nginx is a single process');
    is($t->get($DOCUMENT)->{status}, 200, 'it reads');
    is($t->publish($token, { name => 'alone' })->{status}, 200,
       'it publishes');
    is($t->get('/index/al/on/alone')->{status}, 200, 'it has published');

    $t->stop_postgres();
    is($t->get('/me')->{status}, 200, 'it serves without a database');
    $t->start_postgres();

    ok($t->wait_for(sub { $t->get($DOCUMENT)->{status} == 200 }, 3),
       'it reconnects');
    exits_soon('a single process');
}
