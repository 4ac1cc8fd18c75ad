#!/usr/bin/perl

# The page that `cargo login` sends people to.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('private', 'auth-required' => 'true');

$t->nginx(http => <<'CONF');
server {
    listen  127.0.0.1:%%port:private%%;
    cargo_registry  private;
    cargo_base_url  https://crates.example/sub/;
    location /index/ { cargo_index; }
    location = /me   { cargo_me; }
    location = /sub/me { cargo_me; }
}
CONF

my $r = $t->get('/me');
my $index = 'sparse+' . $t->base_url() . '/index/';

is($r->{status}, 200, 'the page');
is($r->header('Content-Type'), 'text/html; charset=utf-8', 'is HTML in UTF-8');
is($r->header('Content-Length'), length $r->{body}, 'of known length');
like($r->{body}, qr{\A<!DOCTYPE html>\n.*</html>\n\z}s, 'whole');
like($r->{body}, qr/^index = "\Q$index\E"$/m, 'with the line for config.toml');
like($r->{body}, qr/cargo login --registry NAME/, 'how to log in');
like($r->{body}, qr/cargoctl token create/, 'and how a token is made');

my %count;
$count{$1}++ while $r->{body} =~ m{<(\w+)}g;
$count{"/$1"}++ while $r->{body} =~ m{</(\w+)}g;

is_deeply([ map { $count{"/$_"} } qw(html head body title h1 pre code) ],
          [ map { $count{$_} } qw(html head body title h1 pre code) ],
          'every element is closed');

like($t->get('/me', Host => 'crates.example:81')->{body},
     qr{"sparse\+http://crates\.example:81/index/"}, 'another Host');

# the host is the client's own word

for my $host ('<script>alert(1)</script>', '"><img src=x>', 'a&b', '%s%n%d',
              "a'b", 'x' x 900)
{
    my $odd = $t->get('/me', Host => $host =~ s{[ /]}{-}gr);
    my $name = substr $host, 0, 20;

    is($odd->{status}, 200, "an odd Host: $name");
    unlike($odd->{body}, qr/<script|<img|&b/, 'is text in the page');
    is($odd->header('Content-Length'), length $odd->{body}, 'which is whole');
    like($odd->{body}, qr{</html>\n\z}, 'to its end');
}

like($t->get('/me', Host => '<b>')->{body},
     qr{"sparse\+http://&lt;b&gt;/index/"}, 'escaped once');
like($t->get('/me', Host => '%s%n%d')->{body},
     qr{"sparse\+http://%s%n%d/index/"}, 'and no format');

for my $uri ('/me', '/sub/me') {
    my $private = $t->get($uri, port => $t->port('private'));

    is($private->{status}, 200,
       "somebody without a token can read of a private registry: $uri");
    like($private->{body}, qr{"sparse\+https://crates\.example/sub/index/"},
         'with its base URL, and one slash');
}

my ($login_url) = $t->get('/index/config.json', port => $t->port('private'))
    ->header('WWW-Authenticate') =~ /login_url="([^"]+)"/;

is($login_url, 'https://crates.example/sub/me',
   'it is what the challenge leads to');

my $head = $t->head('/me');

$_->{headers}{date} = 'now' for $r, $head;
is_deeply([ $head->{status}, $head->{headers} ], [ 200, $r->{headers} ],
          'HEAD says what GET says');

for my $method (qw(POST PUT DELETE)) {
    my $no = $t->request($method, '/me', body => 'x' x 100);

    is_deeply([ $no->{status}, $no->header('Allow'), $no->{body} ],
              [ 405, 'GET, HEAD',
                "$method is not allowed here, only GET, HEAD\n" ],
              "405 with Allow: $method");
}

my $connection = $t->connect();

$t->post('/me', 'x' x 1000, connection => $connection);
is($t->get('/me?x=1', connection => $connection, Authorization => 'x')
     ->{status}, 200, 'on the same connection, with anything');

# without the database too
$t->stop_postgres();
is($t->get('/me')->{body}, $r->{body}, 'it needs no database');

$t->done();
