#!/usr/bin/perl

# What the database, the system and the shared memory have no room for:
# connections that wait, sessions, a disk, transactions that write, threads,
# entries of the cache.  Who cannot be served hears 503 and why, the log says
# it once, nothing is half done, and nobody has to start anything again.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache qw(listening);
use Test::Cargo::Database qw(backends hold in_background release
                             start_request terminate_backends timed);
use Test::Cargo::Faults;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';
my $QUEUE = 4;
my $EAGAIN = 11;

in_own_mounts();

my $t = Test::Cargo->new();
my $disk = $t->dir() . '/pgdisk';

tmpfs($t, $disk, 'size=32m', 'postgres');

$t->postgres(settings => { max_connections => 12,
                           superuser_reserved_connections => 6,
                           autovacuum => 'off' });
$t->sql("create tablespace small location '$disk'");
$t->sql('alter database cargo set tablespace small', database => 'template1');

{
    local %ENV = (%ENV, preload_faults($t));

    $t->nginx(http => <<"CONF");
cargo_postgres_queue        $QUEUE;
cargo_postgres_connections  read=1 write=1;
cargo_postgres_timeout      1s;
cargo_zone                  cargo:256k;
CONF
}

my ($worker) = $t->workers();
my $token = $t->account('alice');
my $number = 0;

is(publish('there')->{status}, 200, 'a crate that is there before');

full_queue();
stopped_backends();
no_sessions();
read_only_database();
full_database();
no_threads();
small_zone();

is_deeply([ $t->workers() ], [$worker], 'the worker was never replaced');

$t->done();


sub publish {
    my ($name, %fields) = @_;

    return $t->publish($token, { name => $name, %fields });
}


sub told { return "$_[0]{status} " . ($_[0]->detail() // $_[0]{body}) }


sub recovers {
    my ($case) = @_;

    my ($status, $seconds) = timed(sub {
        $t->wait_for(sub { publish('after' . ++$number)->{status} == 200
                           && $t->get('/api/v1/summary')->{status} == 200 })
    });

    ok($status, "$case: reads and writes work after it");
    cmp_ok($seconds, '<', 3, "$case: soon");

    my ($rc, $out, $err) = $t->cargoctl('check');

    is($rc, 0, "$case: cargoctl check is content") or diag($out . $err);
}


# The database stalls: so many wait as may, the others hear it at once.

sub full_queue {
    my $held = hold($t, 'lock table cargo_store.versions, cargo_store.crates'
                        . ' in access exclusive mode');
    my $size = log_size($t);

    # a write is under way, one more for each place of the queue
    my @uploads = map {
        my $name = "queued$_";
        in_background($t, sub {
            my ($r, $seconds) = timed(sub { publish($name) });
            return sprintf '%s|%.2f', told($r), $seconds;
        });
    } 1 .. $QUEUE + 6;

    my %seen;

    for my $upload (@uploads) {
        my ($told, $seconds) = split /\|/, $upload->();

        $seen{$told}++;
        $seen{"slow $seconds"}++ if $seconds > 3.5;
    }

    my $busy = delete $seen{'503 the registry is overloaded; try again in a'
                            . ' moment'} // 0;
    my @others = grep { !/^503 the registry(?:'s| lost its) database/ }
                 keys %seen;

    cmp_ok($busy, '>=', 1, 'a full queue: who finds no place hears it');
    is_deeply(\@others, [], 'a full queue: who has one hears of the database');

    my @lines = log_since($t, $size, qr/wait already, more are refused/);

    cmp_ok(scalar @lines, '>=', 1, 'a full queue: the log says which directive');
    cmp_ok(scalar @lines, '<=', 4, 'a full queue: once a second');

    @lines = log_since($t, $size, qr/took longer than/);

    cmp_ok(scalar @lines, '<=', 4,
           'a full queue: those that waited too long are not told one by one')
        or diag(join "\n", @lines);

    release($t, $held);

    # nobody knew of those that were on their way: all or nothing
    recovers('a full queue');
    is($t->sql('select count(*) from cargo_store.crates c where not exists'
               . ' (select from cargo_store.versions where crate_id = c.id)'),
       0, 'a full queue: nothing is half done');
}


sub rows_of_others { return rows($t) }


# As with a disk of the database that hangs: it takes what it is sent, and
# says nothing.

sub stopped_backends {
    my @pids = split /\n/, $t->sql('select pid from pg_stat_activity where'
                                   . " usename = 'cargo_web'");
    kill 'STOP', @pids;

    my ($r, $seconds) = timed(sub { publish('stopped') });

    kill 'CONT', @pids;

    is($r->{status}, 503, 'stopped backends: 503');
    cmp_ok($seconds, '<', 3, 'stopped backends: in time');
    recovers('stopped backends');
}


# Others have taken all sessions that the server has.

sub no_sessions {
    my $size = log_size($t);
    my @sessions;

    terminate_backends($t);

    # nginx comes back as soon as one is free: it must not get it
    for (1 .. 30) {
        push @sessions, $t->spawn(
            stdout => $t->path('sessions.log'),
            command => [ Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq',
                         '-c', 'select pg_sleep(600)' ],
            env => { $t->postgres_env('cargo') });
    }

    ok($t->wait_for(sub {
        ($t->read_file('sessions.log') // '') =~ /remaining connection slots|too many/
    }), 'the server has no session left') or diag($t->read_file('sessions.log'));

    terminate_backends($t);

    my $busy = $t->wait_for(sub {
        terminate_backends($t);
        my $r = publish('nosession');
        return $r if $r->{status} == 503;
    }, 20);

    is($busy && $busy->{status}, 503, 'no sessions: 503');
    like($busy ? $busy->detail() : '', qr/^the registry's database does not/,
         'no sessions: in words');
    cmp_ok(log_since($t, $size, qr/cannot connect.*(?:remaining connection slots|too many clients)/),
           '>=', 1, 'no sessions: the log says what PostgreSQL said');
    cmp_ok(log_since($t, $size, qr/\[error\].*cannot connect/),
           '<=', 6, 'no sessions: not at every try');
    is($t->get('/me')->{status}, 200, 'no sessions: nginx goes on');

    # a server does not look whether who asked is still there
    $t->sql('select count(pg_terminate_backend(pid, 10000))'
            . " from pg_stat_activity where query like '%pg_sleep(600)%'"
            . ' and pid <> pg_backend_pid()');
    $t->reap($_, 10) for @sessions;
    recovers('no sessions');
}


sub read_only_database {
    $t->sql('alter role cargo_web set default_transaction_read_only = on');
    terminate_backends($t);

    my ($size, $before) = (log_size($t), rows($t));
    my %seen;

    ok($t->wait_for(sub { $t->get('/api/v1/summary')->{status} == 200 }),
       'a read-only database: reads go on');
    $seen{told(publish('ro' . ++$number))}++ for 1 .. 6;

    is_deeply(\%seen, { "503 the registry's database takes no changes now;"
                        . ' nothing was changed; try again later, and tell the'
                        . " registry's administrator if it lasts" => 6 },
              'a read-only database: 503, in words');
    is(() = log_since($t, $size, qr/cargo_publish failed: 25006/), 1,
       'a read-only database: one line in the log');
    is(rows($t), $before, 'a read-only database: nothing is changed');
    is($t->get('/index/config.json')->{status}, 200,
       'a read-only database: config.json');
    is($t->get('/api/v1/crates/there/1.0.0/download')->{status}, 200,
       'a read-only database: downloads');

    $t->sql('alter role cargo_web reset default_transaction_read_only');
    terminate_backends($t);
    recovers('a read-only database');
}


sub full_database {
    # what a page has room for is no growth
    my $readme = join '', map { chr(97 + rand 26) } 1 .. 20_000;
    my $filler = fill($disk, 0);

    my ($size, $before) = (log_size($t), rows($t));
    my $r;

    for my $try (1 .. 12) {
        $r = publish('grown' . ++$number, readme => $readme, readme_file => "README.md");
        last if $r->{status} != 200;
    }

    my %seen;

    $seen{told(publish('grown' . ++$number))}++ for 1 .. 6;
    $seen{told($r)}++;

    is_deeply([ grep { !/^200/ } keys %seen ],
              [ "503 the registry's database has no room left; nothing was"
                . " changed; tell the registry's administrator, then try again"
              ], "a full database: 503, in words");
    cmp_ok(log_since($t, $size, qr/cargo_publish failed: 53100/), '==', 1,
           'a full database: one line in the log');

    is($t->get('/index/config.json', Authorization => $token)->{status}, 200,
       'a full database: config.json is read with a token');
    is($t->get('/api/v1/crates/there')->{status}, 200,
       'a full database: reads go on');

    unlink $filler;
    recovers('a full database');

    is($t->sql('select count(*) from cargo_store.crates c where not exists'
               . ' (select from cargo_store.versions where crate_id = c.id)'),
       0, 'a full database: nothing is half done');
}


# More tokens than there is room for, and documents larger than all of it:
# each is answered as if there were room.

# A thread without work ends after some seconds.

sub no_threads {
    my $size = log_size($t);
    my %seen;

    ok($t->wait_for(sub { 1 == (() = glob("/proc/$worker/task/*")) }),
       'there is no thread when there is nothing to do');

    fault($t, 'pthread_create', $EAGAIN, 'thread');

    for (1 .. 10) {
        my $r = publish('thread' . ++$number);

        $seen{ told($r) }++;
        $seen{'no Retry-After'}++ if !$r->header('Retry-After');
    }

    no_fault($t);

    is_deeply(\%seen, { '503 too many uploads are being checked; try again in'
                        . ' a moment' => 10 }, 'none can be started: 503');
    is(scalar(log_since($t, $size, qr/a thread could not be started/)), 1,
       'one line in the log');
    recovers('no threads');
}


sub small_zone {
    my %features = map { ("f$_-" . "x" x 50 => []) } 1 .. 290;
    my $extra = join '', "\n[features]\n",
                map { "$_ = []\n" } sort keys %features;

    for my $vers (map { "1.0.$_" } 1 .. 16) {
        my $manifest = Test::Cargo::Crate::manifest(
            name => 'huge', version => $vers, extra => $extra);

        my $r = $t->publish($token, { name => 'huge', vers => $vers,
                                      features => \%features },
                            manifest => $manifest);

        is($r->{status}, 200, "huge $vers") or diag(substr $r->{body}, 0, 200);
    }

    publish("small$_") for 1 .. 40;

    my @tokens = map {
        my $r = $t->put('/api/v1/me/tokens',
                        qq({"api_token":{"name":"t$_"}}),
                        Authorization => $token);
        $r->json()->{api_token}{token};
    } 1 .. 300;

    $t->sql("update cargo_store.registries set auth_required = true");

    ok($t->wait_for(sub { $t->get('/index/config.json')->{status} == 401 }),
       'the registry is private now');

    my %wanted = map {
        ($_ => $t->get($t->index_path($_), Authorization => $token)->{body})
    } 'huge', map { "small$_" } 1 .. 40;

    cmp_ok(length $wanted{huge}, '>', 256 * 1024,
           'a document larger than cargo_zone');

    my ($size, @names) = (log_size($t), sort keys %wanted);
    my %seen;

    for my $n (0 .. 1199) {
        my $name = $names[$n % @names];
        my $good = $n % 7;
        my $r = $t->get($t->index_path($name), $good
            ? (Authorization => $tokens[$n % @tokens]) : ());

        $seen{ $good ? $r->{status} == 200 && $r->{body} eq $wanted{$name}
                       ? 'right' : "wrong $name $r->{status}"
                     : "without $r->{status}" }++;
    }

    is_deeply([ sort keys %seen ], ['right', 'without 401'],
              'too many tokens for cargo_zone: all answers are right');
    is(join("\n", log_since($t, $size, qr/\[(?:error|crit|alert)\]/)), '',
       'and the log has nothing to tell');

    $t->sql("update cargo_store.tokens set revoked_at = now() where name = 't1'");
    ok($t->wait_for(sub {
        $t->get('/index/config.json', Authorization => $tokens[0])->{status}
        == 401
    }), 'a revoked token is refused');
}
