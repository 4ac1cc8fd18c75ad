#!/usr/bin/perl

# The registry over TLS: cargo speaks HTTP/2 with it, and HTTP/1.1 where
# nginx offers no more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;

use Test::Cargo;
use Test::Cargo::Nginx;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $nginx = Test::Cargo::Nginx::nginx_binary();
my $built = `$nginx -V 2>&1`;

plan(skip_all => "THIS NGINX HAS NO $_ MODULE: $nginx")
    for grep { $built !~ /--with-http_${_}_module/ } qw(ssl v2);

my $t = Test::Cargo->new();

certificates();

$t->postgres();
$t->nginx(http => join "\n", map { <<"CONF" } [ 'h2', 'http2' ], [ 'h1', '' ]);
server {
    listen  127.0.0.1:%%port:$_->[0]%% ssl $_->[1];

    ssl_certificate      %%dir%%/server.crt;
    ssl_certificate_key  %%dir%%/server.key;

    cargo_registry  %%registry%%;
    cargo_blobs     %%dir%%/blobs;

    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; client_max_body_size 16m; }
    location /dl/     { cargo_download; }
    location = /me    { cargo_me; }
}
CONF

my $token = $t->account('alice');

my %env = (CARGO_HTTP_CAINFO => "$t->{dir}/ca.crt",
           CARGO_REGISTRIES_MAIN_TOKEN => $token);

trust();
story('h2', 'HTTP/2.0');
many_at_once();
big_upload();
refused_upload('h2');
too_large('h2');
story('h1', 'HTTP/1.1');
refused_upload('h1');
too_large('h1');
private();

$t->done();


sub openssl {
    my (@args) = @_;

    $t->run_ok(command => [ 'openssl', @args ], dir => $t->dir());
}


sub certificates {
    my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);

    openssl('req', '-x509', @key, '-days', 2, '-subj', '/CN=CA of a test',
            '-keyout', 'ca.key', '-out', 'ca.crt');
    openssl('req', @key, '-subj', '/CN=127.0.0.1',
            '-keyout', 'server.key', '-out', 'server.csr');

    $t->write_file('server.ext', "subjectAltName = IP:127.0.0.1\n");

    openssl('x509', '-req', '-in', 'server.csr', '-days', 2,
            '-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial',
            '-extfile', 'server.ext', '-out', 'server.crt');
}


sub index_at {
    my ($port) = @_;

    return 'sparse+https://127.0.0.1:' . $t->port($port) . '/index/';
}


sub trust {
    $t->cargo_config(index => index_at('h2'));

    my $app = $t->new_crate('nobody', Test::Cargo::Story::package(
        'nobody', '0.1.0', qq{\n[dependencies]\nstory = "1"\n}));

    no_cargo($t, 'a CA that cargo does not know',
             qr/SSL|certificate/i, 'info', 'story', { dir => $app });
}


sub story {
    my ($port, $protocol) = @_;

    $t->cargo_config(index => index_at($port));

    my @asked = requests($t, sub {
        short_story($t, "publish, add, build, yank by $protocol",
                    name => "story-$port", env => \%env, verify => 1);
    });

    my @kinds = ([ qr{^GET /index/config\.json 200}, 'config.json' ],
                 [ qr{^GET /index/st/or/story-\w+ 200}, 'the index' ],
                 [ qr{^PUT /api/v1/crates/new 200}, 'publish' ],
                 [ qr{^DELETE /api/v1/crates/.*/yank 200}, 'yank' ],
                 [ qr{^GET /dl/\S+ 200}, 'a download' ]);

    for my $kind (@kinds) {
        my ($pattern, $name) = @$kind;
        my %protocols = map { ($_->{protocol} => 1) }
            grep { "$_->{method} $_->{uri} $_->{status}" =~ $pattern } @asked;

        is_deeply([ keys %protocols ], [ $protocol ], "$name by $protocol");
    }

    like($t->read_file("story-$port-app/Cargo.lock"),
         qr/^source = "\Q@{[ index_at($port) ]}\E"$/m,
         'Cargo.lock has the https URL');
}


# What HTTP/2 is for: the whole of a wide graph at once.

sub many_at_once {
    my @names = map { sprintf 'wide-%02d', $_ } 1 .. 40;

    for my $name (@names) {
        my $r = $t->publish($token, { name => $name });

        die "publish $name: $r->{status} $r->{body}\n" if $r->{status} != 200;
    }

    my $dir = $t->new_crate('wide', Test::Cargo::Story::package(
        'wide', '0.1.0', "\n[dependencies]\n" . join '', map {
            qq{$_ = { version = "1", registry = "main" }\n} } @names));

    my @asked = requests($t, sub {
        ok_cargo($t, 'fetch of 40 crates', 'fetch',
                 { dir => $dir, env => \%env });
    });

    for my $what ([ qr{^/index/wi/de/}, 'documents' ],
                  [ qr{^/dl/}, 'downloads' ])
    {
        my @some = grep { $_->{uri} =~ $what->[0] && $_->{status} == 200
                          && $_->{protocol} eq 'HTTP/2.0' } @asked;

        is(scalar @some, 40, "40 $what->[1] by HTTP/2");
    }
}


# More than the windows of HTTP/2 hold, both ways.

sub big_upload {
    srand 1;

    my $noise = join '', map { pack 'N', int rand 2 ** 32 } 1 .. 500_000;
    my $dir = package_of($t, 'big', '1.0.0', '', { 'noise.bin' => $noise });

    like(ok_cargo($t, 'publish 2 MB', 'publish', '--no-verify',
                  { dir => $dir, env => \%env }),
         qr/Published big v1\.0\.0/, 'is published');

    my $app = $t->new_crate('big-app', Test::Cargo::Story::package(
        'big-app', '0.1.0', <<'TOML'));

[dependencies]
big = { version = "1", registry = "main" }
TOML

    ok_cargo($t, 'and comes down', 'fetch', { dir => $app, env => \%env });

    my ($file) = glob "$t->{dir}/cargo-home/registry/src/*/big-1.0.0/noise.bin";

    ok(($t->read_file($file // '/nowhere') // '') eq $noise,
       'every byte of it');
}


# The answer comes before cargo has sent its 2 MB, and must not be lost: cargo
# would show an error of the transport instead.

sub refused_upload {
    my ($port) = @_;

    $t->cargo_config(index => index_at($port));

    my $dir = "$t->{dir}/big-1.0.0";
    my $foreign = $t->account("foreign-$port", role => 'reader');

    $t->run_ok(command => [ 'sed', '-i', 's/^version = .*/version = "1.1.0"/',
                            "$dir/Cargo.toml" ]);

    for my $i (1 .. 3) {
        no_cargo($t, "$port: a token that may not publish",
                 qr/status 403 Forbidden\): .*reader/,
                 'publish', '--no-verify', '--allow-dirty',
                 { dir => $dir, env => { %env,
                   CARGO_REGISTRIES_MAIN_TOKEN => $foreign } });

        no_cargo($t, "$port: no token at all",
                 qr/status 403 Forbidden\): authentication failed/,
                 'publish', '--no-verify', '--allow-dirty',
                 { dir => $dir, env => { %env,
                   CARGO_REGISTRIES_MAIN_TOKEN => 'nonsense' } });
    }
}


# More than a crate may have, and more than nginx takes of a body.

sub too_large {
    my ($port) = @_;

    $t->cargo_config(index => index_at($port));

    for my $size (11_000_000, 24_000_000) {
        open my $urandom, '<:raw', '/dev/urandom' or die "urandom: $!\n";
        read($urandom, my $noise, $size);

        my $dir = package_of($t, 'too-large', '1.0.0', '',
                             { 'noise.bin' => $noise });

        no_cargo($t, "$port: a crate of $size bytes",
                 qr/status 413 [^)]*\): max upload size is: 10485760/,
                 'publish', '--no-verify', '--allow-dirty',
                 { dir => $dir, env => \%env });
    }
}


sub private {
    $t->cargoctl('registry', 'set', 'main', 'auth_required=true');
    $t->cargo_config(index => index_at('h2'));
    remove_tree("$t->{dir}/cargo-home/registry");

    my $dir = "$t->{dir}/big-app";

    no_cargo($t, 'a private registry without a token',
             qr/no token found for `main`, please run `cargo login/, 'fetch',
             { dir => $dir, env => {
               CARGO_HTTP_CAINFO => $env{CARGO_HTTP_CAINFO} } });

    my @asked = requests($t, sub {
        ok_cargo($t, 'and with one', 'fetch', { dir => $dir, env => \%env });
    });

    is_deeply([ grep { $_->{protocol} ne 'HTTP/2.0' } @asked ], [],
              'by HTTP/2');
    is_deeply([ map { $_->{status} } @asked ], [ 401, 200, 200, 200 ],
              'config.json twice, a document, a crate');
}
