#!/usr/bin/perl

# Two hosts, a primary and its hot standby, by real streaming replication: the
# primary dies, the standby is promoted, and nginx goes on with it by itself.

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

my $TIMEOUT = 1;

my $t = Test::Cargo->new();

$t->postgres(settings => { wal_level => 'replica', max_wal_senders => 4,
                           hot_standby => 'on' });

my $other = Test::Cargo->new();

# who is what changes on the way
my ($primary, $standby) = ($t, $other);

copy_primary();

# what fails on its way to a server is the network
my $first = Test::Cargo::Proxy->start($t);
my $second = Test::Cargo::Proxy->start($other);

my $token = $t->account('alice');
my $number = 0;
my $seen;

log_statements($t);
$t->nginx(conninfo => both(), http => conf());

the_standby_comes_second();
the_standby_comes_first();
becomes_read_only();
goes_silent();
is_killed_with_what_it_knew();
returns_after_all();

$other->finish();
$t->done();


sub both {
    my ($more, @proxies) = @_;

    @proxies = ($first, $second) if !@proxies;

    return 'host=127.0.0.1,127.0.0.1 dbname=cargo user=cargo_web'
           . ' sslmode=disable port=' . join(',', map { $_->port() } @proxies)
           . ($more // '');
}


sub conf { return <<"CONF" }
cargo_zone cargo:8m lease=60s;
cargo_postgres_connections read=1 write=1;
cargo_postgres_timeout ${TIMEOUT}s;
cargo_postgres_connect_timeout 500ms;
CONF


sub copy_primary {
    follow($standby, $primary);
    ok(in_step($standby, $primary), 'a standby follows the primary');
}


sub configure {
    my ($conninfo) = @_;

    $t->stop_nginx();
    $t->write_config(conninfo => $conninfo);
    $t->start_nginx() or BAIL_OUT('nginx does not start again');
}


sub publish {
    my $r = $t->publish($token, { name => 'foo', vers => '1.0.' . ++$number });

    $seen = "1.0.$number" if $r->{status} == 200;

    return $r;
}


sub is_unavailable {
    my ($r, $name) = @_;

    is($r->{status}, 503, $name) or diag($r->{body});
    ok($r->header('Retry-After'), "$name: with Retry-After");
}


sub document { return $t->get('/index/3/f/foo')->{body} // '' }


sub the_standby_comes_second {
    is(publish()->{status}, 200, 'a publish');
    is($t->get('/api/v1/crates/foo')->{status}, 200, 'a read');
    ok($t->wait_for(sub { backends($t) == 3 }), 'three sessions of the first');
    is(backends($standby), 0, 'none of the standby');
}


sub the_standby_comes_first {
    configure(both('', $second, $first));

    my ($r, $seconds) = timed_alone(sub { publish() });

    is($r->{status}, 200, 'the standby is named first: a publish');
    cmp_ok($seconds, '<', 1, 'at once');
    is($t->get('/api/v1/crates/foo')->{status}, 200, 'a read');
    is(backends($standby), 0, 'there is no session of the standby');
    cmp_ok($second->accepted(), '>', 0, 'it was asked');
    is(log_lines($t, qr/\[error\]/), 0, 'that is no error');
    configure(both());
}


# A server that takes no more writes and lives on.

sub becomes_read_only {
    is(publish()->{status}, 200, 'a publish, and a session for it');

    $t->sql('alter system set default_transaction_read_only = on');
    $t->sql('select pg_reload_conf()');

    my ($r, $seconds) = timed(sub { publish() });

    is_unavailable($r, 'the primary becomes read-only: a publish');
    cmp_ok($seconds, '<', 2 * $TIMEOUT + 1, 'in time');
    unlike(document(), qr/"1\.0\.$number"/, 'it is not there');

    $t->sql('set default_transaction_read_only = off;'
            . ' alter system reset default_transaction_read_only');
    $t->sql('select pg_reload_conf()');

    ok($t->wait_for(sub { publish()->{status} == 200 }), 'writes come back');
}


# A host that loses its power says no goodbye, and is silent to those who
# connect; libpq alone would never ask the second.

sub goes_silent {
    # what was published is told once more, and forgets the document
    hears($primary, 'all changes so far are heard of');

    my $before = asked($t, qr/cargo_changes/);

    ok($t->wait_for(sub { asked($t, qr/cargo_changes/) > $before + 1 }),
       'and are not told again');
    is($t->get('/index/3/f/foo')->{status}, 200, 'a document is remembered');
    ok(in_step($standby, $primary), 'the standby is in step');

    $first->stall();

    my ($r, $seconds) = timed(sub { publish() });

    is_unavailable($r, 'the primary is silent: a publish');
    cmp_ok($seconds, '<', 2 * $TIMEOUT + 1, 'in time');
    like(document(), qr/"\Q$seen\E"/, 'what is remembered is served');
    is_unavailable($t->get('/api/v1/crates/foo'), 'what is not');

    promote();

    my $start = Time::HiRes::time();

    ok($t->wait_for(sub { publish()->{status} == 200 }, 20),
       'the standby is promoted: writes come back');
    diag_time('silent primary', $start, 5);
    is($t->get('/api/v1/crates/foo')->{status}, 200, 'and reads');
    like(document(), qr/"\Q$seen\E"/, 'the index has it');
    ok($t->wait_for(sub { backends($standby) == 3 }), 'the listener moved, too');
    hears($standby, 'it hears of changes there');
    unlike($primary->sql('select string_agg(num, \' \') from'
                         . ' cargo_store.versions'), qr/\Q$seen\E/,
           'the old primary does not have what was written since');
}


sub promote { $standby->sql('select pg_promote()') }


# What the standby did not have is lost, and its numbers of transactions are
# given again before nginx asks: it may not be remembered.

sub is_killed_with_what_it_knew {
    ($primary, $standby) = ($standby, $primary);
    copy_primary();
    $first->refuse();
    $first->pass();

    $standby->sql("alter system set primary_conninfo = ''");
    $standby->sql('select pg_reload_conf()');
    $t->wait_for(sub {
        !$primary->sql('select count(*) from pg_stat_replication')
    }) or die "the standby still follows\n";

    is(publish()->{status}, 200, 'a publish that the standby does not get');

    my $lost = $seen;

    ok($t->wait_for(sub { document() =~ /"\Q$lost\E"/ }), 'the index has it');
    $first->refuse();
    $primary->kill_postgres();
    promote();

    my ($r, $seconds) = timed(sub { publish() });

    is_unavailable($r, 'the primary was killed: a publish');
    cmp_ok($seconds, '<', 2 * $TIMEOUT + 1, 'in time');

    # more of them than were lost
    $standby->sql('select pg_current_xact_id();' x 50);

    my $start = Time::HiRes::time();

    $first->pass();

    ok($t->wait_for(sub { document() !~ /"\Q$lost\E"/ }, 5),
       'what is lost is not remembered either');
    ok($t->wait_for(sub { publish()->{status} == 200 }, 20),
       'writes come back');
    diag_time('killed primary', $start, 3);
    hears($standby, 'it hears of changes there');
}


# As a primary, with a history of its own.  Nothing is asked of it as long as
# the other one is there.

sub returns_after_all {
    ($primary, $standby) = ($standby, $primary);
    $standby->start_postgres();

    is(publish()->{status}, 200, 'the old primary is back: a publish');
    is($primary->sql('select count(*) from cargo_store.versions where num = '
                     . "'$seen'"), 1, 'it goes to the new one');
    hears($primary, 'which is listened to');
    is(backends($standby), 0, 'there is no session of the old one');
}


sub diag_time {
    my ($what, $start, $limit) = @_;

    my $seconds = Time::HiRes::time() - $start;

    note(sprintf '%s: writes are back %.2f s after the promotion', $what,
         $seconds);
    cmp_ok($seconds, '<', $limit, 'soon after the promotion');
}


# By another way than this nginx, whose lease is long.

sub hears {
    my ($server, $name) = @_;

    my $yanked = yanked();

    change($server);

    ok($t->wait_for(sub { yanked() ne $yanked }, 5), $name);
}


sub yanked { return join ' ', document() =~ /"yanked":(\w+)/g }


sub change {
    my ($server) = @_;

    $server->sql(<<'SQL');
begin;
update cargo_store.versions set yanked = not yanked
 where num = '1.0.1';
select cargo_store.index_changed(id, 'yank') from cargo_store.crates
 where name = 'foo';
commit
SQL
}
