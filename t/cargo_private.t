#!/usr/bin/perl

# A registry that only those with a token may read: the 401 that makes cargo
# ask for one, and everything else as in a public registry once it has one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

$t->cargoctl('registry', 'set', 'main', 'auth_required=true');

my $token = $t->account('alice');
my $reader = $t->account('bob', role => 'reader');

my $app = $t->new_crate('app', Test::Cargo::Story::package(
    'app', '0.1.0', <<'TOML'), {

[dependencies]
secret = { version = "1", registry = "main" }
TOML
    'src/main.rs' => 'fn main() { println!("{}", secret::version()); }' });

unlink "$app/src/lib.rs";

no_token();
no_provider();
logged_in();
what_is_sent();
by_environment();
by_a_command();
schemes();
wrong_token();
revoked_token();
reader();
stranger();

$t->done();


# A cargo that has never seen this registry.

sub cold {
    remove_tree("$t->{dir}/cargo-home/registry");
    unlink "$app/Cargo.lock";
}


sub with_token {
    my ($value) = @_;

    return { dir => $app, env => { CARGO_REGISTRIES_MAIN_TOKEN => $value } };
}


# By the template in config.json.

sub dl_path {
    my ($name, $version, $checksum) = @_;

    my $path = $t->get('/index/config.json', Authorization => $token)
                 ->json()->{dl};
    my %value = (crate => $name, version => $version,
                 'sha256-checksum' => $checksum);

    $path =~ s/\{([\w-]+)\}/$value{$1}/g;

    return substr $path, length $t->base_url();
}


sub no_token {
    my @asked = requests($t, sub {
        no_cargo($t, 'build without a token', qr/error:\ failed\ to.*
            no\ token\ found\ for\ `main`,\ please\ run
            \ `cargo\ login\ --registry\ main`\n\s*or\ use\ environment
            \ variable\ CARGO_REGISTRIES_MAIN_TOKEN/sx,
            'generate-lockfile', { dir => $app });
    });

    is_deeply([ map { "$_->{uri} $_->{status}" } @asked ],
              [ '/index/config.json 401' ], 'after one 401, and no more');

    my $r = $t->get('/index/config.json');
    my $me = $t->base_url() . '/me';

    like($r->header('WWW-Authenticate'), qr/^Cargo login_url="\Q$me\E"$/,
         'the 401 says where tokens are to be had');

    for my $uri ('/index/se/cr/secret', dl_path('secret', '1.0.0', '0' x 64),
                 '/api/v1/crates/secret/1.0.0/download')
    {
        my $r = $t->get($uri);

        is($r->{status}, 401, "401 for $uri");
        like($r->header('WWW-Authenticate'), qr/^Cargo login_url="/,
             'which says so too');
    }

    my ($rc, $out) = $t->cargo('login', { input => "$token\n" });

    is($rc, 0, 'login works without being logged in') || diag($out);
    $t->cargo('logout');
}


sub no_provider {
    my $config = $t->read_file('cargo-home/config.toml');

    $t->write_file('cargo-home/config.toml',
                   $config =~ s/^global-credential-providers.*\n//mr);

    no_cargo($t, 'no credential provider is configured',
             qr/authenticated\ registries\ require\ a\ credential-provider
                \ to\ be\ configured/x, 'generate-lockfile',
             with_token($token));

    $t->write_file('cargo-home/config.toml', $config);
}


sub logged_in {
    ok_cargo($t, 'login', 'login', { input => "$token\n" });
    cold();

    short_story($t, 'publish, add, build, yank with a token',
                name => 'secret', verify => 1);

    like(ok_cargo($t, 'info', 'info', 'secret'), qr/^version: 1\.1\.0/m,
         'info finds it');
}


# cargo learns of auth-required from config.json, and then sends the token
# with all it asks.

sub what_is_sent {
    my $config = $t->get('/index/config.json', Authorization => $token);

    ok($config->json()->{'auth-required'}, 'config.json has auth-required');

    cold();

    my @asked = requests($t, sub {
        ok_cargo($t, 'build from a cold cache', 'fetch', { dir => $app });
    });

    my ($sum) = map { JSON::PP::decode_json($_)->{cksum} }
        grep { /"vers":"1\.1\.0"/ } split /\n/,
        $t->get('/index/se/cr/secret', Authorization => $token)->{body};
    my $dl = dl_path('secret', '1.1.0', $sum);

    is_deeply([ map { "$_->{status} $_->{uri}" } @asked ],
              [ '401 /index/config.json', '200 /index/config.json',
                '200 /index/se/cr/secret', "200 $dl" ],
              'one 401, all else is answered');

    is($t->get($dl)->{status}, 401, 'which took the token, downloads too');
}


sub by_environment {
    ok_cargo($t, 'logout', 'logout');
    cold();
    no_cargo($t, 'logged out', qr/no token found for `main`/,
             'fetch', { dir => $app });

    cold();
    like(ok_cargo($t, 'token in the environment', 'run', with_token($token)),
         qr/^secret 1\.1\.0$/m, 'is as good as a login');
}


sub by_a_command {
    my $file = $t->write_file('secret-of-alice', $token);

    my $provider = { CARGO_REGISTRIES_MAIN_CREDENTIAL_PROVIDER =>
                     "cargo:token-from-stdout cat $file" };

    cold();
    like(ok_cargo($t, 'token from a command', 'run',
                  { dir => $app, env => $provider }),
         qr/^secret 1\.1\.0$/m, 'reads');

    ok_cargo($t, 'and writes', 'publish', '--no-verify',
             { dir => package_of($t, 'commanded', '1.0.0'),
               env => $provider });
}


sub schemes {
    my $basic = 'Basic ' . encode_base64("alice:$token", '');

    for my $value ("Bearer $token", "bearer $token", $basic) {
        my ($scheme) = split / /, $value;

        cold();
        like(ok_cargo($t, "$scheme token", 'run', with_token($value)),
             qr/^secret 1\.1\.0$/m, 'reads');
    }

    ok_cargo($t, 'publish by a Bearer token', 'publish', '--no-verify',
             { %{ with_token("Bearer $token") },
               dir => package_of($t, 'bearer', '1.0.0') });

    ok_cargo($t, 'yank by a Bearer token', 'yank', 'bearer@1.0.0',
             with_token("Bearer $token"));
}


sub wrong_token {
    my %wrong = (
        'a token of nobody' => 'ngxcargo_' . 'A' x 38,
        'not a token of this registry' => 'cio12345',
        'an unknown scheme' => "Digest $token",
    );

    for my $name (sort keys %wrong) {
        cold();
        no_cargo($t, "$name: reading", qr/token\ rejected\ for\ `main`,
            \ please\ run\ `cargo\ login\ --registry\ main`\n\s*or\ use
            \ environment\ variable\ CARGO_REGISTRIES_MAIN_TOKEN/x,
            'fetch', with_token($wrong{$name}));
    }

    # a cold cache would not let cargo get as far as the API
    my $body = $t->publish_body($t->metadata(name => 'x'), '');
    my $r = $t->put('/api/v1/crates/new', $body,
                    Authorization => $wrong{'a token of nobody'});

    is($r->{status}, 403, 'the API answers 403');
    like($r->detail(), qr/^authentication failed: .*cargo login/,
         'and tells what to do');
}


sub revoked_token {
    my $second = $t->token('alice', name => 'to be revoked');

    cold();
    ok_cargo($t, 'another token of the account', 'fetch',
             with_token($second));

    my $id = $t->sql("select id from cargo_store.tokens"
                     . " where name = 'to be revoked'");

    is(($t->cargoctl('token', 'revoke', $id))[0], 0, 'revoked');

    cold();
    no_cargo($t, 'a revoked token', qr/token\ rejected\ for\ `main`.*
        the\ token\ has\ been\ revoked/sx, 'fetch', with_token($second));

    ok_cargo($t, 'the other token is still good', 'fetch',
             with_token($token));

    no_cargo($t, 'yank by a revoked token',
             qr/token rejected for `main`|403 Forbidden/, 'yank',
             'secret@1.0.0', with_token($second));
}


sub reader {
    cold();
    ok_cargo($t, 'a reader reads', 'fetch', with_token($reader));

    no_cargo($t, 'a reader does not publish',
             qr/403\ Forbidden\):\ this\ action\ needs\ the\ role\ publisher
                .*has\ the\ role\ reader/x, 'publish', '--no-verify',
             { %{ with_token($reader) },
               dir => package_of($t, 'readers', '1.0.0') });
}


sub stranger {
    $t->registry('elsewhere');

    my $stranger = $t->account('mallory', registry => 'elsewhere');

    cold();
    no_cargo($t, 'a good token of another registry',
             qr/token rejected for `main`/, 'fetch', with_token($stranger));
}
