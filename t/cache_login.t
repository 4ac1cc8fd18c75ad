#!/usr/bin/perl

# Logins that nginx vouches for (cargo_user) are answered from the cache like
# tokens, each with what is for it, and end with the account.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->cargoctl('registry', 'set', 'main', 'auth_required=true');

$t->nginx(server => 'cargo_user $http_x_user; cargo_user_from 127.0.0.1;');

my $alice = $t->account('alice');

$t->account('bob', role => 'reader');

for my $name ('foo', 'gem') {
    my $r = $t->publish($alice, { name => $name });

    is($r->{status}, 200, "$name is published") or diag($r->{body});
}

command('crate', 'restrict', 'gem', '--registry', 'main');
ok(listening($t), 'the server listens');

my @uris = ('/index/config.json', '/index/3/f/foo', '/index/3/g/gem',
            '/api/v1/crates/foo/1.0.0/download',
            '/api/v1/crates/gem/1.0.0/download');

# of each of these
my %statuses = (alice => '200 200 200 200 200', bob => '200 200 404 200 404',
                stranger => '403 403 403 403 403', '' => '401 401 401 401 401');

remembered();
in_one_question();
a_token_before_a_login();
ended('disabled', 'alice', [ qw(account disable alice) ], '403',
      [ qw(account enable alice) ]);
ended('without a role', 'bob',
      [ qw(account grant bob --registry main --role none) ], '403',
      [ qw(account grant bob --registry main --role reader) ]);

$t->done();


sub command {
    my ($rc, $out, $err) = $t->cargoctl(@_);

    is($rc, 0, "@_") or diag($out, $err);
}


sub statuses {
    my ($login, @more) = @_;

    return join ' ', map { $t->get($_, 'X-User' => $login, @more)->{status} }
                     @uris;
}


sub is_warm {
    my ($login) = @_;

    my ($n, $got);

    $t->wait_for(sub {
        my $before = asked($t);
        $got = statuses($login);
        return !($n = asked($t) - $before);
    }, 3);

    is("$got: $n", "$statuses{$login}: 0", "warm: \"$login\"");
}


# In this order, and in the other: who is first decides nothing for the next.

sub remembered {
    for my $order ([ sort keys %statuses ], [ reverse sort keys %statuses ]) {
        is(statuses($_), $statuses{$_}, "\"$_\"") for @$order;
        is_warm($_) for @$order;

        # forgets all
        $t->sql("insert into cargo_store.changes (kind) values ('x');"
                . 'select cargo_store.index_changed(id, \'x\')'
                . ' from cargo_store.crates');
        $t->wait_for(sub {
            my $before = asked($t);
            $t->get('/index/3/g/gem', 'X-User' => 'bob');
            return asked($t) > $before;
        });
    }

    my $r = $t->get('/index/3/f/foo', 'X-User' => 'alice');

    is($r->header('Cache-Control'), 'private, no-cache', 'for it alone');
}


sub in_one_question {
    my @who = ('alice', 'bob', 'stranger', '', 'bob', 'alice');
    my @connections = map { $t->connect() } @who;

    $t->get('/index/none', connection => $_) for @connections;

    $t->sql("select cargo_store.index_changed(id, 'x')"
            . " from cargo_store.crates where name = 'gem'");
    $t->wait_for(sub {
        my $before = asked($t);
        $t->get('/index/3/g/gem', 'X-User' => 'bob');
        return asked($t) > $before;
    });

    in_one_turn($t, sub {
        $connections[$_]->send("GET /index/3/g/gem HTTP/1.1\r\nHost: x\r\n"
                               . "X-User: $who[$_]\r\n\r\n") for 0 .. $#who;
    });

    is(join(' ', map { $_->receive()->{status} } @connections),
       '200 404 403 401 404 200', 'at the same time: each what is for it');
}


sub a_token_before_a_login {
    for (1, 2) {
        is(statuses('bob', Authorization => $alice), $statuses{alice},
           'a token decides');
        is(statuses('bob'), $statuses{bob}, 'only where it is');
    }
}


sub ended {
    my ($name, $login, $end, $status, $begin) = @_;

    is_warm($login);
    command(@$end);

    ok(defined refreshed($t, sub {
        statuses($login) eq join ' ', ($status) x @uris
    }, 1), "$name: refused within a second") or diag(statuses($login));

    command(@$begin);
    ok(defined refreshed($t, sub { statuses($login) eq $statuses{$login} }, 1),
       'and let in again');
    is_warm($login);
}
