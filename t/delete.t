#!/usr/bin/perl

# Deleting a version or a crate: who may, what is left, and that nobody takes
# the name or the number too soon.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;
use Test::Cargo::Story;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my $alice = $t->account('alice');
my %token = (owner => $alice,
             map { $_ => $t->account("the-$_", role => $_) }
             qw(reader publisher maintainer admin));
my $admin = $token{admin};

for my $version ('1.0.0', '1.1.0', '2.0.0+b.1') {
    publish($alice, 'Foo-Bar', $version);
}

who_may();
reasons();
one_version();
number_kept();
dependents();
whole_crate();
name_kept();
swept();
misuse();

SKIP: {
    skip('THERE IS NO CARGO: install one or set CARGO', 1)
        if !Test::Cargo->cargo_binary();

    subtest 'cargo, and what is deleted' => \&with_cargo;
}

$t->done();


sub publish {
    my ($token, $name, $version) = @_;

    my $r = $t->publish($token, { name => $name, vers => $version });

    die $r->{body} if $r->{status} != 200;
}


sub remove {
    my ($path, $token, $message) = @_;

    $path .= "?message=$message" if defined $message;

    return $t->delete("/api/v1/crates/$path", Authorization => $token);
}


sub index_of {
    my ($path) = @_;

    my $r = $t->get("/index/$path");

    return $r->{status} if $r->{status} != 200;
    return join ' ', $r->{body} =~ /"vers":"([^"]+)"/g;
}


sub who_may {
    my $before = rows($t);

    for my $who (qw(owner reader publisher maintainer)) {
        for my $path ('Foo-Bar', 'Foo-Bar/1.0.0') {
            my $r = remove($path, $token{$who}, 'x');

            is($r->{status}, 403, "$who: $path");
            like($r->detail(), qr/^this action needs the role admin in registry/,
                 'says what is needed');
        }
    }

    is(remove('Foo-Bar', undef, 'x')->{status}, 403, 'nobody');

    my $other = $t->token('the-admin', scope => 'yank,publish-update,read');

    like(remove('Foo-Bar', $other, 'x')->detail(),
         qr/it needs the scope `admin`/, 'a token without the scope');
    is(rows($t), $before, 'nothing was deleted');
}


sub reasons {
    for my $path ('Foo-Bar', 'Foo-Bar/1.0.0') {
        for my $message (undef, '', '%20') {
            my $r = remove($path, $admin, $message);

            is($r->{status}, 400, "$path: no reason");
            like($r->detail(), qr/^a deletion needs a reason/, 'says so');
        }

        is(remove($path, $admin, 'x' x 1001)->{status}, 400,
           'a reason too long');
        is(remove($path, $admin, '%FF')->{status}, 400, 'broken UTF-8');
        is(remove($path, $admin, '%00')->{status}, 400, 'a NUL');
    }

    is(index_of('fo/o-/foo-bar'), '1.0.0 1.1.0 2.0.0+b.1', 'all is there');
}


sub one_version {
    my $tag = $t->get('/index/fo/o-/foo-bar')->header('ETag');
    my $r = remove('foo_bar/2.0.0+b.1', $admin, 'a%20key%20%C3%BC');

    is($r->{status}, 204, 'a version');
    is($r->{body}, '', 'without a word');
    is(index_of('fo/o-/foo-bar'), '1.0.0 1.1.0', 'is not in the index');
    is($t->get('/index/fo/o-/foo-bar', 'If-None-Match' => $tag)->{status}, 200,
       'whoever has an old copy hears of it');
    is($t->get('/api/v1/crates/Foo-Bar')->json()->{crate}{max_version},
       '1.1.0', 'the crate has another newest version');
    is($t->get('/api/v1/crates/Foo-Bar/2.0.0+b.1/download')->{status}, 404,
       'it cannot be downloaded');
    is($t->get('/api/v1/crates/Foo-Bar/2.0.0+b.1')->{status}, 404,
       'nor looked at');
    is(remove('foo_bar/2.0.0+b.1', $admin, 'x')->{status}, 404, 'nor deleted');
    is($t->sql('select version, deleted_by, reason from cargo_store.deletions'),
       "2.0.0+b.1|the-admin|a key \x{c3}\x{bc}", 'who did it, and why');
}


sub number_kept {
    for my $version ('2.0.0+b.1', '2.0.0', '2.0.0+x') {
        my $r = $t->publish($alice, { name => 'Foo-Bar', vers => $version });

        is($r->{status}, 400, "$version is not published again");
        like($r->detail(),
             qr/^version `2\.0\.0\+b\.1` of crate `Foo-Bar` was deleted on /,
             'says why');
        like($r->detail(), qr/ until [\d-]+ [\d:]+ UTC;/, 'and until when');
    }

    publish($alice, 'Foo-Bar', '2.0.1');
    is(index_of('fo/o-/foo-bar'), '1.0.0 1.1.0 2.0.1', 'the next one is');

    $t->cargoctl('crate', 'release', 'foo-bar', '2.0.0', '--registry', 'main');
    publish($alice, 'Foo-Bar', '2.0.0');
    is(index_of('fo/o-/foo-bar'), '1.0.0 1.1.0 2.0.1 2.0.0',
       'when an administrator says so');
}


sub dependents {
    my $own = 'sparse+' . $t->base_url() . '/index/';
    my $r = $t->publish($alice, { name => 'user', deps => [ {
        name => 'Foo-Bar', version_req => '^1', kind => 'normal',
        features => [], optional => JSON::PP::false,
        default_features => JSON::PP::true, target => undef,
    } ] }, manifest => Test::Cargo::Crate::manifest(
        name => 'user', extra => <<"TOML"));
[dependencies]
Foo-Bar = { version = "1", registry-index = "$own" }
TOML

    is($r->{status}, 200, 'another crate needs it') || diag($r->{body});

    $r = remove('Foo-Bar', $admin, 'x');

    is($r->{status}, 422, 'others depend on it');
    like($r->detail(), qr/depend on it: `user`/, 'who');
    is(remove('user', $admin, 'x')->{status}, 204, 'which goes first');
}


sub whole_crate {
    is(remove('foo-bar', $admin, 'wrong%20name')->{status}, 204, 'a crate');
    is(index_of('fo/o-/foo-bar'), 404, 'is not in the index');
    is($t->get('/api/v1/crates/Foo-Bar')->{status}, 404, 'nor in the API');
    unlike($t->get('/api/v1/crates?q=foo')->{body}, qr/Foo-Bar/,
           'nor found');
    is($t->get('/api/v1/crates/Foo-Bar/1.0.0/download')->{status}, 404,
       'it cannot be downloaded');
    is(remove('foo-bar', $admin, 'x')->{status}, 404, 'nor deleted');
    is($t->sql('select count(*) from cargo_store.crates where name ='
               . " 'Foo-Bar'"), 0, 'nothing of it is left');
}


sub name_kept {
    for my $token ($alice, $admin) {
        my $r = $t->publish($token, { name => 'foo_bar', vers => '1.0.0' });

        is($r->{status}, 400, 'its name is not taken');
        like($r->detail(),
             qr/^the crate `Foo-Bar` was deleted on .* until [\d-]+ [\d:]+ UTC/,
             'and says until when');
    }

    $t->sql("update cargo_store.deletions set reserved_until = now()");
    publish($token{publisher}, 'foo_bar', '1.0.0');
    is(index_of('fo/o_/foo_bar'), '1.0.0', 'after that it is anybody\'s');
}


sub swept {
    my @before = blob_files($t);

    cmp_ok(scalar(@before), '>', 1, 'blobs of what is gone are there still');

    # younger ones may be of an upload that is not in the database yet
    utime 0, 0, $t->dir() . "/blobs/$_" for @before;

    my ($rc, $out, $err) = $t->cargoctl('sweep');

    is($rc, 0, 'sweep') || diag("$out$err");
    is(join(' ', grep { m{^[0-9a-f]{2}/} } blob_files($t)),
       blob_of($t->get('/api/v1/crates/foo_bar/1.0.0')->json()
                 ->{version}{checksum}), 'takes all but what is published');
}


sub misuse {
    for my $path ('..', 'x/1.0.0/..', '%2e%2e', "x'--", 'foo_bar/1.0.0%00',
                  'x' x 3000, 'foo_bar/' . '1' x 3000, '%FF', 'foo%2Fbar/1.0.0')
    {
        my $r = remove($path, $admin, 'x');

        like($r->{status}, qr/^4\d\d$/,
             "$r->{status}: " . substr($path, 0, 30));
    }

    is(remove('foo_bar?message=a&message=b', $admin)->{status} =~ /^(?:204|400)/
       ? 1 : 0, 1, 'two reasons');
}


sub with_cargo {
    $t->cargoctl('account', 'grant', 'alice', '--registry', 'main', '--role',
                 'admin');

    my $env = { CARGO_REGISTRIES_MAIN_TOKEN => $alice };
    my $dir = package_of($t, 'kept', '1.0.0', '');

    ok_cargo($t, 'published', 'publish', '--no-verify',
             { dir => $dir, env => $env });

    my $app = $t->new_crate('app', Test::Cargo::Story::package('app', '0.1.0',
        qq{[dependencies]\nkept = { version = "1", registry = "main" }\n}),
        { 'src/main.rs' => 'fn main() { print!("{}", kept::version()) }' });

    ok_cargo($t, 'used', 'run', { dir => $app, env => $env });

    is(remove('kept/1.0.0', $alice, 'x')->{status}, 204, 'deleted');
    no_cargo($t, 'publish into the quarantine',
             qr/version `1\.0\.0` of crate `kept` was deleted on/,
             'publish', '--no-verify', { dir => $dir, env => $env });

    unlink "$app/Cargo.lock";
    no_cargo($t, 'a crate without versions is not found', qr/kept/,
             'update', { dir => $app, env => $env });

    is(remove('kept', $alice, 'x')->{status}, 204, 'the crate too');
    no_cargo($t, 'publish under its name',
             qr/the crate `kept` was deleted on/,
             'publish', '--no-verify',
             { dir => package_of($t, 'kept', '2.0.0', ''), env => $env });
}
