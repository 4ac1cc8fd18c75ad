#!/usr/bin/perl

# Processes are killed at random under load: workers, all of nginx, a backend
# of PostgreSQL, all of PostgreSQL.  Whatever was acknowledged is there, and
# nothing is half there.
#
# TEST_CHAOS_ROUNDS (`make chaos`: 200) and TEST_CHAOS_SEED.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::MD5 ();
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Load;
use Test::Cargo::Store;

my $ROUNDS = $ENV{TEST_CHAOS_ROUNDS} || 6;
my $SEED = $ENV{TEST_CHAOS_SEED} || int rand 1_000_000;
my $WORKERS = 3;
my $FLUSH = 0.5;
my $TIMEOUT = 2;
my $LEASE = 5;

# what was counted in one interval may wait so long for the database, and what
# is counted meanwhile waits for the next flush
my $FLUSH_WINDOW = $FLUSH + $TIMEOUT + $FLUSH;

my $t = Test::Cargo->new();

diag("seed $SEED, $ROUNDS rounds");
srand $SEED;

$t->allow_errors(
    qr/worker process \d+ exited on signal 9/,
    qr/shared memory zone ".*" was locked by \d+/,
);

$t->postgres(fsync => 1);
$t->nginx(main => "worker_processes $WORKERS;",
          http => "cargo_downloads_flush @{[ $FLUSH * 1000 ]}ms;"
                  . " cargo_zone cargo:16m lease=${LEASE}s;"
                  . " cargo_postgres_timeout ${TIMEOUT}s;",
          server => 'add_header X-Worker $pid;');

is($t->sql("select string_agg(name || '=' || setting, ' ' order by name)"
           . " from pg_settings where name in ('fsync', 'full_page_writes',"
           . " 'synchronous_commit')"),
   'fsync=on full_page_writes=on synchronous_commit=on',
   'PostgreSQL keeps what it commits');

my $token = $t->account('alice');
my $load = Test::Cargo::Load->start($t, token => $token, seed => $SEED);

my %KILLS = (
    'a worker' => \&kill_worker,
    'nginx' => \&kill_nginx,
    'a backend' => \&kill_backend,
    'PostgreSQL' => \&kill_postgres,
    'the postmaster' => \&kill_postmaster,
);

my (%blobs, %killed, %done);
my ($counted, $slowest) = (0, 0);
my ($whole_in_all, $begun_in_all) = (0, 0);

# when the last kill had been done
my $gone;

for my $round (1 .. $ROUNDS) {
    my @kinds = sort keys %KILLS;

    # all kinds in turn, so that a short run has them all; then at random
    my $kind = $round <= @kinds ? $kinds[($SEED + $round) % @kinds]
                                : $kinds[rand @kinds];

    $killed{$kind}++;
    subtest "round $round: $kind" => sub { one_round($kind) };

    last if !Test::More->builder()->is_passing();
}

sweep();
ok($load->stop(), 'the clients lived');

note(join ', ', map { "$killed{$_} x $_" } sort keys %killed);
note(join ', ', map { "$done{$_} x $_" } sort keys %done);
note(sprintf '%d versions, slowest recovery %.1f s, %d downloads, %d of them '
     . 'cut off, %d counted', scalar keys %blobs, $slowest, $begun_in_all,
     $begun_in_all - $whole_in_all, $counted);

$t->done();


sub one_round {
    my ($kind) = @_;

    $load->go();
    Time::HiRes::sleep(0.3 + rand 0.7);

    my $at = Time::HiRes::time();

    $KILLS{$kind}->();

    ok($load->answered(30), 'everybody is served again');

    my $seconds = Time::HiRes::time() - $at;

    $slowest = $seconds if $seconds > $slowest;

    my $known = $load->pause();

    $done{$_} += $known->{done}{$_} for keys %{ $known->{done} };
    is(join("\n", @{ $known->{wrong} }), '', 'what was read was right');

    ok($t->wait_for(sub { 0 == backends($t, "state <> 'idle'") }, 10),
       'nobody works on');

    index_documents($known);
    blobs_on_disk($known);
    database();
    memory();
    downloads($known, $at);
}


sub kill_worker {
    my @workers = $t->workers();

    kill 'KILL', $workers[rand @workers];
    $gone = Time::HiRes::time();
}


sub kill_nginx {
    $t->kill_nginx();
    $gone = Time::HiRes::time();
    $t->start_nginx() or die "nginx does not start again\n";
}


# PostgreSQL ends all the others then, and recovers.

sub kill_backend {
    my @pids = split /\n/, $t->sql(
        "select pid from pg_stat_activity where usename = 'cargo_web'");

    kill 'KILL', $pids[rand @pids] if @pids;
    $gone = Time::HiRes::time();
    $t->wait_for(sub { eval { $t->sql('select 1') } }, 30);
}


sub kill_postgres {
    my @children = $t->workers($t->{postgres});

    kill 'KILL', $t->{postgres}, @children;
    $t->kill_postgres();

    # one that was forked meanwhile keeps another PostgreSQL from starting
    my $data = $t->dir() . '/pgdata';

    $t->wait_for(sub {
        my @left = grep { (readlink("/proc/$_/cwd") // '') eq $data }
                   map { m{(\d+)\z} } glob '/proc/[0-9]*';

        kill 'KILL', @left;

        return !@left;
    }, 30);

    $gone = Time::HiRes::time();
    $t->start_postgres();
}


# Its children see it soon, and keep another from starting until then.

sub kill_postmaster {
    $t->kill_postgres();
    $gone = Time::HiRes::time();
    $t->start_postgres();
}


# Each worker says the same, and that is what was acknowledged.

sub index_documents {
    my ($known) = @_;

    my (@wrong, %first);
    my $workers = each_worker() or return;

    for my $worker (sort keys %$workers) {
        for my $name (sort keys %{ $known->{crates} }) {
            my $r = $t->get($t->index_path($name),
                            connection => $workers->{$worker});
            my $versions = $known->{crates}{$name};

            if ($r->{status} != 200) {
                push @wrong, "the index of $name: $r->{status}"
                    if $r->{status} != 404
                       || grep { $_->{published} } values %$versions;
                next;
            }

            $first{$name} //= $r->{body};
            push @wrong, "workers differ about $name"
                if $r->{body} ne $first{$name};
            next if $r->{body} ne $first{$name};

            my %line = Test::Cargo::Load::Client::lines($r);

            push @wrong, Test::Cargo::Load::Client::differences(
                $name, $versions, \%line);
        }
    }

    is(join("\n", @wrong), '', 'the index says what was acknowledged');

    # a change whose outcome nobody was told, and that nobody could be told of
    # while the database was away, is seen when the lease is over at the latest
    $t->wait_for(sub {
        served($workers, keys %{ $known->{crates} }) eq rendered($workers)
    }, $LEASE + 2);

    is(served($workers, keys %{ $known->{crates} }), rendered($workers),
       'and what the database would say');
}


sub served {
    my ($workers, @names) = @_;

    return join "\n", map {
        my $connection = $workers->{$_};

        map { my $r = $t->get($t->index_path($_), connection => $connection);
              $r->{status} == 404
                  ? () : tr/-/_/r . ' ' . Digest::MD5::md5_hex($r->{body}) }
            sort @names
    } sort keys %$workers;
}


sub rendered {
    my ($workers) = @_;

    my $documents = $t->sql(
        "select c.canonical_name || ' ' || md5(d.body) from"
        . ' cargo_store.crates c, lateral cargo.index_document('
        . "'main', row(null, null, null)::cargo.caller,"
        . ' lower(c.name)) d order by c.canonical_name collate "C"');

    return join "\n", ($documents) x keys %$workers;
}


# Connections are taken by whoever wakes up first.  A worker that has lost the
# database looks for it once a second: it is asked for what only that knows.

sub each_worker {
    my %by;

    $t->wait_for(sub {
        my @open = map { $t->connect() } 1 .. 8;

        $_->send("GET /api/v1/crates?per_page=1 HTTP/1.1\r\nHost: x\r\n\r\n")
            for @open;

        for my $connection (@open) {
            my $r = $connection->receive();
            $by{ $r->header('X-Worker') // 0 } = $connection
                if $r->{status} == 200;
        }

        my %now = map { $_ => 1 } $t->workers();
        delete @by{ grep { !$now{$_} } keys %by };

        return keys %by == $WORKERS;
    }, 20);

    is(scalar keys %by, $WORKERS, 'each worker can be asked');

    return \%by;
}


sub blobs_on_disk {
    my ($known) = @_;

    my @wrong;

    for my $name (sort keys %{ $known->{crates} }) {
        for my $version (values %{ $known->{crates}{$name} }) {
            next if !$version->{published} || $blobs{"$name $version->{vers}"};

            my $sum = $version->{checksum};
            my $bytes = $t->read_file('blobs/' . blob_of($sum)) // '';
            my $r = $t->get("/dl/$name/$sum/$name-$version->{vers}.crate");

            push @{ $known->{downloads}{"$name $version->{vers}"} },
                 [ (Time::HiRes::time()) x 2 ] if $r->{status} == 200;
            push @wrong, "$name $version->{vers}: $r->{status}"
                if $r->{status} != 200 || $t->checksum($r->{body}) ne $sum
                   || $t->checksum($bytes) ne $sum;

            $blobs{"$name $version->{vers}"} = $sum;
        }
    }

    is(join("\n", @wrong), '', 'crates are whole, on disk and over HTTP');
}


sub database {
    my ($rc, $out, $err) = $t->cargoctl('check');

    is($rc, 0, 'cargoctl check is content') or diag($out . $err);

    is($t->sql(<<'SQL'), '0|0|0|0', 'nothing is half there');
select (select count(*) from cargo_store.crates c where not exists
           (select from cargo_store.versions v where v.crate_id = c.id)),
       (select count(*) from cargo_store.crates c where not exists
           (select from cargo_store.owners o where o.crate_id = c.id)),
       (select count(*) from cargo_store.versions v where not exists
           (select from cargo_store.changes n
              join cargo_store.crates c on c.id = v.crate_id
             where n.registry_id = c.registry_id
               and cargo_store.canonical_name(n.crate) = c.canonical_name)),
       (select count(*) from cargo_store.versions v
         where v.index_head not like '{%' or v.index_tail not like '%}')
SQL
}


sub memory {
    my ($rc, $out);

    # one that was copied in the middle of a change tells nothing
    $t->wait_for(sub {
        copy_zone($t->path('zone'));
        ($rc, $out) = $t->run(merge => 1, command => [
            $t->objs() . '/tools/zone_check', $t->path('zone') ]);
        return $rc == 0;
    }, 3);

    is($rc, 0, 'the shared memory is sound') or diag($out);
}


sub copy_zone {
    my ($path) = @_;

    my ($worker) = $t->workers();
    my $copy = '';

    for my $line (split /\n/, $t->read_file("/proc/$worker/maps") // '') {
        my ($from, $to) = $line =~ m{^(\w+)-(\w+) rw-s \S+ \S+ \d+\s+/dev/zero}
            or next;

        no warnings 'portable';
        ($from, $to) = (hex $from, hex $to);

        open my $memory, '<:raw', "/proc/$worker/mem" or next;
        sysseek $memory, $from, 0;
        sysread $memory, $copy, $to - $from, length $copy;
    }

    $t->write_file($path, $copy);
}


# Whole downloads are counted.  Lost is at most what had not been written.

sub downloads {
    my ($known, $at) = @_;

    my ($whole, $begun, $late) = (0, 0, 0);

    for my $list (values %{ $known->{downloads} }) {
        for my $download (@$list) {
            my ($from, $to) = @$download;

            $begun++;
            $whole++ if $to;
            $late++ if $to && $to > $at - $FLUSH_WINDOW && $from < $gone;
        }
    }

    $whole_in_all += $whole;
    $begun_in_all += $begun;

    my ($before, $now) = $counted;
    my $counts = sub {
        $now = $t->sql('select coalesce(sum(downloads), 0)'
                       . ' from cargo_store.version_downloads');
        return $now >= $before + $whole - shift;
    };

    $t->wait_for(sub { $counts->(0) }, 2 * $FLUSH);
    $t->wait_for(sub { $counts->($late) }, 10);

    cmp_ok($now, '>=', $before + $whole - $late,
           'at most one flush of download counts is lost');
    cmp_ok($now, '<=', $begun_in_all, 'nothing is counted twice');

    $counted = $now;
}


# What no version refers to is taken away, and nothing else.

sub sweep {
    # as if it were tomorrow
    utime 1, 1, map { $t->dir() . "/blobs/$_" } blob_files($t);

    my ($rc, $out, $err) = $t->cargoctl('sweep');

    is($rc, 0, 'cargoctl sweep') or diag($out . $err);

    my @left = grep { !/^trash\// } blob_files($t);
    my %known = map { blob_of($_) => 1 } split /\n/, $t->sql(
        "select encode(checksum, 'hex') from cargo_store.versions");

    is(join("\n", grep { !$known{$_} } @left), '', 'leaves no orphan');
    is(join("\n", grep { !-e $t->dir() . '/blobs/' . blob_of($_) }
                  values %blobs), '', 'and takes nothing that counts');
}
