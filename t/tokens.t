#!/usr/bin/perl

# Tokens that people make, use and revoke themselves: what cargo may do with
# them, and that they are good for nothing from the moment they are revoked.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

my $MINE = '/api/v1/me/tokens';
my $LACKS = 'this token does not have the required permissions to perform this'
            . ' action: it';

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('other', 'auth-required' => 'true');
$t->nginx(http => <<'CONF');
    server {
        listen  127.0.0.1:%%port:other%%;

        cargo_registry  other;
        cargo_blobs     %%dir%%/blobs;

        location /index/  { cargo_index; }
        location /api/v1/ { cargo_api; }
    }

    server {
        listen  127.0.0.1:%%port:sso%%;

        cargo_registry   main;
        cargo_user       $http_x_user;
        cargo_user_from  127.0.0.1;
        cargo_blobs      %%dir%%/blobs;

        location /api/v1/ { cargo_api; }
    }
CONF

my $alice = $t->account('alice');
my $bob = $t->account('bob');

$t->cargoctl('account', 'grant', 'alice', '--registry', 'other', '--role',
             'reader');

making();
listing();
narrower();
revoking();
itself();
by_login();
limits();
bad_requests();
bad_ids();
paths();

SKIP: {
    skip('THERE IS NO CARGO: install one or set CARGO', 1)
        if !Test::Cargo->cargo_binary();

    subtest 'cargo with tokens of these scopes' => \&cargo_scopes;
}

$t->done();


sub make {
    my ($token, $wanted, %options) = @_;

    return $t->put($MINE, JSON::PP->new->utf8->encode({ api_token => $wanted }),
                   Authorization => $token, %options);
}


# The text of a new token.

sub made {
    my $r = make(@_);

    die "$r->{status} $r->{body}" if $r->{status} != 200;

    return $r->json()->{api_token}{token};
}


# Does the server take it for a token at all?

sub good {
    my ($token, %options) = @_;

    my $r = $t->put('/api/v1/crates/nothing/follow', '',
                    Authorization => $token, %options);

    return ($r->detail() // '') !~ /^authentication failed/;
}


sub making {
    my $r = make($alice, { name => 'ci', endpoint_scopes => [ 'yank', 'read' ],
                           crate_scopes => [ 'foo-*' ],
                           expired_at => '2100-01-31T12:00:00Z' });

    is($r->{status}, 200, 'a token');
    is($r->header('Content-Type'), 'application/json', 'as JSON');
    like($r->header('Cache-Control') // '', qr/no-store|private/,
         'which nobody keeps');

    my $token = $r->json()->{api_token};

    is_deeply([ sort keys %$token ],
              [ sort qw(id name token created_at last_used_at crate_scopes
                        endpoint_scopes expired_at) ],
              'with the members that crates.io has');
    like($token->{token}, qr/\Angxcargo_[0-9A-Za-z]{38}\z/, 'its text');
    is($token->{name}, 'ci', 'its name');
    is_deeply($token->{endpoint_scopes}, [ 'yank', 'read' ], 'its scopes');
    is_deeply($token->{crate_scopes}, [ 'foo-*' ], 'its crates');
    like($token->{expired_at}, qr/^2100-01-31T12:00:00/, 'its end');
    ok(good($token->{token}), 'it is good at once');
    ok(!good($token->{token}, port => $t->port('other')),
       'in this registry alone');

    is($t->sql('select count(*) from cargo_store.tokens where'
               . " tokens::text like '%$token->{token}%'"), 0,
       'its text is not in the database');
    unlike($t->read_file('access.log') . $t->read_file('error.log'),
           qr/\Q$token->{token}\E/, 'nor in a log');

    my $other = made($alice, { name => 'x' }, port => $t->port('other'));

    ok(good($other, port => $t->port('other')), 'made in another registry');
    ok(!good($other), 'it is good there alone');
}


sub listing {
    my $list = $t->get($MINE, Authorization => $alice)->json()->{api_tokens};

    ok((grep { $_->{name} eq 'ci' } @$list), 'the new token is in the list');
    ok(!(grep { exists $_->{token} } @$list), 'without its text');
    unlike($t->get($MINE, Authorization => $bob)->{body}, qr/"ci"/,
           'of its owner alone');

    my ($ci) = grep { $_->{name} eq 'ci' } @$list;

    is($t->get("$MINE/$ci->{id}", Authorization => $alice)->json()
         ->{api_token}{name}, 'ci', 'it can be looked at');
    is($t->get("$MINE/$ci->{id}", Authorization => $bob)->{status}, 404,
       'by its owner alone');
}


sub narrower {
    my $narrow = made($alice, { name => 'narrow', crate_scopes => [ 'foo-*' ],
                                endpoint_scopes => [ 'admin', 'yank' ],
                                expired_at => '2100-01-01T00:00:00Z' });
    my %good = (name => 'x', endpoint_scopes => [ 'yank' ],
                crate_scopes => [ 'foo-x' ],
                expired_at => '2099-01-01T00:00:00Z');

    is(make($narrow, \%good)->{status}, 200, 'a token makes a narrower one');

    my @more = (
        [ 'other scopes', endpoint_scopes => [ 'read' ] ],
        [ 'all scopes', endpoint_scopes => undef ],
        [ 'other crates', crate_scopes => [ 'foo*' ] ],
        [ 'all crates', crate_scopes => undef ],
        [ 'a longer life', expired_at => '2101-01-01T00:00:00Z' ],
        [ 'no end', expired_at => undef ],
    );

    for my $more (@more) {
        my ($name, %change) = @$more;
        my $r = make($narrow, { %good, %change });

        is($r->{status}, 403, "not one with $name");
        like($r->detail(), qr/^the new token may .*: choose /,
             'and what to choose');
    }

    my $plain = made($alice, { name => 'x', endpoint_scopes => [ 'read' ] });

    is(make($plain, { name => 'x' })->detail(),
       "$LACKS needs the scope `admin`", 'nor any without the scope admin');
    is(make(undef, { name => 'x' })->{status}, 403, 'nor without a token');
}


sub revoking {
    my $token = made($alice, { name => 'gone' });
    my ($id) = map { $_->{id} } grep { $_->{name} eq 'gone' }
        @{ $t->get($MINE, Authorization => $alice)->json()->{api_tokens} };

    ok(good($token), 'a good token');
    is($t->delete("$MINE/$id", Authorization => $bob)->{status}, 404,
       'that nobody else revokes');
    ok(good($token), 'stays good');

    my $r = $t->delete("$MINE/$id", Authorization => $alice);

    is("$r->{status} $r->{body}", '200 {}', 'revoked by its owner');
    ok(!good($token), 'it is good no more, at once');
    unlike($t->get($MINE, Authorization => $alice)->{body}, qr/"gone"/,
           'nor in the list');
    is($t->delete("$MINE/$id", Authorization => $alice)->{status}, 200,
       'once more is fine');
}


# What CI systems call when a job ends, or a scanner when it finds one.

sub itself {
    my $token = made($alice, { name => 'job', endpoint_scopes => [ 'yank' ] });
    my $r = $t->delete('/api/v1/tokens/current', Authorization => $token);

    is($r->{status}, 204, 'a token revokes itself, whatever its scope');
    is($r->{body}, '', 'without a word');
    ok(!good($token), 'it is good no more');
    is($t->delete('/api/v1/tokens/current', Authorization => $token)
         ->{status}, 403, 'nor for this');
    is($t->delete('/api/v1/tokens/current')->{status}, 403, 'no token');
    ok(good($alice), 'the others stay');
}


sub by_login {
    my %sso = (port => $t->port('sso'), 'X-User' => 'Alice');
    my $r = make(undef, { name => 'by hand' }, %sso);

    is($r->{status}, 200, 'who is logged in makes a token');

    my $token = $r->json()->{api_token};

    ok(good($token->{token}), 'that is good');
    ok(!good($token->{token}, port => $t->port('other')), 'here');
    is($t->delete('/api/v1/tokens/current', %sso)->{status}, 400,
       'there is no token to revoke in the request');
    is($t->delete("$MINE/$token->{id}", %sso)->{status}, 200,
       'but by its id');
    ok(!good($token->{token}), 'which is effective');
}


sub limits {
    my $r = make($alice, { name => 'x' x 255 });

    is($r->{status}, 200, 'a long name');
    is(make($alice, { name => 'x' x 256 })->{status}, 400, 'one too long');
    is(make($alice, { name => 'x', crate_scopes =>
                      [ map { "c$_" } 1 .. 101 ] })->{status}, 400,
       'too many crates');
    is(make($alice, { name => 'x' x 200_000 })->{status}, 413,
       'more than a token can be');

    $t->sql('insert into cargo_store.tokens (account_id, name, hash) select'
            . " a.id, 'x', sha256(n::text::bytea) from cargo_store.accounts a,"
            . " generate_series(1, 500) n where a.login = 'bob'");
    is(make($bob, { name => 'x' })->{status}, 400, 'the 501st token');
    $t->sql("delete from cargo_store.tokens where name = 'x' and account_id ="
            . " (select id from cargo_store.accounts where login = 'bob')");
}


sub bad_requests {
    my %bad = (
        'no JSON' => '{', 'nothing' => '', 'no object' => '[]',
        'null' => 'null', 'another object' => '{"token":{"name":"x"}}',
        'no token' => '{"api_token":1}', 'no name' => '{"api_token":{}}',
        'a NUL' => '{"api_token":{"name":"a\\u0000"}}',
        'bad UTF-8' => "{\"api_token\":{\"name\":\"\xff\"}}",
        'an escape' => '{"api_token":{"name":"a\\u001b[2J"}}',
        'a typing error' => '{"api_token":{"name":"x","endpoint_scope":[]}}',
        'an unknown scope' =>
            '{"api_token":{"name":"x","endpoint_scopes":["root"]}}',
        'a pattern that is none' =>
            '{"api_token":{"name":"x","crate_scopes":["*x*"]}}',
        'a date that is none' =>
            '{"api_token":{"name":"x","expired_at":"2100-02-30T00:00:00Z"}}',
        'a huge number' => '{"api_token":{"name":1e999}}',
        'depth' => '{"api_token":' . '[' x 3000 . ']' x 3000 . '}',
    );
    my $count = 'select count(*) from cargo_store.tokens';
    my $before = $t->sql($count);

    for my $case (sort keys %bad) {
        my $r = $t->put($MINE, $bad{$case}, Authorization => $alice);

        is($r->{status}, 400, "400: $case");
        like($r->detail() // '', qr/\w+ \w+/, 'with a sentence');
    }

    is($t->sql($count), $before, 'and there is no token from it');
}


sub bad_ids {
    for my $id ('0', '-1', '99999999999999999999', '1e3', 'x', '1%00', '%FF',
                "1'--", '9' x 2000, '1%2F2', '%E2%80%8B')
    {
        my $r = $t->delete("$MINE/$id", Authorization => $alice);

        like($r->{status}, qr/^(?:400|404)$/,
             "$r->{status}: " . substr($id, 0, 40));
    }
}


sub paths {
    is($t->delete($MINE, Authorization => $alice)->{status}, 405,
       'not all of them at once');
    is($t->post($MINE, '{}', Authorization => $alice)->{status}, 405, 'POST');
    is($t->put("$MINE/1", '{}', Authorization => $alice)->{status}, 405,
       'PUT of one');
    is($t->get('/api/v1/tokens/current', Authorization => $alice)->{status},
       405, 'GET of the current one');
    ok(good($alice), 'all that revoked nothing');
}


sub cargo_scopes {
    my %scopes = (new => [ 'publish-new' ], update => [ 'publish-update' ],
                  yank => [ 'yank' ], read => [ 'read' ]);
    my %token = map {
        $_ => made($alice, { name => $_, endpoint_scopes => $scopes{$_} })
    } keys %scopes;

    $token{mine} = made($alice, { name => 'mine',
                                  crate_scopes => [ 'scoped*' ] });

    my $with = sub {
        my ($name, $dir) = @_;
        return { dir => $dir,
                 env => { CARGO_REGISTRIES_MAIN_TOKEN => $token{$name} } };
    };
    my %dir = map { $_ => package_of($t, 'scoped', $_, '') }
        qw(1.0.0 1.1.0 1.2.0);
    my $other = package_of($t, 'another', '1.0.0', '');

    no_cargo($t, 'a new crate without publish-new',
             qr/it needs the scope `publish-new`/,
             'publish', '--no-verify', $with->('update', $dir{'1.0.0'}));
    ok_cargo($t, 'with it', 'publish', '--no-verify',
             $with->('new', $dir{'1.0.0'}));
    no_cargo($t, 'a version without publish-update',
             qr/it needs the scope `publish-update`/,
             'publish', '--no-verify', $with->('new', $dir{'1.1.0'}));
    ok_cargo($t, 'with it', 'publish', '--no-verify',
             $with->('update', $dir{'1.1.0'}));
    no_cargo($t, 'neither with another scope',
             qr/it needs the scope `publish-new` or `publish-update`/,
             'publish', '--no-verify', $with->('read', $dir{'1.2.0'}));
    no_cargo($t, 'yank without its scope', qr/it needs the scope `yank`/,
             'yank', '--registry', 'main', 'scoped@1.0.0',
             $with->('update', $dir{'1.0.0'}));
    ok_cargo($t, 'with it', 'yank', '--registry', 'main', 'scoped@1.0.0',
             $with->('yank', $dir{'1.0.0'}));
    no_cargo($t, 'a crate outside the patterns',
             qr/it is not for crate `another`/,
             'publish', '--no-verify', $with->('mine', $other));
    ok_cargo($t, 'one within', 'publish', '--no-verify',
             $with->('mine', $dir{'1.2.0'}));

    $t->delete('/api/v1/tokens/current', Authorization => $token{yank});
    no_cargo($t, 'revoked, it is good for nothing',
             qr/the token has been revoked/, 'yank', '--undo', '--registry',
             'main', 'scoped@1.0.0', $with->('yank', $dir{'1.0.0'}));
}
