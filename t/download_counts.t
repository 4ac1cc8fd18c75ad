#!/usr/bin/perl

# The counts of downloads outlive workers, a full table and a slow database;
# a worker that is killed takes with it what it was just sending, at most.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Pipeline;

# more than the table of the smallest zone has room for
my $VERSIONS = 4_000;

my $t = Test::Cargo->new();

$t->postgres();
$t->allow_errors(qr/worker process \d+ exited on signal 9/);

$t->nginx(http => conf(),
          server => 'include ' . $t->root() . '/conf/cargo_status.conf;');

my $token = $t->account('alice');

for my $name ('foo', 'bar', 'many') {
    my $r = $t->publish($token, { name => $name });

    is($r->{status}, 200, "$name is published") or diag($r->{body});
}

my %total = map { $_ => 0 } 'foo', 'bar', 'many';

killed_before();
killed_while_sending();
reload_while_sending();
quit_while_sending();
full_table();
no_room();

$t->done();


sub conf {
    my (%set) = (flush => '1h', zone => '8m', queue => 1000, @_);

    return "cargo_zone cargo:$set{zone}; cargo_downloads_flush $set{flush};"
           . "cargo_postgres_queue $set{queue};"
           . 'cargo_postgres_connections read=1 write=1;'
           . 'cargo_postgres_timeout 20s;';
}


sub download {
    my ($name, $n) = @_;

    my $uri = "/api/v1/crates/$name/1.0.0/download";
    my @bad = grep { $t->get($uri)->{status} != 200 } 1 .. $n;

    is(@bad, 0, "$name: $n downloads");
    $total{$name} += $n;
}


sub counted {
    my ($name) = @_;

    return $t->sql(<<"SQL");
select coalesce(sum(downloads), 0)
  from cargo_store.version_downloads d
       join cargo_store.versions v on v.id = version_id
       join cargo_store.crates c on c.id = crate_id
 where name = '$name'
SQL
}


sub configure {
    $t->write_config(http => conf(@_));
    reload();
}


# The one that goes flushes what there is.

sub reload {
    my ($old) = $t->workers();

    ok($t->reload_nginx(), 'reloaded');
    ok($t->wait_for(sub { !grep { $_ == $old } $t->workers() }),
       'and the old worker is gone');
}


sub kill_worker {
    my ($old) = $t->workers();

    kill 'KILL', $old;

    ok($t->wait_for(sub {
        my @workers = $t->workers();
        return @workers == 1 && $workers[0] != $old;
    }), 'a worker is killed and replaced');
}


sub killed_before {
    download('foo', 5);
    kill_worker();
    download('foo', 2);
    is(counted('foo'), 0, 'an hour has not passed');
    reload();
    is(counted('foo'), $total{foo}, 'what it has not begun to send is kept');
}


# What is sent then waits in the database until release().

sub flush_that_waits {
    my ($name, $code) = @_;

    my $held = hold($t, 'lock table cargo_store.version_downloads'
                        . ' in exclusive mode');

    download($name, 1);
    $code->() if $code;
    ok($t->wait_for(sub { backends($t, "wait_event_type = 'Lock'") }),
       'what was counted is on its way');

    return $held;
}


sub killed_while_sending {
    configure(flush => '100ms');

    my $held = flush_that_waits('bar');

    download('bar', 6);
    kill_worker();
    release($t, $held);

    # of what had been sent nobody knows
    ok($t->wait_for(sub { counted('bar') >= $total{bar} - 1 }),
       'what it was sending is lost at most');
    reload();

    my $counted = counted('bar');

    ok($counted == $total{bar} || $counted == $total{bar} - 1,
       'and nothing is counted twice') or diag("$counted of $total{bar}");
    $total{bar} = $counted;
}


sub reload_while_sending {
    my ($old) = $t->workers();
    my $held = flush_that_waits('bar');

    download('bar', 4);
    ok($t->reload_nginx(), 'reloaded while it sends');
    download('bar', 2);
    release($t, $held);

    ok($t->wait_for(sub { !grep { $_ == $old } $t->workers() }),
       'the old worker goes');
    ok($t->wait_for(sub { counted('bar') >= $total{bar} }), 'all is counted');
    reload();
    is(counted('bar'), $total{bar}, 'once');
}


sub quit_while_sending {
    configure(flush => '1h');
    download('bar', 3);

    my $held = flush_that_waits('bar', sub { kill 'QUIT', $t->{nginx} });

    release($t, $held);
    ok($t->stop_nginx(), 'nginx ends when all is sent');
    is(counted('bar'), $total{bar}, 'all is counted');
}


sub full_table {
    $t->sql(<<"SQL");
insert into cargo_store.versions
      (crate_id, num, sort_key, checksum, size, index_head, index_tail,
       features, keywords, categories, authors, published_by, created_at)
select crate_id, '2.0.' || i, '', checksum, size, '{', '}', '{}', '{}', '{}',
       '{}', published_by, now()
  from cargo_store.versions v
       join cargo_store.crates c on c.id = crate_id,
       generate_series(1, $VERSIONS) i
 where c.name = 'many'
SQL

    $t->write_config(http => conf(zone => '256k'));
    $t->start_nginx() or BAIL_OUT('nginx does not start again');

    download_all(6);
    ok($t->wait_for(sub { counted('many') > 0 }),
       'a full table does not wait for its hour');
    reload();
    is(counted('many'), $VERSIONS, 'and all are counted');
    is($t->sql('select count(*) from cargo_store.version_downloads d join'
               . ' cargo_store.versions v on v.id = version_id'
               . " where downloads = 1 and num like '2.0.%'"), $VERSIONS,
       'each once');
}


sub download_all {
    my ($connections) = @_;

    my @answers = pipeline([ map {
        "GET /api/v1/crates/many/2.0.$_/download HTTP/1.1\r\nHost: x\r\n\r\n"
    } 1 .. $VERSIONS ], port => $t->port(), connections => $connections);

    is(scalar(grep { $_->{status} == 200 } @answers), $VERSIONS,
       'each of many versions is downloaded');
}


# One batch is in the database, one waits, and no third may.

sub no_room {
    configure(zone => '256k', queue => 1);

    my $held = hold($t, 'lock table cargo_store.version_downloads'
                        . ' in exclusive mode');

    download_all(1);

    my ($lost) = $t->get('/-/metrics')->{body}
                 =~ /^ngx_cargo_downloads_lost_total (\d+)$/m;

    cmp_ok($lost, '>', 0, 'a table that is full, and nobody takes from it');
    # one that finds no room, or a batch that comes back and finds none
    is(log_lines($t, qr/\[\w+\].*(?:a\ download\ is\ not\ counted
                        |counts\ of\ \d+\ versions\ are\ lost)/x) > 0, 1,
       'the log says so');
    release($t, $held);
    reload();
    is(counted('many'), 2 * $VERSIONS - $lost, 'all others are counted');
}
