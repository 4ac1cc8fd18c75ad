#!/usr/bin/perl

# Two servers on one database: what is changed on one, or by cargoctl, the
# other shows in a moment, whatever happens to the connection it listens on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

my $token = $t->account('alice');
my $vera = $t->account('vera', registry => 'vault');
my $admin = $t->account('ada', role => 'admin');

# The other one listens by way of a network that can be broken.
my $proxy = Test::Cargo::Proxy->start($t);
my $other = another();

$t->nginx(http => vault());
$other->nginx(http => 'cargo_zone cargo:4m lease=3s; cargo_postgres_listen "'
              . $proxy->conninfo() . '"; cargo_postgres_timeout 1s;'
              . vault(), conninfo => $t->conninfo());

$t->publish($token, { name => 'foo', vers => '0.1.0' });

ok(listening_other(), 'both listen') if listening($t);

within_a_moment();
many_bells();
permissions();
order_of_commits();
listener_killed();
listener_blocked();
no_bell();
far_behind();
restored();
rolled_back();

$other->finish();
$t->done();


sub vault { return <<'CONF' }
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF


# A second nginx: another directory, the same database.

sub another {
    my $second = Test::Cargo->new();

    $second->{finished} = 0;

    return $second;
}


sub listening_other {
    return $t->wait_for(sub {
        my $before = asked($t);

        $other->get('/index/config.json') for 1, 2;

        return asked($t) == $before;
    });
}


my $number;

sub publish_next {
    my $vers = '1.0.' . ++$number;
    my $r = $t->publish($token, { name => 'foo', vers => $vers });

    die "publish: $r->{status} $r->{body}" if $r->{status} != 200;

    return $vers;
}


sub seconds_until {
    my ($vers) = @_;

    return refreshed($t, sub {
        $other->get('/index/3/f/foo')->{body} =~ /"vers":"\Q$vers\E"/
    }, 10);
}


sub within_a_moment {
    my @seconds = sort { $a <=> $b } map {
        $other->get('/index/3/f/foo');
        seconds_until(publish_next()) // 100;
    } 1 .. 15;

    cmp_ok($seconds[7], '<', 0.1, 'the other shows a version within 100 ms');
    cmp_ok($seconds[-1], '<', 1, 'and always within a second');

    $other->get('/index/3/f/foo') for 1, 2;

    my $before = asked($t);

    $other->get('/index/3/f/foo') for 1 .. 5;
    is(asked($t), $before, 'in between it asks nothing');
}


# However often it rings, a server looks once in 20 ms, and a worker rings no
# oftener.

sub many_bells {
    my $looks = asked($t, qr/cargo_changes/);
    my $seconds = -Time::HiRes::time();

    $t->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq' ],
        input => "notify cargo_changes;\n" x 1000,
        env => { $t->postgres_env('postgres') });

    $seconds += Time::HiRes::time();
    $looks = asked($t, qr/cargo_changes/) - $looks;

    cmp_ok($looks, '>=', 2, 'both hear bells');
    cmp_ok($looks, '<=', 2 * ($seconds / 0.02 + 2), 'many of them at once');

    my $rings = asked($t, qr/cargo_ring/);

    $seconds = -Time::HiRes::time();
    publish_next() for 1 .. 30;
    $seconds += Time::HiRes::time();
    $rings = asked($t, qr/cargo_ring/) - $rings;

    cmp_ok($rings, '>=', 1, 'publishes ring');
    cmp_ok($rings, '<=', $seconds / 0.02 + 2, 'a bell for many of them');
    cmp_ok(seconds_until(publish_next()), '<', 1,
           'which the other hears');
}


sub status_other {
    my ($uri, %headers) = @_;

    return $other->get($uri, port => $other->port('vault'), %headers)->{status};
}


sub permissions {
    my $uri = '/index/config.json';
    my @with = (Authorization => $vera);

    is(status_other($uri, @with), 200, 'a token') for 1, 2;

    my ($id) = $t->sql("select k.id from cargo_store.tokens k join"
        . " cargo_store.accounts a on a.id = k.account_id"
        . " where a.login = 'vera'");

    is(($t->cargoctl('token', 'revoke', $id))[0], 0, 'revoked by cargoctl');

    for my $server ($t, $other) {
        ok(defined refreshed($t, sub {
            $server->get($uri, port => $server->port('vault'), @with)->{status}
                == 401
        }, 1), 'is refused within a second');
    }

    my @new = (Authorization => $t->token('vera', name => 'new'));

    is(status_other($uri, @new), 200, 'a new one') for 1, 2;

    for my $case ([ 200 => 401, 'account', 'grant', 'vera', '--registry',
                    'vault', '--role', 'none' ],
                  [ 401 => 200, 'account', 'grant', 'vera', '--registry',
                    'vault', '--role', 'reader' ],
                  [ 200 => 401, 'account', 'disable', 'vera' ],
                  [ 401 => 200, 'account', 'enable', 'vera' ])
    {
        my ($from, $to, @command) = @$case;

        is(status_other($uri, @new), $from, "before $command[1]") for 1, 2;

        my ($rc, $out, $err) = $t->cargoctl(@command);

        is($rc, 0, "@command") or diag($out, $err);
        ok(defined refreshed($t, sub { status_other($uri, @new) == $to }, 1),
           "is known within a second: $to");
    }
}


# The transaction with the older number commits after one with a newer, which
# the listener has told of by then.

sub order_of_commits {
    $t->publish($token, { name => 'late', vers => '1.0.0' });
    ok(defined refreshed($t, sub {
        $other->get('/index/la/te/late')->{body} !~ /"yanked":true/
    }), 'a document');

    my $held = hold($t, 'select pg_advisory_lock(42)');
    my $open = $t->spawn(
        name => 'open', stdout => $t->dir() . '/open.log',
        stdin => $t->write_file('open.sql', <<'SQL'),
begin;
update cargo_store.versions set yanked = true
 where crate_id = (select id from cargo_store.crates where name = 'late');
select cargo_store.index_changed(id, 'yank') from cargo_store.crates
 where name = 'late';
select pg_advisory_xact_lock(42);
commit;
SQL
        command => [ Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq' ],
        env => { $t->postgres_env('postgres') },
    );

    ok($t->wait_for(sub {
        $t->sql("select count(*) from pg_stat_activity"
                . " where wait_event = 'advisory'");
    }), 'a transaction is open');

    cmp_ok(seconds_until(publish_next()), '<', 1, 'a younger one is over');

    # asked twice more since: the younger one has been told of
    my $asked = asked($t, qr/cargo_changes/);
    $t->wait_for(sub { asked($t, qr/cargo_changes/) > $asked + 2 });
    $other->get('/index/la/te/late') for 1, 2;

    release($t, $held);
    is($t->reap($open, 10), 0, 'the older one commits');

    ok(defined refreshed($t, sub {
        $other->get('/index/la/te/late')->{body} =~ /"yanked":true/
    }, 1), 'and is known within a second');
}


sub listener_killed {
    for (1 .. 3) {
        $other->get('/index/3/f/foo');

        my $vers;

        is(terminate_backends($t, "query ~ 'cargo_changes|cargo.changes'"), 2,
           'the connections that listen are ended');
        $vers = publish_next();
        cmp_ok(seconds_until($vers) // 100, '<', 3,
               'and the next version is seen');
        ok($t->wait_for(sub {
            backends($t, "query ~ 'cargo_changes|cargo.changes'") == 2
        }), 'both listen again');
    }
}


# The connection stands, and nothing comes: the lease ends what is remembered.

sub listener_blocked {
    $other->get('/index/3/f/foo') for 1, 2;
    $proxy->stall();

    my $seconds = seconds_until(publish_next());

    cmp_ok($seconds // 100, '<', 3.5, 'a listener that is cut off: never'
           . ' staler than the lease');
    cmp_ok(seconds_until(publish_next()) // 100, '<', 2.5,
           'and then each version in two seconds');

    $proxy->pass();
    ok(listening_other(), 'later it listens again');
    cmp_ok(seconds_until(publish_next()) // 100, '<', 1, 'as before');
}


# As of a standby, which takes no LISTEN, or behind a pooler.

sub no_bell {
    $proxy->reset();
    $t->sql(<<'SQL');
create or replace function cargo_store.ring() returns trigger
language plpgsql set search_path = pg_catalog, cargo_store, pg_temp
as $$ begin return null; end $$;
SQL
    ok(listening_other(), 'without a bell it asks every second');

    my @seconds = map { seconds_until(publish_next()) // 100 } 1 .. 3;

    cmp_ok($_, '<', 1.5, 'so that a version is seen then') for @seconds;
}


sub far_behind {
    $other->get('/index/la/te/late') for 1, 2;
    $t->sql(<<'SQL');
begin;
update cargo_store.versions set yanked = false
 where crate_id = (select id from cargo_store.crates where name = 'late');
insert into cargo_store.changes (registry_id, crate, kind)
select r.id, 'other-' || i, 'publish'
  from cargo_store.registries r, generate_series(1, 6000) i
 where r.name = 'main';
select cargo_store.index_changed(id, 'unyank') from cargo_store.crates
 where name = 'late';
commit;
SQL

    ok(defined refreshed($t, sub {
        $other->get('/index/la/te/late')->{body} =~ /"yanked":false/
    }, 2), 'after more changes than are told all is asked anew');
}


# A database that is older than what was read of it.

sub restored {
    $t->sql("update cargo_store.changes_kept set since = '1000000000'::xid8");

    my $seconds = seconds_until(publish_next());

    cmp_ok($seconds // 100, '<', 2,
           'a log that no longer reaches back is as good as none');
}


# A dump put back by hand into the cluster it is of: its log ends before what
# was read of it, and the cluster's transaction numbers have gone on.

sub rolled_back {
    my $dump = $t->dir() . '/dump';

    $t->sql('update cargo_store.changes_kept set since = pg_current_xact_id()');
    postgres_tool('pg_dump', '--format=custom', "--file=$dump");

    my $vers = publish_next();

    ok(defined seconds_until($vers), 'a version that the dump has not');

    ok($t->wait_for(sub { is_remembered($other) && is_remembered($t) }),
       'and that both remember');

    postgres_tool('pg_restore', '--clean', '--if-exists',
                  '--single-transaction', '--dbname=cargo', $dump);

    for my $node ([ 'another server', $other ], [ 'the server', $t ]) {
        ok($t->wait_for(sub {
            my $r = $node->[1]->get('/index/3/f/foo');

            return $r->{status} == 200 && $r->{body} !~ /"vers":"\Q$vers\E"/;
        }, 5), "after a dump was put back, $node->[0] serves what is in it");
    }
}


sub is_remembered {
    my ($node) = @_;

    my $before = asked($t);

    $node->get('/index/3/f/foo') for 1 .. 2;

    return asked($t) == $before;
}


sub postgres_tool {
    my ($name, @args) = @_;

    return $t->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin($name), @args ],
        env => { $t->postgres_env('postgres') });
}
