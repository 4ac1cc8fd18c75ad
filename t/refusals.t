#!/usr/bin/perl

# Writes that the server itself refuses, before any SQL function has seen
# them: each is one row of the audit log, and its answer does not depend on
# whether that could be written.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(http => 'cargo_postgres_timeout 1s;');

my $alice = $t->account('alice');

my $r = $t->publish($alice, { name => 'foo' });
is($r->{status}, 200, 'published') or diag($r->{body});

my @cases = cases();

rows_of($_) for @cases;
no_rows();
locked();
away();

$t->done();


# what is asked, the status, what the log has of it: action, crate, version

sub cases {
    my $foo = '/api/v1/crates/foo';
    my $one = "$foo/1.0.0";
    my $bad = $alice =~ s/.$/!/r;
    my $body = $t->publish_body($t->metadata(name => 'bar'), 'no gzip');
    my %say = (body => '{"users":["x"]}');

    return (
        [ 'no token', DELETE => "$one/yank", 403, 'yank|foo|1.0.0|',
          Authorization => $bad ],
        [ 'two words', PUT => "$one/unyank", 401, 'unyank|foo|1.0.0|',
          Authorization => 'a b' ],
        [ 'no name', DELETE => '/api/v1/crates/b%20d/1.0.0/yank', 404,
          'yank|||alice' ],
        [ 'no UTF-8', DELETE => '/api/v1/crates/b%ff', 404,
          'delete_crate|||alice' ],
        [ 'no number', DELETE => "$foo/one/yank", 404, 'yank|foo||alice' ],
        [ 'no number', PATCH => "$foo/1.0", 404, 'change_version|foo||alice',
          body => '{}' ],
        [ 'no JSON', PATCH => $one, 400, 'change_version|foo|1.0.0|alice',
          body => '{"version"' ],
        [ 'no JSON', PUT => "$foo/owners", 400, 'add_owners|foo||alice',
          body => 'x' ],
        [ 'no body', DELETE => "$foo/owners", 400,
          'remove_owners|foo||alice' ],
        [ 'a large body', PUT => "$foo/owners", 413, 'add_owners|foo||alice',
          body => '[' x 70000 ],
        [ 'a large body in chunks', PUT => "$foo/owners", 413,
          'add_owners|foo||alice', body => '[' x 70000, chunked => 9000 ],
        [ 'many arguments', DELETE => "$one?" . 'a=1&' x 200, 400,
          'delete_version|foo|1.0.0|alice' ],
        [ 'bad arguments', DELETE => "$foo?message=%ff", 400,
          'delete_crate|foo||alice' ],
        [ 'no id', DELETE => '/api/v1/me/tokens/x', 404,
          'revoke_token|||alice' ],
        [ 'no token, a new one', PUT => '/api/v1/me/tokens', 403,
          'create_token|||', Authorization => $bad, body => '{}' ],
        [ 'no token, the current one', DELETE => '/api/v1/tokens/current',
          401, 'revoke_current_token|||', Authorization => 'x y' ],
        [ 'no token', PUT => "$foo/follow", 403, 'follow|foo||',
          Authorization => $bad ],
        [ 'no token', DELETE => "$foo/follow", 403, 'unfollow|foo||',
          Authorization => $bad ],
        [ 'no token, no upload', PUT => '/api/v1/crates/new', 403,
          'publish|||', Authorization => $bad, body => $body ],
        [ 'no frame', PUT => '/api/v1/crates/new', 400, 'publish|||alice',
          body => 'x' ],
        [ 'no metadata', PUT => '/api/v1/crates/new', 400, 'publish|||alice',
          body => pack('V a* V a*', 1, 'x', 1, 'x') ],
        [ 'no archive', PUT => '/api/v1/crates/new', 400,
          'publish|bar|1.0.0|alice', body => $body ],
        [ 'a large crate', PUT => '/api/v1/crates/new', 413,
          'publish|bar|1.0.0|alice',
          body => $t->publish_body($t->metadata(name => 'bar'),
                                   'x' x (11 << 20)) ],
    );
}


sub rows {
    return $t->sql('select count(*) from cargo_store.audit');
}


sub asked {
    my ($name, $method, $uri, $status, $logged, %with) = @{ $_[0] };

    return $t->request($method, $uri, Authorization => $alice, %with);
}


sub rows_of {
    my ($case) = @_;

    my ($name, $method, $uri, $status, $logged) = @$case;
    my $before = rows();
    my $answer = asked($case);
    my $what = "$name: $method " . substr $uri, 0, 50;

    is($answer->{status}, $status, $what) or diag($answer->{body});
    is(rows(), $before + 1, 'one row');
    is($t->sql("select concat_ws('|', action, coalesce(crate, ''),"
               . " coalesce(version, ''), coalesce(account, ''))"
               . ' from cargo_store.audit order by id desc limit 1'),
       $logged, 'what was wanted of what by whom');
    is($t->sql('select status || detail from cargo_store.audit'
               . ' order by id desc limit 1'),
       $status . ($answer->detail() // 'nothing'), 'and what was answered');
}


sub no_rows {
    my $before = rows();

    for my $row ([ GET => '/api/v1/crates/b%20d' ],
                 [ GET => '/api/v1/me/tokens/x' ],
                 [ PUT => '/api/v1/crates/foo' ], [ POST => '/api/v1/crates' ],
                 [ PATCH => '/api/v1/crates/foo/owners' ],
                 [ DELETE => '/api/v1/nothing' ])
    {
        like($t->request(@$row, Authorization => 'x y', body => 'x')
               ->{status}, qr/^4/, "@$row");
    }

    is(rows(), $before, 'what would not write is not in the log');
}


# The row cannot be written in time; the answer is what it would have been.

sub locked {
    my $held = hold($t, 'lock table cargo_store.audit');

    for my $case (@cases[0, 2, 6]) {
        my $answer = asked($case);

        is($answer->{status}, $case->[3], "not logged: $case->[0]");
        ok($answer->detail(), 'with its sentence');
        unlike($answer->detail(), qr/database/, 'which is not another');
    }

    release($t, $held);
    rows_of($cases[2]);
}


sub away {
    $t->stop_postgres();

    for my $case (@cases[0, 2, 6, 7]) {
        my $answer = asked($case);

        is($answer->{status}, $case->[3], "no database: $case->[0]");
        unlike($answer->detail(), qr/database/, 'for the same reason');
    }

    is($t->delete('/api/v1/crates/foo/1.0.0/yank', Authorization => $alice)
         ->{status}, 503, 'what could be good is another matter');
}
