#!/usr/bin/perl

# pgbouncer between nginx and PostgreSQL, in transaction mode: each job may
# meet another session.  Everything works but LISTEN, which has a connection
# of its own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::UNIX;
use Socket qw(SOCK_STREAM);
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;

my $t = Test::Cargo->new();

$t->postgres();

my $token = $t->account('alice');
my $admin = $t->account('ada', role => 'admin');
my $pgbouncer;

start_pgbouncer();

my $pooled = 'host=' . $t->dir() . '/bouncer port=6432 dbname=cargo'
             . ' user=cargo_web';

for my $prepare (qw(off on)) {
    configure($prepare);
    everything($prepare);
    sessions_come_and_go($prepare);
}

configure('off');
listens_past_it();
no_session_is_left();
goes_away();

$t->done();


sub start_pgbouncer {
    my $dir = $t->dir();

    mkdir "$dir/bouncer";
    chmod 0777, "$dir/bouncer" or die "chmod: $!\n";

    $t->write_file('pgbouncer.ini', <<"CONF");
[databases]
cargo = host=$dir/pg dbname=cargo
[pgbouncer]
listen_addr =
listen_port = 6432
unix_socket_dir = $dir/bouncer
auth_type = any
pool_mode = transaction
default_pool_size = 3
server_round_robin = 1
query_wait_timeout = 1
ignore_startup_parameters = extra_float_digits
admin_users = cargo_web
CONF

    # "any" lets in whoever comes as the user that the database names
    my $conf = $t->read_file('pgbouncer.ini');

    $conf =~ s/dbname=cargo$/dbname=cargo user=cargo_web/m;
    $t->write_file('pgbouncer.ini', $conf);

    # it refuses to be root
    $pgbouncer = $t->spawn(
        name => 'pgbouncer', stdout => "$dir/pgbouncer.log",
        command => [ $t->as_user('postgres', 'INT', '/usr/sbin/pgbouncer',
                                 "$dir/pgbouncer.ini") ],
    );

    $t->wait_for(sub {
        IO::Socket::UNIX->new(Peer => "$dir/bouncer/.s.PGSQL.6432",
                              Type => SOCK_STREAM);
    }) or die "pgbouncer does not start:\n" . $t->read_file('pgbouncer.log');
}


my $running;

sub configure {
    my ($prepare) = @_;

    my $direct = $t->conninfo();
    my %conf = (main => 'worker_processes 2;', conninfo => $pooled,
                http => <<"CONF");
cargo_zone cargo:8m lease=60s;
cargo_postgres_prepare  $prepare;
cargo_postgres_listen   "$direct";
cargo_postgres_timeout  3s;
CONF

    if (!$running++) {
        $t->nginx(%conf);
        return;
    }

    $t->stop_nginx();
    $t->write_config(%conf);
    $t->start_nginx() or BAIL_OUT('nginx does not start again');
}


# Each kind of statement, ten times at once: over other sessions each time.

sub everything {
    my ($prepare) = @_;

    my $name = "crate-$prepare";
    my $publish = sub {
        return $t->publish($token, { name => $name, vers => "1.0.$_[0]" });
    };

    is($publish->($_)->{status}, 200, "prepare $prepare: publish 1.0.$_")
        for 0 .. 2;

    my $with = "/api/v1/crates/$name/1.0.0";
    my $owners = "/api/v1/crates/$name/owners";

    my @calls = (
        [ 'PUT', "$with/unyank", 200 ], [ 'DELETE', "$with/yank", 200 ],
        [ 'GET', "/api/v1/crates?q=$name", 200 ],
        [ 'GET', "/api/v1/crates/$name", 200 ], [ 'GET', $with, 200 ],
        [ 'GET', $owners, 200 ], [ 'GET', '/api/v1/summary', 200 ],
        [ 'GET', '/api/v1/me', 200 ], [ 'GET', "$with/readme", 404 ],
        [ 'GET', "/index/cr/at/$name", 200 ], [ 'GET', "$with/download", 200 ],
        [ 'GET', '/index/no/ne/none', 404 ],
        [ 'PUT', "/api/v1/crates/$name/follow", 200 ],
    );

    my %wrong;

    for my $call ((@calls) x 2) {
        my ($method, $uri, $status) = @$call;

        my @requests = map {
            start_request($t, $method, $uri, Authorization => $token,
                          'Content-Length' => 0)
        } 1 .. 10;

        for my $request (@requests) {
            my $r = $request->receive();

            $wrong{"$method $uri: $r->{status} $r->{body}"}++
                if $r->{status} != $status;
        }
    }

    is(join("\n", %wrong), '', "prepare $prepare: all kinds of requests");
    like($t->get("/api/v1/crates?q=$name")->{body}, qr/"\Q$name\E"/,
         "prepare $prepare: search finds it");
    is($t->put($owners, '{"users":["ada"]}', Authorization => $token)->{status},
       200, "prepare $prepare: owners");
    is($t->delete("/api/v1/crates/$name/1.0.2?message=x",
                  Authorization => $admin)->{status}, 204,
       "prepare $prepare: a version is deleted");
    unlike($t->get("/index/cr/at/$name")->{body}, qr/"1\.0\.2"/,
           "prepare $prepare: and not in the index");
}


sub sessions_come_and_go {
    my ($prepare) = @_;

    my %seen;

    for (1 .. 5) {
        terminate_backends($t, "query !~ 'changes'");

        for (1 .. 3) {
            $seen{ $t->get('/api/v1/summary')->{status} }++;
            $seen{ $t->delete("/api/v1/crates/crate-$prepare/1.0.0/yank",
                              Authorization => $token)->{status} }++;
        }
    }

    my @odd = grep { $_ != 200 && $_ != 503 } keys %seen;

    is("@odd", '', "prepare $prepare: sessions end behind its back: "
                   . join ' ', %seen);
    is($t->get('/api/v1/summary')->{status}, 200, "prepare $prepare: then on");
}


sub listens_past_it {
    my $uri = '/index/cr/at/crate-off';

    $t->get($uri) for 1 .. 3;
    $t->cargoctl(qw(crate restrict crate-off --registry main));

    my $seconds = refreshed($t, sub { $t->get($uri)->{status} == 404 });

    cmp_ok($seconds // 100, '<', 2, 'what cargoctl changes is heard of');
    is($t->sql('select count(*) from pg_stat_activity where query ilike'
               . " '%changes%' and usename = 'cargo_web'"), 1,
       'by one session');
}


# All of its sessions are taken: requests wait, and hear 503 in time.

sub no_session_is_left {
    my $held = hold($t, 'lock table cargo_store.registries in access exclusive'
                        . ' mode');
    my @waiting = map { start_request($t, 'GET', '/api/v1/summary') } 1 .. 8;
    my $start = Time::HiRes::time();

    my %seen;

    for my $request (@waiting) {
        my $r = $request->receive();
        $seen{ $r->{status} . ($r->header('Retry-After') ? ' later' : '') }++;
    }

    is(join(' ', keys %seen), '503 later', 'no session is left: 503');
    cmp_ok(Time::HiRes::time() - $start, '<', 5, 'in time');
    release($t, $held);

    ok($t->wait_for(sub { $t->get('/api/v1/summary')->{status} == 200 }, 8),
       'it goes on by itself');
}


sub goes_away {
    $t->terminate($pgbouncer, 'KILL');

    my $r = $t->get('/api/v1/summary');

    is($r->{status}, 503, 'pgbouncer is killed: 503');
    ok($r->header('Retry-After'), 'with Retry-After');
    is($t->get('/index/config.json')->{status}, 200,
       'what is remembered is served');

    start_pgbouncer();

    ok($t->wait_for(sub { $t->get('/api/v1/summary')->{status} == 200 }, 5),
       'it is started again: all is well');
}
