#!/usr/bin/perl

# Very many clients at a time: connections on which nothing happens, and
# uploads all at once.  CARGO_TEST_LONG=1: 200 uploads of 10 MB, else fewer
# and smaller ones.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

# the library clears what begins with CARGO_
my $LONG;

BEGIN { $LONG = $ENV{CARGO_TEST_LONG} }

use Test::Cargo;
use Test::Cargo::Database qw(in_background timed);
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';
my $MIB = 1024 * 1024;
my $IDLE = 10_000;
my ($CHILDREN, $EACH, $SIZE) = $LONG ? (20, 10, 10 * $MIB)
                                     : (8, 5, 2 * $MIB);

my $t = Test::Cargo->new();

chomp(my $files = `sh -c 'ulimit -Hn'`);

plan(skip_all => "$files OPEN FILES ARE ALLOWED: 10,000 connections are NOT"
                 . ' shown') if $files ne 'unlimited' && $files < $IDLE + 2200;

$t->postgres();
# of the last sixteenth of its connections nginx takes from who says nothing;
# a commit takes as long as a disk that is given 2 GB meanwhile
$t->nginx(main => 'worker_rlimit_nofile ' . ($IDLE + 2200) . ';',
          events => 'worker_connections ' . ($IDLE + 2000) . ';',
          http => 'cargo_postgres_timeout 60s;', server => <<'CONF');
client_header_timeout  10m;
cargo_max_crate_size   11m;
CONF

my $token = $t->account('alice');
my ($worker) = $t->workers();

is($t->publish($token, { name => 'there' })->{status}, 200, 'a crate to read');

idle_connections();
uploads_at_once();

is_deeply([ $t->workers() ], [$worker], 'the worker was never replaced');

$t->done();


# All files of the worker but for a few dozen are connections.

sub sockets {
    opendir my $dir, "/proc/$worker/fd" or return 0;

    return scalar(() = readdir $dir) - 2;
}


sub idle_connections {
    my $before = status_of($worker, 'VmRSS');
    my $go = $t->dir() . '/idle.go';

    my $holder = in_background($t, sub {
        system('prlimit', "--pid=$$", "--nofile=$files:");

        my @connections = map { $t->connect(timeout => 30) } 1 .. $IDLE;

        $connections[$_]->send($_ % 2 ? "GET /index/config.json HTTP/1.1\r\n"
                                      : 'P') for 0 .. $#connections;
        $t->write_file('idle.there', '');
        $t->wait_for(sub { -e $go }, 300);
        return scalar @connections;
    });

    my $start = Time::HiRes::time();

    $t->wait_for(sub { -e $t->dir() . '/idle.there' }, 300);
    note(sprintf 'they came within %.1f s', Time::HiRes::time() - $start);

    ok($t->wait_for(sub { sockets() >= $IDLE }, 30),
       "$IDLE connections on which nothing goes on")
        or diag(sockets());

    my (@seconds, %seen);

    for my $n (1 .. 100) {
        my ($r, $seconds) = timed(sub { $t->get('/index/th/er/there') });

        $seen{ $r->{status} }++;
        push @seconds, $seconds;
    }

    @seconds = sort { $a <=> $b } @seconds;

    is_deeply(\%seen, { 200 => 100 }, 'others read');
    cmp_ok($seconds[50], '<', 0.05, 'as fast as ever');
    is($t->publish($token, { name => 'meanwhile' })->{status}, 200,
       'others publish');

    my $grown = status_of($worker, 'VmRSS') - $before;

    note("$IDLE idle connections: $grown kB; a read: $seconds[50] s");
    cmp_ok($grown, '<', $IDLE * 10, "one of them costs less than 10 kB"
           . " ($grown kB for all)") if $t->objs() !~ /asan/;

    $t->write_file('idle.go', '');
    is($holder->(60), $IDLE, 'all were there');
    ok($t->wait_for(sub { sockets() < 200 }, 30), 'and are gone');
}


sub large_body {
    my ($name) = @_;

    open my $urandom, '<:raw', '/dev/urandom' or die "urandom: $!\n";
    read($urandom, my $bytes, $SIZE);

    return $t->publish_body($t->metadata(name => $name),
        Test::Cargo::Crate::gzip(Test::Cargo::Crate::tar(
            { name => "$name-1.0.0/Cargo.toml",
              data => Test::Cargo::Crate::manifest(name => $name) },
            { name => "$name-1.0.0/data", data => $bytes }), 0));
}


# All are open before one is finished: each sends a part in turn.

sub uploader {
    my ($child) = @_;

    my @uploads = map {
        my $name = "crowd$child-$_";
        my $body = large_body($name);
        { name => $name, body => $body,
          connection => $t->connect(timeout => 300) };
    } 1 .. $EACH;

    $t->wait_for(sub { -e $t->dir() . '/crowd.go' }, 120);

    my $part = $SIZE / 8;

    $_->{connection}->send("PUT $URI HTTP/1.1\r\nHost: x\r\n"
        . "Authorization: $token\r\nConnection: close\r\n"
        . 'Content-Length: ' . length($_->{body}) . "\r\n\r\n") for @uploads;

    while (grep { length $_->{body} } @uploads) {
        for my $upload (@uploads) {
            $upload->{connection}->send(substr $upload->{body}, 0, $part, '');
        }
    }

    return join ' ', map {
        my $r = $_->{connection}->receive();
        note("$_->{name}: $r->{status} $r->{body}") if $r->{status} != 200;
        "$_->{name}:$r->{status}";
    } @uploads;
}


sub uploads_at_once {
    my $all = $CHILDREN * $EACH;
    my $before = status_of($worker, 'VmHWM');
    my @children = map { my $n = $_; in_background($t, sub { uploader($n) }) }
                   1 .. $CHILDREN;

    $t->wait_for(sub { sockets() >= $all }, 120);
    $t->write_file('crowd.go', '');

    my $start = Time::HiRes::time();
    my @slowest = (0);

    # others read meanwhile
    my $reader = in_background($t, sub {
        my ($slowest, %seen) = (0);

        for (1 .. 50) {
            my ($r, $seconds) = timed(sub {
                $t->request('GET', '/index/th/er/there', timeout => 70)
            });

            $slowest = $seconds if $seconds > $slowest;
            $seen{ $r->{status} }++;
            Time::HiRes::sleep(0.02);
        }

        return join ' ', $slowest, map { "$_:$seen{$_}" } sort keys %seen;
    });

    my %told = map { split /:/ } map { split / /, $_->(600) } @children;
    my $seconds = Time::HiRes::time() - $start;
    my ($slowest, $read) = split / /, $reader->(600), 2;
    my $grown = status_of($worker, 'VmHWM') - $before;

    note(sprintf '%d uploads of %d MiB at once: %.1f s, %d kB more memory,'
                 . ' the slowest read %.3f s',
         $all, $SIZE / $MIB, $seconds, $grown, $slowest);

    is(scalar keys %told, $all, "$all uploads at once");
    is_deeply([ grep { $told{$_} != 200 } sort keys %told ], [],
              'all are acknowledged');

    my @lost = grep {
        $t->get($t->index_path($_))->{status} != 200
        || length $t->get("/api/v1/crates/$_/1.0.0/download")->{body} < $SIZE
    } grep { $told{$_} == 200 } sort keys %told;

    is_deeply(\@lost, [], 'what is acknowledged is there');
    is($read, '200:50', 'others read meanwhile');

    # each thread that checks takes some megabytes, a connection some kB
    cmp_ok($grown, '<', (64 + $all / 4) * 1024,
           "they take no memory for their size ($grown kB)")
        if $t->objs() !~ /asan/;
    ok($t->wait_for(sub { !blob_files($t, 'tmp') }), 'tmp/ is empty');

    my ($rc, $out, $err) = $t->cargoctl('check');

    is($rc, 0, 'cargoctl check is content') or diag($out . $err);
}
