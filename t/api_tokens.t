#!/usr/bin/perl

# Tokens by the API, where a token is made that nobody but its owner ever
# sees; and the calls that answer with nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();

$t->postgres(settings => { log_statement => 'all' });
$t->nginx();

my $alice = $t->account('alice');
my $admin = $t->account('adm1n', role => 'admin');
my @made;

create();
list();
refused();
revoke();
ids();
deleted();
urls();
nothing_in_the_logs();

$t->done();


sub api {
    my ($method, $path, $token, $json, %more) = @_;

    return $t->request($method, "/api/v1/$path", Authorization => $token,
        defined $json ? (body => JSON::PP->new->encode($json)) : (), %more);
}


sub created {
    my (%fields) = @_;

    my $r = api('PUT', 'me/tokens', $alice, { api_token => \%fields });
    my $token = $r->{status} == 200 ? $r->json()->{api_token} : {};

    push @made, $token->{token} if $token->{token};

    return ($r, $token);
}


sub create {
    my ($r, $token) = created(name => 'ci', endpoint_scopes => ['yank']);

    is($r->{status}, 200, 'created') or diag($r->{body});
    like($token->{token}, qr/^ngxcargo_[0-9A-Za-z]{38}$/, 'its text');
    is($token->{name}, 'ci', 'its name');
    is_deeply($token->{endpoint_scopes}, ['yank'], 'its scopes');
    is($r->header('Cache-Control'), 'no-store', 'kept by no cache');
    is($r->header('Content-Type'), 'application/json', 'JSON');

    my ($other) = (created(name => 'other'))[1];

    isnt($other->{token}, $token->{token}, 'every one is another');
    is(api('GET', 'me', $other->{token})->json()->{user}{login}, 'alice',
       'it is good');
}


sub list {
    my $r = api('GET', 'me/tokens', $alice);
    my @tokens = @{ $r->json()->{api_tokens} };

    is(scalar(grep { $_->{name} =~ /^(?:ci|other)$/ } @tokens), 2, 'listed');
    is(scalar(grep { exists $_->{token} } @tokens), 0, 'without the text');

    my $one = api('GET', "me/tokens/$tokens[0]{id}", $alice);

    is($one->json()->{api_token}{id}, $tokens[0]{id}, 'one of them');
    is($one->header('Cache-Control'), 'private, no-cache',
       'for its owner alone');
}


sub refused {
    my $rows = $t->sql('select count(*) from cargo_store.tokens');

    for my $json ({}, [], { api_token => 1 }, { api_token => {} },
                  { api_token => { name => '' } })
    {
        my $r = api('PUT', 'me/tokens', $alice, $json);

        like($r->{status}, qr/^4\d\d$/, 'refused');
        ok($r->detail(), 'in a sentence');
        unlike($r->{body}, qr/ngxcargo_/, 'without a token');
    }

    is(api('PUT', 'me/tokens', $alice)->detail(),
       'the request must be a JSON object: {"api_token":{"name":"what it is'
       . ' for"}}', 'an empty body: what it should be is shown');
    is(api('PUT', 'me/tokens', undef, { api_token => { name => 'x' } })
         ->{status}, 403, 'who is nobody gets none');
    is($t->sql('select count(*) from cargo_store.tokens'), $rows,
       'and none was made');
}


sub revoke {
    my ($list) = map { $_->json()->{api_tokens} }
                 api('GET', 'me/tokens', $alice);
    my ($ci) = grep { $_->{name} eq 'ci' } @$list;
    my $r = api('DELETE', "me/tokens/$ci->{id}", $alice);

    is($r->{status}, 200, 'revoked') or diag($r->{body});
    is($r->{body}, '{}', 'as crates.io says it');
    is(api('PUT', 'crates/foo/1.0.0/unyank', $made[0])->{status}, 403,
       'it is good for nothing');

    $r = api('DELETE', 'tokens/current', $made[1]);
    is($r->{status}, 204, 'the current one');
    is($r->{body}, '', 'without a body');
    is($r->header('Content-Length'), undef, 'not even an empty one');
    is(api('GET', 'me', $made[1])->{status}, 403, 'gone');

    my $connection = $t->connect();

    for my $token (map { (created(name => "t$_"))[1]->{token} } 1 .. 2) {
        is(api('DELETE', 'tokens/current', $token, undef,
               connection => $connection)->{status}, 204,
           'one after the other on one connection');
    }
}


sub ids {
    for my $id ('x', '-1', '1.0', '1e3', '%31x', '9' x 19, '9' x 400, '%ff',
                '0x1', '1%20', '9' x 18)
    {
        is(api('GET', "me/tokens/$id", $alice)->{status}, 404,
           'GET of ' . substr $id, 0, 20);
        is(api('DELETE', "me/tokens/$id", $alice)->{status}, 404, 'DELETE');
        is(api('GET', "users/$id/stats", $alice)->{status}, 404, 'stats');
    }
}


sub deleted {
    $t->publish($alice, { name => 'foo', vers => $_ }) for '1.0.0', '1.1.0';

    is(api('DELETE', 'crates/foo/1.0.0', $alice)->{status}, 403,
       'not by its owner');

    for my $path ('crates/foo/1.0.0?message=a+test', 'crates/foo?message=x') {
        my $r = api('DELETE', $path, $admin);

        is($r->{status}, 204, "DELETE $path") or diag($r->{body});
        is($r->{body}, '', 'with nothing more to say');
    }

    is(api('GET', 'crates/foo', $admin)->{status}, 404, 'it is gone');
    is($t->sql('select string_agg(reason, \',\' order by id) from'
               . ' cargo_store.deletions'), 'a test,x', 'with the reason');
}


# Where crates.io redirects, or says where to for those who want JSON.

sub urls {
    my $r = $t->publish($alice, { name => 'bar', vers => '1.0.0+a',
                                  readme => 'Read', readme_file => 'R.md' },
                        files => { 'src/lib.rs' => '', 'R.md' => 'Read' },
                        manifest => <<'TOML');
[package]
name = "bar"
version = "1.0.0+a"
edition = "2021"
description = "A crate of a test"
license = "MIT"
readme = "R.md"
TOML

    is($r->{status}, 200, 'published') or diag($r->{body});

    my $path = '/api/v1/crates/Bar/1.0.0+a';
    my @json = (Accept => 'text/html, Application/JSON;q=0.9');

    for my $what ('download', 'readme') {
        $r = $t->get("$path/$what", @json);

        is($r->{status}, 200, "the URL of a $what");
        is($r->header('Content-Type'), 'application/json', 'as JSON');
        is($r->header('Vary'), 'Accept', 'for who asks for that');

        my ($uri) = $r->json()->{url} =~ /^\Q@{[ $t->base_url() ]}\E(.*)/;

        is($t->get($uri)->{body}, $t->get("$path/$what")->{body},
           'has what is had without');
        is($t->get("$path/$what")->header('Vary'), 'Accept', 'Vary too');
        is($t->head("$path/$what", @json)->{status}, 200, 'HEAD');
        is($t->get("/api/v1/crates/bar/2.0.0/$what", @json)->{status}, 404,
           'no such version');
        is($t->post("$path/$what", '')->header('Allow'), 'GET, HEAD',
           'nothing else');
    }
}


sub nothing_in_the_logs {
    cmp_ok(scalar @made, '==', 4, 'tokens were made');

    my $any = join '|', @made;

    for my $log (qw(error.log access.log postgres.log)) {
        unlike($t->read_file($log), qr/$any/, "none is in $log");
    }
}
