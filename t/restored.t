#!/usr/bin/perl

# The log of changes of a database that is not the one it was: put back to an
# earlier state, or read from a standby, which takes no LISTEN.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;

my $t = Test::Cargo->new();

$t->postgres(settings => { wal_level => 'replica', max_wal_senders => 4,
                           hot_standby => 'on' });
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

my $standby = Test::Cargo->new();

$t->nginx(http => conf());

my $alice = $t->account('alice');
my $vera = $t->account('vera', registry => 'vault');
my @vault = (port => $t->port('vault'));

publish('foo', '1.0.0');
publish('secret', '1.0.0', by => $vera, @vault);
ok(listening($t), 'the server listens');

put_back();
listener_at_a_standby();
all_at_a_standby();

$standby->finish();
$t->done();


sub conf {
    my ($more) = @_;

    return 'cargo_zone cargo:8m lease=60s; cargo_postgres_timeout 2s;'
           . ($more // '') . <<'CONF';
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF
}


sub publish {
    my ($name, $vers, %more) = @_;

    my $by = delete $more{by} // $alice;
    my $r = $t->publish($by, { name => $name, vers => $vers }, %more);

    is($r->{status}, 200, "$name $vers is published") or diag($r->{body});
}


sub versions { join ' ', $t->get('/index/3/f/foo')->{body} =~ /"vers":"(.*?)"/g }


sub is_warm {
    my ($name, $uri, @headers) = @_;

    ok($t->wait_for(sub {
        my $before = asked($t);
        $t->get($uri, @headers);
        return asked($t) == $before;
    }), "$name is remembered");
}


# From a copy of its files, which have the same history.

sub put_back {
    my $dir = $t->dir();

    $t->stop_postgres();
    system('cp', '-a', "$dir/pgdata", "$dir/pgdata.kept") == 0
        or die "cannot copy the cluster\n";
    $t->start_postgres();

    publish('foo', '1.1.0');
    publish('bar', '1.0.0');

    my @new = (@vault, Authorization => $t->token('vera', name => 'new'));

    $t->sql('select pg_current_xact_id();' x 50);
    is(versions(), '1.0.0 1.1.0', 'a version');
    is($t->get('/index/3/b/bar')->{status}, 200, 'a crate');
    is($t->get('/index/config.json', @new)->{status}, 200, 'a token');
    # the listener has heard of the transactions
    my $heard = asked($t, qr/cargo_changes/);

    ok($t->wait_for(sub { asked($t, qr/cargo_changes/) >= $heard + 2 }),
       'the log is read');

    is_warm($_->[0], @$_[1 .. $#$_])
        for [ 'the version', '/index/3/f/foo' ], [ 'the crate',
            '/index/3/b/bar' ], [ 'the token', '/index/config.json', @new ];

    $t->stop_postgres('immediate');
    is(versions(), '1.0.0 1.1.0', 'the database is away: it is remembered');
    system('rm', '-rf', "$dir/pgdata");
    rename "$dir/pgdata.kept", "$dir/pgdata" or die "rename: $!\n";
    $t->start_postgres();

    ok($t->wait_for(sub { versions() eq '1.0.0' }, 5),
       'the database has been put back: a version that it lost is forgotten');
    is($t->get('/index/3/b/bar')->{status}, 404, 'a crate');
    is($t->get('/index/config.json', @new)->{status}, 401, 'a token');
    is_warm('what there is', '/index/3/f/foo');

    publish('foo', '1.2.0');
    is(versions(), '1.0.0 1.2.0', 'and it goes on from there');
}


sub change {
    $t->sql(<<'SQL');
begin;
update cargo_store.versions set yanked = not yanked where num = '1.2.0';
select cargo_store.index_changed(id, 'yank') from cargo_store.crates
 where name = 'foo';
commit;
SQL
}


sub yanked { $t->get('/index/3/f/foo')->{body} =~ /1\.2\.0.*"yanked":true/ ? 1 : 0 }


sub listener_at_a_standby {
    follow($standby, $t);
    ok(in_step($standby, $t), 'a standby follows');
    configure(http => conf('cargo_postgres_listen "' . $standby->conninfo()
                           . '";'));
    is_warm('the listener is at the standby: what there is',
            '/index/3/f/foo');
    is(log_lines($t, qr/cannot execute LISTEN during recovery/), 1,
       'which refuses LISTEN, once');

    for my $yanked (1, 0) {
        change();
        ok(defined refreshed($t, sub { yanked() == $yanked }, 3),
           'a change is found at the next look');
    }

    publish('foo', '1.3.0');
    is(versions(), '1.0.0 1.2.0 1.3.0', 'one of our own at once');
    is_warm('it', '/index/3/f/foo');
    is(log_lines($t, qr/cannot execute LISTEN during recovery/), 1,
       'the log says nothing more');
}


sub configure {
    my @old = $t->workers();

    $t->write_config(@_);
    ok($t->reload_nginx(), 'reloaded');
    $t->wait_for(sub { my %now = map { $_ => 1 } $t->workers();
                       !grep { $now{$_} } @old }) or die "it stays\n";
}


# Reads go on where nothing can be written.

sub all_at_a_standby {
    my @with = (@vault, Authorization => $vera);

    ok(in_step($standby, $t), 'it follows');
    configure(http => conf(), conninfo => $standby->conninfo());
    $t->sql("insert into cargo_store.changes (kind) values ('token')");
    ok($t->wait_for(sub {
        my $before = asked($t);
        my $there = asked($standby);
        $t->get('/index/config.json', @with);
        return asked($standby) > $there;
    }), 'all is asked of the standby');

    is($t->get('/index/config.json')->{status}, 200, 'config.json');
    is($t->get('/index/3/f/foo')->{status}, 200, 'a document');
    is($t->get('/index/config.json', @with)->{status}, 200, 'with a token');
    is($t->get('/index/se/cr/secret', @with)->{status}, 200, 'a private one');
    is($t->get('/index/3/n/non')->{status}, 404, 'what is not there');

    my $r = $t->publish($alice, { name => 'foo', vers => '2.0.0' });

    is($r->{status}, 503, 'a publish') or diag($r->{body});
    change();
    ok(defined refreshed($t, sub { yanked() }, 5), 'changes are heard of');
}
