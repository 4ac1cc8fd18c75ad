#!/usr/bin/perl

# Yank and unyank: who may, of what, and what the index says then.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $OK = '{"ok":true}';

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my $alice = $t->account('alice');
my %token = (owner => $alice,
             map { $_ => $t->account("the-$_", role => $_) }
             qw(reader publisher maintainer admin));

for my $version ('1.0.0', '1.1.0+build.5', '2.0.0-rc.1') {
    my $r = $t->publish($alice, { name => 'Foo-Bar', vers => $version });

    die $r->{body} if $r->{status} != 200;
}

the_line();
who_may();
spellings();
versions();
idempotent();
not_found();
order_of_checks();
methods();
bodies();
messages();
bad_messages();
keepalive();

$t->done();


sub yank {
    my ($crate, $version, $token, %headers) = @_;

    return $t->delete("/api/v1/crates/$crate/$version/yank",
                      Authorization => $token, %headers);
}


sub unyank {
    my ($crate, $version, $token, %headers) = @_;

    return $t->put("/api/v1/crates/$crate/$version/unyank", '',
                   Authorization => $token, %headers);
}


# the versions that the index calls yanked

sub yanked {
    my $document = $t->get('/index/fo/o-/foo-bar')->{body};

    return join ' ', map { $_->{vers} } grep { $_->{yanked} }
        map { JSON::PP->new->utf8->decode($_) } split /\n/, $document;
}


sub the_line {
    my $before = $t->get('/index/fo/o-/foo-bar')->{body};
    my $r = yank('Foo-Bar', '1.1.0+build.5', $alice);

    is($r->{status}, 200, 'the owner yanks');
    is($r->{body}, $OK, 'the body that cargo parses');
    is($r->header('Content-Type'), 'application/json', 'as JSON');

    my $after = $t->get('/index/fo/o-/foo-bar')->{body};
    my @lines = split /^/, $before;

    $lines[1] =~ s/"yanked":false/"yanked":true/;
    is($after, join('', @lines), 'one word of the index changes, in its place');

    $r = unyank('Foo-Bar', '1.1.0+build.5', $alice);

    is("$r->{status} $r->{body}", "200 $OK", 'and unyanks');
    is($t->get('/index/fo/o-/foo-bar')->{body}, $before, 'all as before');
}


sub who_may {
    my %may = (owner => 1, maintainer => 1, admin => 1);

    my %says = (
        publisher => 'must already be an owner to yank or unyank',
        reader => 'this action needs the role publisher or a higher one in'
            . ' registry `main`, the account `the-reader` has the role reader;'
            . ' ask an administrator of the registry',
    );

    for my $who (sort keys %token) {
        for my $action (\&yank, \&unyank) {
            my $before = yanked();
            my $r = $action->('Foo-Bar', '1.0.0', $token{$who});

            is($r->{status}, $may{$who} ? 200 : 403, "$who: $r->{status}");
            is($r->detail(), $says{$who}, 'in the words for it');

            if ($may{$who}) {
                is(yanked(), $action == \&yank ? '1.0.0' : '', 'done');
            } else {
                is(yanked(), $before, 'not done');
            }
        }
    }

    yank('Foo-Bar', '1.0.0', $alice);
    is(unyank('Foo-Bar', '1.0.0', $token{publisher})->{status}, 403,
       'a foreign account does not unyank');
    is(yanked(), '1.0.0', 'what the owner has yanked');
    unyank('Foo-Bar', '1.0.0', $alice);

    for my $action (\&yank, \&unyank) {
        my $r = $action->('Foo-Bar', '1.0.0', undef);

        is($r->{status}, 403, 'without a token');
        is($r->detail(), 'this action requires authentication; run'
           . ' `cargo login` with a token of this registry',
           'in cargo\'s words: what to do');
    }

    $t->sql('insert into cargo_store.owners (crate_id, account_id) select'
            . ' c.id, a.id from cargo_store.crates c, cargo_store.accounts a'
            . " where login = 'the-publisher'");
    is(yank('Foo-Bar', '1.0.0', $token{publisher})->{status}, 200,
       'a second owner');
    unyank('Foo-Bar', '1.0.0', $alice);
}


sub spellings {
    for my $name (qw(foo-bar foo_bar FOO-BAR Foo_Bar fOO_bAR %46oo-Bar)) {
        is(yank($name, '1.0.0', $alice)->{body}, $OK, "yank: $name");
        is(yanked(), '1.0.0', 'is the crate');
        is(unyank($name, '1.0.0', $alice)->{body}, $OK, "unyank: $name");
        is(yanked(), '', 'the same');
    }
}


sub versions {
    for my $version ('1.1.0+build.5', '1.1.0%2Bbuild.5', '1.1.0%2bbuild.5') {
        is(yank('Foo-Bar', $version, $alice)->{body}, $OK, "yank: $version");
        is(yanked(), '1.1.0+build.5', 'a plus, raw or encoded');
        unyank('Foo-Bar', $version, $alice);
        is(yanked(), '', 'the same for unyank');
    }

    yank('Foo-Bar', '2.0.0-rc.1', $alice);
    is(yanked(), '2.0.0-rc.1', 'a pre-release');
    unyank('Foo-Bar', '2.0.0-rc.1', $alice);
}


sub idempotent {
    my $state = sub {
        return $t->sql('select count(*), max(c.index_modified),'
                       . ' max(v.updated_at) from cargo_store.changes,'
                       . ' cargo_store.crates c, cargo_store.versions v');
    };

    unyank('Foo-Bar', '1.0.0', $alice);
    my $before = $state->();
    is(unyank('Foo-Bar', '1.0.0', $alice)->{body}, $OK,
       'to unyank what is not yanked is fine');
    is($state->(), $before, 'and changes nothing');

    yank('Foo-Bar', '1.0.0', $alice);
    isnt($state->(), $before, 'a yank is a change');
    $before = $state->();

    my $r = $t->get('/index/fo/o-/foo-bar');

    is(yank('foo_bar', '1.0.0', $alice)->{body}, $OK,
       'to yank twice is fine');
    is($state->(), $before, 'and changes nothing');
    is($t->get('/index/fo/o-/foo-bar', 'If-Modified-Since' =>
               $r->header('Last-Modified'))->{status}, 304,
       'so that every cache is still good');
    unyank('Foo-Bar', '1.0.0', $alice);
}


sub not_found {
    my %detail = (
        'foo/1.0.0' => 'crate `foo` does not exist',
        'foo-bar-/1.0.0' => 'crate `foo-bar-` does not exist',
        '1foo/1.0.0' => 'crate `1foo` does not exist',
        'foo.bar/1.0.0' => 'crate `foo.bar` does not exist',
        'f%22o/1.0.0' => 'crate `f"o` does not exist',
        'f%0Ao/1.0.0' => "crate `f\no` does not exist",
        'foo-bar/1.0.1' => 'crate `foo-bar` does not have a version `1.0.1`',
        'foo-bar/1.1.0' => 'crate `foo-bar` does not have a version `1.1.0`',
        'Foo-Bar/1.1.0+build.6' =>
            'crate `Foo-Bar` does not have a version `1.1.0+build.6`',
        'foo-bar/1.0.0+x' =>
            'crate `foo-bar` does not have a version `1.0.0+x`',
        'foo-bar/2.0.0-RC.1' =>
            'crate `foo-bar` does not have a version `2.0.0-RC.1`',
        'foo-bar/v1.0.0' => 'crate `foo-bar` does not have a version `v1.0.0`',
        'foo-bar/1.0' => 'crate `foo-bar` does not have a version `1.0`',
        'foo-bar/01.0.0' => 'crate `foo-bar` does not have a version `01.0.0`',
    );

    my $rows = rows($t);

    for my $path (sort keys %detail) {
        my ($crate, $version) = split m{/}, $path;

        for my $action (\&yank, \&unyank) {
            my $r = $action->($crate, $version, $alice);

            is($r->{status}, 404, "404: $path");
            is($r->detail(), $detail{$path}, 'in the words of crates.io');
        }
    }

    # that would delete the version
    my %status = ('crates/foo-bar/1.0.0' => 403);

    for my $path (sort(keys %status), 'crates//1.0.0/yank',
                  'crates/foo-bar//yank', 'crates/foo-bar/yank',
                  'crates/foo-bar/1.0.0/yank/', 'crates/foo-bar/1.0.0/yank/x',
                  'crates/foo%2Fbar/1.0.0/yank',
                  'crates/foo-bar%2F1.0.0/yank', 'crate/foo-bar/1.0.0/yank',
                  'crates/foo-bar/1.0.0/Yank')
    {
        my $r = $t->delete("/api/v1/$path", Authorization => $alice);

        is($r->{status}, $status{$path} // 404, "nothing to yank: $path");
        ok(defined $r->detail(), 'in cargo\'s form');
    }

    is(yanked(), '', 'nothing was yanked');
    is(rows($t), $rows, 'nor written');
}


# Somebody without rights does not learn what there is.

sub order_of_checks {
    is(yank('nosuch', '1.0.0', $token{reader})->{status}, 403,
       'the role comes before the crate');
    is(yank('nosuch', '1.0.0', undef)->{status}, 403,
       'the token comes before the crate');
    is(yank('foo-bar', '9.9.9', $token{publisher})->{status}, 404,
       'the version comes before the owners, as at crates.io');
}


sub methods {
    my %allow = (yank => 'DELETE', unyank => 'PUT');

    for my $action (sort keys %allow) {
        for my $method (qw(GET HEAD PUT DELETE POST PATCH OPTIONS X)) {
            next if $method eq $allow{$action};

            my $r = $t->request($method, "/api/v1/crates/Foo-Bar/1.0.0/$action",
                                Authorization => $alice, body => '');

            is($r->{status}, 405, "$method $action");
            is($r->header('Allow'), $allow{$action}, 'says what is allowed');
            is($r->detail(), "$method is not allowed here, only"
               . " $allow{$action}", 'and so does its body')
                if $method ne 'HEAD';
        }
    }

    is(yanked(), '', 'and does nothing');
}


# cargo up to 1.76 says Content-Type without a body, later ones nothing.

sub bodies {
    is(yank('Foo-Bar', '1.0.0', $alice, 'Content-Type' => 'application/json')
         ->{body}, $OK, 'DELETE with a Content-Type');
    is(unyank('Foo-Bar', '1.0.0', $alice, 'Content-Type' => 'application/json')
         ->{body}, $OK, 'PUT with a Content-Type');
    is($t->request('PUT', '/api/v1/crates/Foo-Bar/1.0.0/unyank',
                   Authorization => $alice)->{body}, $OK,
       'PUT without a Content-Length');
    is($t->put('/api/v1/crates/Foo-Bar/1.0.0/unyank?x=1&yanked=true', '{}',
               Authorization => $alice, Accept => 'application/json')->{body},
       $OK, 'a body and arguments do not matter');
    is($t->put('/api/v1/crates/Foo-Bar/1.0.0/unyank', 'x' x 100_000,
               Authorization => $alice, chunked => 1000)->{body}, $OK,
       'nor does a long one in chunks');
}


# What crates.io's PATCH can.

sub patch {
    my ($body, $token, %headers) = @_;

    return $t->request('PATCH', '/api/v1/crates/foo_bar/1.0.0',
                       body => $body, Authorization => $token, %headers);
}


sub messages {
    my $r = patch('{"version":{"yanked":true,"yank_message":"unsound"}}',
                  $alice, 'Content-Type' => 'application/json');

    is($r->{status}, 200, 'yank with a message');
    is($r->header('Content-Type'), 'application/json', 'JSON');

    my $version = $r->json()->{version};

    is($version->{num}, '1.0.0', 'the answer is the version');
    is($version->{crate}, 'Foo-Bar', 'of the crate');
    ok($version->{yanked}, 'yanked');
    is($version->{yank_message}, 'unsound', 'and why');
    is(yanked(), '1.0.0', 'the index says so');
    is($t->get('/api/v1/crates/Foo-Bar/1.0.0')->json()
         ->{version}{yank_message}, 'unsound', 'everybody reads why');

    my $index = $t->get('/index/fo/o-/foo-bar');

    is(patch('{"version":{"yank_message":"see the advisory"}}', $alice)
         ->json()->{version}{yank_message}, 'see the advisory',
       'another message');
    is($t->get('/index/fo/o-/foo-bar', 'If-None-Match' =>
               $index->header('ETag'))->{status}, 304,
       'changes nothing that cargo reads');

    is(patch('{"version":{"yanked":false}}', $alice)->json()
         ->{version}{yank_message}, undef, 'it goes with the yank');
    is(yanked(), '', 'which is undone');

    my %may = (owner => 1, maintainer => 1, admin => 1, publisher => 1);

    for my $who (sort keys %token) {
        is(patch('{"version":{}}', $token{$who})->{status},
           $may{$who} ? 200 : 403, "by a $who");
    }
}


sub bad_messages {
    my %bad = (
        '{"version":{"yanked":false,"yank_message":"x"}}' =>
            qr/^Cannot set yank message when unyanking$/,
        '{"version":{"yank_message":"x"}}' =>
            qr/^Cannot update yank message for a version that is not yanked$/,
        '{"version":{"yanked":"yes"}}' => qr/`yanked` must be true or false/,
        '{"version":{"yanked":1e999}}' => qr/\w+ \w+/,
        '{"version":{"yank_message":[1]}}' => qr/must be a string/,
        '{"version":{"num":"9.9.9"}}' => qr/`num` of a version cannot be/,
        '{"version":{"yanked":true,"yank_message":"' . 'x' x 1001 . '"}}' =>
            qr/1000 characters/,
        '{"version":true}' => qr/must be a JSON object/,
        '{"yanked":true}' => qr/must be a JSON object/,
        '[]' => qr/\w+ \w+/, '' => qr/\w+ \w+/, '{' => qr/\w+ \w+/,
        "{\"version\":{\"yank_message\":\"\xff\"}}" => qr/\w+ \w+/,
        '{"version":{"yank_message":"\\u0000"}}' => qr/\w+ \w+/,
        '{"version":' . '[' x 5000 . ']' x 5000 . '}' => qr/\w+ \w+/,
    );

    for my $body (sort keys %bad) {
        my $r = patch($body, $alice);
        my $name = substr($body, 0, 60) =~ s/[^ -~]/?/gr;

        is($r->{status}, 400, "400: $name");
        like($r->detail() // '', $bad{$body}, 'with a sentence');
    }

    is(patch('{"version":{"yanked":true}}', undef)->{status}, 403,
       'without a token');
    is($t->request('PATCH', '/api/v1/crates/nosuch/1.0.0', body =>
                   '{"version":{"yanked":true}}', Authorization => $alice)
         ->{status}, 404, 'no such crate');
    is(yanked(), '', 'none of it did anything');
}


sub keepalive {
    my $connection = $t->connect();

    my @got = map {
        my $action = $_ % 2 ? \&unyank : \&yank;
        $action->('Foo-Bar', $_ == 4 ? '9.9.9' : '1.0.0', $alice,
                  connection => $connection)->{status};
    } 0 .. 7;

    is("@got", '200 200 200 200 404 200 200 200',
       'many on one connection, an error among them');

    $t->put('/api/v1/crates/Foo-Bar/1.0.0/unyank', 'x' x 1000,
            Authorization => 's3cret', connection => $connection);
    is(yank('Foo-Bar', '1.0.0', $alice, connection => $connection)->{status},
       200, 'the body of a refused request is not the next request');
    is(yanked(), '1.0.0', 'which is carried out');
}
