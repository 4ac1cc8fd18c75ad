#!/usr/bin/perl

# What is remembered, over TLS and HTTP/2: streams of one connection that wait
# for the same question, validators, gzip, and clients that go away.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Nginx;
use Test::Cargo::Proxy;

my $nginx = Test::Cargo::Nginx::nginx_binary();
my $built = `$nginx -V 2>&1`;

plan(skip_all => "THIS NGINX HAS NO $_ MODULE: $nginx")
    for grep { $built !~ /--with-http_${_}_module/ } qw(ssl v2);

my $t = Test::Cargo->new();

$t->run_ok(command => [
    qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1),
    qw(-nodes -days 2 -subj /CN=127.0.0.1 -addext),
    'subjectAltName=IP:127.0.0.1', '-keyout', $t->path('server.key'),
    '-out', $t->path('server.crt'),
]);

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

my $proxy = Test::Cargo::Proxy->start($t);

$t->nginx(conninfo => $proxy->conninfo(), http => join '',
          'cargo_zone cargo:16m; cargo_postgres_timeout 5s;',
          'cargo_postgres_listen "' . $t->conninfo() . '";',
          map { <<"CONF" } [ 'tls', 'main' ], [ 'vault', 'vault' ]);
server {
    listen  127.0.0.1:%%port:$_->[0]%% ssl http2;
    ssl_certificate      %%dir%%/server.crt;
    ssl_certificate_key  %%dir%%/server.key;
    cargo_registry  $_->[1];
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF

$t->account('alice');

my $vera = $t->account('vera', registry => 'vault');

insert_crates($t, 'alice', names => [ map { "doc-$_" } 1 .. 99 ], width => 40);
insert_crates($t, 'vera', registry => 'vault', names => [ 'secret' ]);
ok(listening($t), 'the server listens');

warm_reads();
many_streams();
private();
client_leaves();

$t->done();


# One process of curl: its exit code, and an answer for each URL.

sub curl {
    my ($uri, @options) = @_;

    my $port = $t->port('tls');

    $port = $t->port(shift @options) if @options && $options[0] =~ /^\w/;

    my $dir = $t->path('out/x') =~ s{/x$}{}r;

    unlink glob("$dir/*");

    my ($rc) = $t->run(command => [
        qw(curl --silent --http2 --cacert), $t->path('server.crt'),
        qw(--parallel --parallel-max 100 --create-dirs),
        '-o', "$dir/body-#1", @options, "https://127.0.0.1:$port$uri",
    ], merge => 1);

    return $rc;
}


# A single answer, as of $t->get().

sub get {
    my ($uri, @options) = @_;

    my $head = $t->path('head');

    curl($uri =~ s/(\w)$/[$1-$1]/r, @options, '-D', $head);

    my $text = $t->read_file($head) // '';
    my ($version, $status) = $text =~ m{^HTTP/(\S+) (\d+)};
    my %headers = map { /^([^:\s]+): (.*?)\r?$/ ? (lc $1, $2) : () }
                  split /\n/, $text;
    my ($file) = glob($t->dir() . '/out/body-*');

    return bless { status => $status // 0, version => $version // '-',
                   headers => \%headers,
                   body => $file ? $t->read_file($file) : '' },
                 'Test::Cargo::Response';
}


sub is_asked {
    my ($n, $name, $code) = @_;

    my $before = asked($t);
    my $value = $code->();

    is(asked($t) - $before, $n, "$name: questions");

    return $value;
}


sub warm_reads {
    my $uri = '/index/do/c-/doc-1';
    my $cold = is_asked(1, 'a miss', sub { get($uri) });
    my $warm = is_asked(0, 'the same', sub { get($uri) });
    my $plain = $t->get($uri);

    for my $r ($cold, $warm) {
        is("$r->{version} $r->{status}", '2 200', 'HTTP/2');
        is($r->{body}, $plain->{body}, 'the same as by HTTP/1.1');
        is($r->header($_), $plain->header($_), "in its $_")
            for qw(ETag Last-Modified Vary Content-Length);
    }

    is_asked(0, 'what the client has', sub {
        for my $header ('If-None-Match: ' . $plain->header('ETag'),
                        'If-Modified-Since: '
                        . $plain->header('Last-Modified')) {
            my $r = get($uri, '-H', $header);

            is("$r->{version} $r->{status} $r->{body}", '2 304 ', $header);
            is($r->header('ETag'), $plain->header('ETag'), 'with its tag');
        }
    });

    my $gzip = is_asked(0, 'gzip', sub {
        get($uri, '-H', 'Accept-Encoding: gzip')
    });
    my $bytes = $gzip->{body};

    is($gzip->header('Content-Encoding'), 'gzip', 'compressed');
    is(Compress::Zlib::memGunzip($bytes), $plain->{body}, 'the same');

    my $head = is_asked(0, 'HEAD', sub { get($uri, '--head') });

    is("$head->{status} " . $head->header('Content-Length'),
       '200 ' . length $plain->{body}, 'its length');
    is_asked(0, 'config.json', sub {
        is(get('/index/config.json')->{status}, 200, 'config.json');
    });
}


sub is_right {
    my ($name, @numbers) = @_;

    my @wrong = grep {
        ($t->read_file("out/body-$_") // '')
            !~ /\A\{"name":"doc-$_",[^\n]+\}\n\z/
    } @numbers;

    is("@wrong", '', $name);
}


sub many_streams {
    my $before = asked($t);

    curl('/index/do/c-/doc-[10-69]');
    is_right('many streams: each its own', 10 .. 69);
    cmp_ok(asked($t) - $before, '<', 60, 'not a question for each');

    $before = asked($t);
    curl('/index/do/c-/doc-[10-69]');
    is_right('once more', 10 .. 69);
    is(asked($t) - $before, 0, 'without a question');
}


sub private {
    my $uri = '/index/se/cr/secret';
    my @with = ('vault', '-H', "Authorization: $vera");

    for my $n (1, 0) {
        is_asked($n, 'a private registry', sub {
            is(get($uri, @with)->{status}, 200, 'with a token');
        });
        is_asked($n, 'a private registry', sub {
            is(get($uri, 'vault')->{status}, 401, 'without');
        });
    }
}


# All of its streams end in the middle of a question, and those of another
# connection wait for the same.

sub client_leaves {
    $t->get('/index/no/ne/none');
    $proxy->stall();

    my $other = $t->connect();

    $other->send("GET /index/do/c-/doc-75 HTTP/1.1\r\nHost: x\r\n\r\n");

    is(curl('/index/do/c-/doc-[70-89]', '--max-time', '0.5'), 28,
       'a client does not wait for its answers');
    $t->get('/index/config.json');
    $proxy->pass();

    like($other->receive()->{body}, qr/\A\{"name":"doc-75",/,
         'another hears what both have asked for');

    curl('/index/do/c-/doc-[70-99]');
    is_right('and all is well', 70 .. 99);
}
