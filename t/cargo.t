#!/usr/bin/perl

# What people do all day with cargo, and that the registry plays its part:
# log in, publish, add, build, install, look, yank, update.

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

my $token = $t->account('alice');
my $packed;

login();
publish();
dry_run();
add();
build();
install();
info();
yank();
update();
prerelease();
build_metadata();
big();
vendor();
refusals();
warnings_shown();
logout();

$t->done();


sub pkg { return Test::Cargo::Story::package(@_) }


sub app {
    my ($name, $tables, $main) = @_;

    return $t->new_crate($name, pkg($name, '0.1.0', $tables),
                         { 'src/main.rs' => $main // 'fn main() {}' });
}


sub login {
    my $dir = package_of($t, 'hello-lib', '1.0.0');

    no_cargo($t, 'publish before login',
             qr/no token found.*please run `cargo login /s,
             'publish', { dir => $dir });

    my $out = ok_cargo($t, 'login by standard input', 'login',
                       { input => "$token\n" });

    like($out, qr/Login token for `main` saved/, 'cargo kept the token');
    like($t->read_file('cargo-home/credentials.toml'), qr/\Q$token\E/,
         'in its credentials');

    my $me = $t->get('/me');

    is($me->{status}, 200, 'the page that cargo login names is there');
}


sub publish {
    my $dir = "$t->{dir}/hello-lib-1.0.0";
    my $out;

    my @asked = requests($t, sub {
        $out = ok_cargo($t, 'publish', 'publish', { dir => $dir });
    });

    like($out, qr/Uploaded hello-lib v1\.0\.0 to registry `main`/, 'uploaded');
    like($out, qr/Published hello-lib v1\.0\.0 at registry `main`/,
         'and seen in the index');
    unlike($out, qr/warning:/, 'without a warning');

    my @puts = grep { $asked[$_]{method} eq 'PUT' } 0 .. $#asked;

    is(scalar @puts, 1, 'one PUT');
    is($asked[ $puts[0] ]{status}, 200, 'answered by 200');

    my @polls = map { "$_->{uri} $_->{status}" }
                @asked[ $puts[0] + 1 .. $#asked ];

    is_deeply(\@polls, [ '/index/config.json 200',
                         '/index/he/ll/hello-lib 200' ],
              'in the index before the 200: cargo polled once');

    # where a cargo keeps what it uploads has changed over the years
    ($packed) = map { $t->read_file($_) }
                glob "$t->{dir}/target/package/{,tmp-crate/}hello-lib*.crate";

    is($t->get('/api/v1/crates/hello-lib/1.0.0/download')->{body}, $packed,
       'what comes down is what cargo packed');

    no_cargo($t, 'the same version again',
             qr/hello-lib\@1\.0\.0 already exists on `main` index/,
             'publish', { dir => $dir });
}


sub dry_run {
    my $dir = package_of($t, 'dry', '1.0.0');
    my $out;

    my @asked = requests($t, sub {
        $out = ok_cargo($t, 'publish --dry-run', 'publish', '--dry-run',
                        { dir => $dir });
    });

    like($out, qr/aborting upload due to dry run/, 'a dry run it was');
    is_deeply([ grep { $_->{method} ne 'GET' } @asked ], [],
              'a dry run puts nothing');
    cmp_ok(scalar @asked, '>', 0, 'though it looks into the index');
    is($t->get('/index/3/d/dry')->{status}, 404, 'and the crate is not there');
}


sub add {
    my $dir = app('app', '', <<'RUST');
fn main() { println!("built with {}", hello_lib::version()); }
RUST

    my $out;

    my @asked = requests($t, sub {
        $out = ok_cargo($t, 'add by the other spelling', 'add', 'hello_lib',
                        { dir => $dir });
    });

    like($out, qr/translating `hello_lib` to `hello-lib`/,
         'cargo add finds hello-lib for hello_lib');
    like($t->read_file('app/Cargo.toml'), qr/^hello-lib = .*version = "1/m,
         'and writes what it is called');

    my %status = map { ($_->{uri} => $_->{status}) } @asked;

    is($status{'/index/he/ll/hello_lib'}, 404, 'hello_lib is no name of it');
    is($status{'/index/he/ll/hello-lib'}, 304, 'hello-lib is (and in cache)');

    no_cargo($t, 'add of what does not exist',
             qr/the crate `no-such-crate` could not be found/,
             'add', 'no-such-crate', { dir => $dir });
}


sub build {
    my $dir = "$t->{dir}/app";
    my ($out, @asked);

    @asked = requests($t, sub {
        $out = ok_cargo($t, 'build', 'build', { dir => $dir });
    });

    like($out, qr/Downloaded hello-lib v1\.0\.0 \(registry `main`\)/,
         'the dependency came from this registry');
    is(scalar(grep { $_->{uri} =~ m{^/dl/} && $_->{status} == 200 } @asked),
       1, 'by one download');

    like(ok_cargo($t, 'run', 'run', { dir => $dir }),
         qr/^built with hello-lib 1\.0\.0$/m, 'the program runs');

    my $sum = $t->checksum($packed);

    like($t->read_file('app/Cargo.lock'), qr/^checksum = "$sum"$/m,
         'Cargo.lock has the SHA-256 of what was packed');

    @asked = requests($t, sub {
        ok_cargo($t, 'build again', 'build', '--locked', { dir => $dir });
    });

    is(scalar @asked, 0, 'which asks the registry nothing');
}


sub install {
    my $dir = $t->new_crate('tool', pkg('hello-tool', '2.0.0', <<'TOML'), {
[dependencies]
hello-lib = { version = "1", registry = "main" }
TOML
        'src/main.rs' => <<'RUST',
fn main() { println!("tool with {}", hello_lib::version()); }
RUST
    });

    unlink "$dir/src/lib.rs";

    ok_cargo($t, 'publish a program', 'publish', { dir => $dir });

    my $out = ok_cargo($t, 'install it', 'install', 'hello-tool',
                       '--root', "$t->{dir}/root");

    like($out, qr/Installed package `hello-tool v2\.0\.0 \(registry `main`\)`/,
         'from this registry');

    is($t->run_ok(command => [ "$t->{dir}/root/bin/hello-tool" ]),
       "tool with hello-lib 1.0.0\n", 'it runs');

    no_cargo($t, 'a library is not installed', qr/nothing to install/,
             'install', 'hello-lib', '--root', "$t->{dir}/root");
}


sub info {
    my $dir = package_of($t, 'informed', '3.2.1', <<'TOML');
repository = "https://git.example/informed"
rust-version = "1.60"

[features]
default = ["one"]
one = []
two = ["one"]
TOML

    ok_cargo($t, 'publish', 'publish', '--no-verify', { dir => $dir });

    my $out = ok_cargo($t, 'info', 'info', 'informed');

    like($out, qr/^informed\n/m, 'info has the name');
    like($out, qr/^A crate of a test$/m, 'the description');
    like($out, qr/^version: 3\.2\.1/m, 'the version');
    like($out, qr/^license: MIT$/m, 'the license');
    like($out, qr/^rust-version: 1\.60$/m, 'the rust-version');
    like($out, qr{^repository: https://git\.example/informed$}m,
         'the repository');
    like($out, qr/^features:\n\ \+default\ +=\ \[one\]
                  \n\ \ one\ +=\ \[\]\n\ \ two\ +=\ \[one\]/xm,
         'the features');
}


sub yank {
    my $lib = package_of($t, 'hello-lib', '1.1.0');
    my $dir = "$t->{dir}/app";

    ok_cargo($t, 'publish 1.1.0', 'publish', { dir => $lib });
    ok_cargo($t, 'update to it', 'update', { dir => $dir });
    is(locked($t, 'app', 'hello-lib'), '1.1.0', 'Cargo.lock took 1.1.0');

    my $out = ok_cargo($t, 'yank', 'yank', 'hello-lib@1.1.0');

    like($out, qr/Yank hello-lib\@1\.1\.0/, 'cargo says so');

    like(ok_cargo($t, 'run what is locked', 'run', { dir => $dir }),
         qr/built with hello-lib 1\.1\.0/, 'a yanked version is still served');

    my $fresh = app('fresh', <<'TOML');
[dependencies]
hello-lib = { version = "1.0", registry = "main" }
TOML

    ok_cargo($t, 'a new lock file', 'generate-lockfile', { dir => $fresh });
    is(locked($t, 'fresh', 'hello-lib'), '1.0.0', 'skips the yanked version');

    my $exact = app('exact', <<'TOML');
[dependencies]
hello-lib = { version = "=1.1.0", registry = "main" }
TOML

    no_cargo($t, 'who wants just that version',
             qr/version 1\.1\.0 is yanked/, 'generate-lockfile',
             { dir => $exact });

    $out = ok_cargo($t, 'unyank', 'yank', '--undo', 'hello_lib@1.1.0');
    like($out, qr/Unyank hello_lib\@1\.1\.0/, 'by any spelling');

    ok_cargo($t, 'now it resolves', 'generate-lockfile', { dir => $exact });

    no_cargo($t, 'yank a version that is not there',
             qr/status\ 404\ Not\ Found\):\ crate\ `hello-lib`
                \ does\ not\ have\ a\ version\ `9\.9\.9`/x, 'yank', 'hello-lib@9.9.9');
    no_cargo($t, 'yank a crate that is not there',
             qr/status 404 Not Found\): crate `nothing` does not exist/,
             'yank', 'nothing@1.0.0');
}


sub update {
    my $dir = "$t->{dir}/fresh";

    for my $version ('1.2.0', '2.0.0') {
        ok_cargo($t, "publish $version", 'publish', '--no-verify',
                 { dir => package_of($t, 'hello-lib', $version) });
    }

    my $out = ok_cargo($t, 'update', 'update', '--verbose', { dir => $dir });

    like($out, qr/Updating\ hello-lib\ v1\.0\.0\ \(registry\ `main`\)
                  \ ->\ v1\.2\.0\ \(available:\ v2\.0\.0\)/x,
         'to the newest that fits, and tells of the newer one');
    is(locked($t, 'fresh', 'hello-lib'), '1.2.0', 'Cargo.lock has it');

    my @asked = requests($t, sub {
        ok_cargo($t, 'update once more', 'update', { dir => $dir });
    });

    my ($document) = grep { $_->{uri} eq '/index/he/ll/hello-lib' } @asked;

    is($document->{status}, 304, 'what cargo has is not sent again');

    ok_cargo($t, 'update --precise', 'update', 'hello-lib', '--precise',
             '1.1.0', { dir => $dir });
    is(locked($t, 'fresh', 'hello-lib'), '1.1.0', 'an older one on demand');
}


sub prerelease {
    for my $version ('1.0.0', '1.1.0-rc.1', '1.1.0-rc.2') {
        ok_cargo($t, "publish $version", 'publish', '--no-verify',
                 { dir => package_of($t, 'early', $version) });
    }

    my %expected = ('1' => '1.0.0', '1.1.0-rc.1' => '1.1.0-rc.2',
                    '=1.1.0-rc.1' => '1.1.0-rc.1');

    for my $req (sort keys %expected) {
        my $dir = app('early-app', <<"TOML");
[dependencies]
early = { version = "$req", registry = "main" }
TOML

        unlink "$dir/Cargo.lock";
        ok_cargo($t, "fetch early $req", 'fetch', { dir => $dir });
        is(locked($t, 'early-app', 'early'), $expected{$req},
           "is $expected{$req}");
    }
}


sub build_metadata {
    my $dir = package_of($t, 'plus', '1.0.0+a');

    my $out = ok_cargo($t, 'publish 1.0.0+a', 'publish', { dir => $dir });

    like($out, qr/Published plus v1\.0\.0\+a/, 'seen in the index');

    no_cargo($t, '1.0.0+b is the same version',
             qr/plus\@1\.0\.0\+b already exists on `main` index/,
             'publish', { dir => package_of($t, 'plus', '1.0.0+b') });

    my $app = app('plus-app', <<'TOML', <<'RUST');
[dependencies]
plus = { version = "1", registry = "main" }
TOML
fn main() { println!("{}", plus::version()); }
RUST

    like(ok_cargo($t, 'run', 'run', { dir => $app }),
         qr/^plus 1\.0\.0\+a$/m, 'downloaded and built');

    ok_cargo($t, 'yank 1.0.0+a', 'yank', 'plus@1.0.0+a');
    like($t->get('/index/pl/us/plus')->{body}, qr/"yanked":true/, 'yanked');
}


# Above 1 MiB cargo waits for a 100 before it sends the body.

sub big {
    srand 1;

    my $noise = join '', map { pack 'N', int rand 2 ** 32 } 1 .. 500_000;
    my $dir = package_of($t, 'big', '1.0.0', '', { 'noise.bin' => $noise });

    like(ok_cargo($t, 'publish 2 MB', 'publish', { dir => $dir }),
         qr/Published big v1\.0\.0/, 'seen in the index');

    ok_cargo($t, 'info downloads it', 'info', 'big');

    my ($file) = glob "$t->{dir}/cargo-home/registry/src/*/big-1.0.0/noise.bin";

    ok(($t->read_file($file // '/nowhere') // '') eq $noise,
       'every byte of it');
}


sub vendor {
    my $dir = "$t->{dir}/app";
    my $config = ok_cargo($t, 'vendor', 'vendor', '--respect-source-config',
                          { dir => $dir });

    my ($sources) = $config =~ /^(\[source\..*)/ms;

    $t->write_file('app/.cargo/config.toml', $sources // '');

    like(ok_cargo($t, 'a build from that', 'run', '--offline', {
                  dir => $dir, env => {
                  CARGO_TARGET_DIR => "$t->{dir}/target-vendor" } }),
         qr{hello-lib\ v1\.1\.0\ \(registry\ `main`\)?.*
            ^built\ with\ hello-lib\ 1\.1\.0$}smx, 'needs no registry');

    unlink "$dir/.cargo/config.toml";
}


# What the registry refuses, cargo shows as a sentence.

sub refusals {
    my $bob = { env => { CARGO_REGISTRIES_MAIN_TOKEN => $t->account('bob') } };

    no_cargo($t, 'another one publishes to the crate',
             qr/\(status\ 403\ Forbidden\):\ this\ crate\ exists\ but\ you
                \ don't\ seem\ to\ be\ an\ owner.*alice/x,
             'publish', '--no-verify',
             { %$bob, dir => package_of($t, 'hello-lib', '3.0.0') });

    no_cargo($t, 'another one yanks',
             qr/403 Forbidden\): must already be an owner to yank or unyank/,
             'yank', 'hello-lib@1.0.0', $bob);

    no_cargo($t, 'another spelling of a name',
             qr/400 Bad Request\): crate was previously named `hello-lib`/,
             'publish', '--no-verify',
             { dir => package_of($t, 'Hello_Lib', '3.0.0') });

    my $dir = $t->new_crate('bare', <<'TOML');
[package]
name = "bare"
version = "1.0.0"
edition = "2021"
TOML

    no_cargo($t, 'no description, no license',
             qr/missing or empty metadata fields: description, license/,
             'publish', '--no-verify', { dir => $dir });
}


# A registry may take dependencies it does not know; then it warns.  The
# dependency is patched, or cargo would not get as far as the upload.

sub warnings_shown {
    my $set = sub { $t->cargoctl('registry', 'set', 'main',
                                 "allow_unknown_dependencies=$_[0]") };

    package_of($t, 'absent', '1.0.0');

    my $dir = package_of($t, 'warned', '1.0.0', <<'TOML');

[dependencies]
absent = { version = "1", registry = "main" }
TOML

    my @publish = ('publish', '--no-verify', '--config',
                   "patch.main.absent.path='$t->{dir}/absent-1.0.0'",
                   { dir => $dir });

    no_cargo($t, 'a dependency that is not there is refused',
             qr/400 Bad Request\): no known crate named `absent`/, @publish);

    is(($set->('true'))[0], 0, 'unknown dependencies allowed');

    like(ok_cargo($t, 'now it is published', @publish),
         qr/^warning: no known crate named `absent`$/m,
         'and cargo shows the warning of the registry');

    is(($set->('false'))[0], 0, 'and forbidden again');
}


sub logout {
    ok_cargo($t, 'logout', 'logout');

    no_cargo($t, 'yank after that',
             qr/no token found.*please run `cargo login /s,
             'yank', 'hello-lib@1.0.0');
}
