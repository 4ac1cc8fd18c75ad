#!/usr/bin/perl

# The connection to PostgreSQL ends after n bytes of a conversation (start-up
# with SCRAM, a publish, a read), or says no more, in either direction, with
# TLS and without: nobody waits for long, what was acknowledged is there, what
# was not is there or not but never half, and to try again is enough.
#
# CARGO_TEST_LONG=1: each n there is, which takes hours; CARGO_TEST_LONG=2/3:
# of these every third, beginning with the second.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

# before the harness takes it out of the environment
my $LONG = $ENV{CARGO_TEST_LONG};
my ($PART, $PARTS) = ($LONG // '') =~ m{^(\d+)/(\d+)$} ? ($1, $2) : (1, 1);

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Proxy;
use Test::Cargo::Session;
use Test::Cargo::Store;

# seconds a request may take, and what a busy machine adds; in hours there is
# a second in which a busy one gets nothing done
my $TIMEOUT = $LONG ? 4 : 1;
my $LATE = 1;

# of all n, that many are tried in each direction
my $SAMPLES = 6;

my $WHOLE = '1 1 1 1 1 1';
my $NOTHING = '0 0 0 0 0 0';

my $t = Test::Cargo->new();

$t->postgres();

my ($TLS, $PLAIN) = listen_on_tcp($t, auth => 'scram-sha-256');

$t->sql("alter role cargo_web password 'secret'");

my %network = (
    'over TCP' => { to => $PLAIN, sslmode => 'disable' },
    'over TLS' => { to => $TLS, sslmode => 'require' },
);

for my $network (values %network) {
    $network->{proxy}
        = Test::Cargo::Proxy->start($t, to => "$network->{to}:5432");
}

my $listen_proxy = Test::Cargo::Proxy->start($t, to => "$TLS:5432");
my $token = $t->account('alice');
my $db = Test::Cargo::Session->new($t, 'cargo', 'postgres');
my $published = 0;
my $running;

for my $name (sort keys %network) {
    my $network = $network{$name};

    configure($network);
    cut_everywhere($name, $network, 'cut');
    cut_everywhere($name, $network, 'cut_sent');
    resets($name, $network);
    silent_while_connecting($name, $network, 'stall_after');
    silent_while_connecting($name, $network, 'stall_sent');
    silent_in_an_answer($name, $network);
    refused($name, $network);
}

the_listener();

$t->done();


sub configure {
    my ($network) = @_;

    my $secret = "password=secret sslmode=$network->{sslmode}";
    my $listen = $listen_proxy->conninfo('password=secret sslmode=require');

    my %conf = (conninfo => $network->{proxy}->conninfo($secret),
                http => <<"CONF");
cargo_zone cargo:8m lease=60s;
cargo_postgres_connections read=1 write=1;
cargo_postgres_timeout ${TIMEOUT}s;
cargo_postgres_connect_timeout @{[ 400 * $TIMEOUT ]}ms;
cargo_postgres_listen "$listen";
CONF

    if (!$running++) {
        $t->nginx(%conf);

    } else {
        $t->stop_nginx();
        $t->write_config(%conf);
        $t->start_nginx() or BAIL_OUT('nginx does not start again');
    }

    # what the first one of its kind needs is not missed later
    conversation($network, 'warm');
}


# A worker that closes a connection makes it known in its next turn.  The pause
# between two bells is over when it begins, and cannot be seen from outside: the
# next bell is to follow its publish, and be cut with it.

sub fresh {
    my ($network) = @_;

    Time::HiRes::sleep(0.06);
    $network->{proxy}->pass();
    $network->{proxy}->reset();
    $t->get('/me') for 1, 2;
}


# New connections, one publish, one read.

sub conversation {
    my ($network, $name, $fault) = @_;

    my @wrong;
    my @crate = crate($name);

    fresh($network);
    $fault->() if $fault;

    my ($r, $seconds) = timed(sub { $t->publish($token, @crate) });
    my $state = state($name);
    my $read = $t->get('/api/v1/crates/warm/1.0.0/readme');

    $network->{count} = { map { $_ => $network->{proxy}->$_() }
                          qw(bytes sent left) };

    push @wrong, "publish took $seconds s" if $seconds > $TIMEOUT * 2 + $LATE;
    push @wrong, "publish: $r->{status} $r->{body}"
        if $r->{status} != 200 && !is_unavailable($r);
    push @wrong, "200, but in the database: $state"
        if $r->{status} == 200 && $state ne $WHOLE;
    push @wrong, "half there: $state" if $state ne $WHOLE
                                         && $state ne $NOTHING;

    # it is asked once more, so one cut does not keep it from its answer
    push @wrong, "read: $read->{status} $read->{body}"
        if $name ne 'warm' && $read->{status} != 404;

    my $again = $t->publish($token, @crate);

    push @wrong, "again: $again->{status} $again->{body}, " . state($name)
        if $again->{status} != 200 || state($name) ne $WHOLE;

    return (\@wrong, $r);
}


# A crate that is more than one row.

sub crate {
    my ($name) = @_;

    my %dependency = (
        name => 'serde', version_req => '^1', features => [], optional => \0,
        default_features => \1, target => undef, kind => 'normal',
        registry => 'https://github.com/rust-lang/crates.io-index',
        explicit_name_in_toml => undef,
    );

    return ({ name => $name, deps => [ \%dependency ] },
            manifest => Test::Cargo::Crate::manifest(
                name => $name, extra => qq([dependencies]\nserde = "1"\n)));
}


sub is_unavailable {
    my ($r) = @_;

    return $r->{status} == 503 && ($r->header('Retry-After') // '') =~ /^\d+$/;
}


sub state {
    my ($name) = @_;

    return $db->ask(<<"SQL");
with c as (select * from cargo_store.crates where name = '$name'),
     v as (select v.* from cargo_store.versions v, c where v.crate_id = c.id)
select concat_ws(' ',
    (select count(*) from c), (select count(*) from v),
    (select count(*) from cargo_store.owners where crate_id = (select id from c)),
    (select count(*) from cargo_store.dependencies
      where version_id = (select id from v)),
    (select count(distinct crate) from cargo_store.changes
      where crate = '$name'),
    (select count(distinct version) from cargo_store.audit
      where crate = '$name' and action = 'publish' and status = 200))
SQL
}


sub numbers {
    my ($total, $samples) = @_;

    return part(1 .. $total) if $LONG;

    # another offset each time, so that in the end all are tried
    my $step = $total / $samples;
    my $first = rand $step;

    return map { 1 + int($first + $_ * $step) } 0 .. $samples - 1;
}


sub part {
    my (@n) = @_;

    return @n[grep { $_ % $PARTS == $PART - 1 } 0 .. $#n];
}


sub next_name { return sprintf 'cut%05d', ++$published }


sub cut_everywhere {
    my ($name, $network, $cut) = @_;

    my $proxy = $network->{proxy};
    my $count = $cut eq 'cut' ? 'bytes' : 'sent';
    my $direction = $cut eq 'cut' ? 'from' : 'to';

    conversation($network, next_name());

    my $before;
    conversation($network, next_name(), sub { $before = $proxy->$count() });

    my $total = $network->{count}{$count} - $before;
    my %open = open_files();
    my ($hits, $unsure, @wrong) = (0, 0);
    my @n = numbers($total, $SAMPLES);

    for my $n (@n) {
        my ($wrong, $r)
            = conversation($network, next_name(), sub { $proxy->$cut($n) });

        push @wrong, map { "$n: $_" } @$wrong;
        $hits++ if $network->{count}{left} == 0;
        $unsure++ if $r->{status} == 503;
    }

    is(join("\n", @wrong), '',
       "cut after n bytes $direction the server, $name");
    # some numbers have more digits than others
    cmp_ok($hits, '>=', @n * 0.9, "$hits of " . @n . " cuts were made, of $total"
                                  . " bytes; $unsure publishes heard 503");
    nothing_is_left($network, %open);
}


sub open_files {
    my ($worker) = $t->workers();

    return (worker => $worker, memory => status_of($worker, 'RssAnon'),
            files => scalar(() = glob "/proc/$worker/fd/*"));
}


# The two connections may be closed at the moment.

sub nothing_is_left {
    my ($network, %before) = @_;

    $network->{proxy}->pass();

    my %now;

    ok($t->wait_for(sub {
        %now = open_files();
        return $now{files} <= $before{files};
    }), 'no descriptor is left') or diag("$before{files}, now $now{files}");

    is($now{worker}, $before{worker}, 'the worker is the same');

    SKIP: {
        skip 'a sanitizer keeps what is freed', 1 if $t->objs() =~ /asan/;
        note('grown by ', $now{memory} - $before{memory}, ' kB');
        cmp_ok($now{memory} - $before{memory}, '<', 2048, 'hardly any memory');
    }
}


sub resets {
    my ($name, $network) = @_;

    my $proxy = $network->{proxy};
    my @wrong;

    for my $n ($LONG ? part(1 .. 500) : 400) {
        my ($wrong) = conversation($network, next_name(),
                                   sub { $proxy->reset_after($n) });
        push @wrong, map { "$n: $_" } @$wrong;
    }

    is(join("\n", @wrong), '', "reset after n bytes, $name");
}


# [status, seconds] of a read and a publish, sent together

sub both {
    my $read = in_background($t, sub {
        my ($r, $seconds) = timed(sub { $t->get('/api/v1/summary') });

        return $r->{status} . (is_unavailable($r) ? ' later' : '')
               . ($seconds > $TIMEOUT + $LATE ? " after $seconds s" : '');
    });

    my ($r, $seconds) = timed(sub {
        $t->publish($token, { name => next_name() })
    });

    return join ', ', $read->(), $r->{status}
        . (is_unavailable($r) ? ' later' : '')
        . ($seconds > 2 * $TIMEOUT + $LATE ? " after $seconds s" : '');
}


sub recovers {
    my ($name, $network) = @_;

    my $start = Time::HiRes::time();

    ok($t->wait_for(sub {
        $t->get('/api/v1/summary')->{status} == 200
            && $t->publish($token, crate('warm'))->{status} == 200
    }, 4 + $TIMEOUT), $name);

    cmp_ok(Time::HiRes::time() - $start, '<', 1.5 + $TIMEOUT,
           'by itself, and soon');
}


sub silent_while_connecting {
    my ($name, $network, $stall) = @_;

    my $proxy = $network->{proxy};
    my $most = $network->{sslmode} eq 'disable' ? 100 : 1500;

    # the answer to the request for TLS, if there is one, and anywhere
    my @n = $LONG ? part(1, map { 1 + int rand $most } 1 .. 40)
                  : 1 + int rand $most;

    for my $n (@n) {
        fresh($network);
        $proxy->$stall($n);

        is(both(), '503 later, 503 later',
           "silent while connecting, $stall $n, $name");

        $proxy->pass();
        recovers('it goes on', $network);
    }
}


sub silent_in_an_answer {
    my ($name, $network) = @_;

    for my $n ($LONG ? (0, 5, 50, 100) : 5) {
        fresh($network);
        recovers('connected', $network);
        $network->{proxy}->stall_after($n) if $n;
        $network->{proxy}->stall() if !$n;

        is(both(), '503 later, 503 later',
           "silent after $n bytes of answers, $name");

        $network->{proxy}->pass();
        recovers('it goes on', $network);
    }
}


sub refused {
    my ($name, $network) = @_;

    $network->{proxy}->refuse();
    $network->{proxy}->reset();

    is(both(), '503 later, 503 later', "no one listens, $name");

    $network->{proxy}->pass();
    recovers('it goes on', $network);
}


# What is changed elsewhere is seen by way of the listener alone: the lease is
# long.

sub hears {
    my $yanked = $t->get('/index/wa/rm/warm')->json()->{yanked};

    $db->ask('update cargo_store.versions set yanked = not yanked where'
             . " crate_id = (select id from cargo_store.crates where name ="
             . " 'warm'); select cargo_store.index_changed(id, 'yank')"
             . " from cargo_store.crates where name = 'warm'");

    return refreshed($t, sub {
        $t->get('/index/wa/rm/warm')->json()->{yanked} ne $yanked
    }, 6);
}


sub the_listener {
    my @late;

    ok(defined hears(), 'a change elsewhere is heard of');

    my $before = $listen_proxy->bytes();

    $listen_proxy->reset();
    $t->wait_for(sub { $listen_proxy->bytes() > $before + 500 });
    $before = $listen_proxy->bytes() - $before;

    for my $n (numbers($before, $SAMPLES / 2)) {
        my $accepted = $listen_proxy->accepted();

        $listen_proxy->reset();
        $listen_proxy->cut($n);

        my $seconds = hears();

        push @late, "$n: " . ($seconds // 'never')
            if !defined $seconds || $seconds > 3;
    }

    is(join("\n", @late), '', 'the listener is cut after n bytes: within three'
                              . ' seconds it hears again');

    for my $fault ($LONG ? qw(stall refuse dribble) : qw(stall refuse)) {
        my $lines = log_lines($t, qr/\[error\]/);

        $listen_proxy->$fault();
        $listen_proxy->reset() if $fault eq 'refuse';

        my $until = Time::HiRes::time() + 2 * $TIMEOUT;
        my %status;

        while (Time::HiRes::time() < $until) {
            $status{ $t->get('/api/v1/crates/warm')->{status} }++;
            $t->wait_for(sub { 0 }, 0.1);
        }

        is(join(' ', keys %status), '200', "$fault of the listener: requests"
                                           . ' do not notice');

        $listen_proxy->pass();
        ok(defined hears(), 'then it hears again');
        cmp_ok(log_lines($t, qr/\[error\]/) - $lines, '<=', 1,
               'the log has one line about that');
    }
}
