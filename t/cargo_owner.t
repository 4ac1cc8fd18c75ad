#!/usr/bin/perl

# cargo owner: who may publish and yank a crate, and who may say so.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my %token = map { $_ => $t->account($_, role => 'publisher') }
            qw(alice bob carol);
$token{rita} = $t->account('rita', role => 'reader');

my $dir = package_of($t, 'owned', '1.0.0', '');

ok_cargo($t, 'alice publishes', 'publish', '--no-verify',
         { dir => $dir, env => as('alice') });

listing();
adding();
adding_refused();
removing();
last_one();
raw();
teams();
team_refused();
scoped_token();

$t->done();


sub as {
    my ($login) = @_;

    return { CARGO_REGISTRIES_MAIN_TOKEN => $token{$login} };
}


sub owner {
    my ($login, @args) = @_;

    return ('owner', '--registry', 'main', @args, 'owned',
            { dir => $dir, env => as($login) });
}


sub listing {
    like(ok_cargo($t, 'cargo owner --list', owner('alice', '--list')),
         qr/^alice/m, 'names who has published it first');
    like(ok_cargo($t, 'for everybody', owner('bob', '--list')),
         qr/^alice/m, 'in a public registry');
    no_cargo($t, 'a crate that is not there', qr/crate `ghost` does not exist/,
             'owner', '--registry', 'main', '--list', 'ghost',
             { dir => $dir, env => as('alice') });
}


sub adding {
    no_cargo($t, 'bob may not publish yet', qr/don't seem to be an owner/,
             'publish', '--no-verify',
             { dir => package_of($t, 'owned', '1.1.0', ''),
               env => as('bob') });
    no_cargo($t, 'nor make himself an owner',
             qr/only owners have permission to modify owners/,
             owner('bob', '--add', 'bob'));

    like(ok_cargo($t, 'alice adds bob', owner('alice', '--add', 'bob')),
         qr/Owner .*user bob has been added as an owner of crate owned/,
         'and hears so');
    like(ok_cargo($t, 'both', owner('alice', '--list')),
         qr/^alice.*^bob/ms, 'are owners');
    ok_cargo($t, 'bob publishes', 'publish', '--no-verify',
             { dir => "$t->{dir}/owned-1.1.0", env => as('bob') });
    ok_cargo($t, 'and yanks', 'yank', '--registry', 'main', 'owned@1.0.0',
             { dir => $dir, env => as('bob') });
}


sub adding_refused {
    no_cargo($t, 'an owner twice', qr/`bob` is already an owner/,
             owner('alice', '--add', 'bob'));
    no_cargo($t, 'nobody', qr/could not find user with login `nobody`/,
             owner('alice', '--add', 'nobody'));
    no_cargo($t, 'somebody who may not publish at all', qr/rita/,
             owner('alice', '--add', 'rita'));
    no_cargo($t, 'one good and one bad', qr/could not find user/,
             owner('alice', '--add', 'carol', '--add', 'nobody'));
    unlike(ok_cargo($t, 'add', owner('alice', '--list')), qr/carol/,
           'none of the two');
}


sub removing {
    no_cargo($t, 'who is no owner', qr/Could not find owner with login `carol`/,
             owner('alice', '--remove', 'carol'));
    like(ok_cargo($t, 'bob removes alice', owner('bob', '--remove', 'alice')),
         qr/Owner removing \["alice"\] from crate owned/, 'and hears so');
    no_cargo($t, 'alice is none any more',
             qr/only owners have permission to modify owners/,
             owner('alice', '--add', 'alice'));
    no_cargo($t, 'and does not publish', qr/don't seem to be an owner/,
             'publish', '--no-verify',
             { dir => package_of($t, 'owned', '1.2.0', ''),
               env => as('alice') });
}


sub last_one {
    no_cargo($t, 'the last owner stays', qr/cannot remove all/,
             owner('bob', '--remove', 'bob'));
    like(ok_cargo($t, 'is', owner('bob', '--list')), qr/^bob/m, 'still there');
}


# What cargo does not send.

sub raw {
    my $uri = '/api/v1/crates/OWNED/owners';
    my %bob = (Authorization => $token{bob});

    my $r = $t->get($uri);

    is($r->{status}, 200, 'any spelling, and no token');
    is_deeply([ sort keys %{ $r->json()->{users}[0] } ],
              [ sort qw(id login kind url name email avatar) ], 'all fields');
    is($r->json()->{users}[0]{kind}, 'user', 'a user');

    is($t->head($uri)->{status}, 200, 'HEAD');
    is($t->put($uri, '{"owners":["alice"]}', %bob)->json()->{ok} ? 1 : 0, 1,
       'the other name of the list');

    my %bad = (
        'no JSON' => '{', 'an empty body' => '', 'no object' => '[]',
        'no list' => '{"users":"x"}', 'no strings' => '{"users":[1]}',
        'nobody' => '{"users":[]}', 'a NUL' => '{"users":["\\u0000"]}',
        'bad UTF-8' => "{\"users\":[\"\xff\"]}",
        'too many' => '{"users":[' . join(',', map { "\"u$_\"" } 1 .. 11)
                      . ']}',
        'depth' => '{"users":' . '[' x 3000 . ']' x 3000 . '}',
        'a huge number' => '{"users":[1e999]}',
    );

    for my $case (sort keys %bad) {
        for my $method ('PUT', 'DELETE') {
            my $answer = $t->request($method, $uri, %bob,
                                     body => $bad{$case});
            is($answer->{status}, 400, "$method of $case: 400");
            like($answer->detail() // '', qr/\w+ \w+/, 'in a sentence');
        }
    }

    like($t->put($uri, '', %bob)->detail(),
         qr/must be a JSON object with .*: \{"users":\["login","team:name"\]\}/,
         'an empty body: what it should be is shown');
    like($t->request('PATCH', '/api/v1/crates/owned/1.0.0', %bob, body => '')
           ->detail(), qr/must be a JSON object: \{"version":\{"yanked":/,
         'also of a version');
    is($t->put($uri, '{"users":["' . 'x' x 70_000 . '"]}', %bob)->{status},
       413, 'more than a list of names: 413');
    is($t->put($uri, '{"users":["' . 'x' x 70_000 . '"]}', %bob,
               chunked => 5000)->{status}, 413, 'the same in chunks');
    is($t->put($uri, '{"users":["carol"]}', %bob, chunked => 3)->{status},
       200, 'a small one in chunks');
    is($t->put($uri, '{"users":["x"]}')->{status}, 403, 'without a token');
    is($t->post($uri, '{}', %bob)->{status}, 405, 'POST is no method of it');
}


sub admin {
    my (@args) = @_;

    my ($rc, $out, $err) = $t->cargoctl(@args);

    die "cargoctl @args: $out$err" if $rc != 0;

    return $out;
}


# A team owns the crate besides bob; dora has her role by the team alone.

sub teams {
    admin('team', 'create', 'Platform');
    admin('account', 'grant', 'team:platform', '--registry', 'main',
          '--role', 'publisher');
    admin('account', 'create', 'dora');
    admin('team', 'add', 'platform', 'dora');
    $token{dora} = $t->token('dora');

    no_cargo($t, 'dora may not publish yet', qr/don't seem to be an owner/,
             'publish', '--no-verify',
             { dir => package_of($t, 'owned', '2.0.0', ''),
               env => as('dora') });
    like(ok_cargo($t, 'bob adds the team',
                  owner('bob', '--add', 'team:platform')),
         qr/Owner team team:Platform has been added as an owner of crate owned/,
         'and hears so');
    like(ok_cargo($t, 'it is an owner', owner('dora', '--list')),
         qr/^team:Platform\b/m, 'of which all are told');
    ok_cargo($t, 'a member publishes', 'publish', '--no-verify',
             { dir => "$t->{dir}/owned-2.0.0", env => as('dora') });
    ok_cargo($t, 'and yanks', 'yank', '--registry', 'main', 'owned@2.0.0',
             { dir => $dir, env => as('dora') });
    ok_cargo($t, 'and unyanks', 'yank', '--undo', '--registry', 'main',
             'owned@2.0.0', { dir => $dir, env => as('dora') });
}


sub team_refused {
    my $members = qr/team members don't have permission to modify owners/;

    no_cargo($t, 'a member does not add', $members,
             owner('dora', '--add', 'dora'));
    no_cargo($t, 'nor remove', $members, owner('dora', '--remove', 'bob'));
    no_cargo($t, 'a team twice', qr/`team:platform` is already an owner/,
             owner('bob', '--add', 'team:platform'));
    no_cargo($t, 'no such team', qr/could not find team with name `nobody`/,
             owner('bob', '--add', 'team:nobody'));

    my @others = map { $_->{login} }
        grep { $_->{kind} eq 'user' && $_->{login} ne 'bob' }
        @{ $t->get('/api/v1/crates/owned/owners')->json()->{users} };

    ok_cargo($t, 'the others go',
             owner('bob', map { ('--remove', $_) } @others));
    no_cargo($t, 'a team alone is not enough', qr/cannot remove all/,
             owner('bob', '--remove', 'bob'));

    admin('team', 'remove', 'platform', 'dora');
    no_cargo($t, 'who is in the team no more',
             qr/knows? the token|does not know|don't seem to be an owner/,
             'publish', '--no-verify',
             { dir => package_of($t, 'owned', '2.1.0', ''),
               env => as('dora') });
    ok_cargo($t, 'the team goes', owner('bob', '--remove', 'team:Platform'));
    unlike(ok_cargo($t, 'is', owner('bob', '--list')), qr/Platform/, 'gone');
}


sub scoped_token {
    $token{yanker} = $t->token('bob', scope => 'yank,publish-update');
    $token{owner} = $t->token('bob', scope => 'change-owners',
                              crate => 'own*');
    $token{other} = $t->token('bob', scope => 'change-owners',
                              crate => 'other');

    no_cargo($t, 'without the scope', qr/it needs the scope `change-owners`/,
             owner('yanker', '--add', 'carol'));
    no_cargo($t, 'for another crate', qr/it is not for crate `owned`/,
             owner('other', '--add', 'carol'));
    ok_cargo($t, 'with both', owner('owner', '--add', 'carol'));
    ok_cargo($t, 'and back', owner('owner', '--remove', 'carol'));
    no_cargo($t, 'it does not publish',
             qr/needs the scope `publish-new` or `publish-update`/,
             'publish', '--no-verify',
             { dir => package_of($t, 'owned', '2.2.0', ''),
               env => as('owner') });
}
