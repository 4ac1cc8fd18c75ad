#!/usr/bin/perl

# The sparse index as HTTP: config.json, documents, their validators.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $NO_PATH = "no crate's index document has this path\n";

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('private', 'auth-required' => 'true');

$t->write_file('locations.conf', <<'CONF');
location /index/  { cargo_index; }
location /api/v1/ { cargo_api; }
location /dl/     { cargo_download; }
CONF

sub server {
    my ($name, $lines) = @_;

    return <<"CONF";
server {
    listen       127.0.0.1:%%port:$name%%;
    cargo_registry  main;
    cargo_blobs     %%dir%%/blobs;
    $lines
    include  %%dir%%/locations.conf;
}
CONF
}

$t->nginx(http => join '',
    server('literal', 'cargo_base_url https://crates.example/sub;'),
    server('slash', 'cargo_base_url https://crates.example/sub//;'),
    server('gzip', 'gzip on; gzip_types text/plain; gzip_vary on;'),
    server('private', '') =~ s/registry  main/registry  private/r,
    server('private_gzip', 'gzip on; gzip_types text/plain; gzip_vary on;')
        =~ s/registry  main/registry  private/r,
);

my $token = $t->account('alice');
my $private = $t->account('paul', registry => 'private');

config_json();
config_json_auth_required();
documents();
layout();
other_spellings();
etag_follows_the_content();
last_modified_rises();
conditional();
head_as_get();
methods();
gzipped();
caching();
large_document();
one_connection();

$t->done();


sub publish {
    my ($name, $version) = @_;

    my $r = $t->publish($token, { name => $name, vers => $version });

    die "publish $name $version: $r->{status} $r->{body}"
        if $r->{status} != 200;

    return $r;
}


sub set_yanked {
    my ($name, $version, $yank) = @_;

    my $r = $t->request($yank ? 'DELETE' : 'PUT',
        "/api/v1/crates/$name/$version/" . ($yank ? 'yank' : 'unyank'),
        Authorization => $token, $yank ? () : ('Content-Length' => 0));

    die "yank: $r->{status} $r->{body}" if $r->{status} != 200;
}


sub config_of {
    my ($base, $more) = @_;

    return qq({"dl":"$base/dl/{crate}/{sha256-checksum}/{crate}-{version})
           . qq(.crate","api":"$base") . ($more // '') . "}\n";
}


sub config_json {
    my $r = $t->get('/index/config.json');

    is($r->{status}, 200, 'config.json');
    is($r->{body}, config_of($t->base_url()),
       'the base URL is the scheme and the Host of the request');
    is($r->header('Content-Type'), 'application/json', 'its type is JSON');
    is($r->header('Content-Length'), length $r->{body}, 'its length');

    is($t->get('/index/config.json', Host => 'crates.example:81')->{body},
       config_of('http://crates.example:81'), 'another Host, with its port');

    $r = $t->get('/index/config.json', Host => 'a"b\\c');

    is_deeply($r->json(), { api => 'http://a"b\\c', dl => 'http://a"b\\c/dl/'
              . '{crate}/{sha256-checksum}/{crate}-{version}.crate' },
              'an odd Host is escaped as JSON, and adds no keys');

    is($t->get('/index/config.json', port => $t->port('literal'))->{body},
       config_of('https://crates.example/sub'), 'a literal cargo_base_url');
    is($t->get('/index/config.json', port => $t->port('slash'))->{body},
       config_of('https://crates.example/sub'),
       'slashes at the end of cargo_base_url make no "//"');

    is($t->get('/index/config.json?x=1', Accept => 'text/plain')->{status},
       200, 'arguments and Accept do not matter');

    for my $uri (qw(/index/config.JSON /index/config.json/ /index/
                    /index/x/config.json /index//config
                    /index/x/index/config.json)) {
        is($t->get($uri)->{status}, 404, "not config.json: $uri");
    }

    my @ims = ('If-Modified-Since' => 'Fri, 31 Dec 2100 00:00:00 GMT');

    is($t->get('/index/config.json', @ims)->{status}, 200,
       'config.json has no date: full for If-Modified-Since');
    is($t->get('/index/config.json', 'If-None-Match' => '"x"')->{status}, 200,
       'and full for a tag, since cargo takes no 304 here');
}


sub config_json_auth_required {
    my $port = $t->port('private');

    my $r = $t->get('/index/config.json', port => $port,
                    Authorization => $private);

    is($r->{body}, config_of("http://127.0.0.1:$port",
                             ',"auth-required":true'),
       'config.json of a private registry says that it is one');
    is($r->header('Cache-Control'), 'private, no-cache',
       'for one client only');
    is($r->header('Vary'), 'Authorization', 'and for one token');
}


sub line_of {
    my ($name, $version, $yanked) = @_;

    my $crate = $t->crate(name => $name, version => $version);
    my $cksum = $t->checksum($crate);

    # pubtime is the server's clock
    return qr/\{"name":"\Q$name\E","vers":"\Q$version\E","deps":\[\],
              "cksum":"$cksum","features":\{\},"yanked":$yanked,
              "pubtime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"\}\n/x;
}


sub documents {
    publish('Foo-Bar', '1.0.0');

    my $one = $t->get('/index/fo/o-/foo-bar');

    is($one->{status}, 200, 'a document');
    like($one->{body}, qr/\A@{[ line_of('Foo-Bar', '1.0.0', 'false') ]}\z/,
         'one line, all its keys in order, with a newline at its end');
    is($one->header('Content-Type'), 'text/plain', 'as text/plain');

    publish('Foo-Bar', '0.9.0');
    publish('Foo-Bar', '1.0.1+b.1');
    set_yanked('Foo-Bar', '0.9.0', 1);

    my $all = $t->get('/index/fo/o-/foo-bar');
    my @lines = (line_of('Foo-Bar', '1.0.0', 'false'),
                 line_of('Foo-Bar', '0.9.0', 'true'),
                 line_of('Foo-Bar', '1.0.1+b.1', 'false'));

    like($all->{body}, qr/\A$lines[0]$lines[1]$lines[2]\z/,
         'versions in the order of publishing; yanked in its place');
    is(substr($all->{body}, 0, length $one->{body}), $one->{body},
       'the older line did not change by a byte');
}


sub layout {
    my %path = (A => '1/a', Ab => '2/ab', abC => '3/a/abc',
                'A-b_' => 'a-/b_/a-b_', Abcdef => 'ab/cd/abcdef');

    for my $name (sort keys %path) {
        publish($name, '1.0.0');

        my $r = $t->get("/index/$path{$name}");

        is($r->{status}, 200, "$name is at $path{$name}");
        like($r->{body}, qr/^\{"name":"\Q$name\E",/, 'as it was written');
    }

    for my $uri (qw(a 1/A 2/a 1/ab a/ 1//a/ ab ab/ab 3/abc 3/b/abc 3/A/abc
                    ab/cd/Abcdef Ab/cd/abcdef AB/CD/ABCDEF ab/cd/abcdef/
                    ab/cd/abcdef.json ab/ce/abcdef abcdef ab/cd/ef/abcdef
                    cd/ab/abcdef
                    ab/cd/ab%20def ab%2Fcd/abcdef ab/cd%2fabcdef)) {
        my $r = $t->get("/index/$uri");

        is("$r->{status} $r->{body}", "404 $NO_PATH",
           "only the exact lower-case path: not $uri");
    }

    is($t->get('/index/ab/cd/%61bcdef')->{status}, 200,
       'an encoded letter is that letter, as everywhere in nginx');
}


sub other_spellings {
    for my $uri (qw(fo/o_/foo_bar fo/o-/foo_bar fo/o_/foo-bar)) {
        my $r = $t->get("/index/$uri");

        is($r->{status}, 404, "- and _ are two letters: $uri");
    }

    my $r = $t->get('/index/fo/o_/foo_bar');

    is($r->{body}, "crate `foo_bar` does not exist\n",
       '404 as a line of text for a person');
    is($r->header('Content-Type'), 'text/plain', 'which is no JSON');
    is($r->header('Cache-Control'), 'no-store',
       'a 404 is not kept beyond the publish');
    is($r->header('ETag'), undef, 'and has no tag');
}


sub etag_follows_the_content {
    my $etag = sub { $t->get('/index/ta/gg/tagged')->header('ETag') };

    publish('tagged', '1.0.0');
    my $first = $etag->();

    like($first, qr/^"[\w-]{16}"$/a, 'a strong tag of ASCII');
    is($etag->(), $first, 'the same document has the same tag');

    publish('tagged', '1.0.1');
    my $second = $etag->();

    isnt($second, $first, 'a publish changes it');

    set_yanked('tagged', '1.0.1', 1);
    my $yanked = $etag->();

    ok($yanked ne $second && $yanked ne $first, 'a yank changes it');

    set_yanked('tagged', '1.0.1', 0);
    is($etag->(), $second, 'the same content again, the same tag again');

    set_yanked('tagged', '1.0.0', 1);
    ok(!grep({ $etag->() eq $_ } $first, $second, $yanked),
       'a yank of the other version is another content');
}


# Dates of HTTP have seconds: cargo must see two changes in one of them.

sub last_modified_rises {
    my @times;

    publish('clock', '1.0.0');

    for my $yank (undef, 1, 0, 1, 0) {
        set_yanked('clock', '1.0.0', $yank) if defined $yank;

        my $r = $t->get('/index/cl/oc/clock');

        push @times, epoch($r->header('Last-Modified'));
    }

    my @steps = map { $times[$_] - $times[$_ - 1] } 1 .. $#times;

    is(scalar(grep { $_ >= 1 } @steps), 4,
       'each change moves Last-Modified by a second or more')
        or diag("@times");

    set_yanked('clock', '1.0.0', 0);
    is(epoch($t->get('/index/cl/oc/clock')->header('Last-Modified')),
       $times[-1], 'what changes nothing does not move it');
}


sub epoch {
    my ($date) = @_;

    my %month;
    @month{qw(Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec)} = 0 .. 11;

    my ($d, $m, $y, @t) = ($date // '')
        =~ /^\w{3}, (\d\d) (\w{3}) (\d{4}) (\d\d):(\d\d):(\d\d) GMT$/
        or die "no date: " . ($date // 'undef') . "\n";

    require Time::Local;

    return Time::Local::timegm(reverse(@t), $d, $month{$m}, $y);
}


sub conditional {
    my $uri = '/index/ta/gg/tagged';
    my $full = $t->get($uri);
    my ($tag, $date) = map { $full->header($_) } qw(ETag Last-Modified);
    my $other = '"00000000000000000000000000000000"';

    my @rows = (
        # case, If-None-Match, If-Modified-Since, status
        ['the tag alone', $tag, undef, 304],
        ['the weak tag', "W/$tag", undef, 304],
        ['a list with it', "$other, $tag", undef, 304],
        ['a list with it, weak, without blanks', "W/$other,W/$tag", undef, 304],
        ['*', '*', undef, 304],
        ['another tag', $other, undef, 200],
        ['a list of others', "$other, \"x\"", undef, 200],
        ['the tag without its quotes', $tag =~ tr/"//dr, undef, 200],
        ['the beginning of the tag', substr($tag, 0, 9) . '"', undef, 200],
        ['the date alone', undef, $date, 304],
        ['an older date', undef, 'Wed, 21 Oct 2015 07:28:00 GMT', 200],
        ['no date', undef, 'yesterday', 200],
        ['both', $tag, $date, 304],
        ['the tag, with an older date', $tag, 'Wed, 21 Oct 2015 07:28:00 GMT',
         304],
        ['another tag, with the date', $other, $date, 200],
    );

    for my $row (@rows) {
        my ($case, $inm, $ims, $status) = @$row;

        my $r = $t->get($uri, 'If-None-Match' => $inm,
                        'If-Modified-Since' => $ims);

        is($r->{status}, $status, "$status for $case");
        is($r->{body}, $status == 304 ? '' : $full->{body}, 'and its body');
    }

    my $r = $t->get($uri, 'If-None-Match' => $tag);

    is_deeply([ map { $r->header($_) } qw(ETag Last-Modified Cache-Control) ],
              [ $tag, undef, 'public, no-cache' ],
              'a 304 repeats the tag, and no date beside it');
    is($t->get('/index/fo/o_/foo_bar', 'If-None-Match' => '*')->{status}, 404,
       'what does not exist is never "not modified"');
}


sub head_as_get {
    for my $uri (qw(/index/config.json /index/ta/gg/tagged
                    /index/fo/o_/foo_bar /index/nothing)) {
        my $get = $t->get($uri);
        my $head = $t->head($uri);

        $_->{headers}{date} = 'now' for $get, $head;

        is_deeply([ $head->{status}, $head->{headers} ],
                  [ $get->{status}, $get->{headers} ],
                  "HEAD says what GET says: $uri");
    }

    my $connection = $t->connect();

    $t->head('/index/ta/gg/tagged', connection => $connection);
    is($t->get('/index/config.json', connection => $connection)->{status}, 200,
       'HEAD has no body: the next answer begins where it should');
}


sub methods {
    for my $method (qw(POST PUT DELETE PATCH OPTIONS PROPFIND X)) {
        for my $uri (qw(/index/config.json /index/ta/gg/tagged
                        /index/no/such/crate)) {
            my $r = $t->request($method, $uri, body => 'x' x 10);

            is_deeply([ $r->{status}, $r->header('Allow'), $r->{body} ],
                      [ 405, 'GET, HEAD',
                        "$method is not allowed here, only GET, HEAD\n" ],
                      "405 with Allow and a line of text: $method $uri");
        }
    }
}


sub gzipped {
    my $uri = '/index/ta/gg/tagged';
    my %gzip = (port => $t->port('gzip'), 'Accept-Encoding' => 'deflate, gzip');
    my $plain = $t->get($uri);
    my $r = $t->get($uri, %gzip);
    my $tag = $plain->header('ETag');

    is($r->header('Content-Encoding'), 'gzip', 'nginx\'s "gzip on" works');
    is(Compress::Zlib::memGunzip($r->{body}), $plain->{body},
       'the same lines are in it');
    is($r->header('ETag'), "W/$tag", 'its tag is the weak form of the other');

    is($t->get($uri, %gzip, 'If-None-Match' => "W/$tag")->{status}, 304,
       'which gets a 304');
    is($t->get($uri, 'If-None-Match' => "W/$tag")->{status}, 304,
       'also from a server that does not compress');
    is($t->get($uri, %gzip, 'If-None-Match' => $tag)->{status}, 304,
       'and the strong one where it compresses');

    is($t->get($uri, port => $t->port('gzip'))->{body}, $plain->{body},
       'a client that knows no gzip gets none');

    $r = $t->get('/index/config.json', %gzip);
    is($r->header('Content-Encoding'), undef, 'config.json is no text/plain');
    ok($r->json(), 'and arrives as it is');

    $t->publish($private, { name => 'secret', vers => '1.0.0' },
                port => $t->port('private'));

    $r = $t->get('/index/se/cr/secret', %gzip,
                 port => $t->port('private_gzip'), Authorization => $private);

    is_deeply([ sort split /, */, $r->header('Vary') // '' ],
              ['Accept-Encoding', 'Authorization'],
              'both Vary when a private document is compressed');
}


sub caching {
    my $r = $t->get('/index/ta/gg/tagged');

    is_deeply([ map { $r->header($_) } qw(Cache-Control Vary Set-Cookie) ],
              [ 'public, no-cache', undef, undef ],
              'everybody may keep a public document, and has to ask');

    $r = $t->get('/index/se/cr/secret', port => $t->port('private'),
                 Authorization => $private);

    is($r->{status}, 200, 'a private document');
    is_deeply([ map { $r->header($_) } qw(Cache-Control Vary) ],
              [ 'private, no-cache', 'Authorization' ],
              'is for one client and one token');

    my $tag = $r->header('ETag');

    $r = $t->get('/index/se/cr/secret', port => $t->port('private'),
                 Authorization => $private, 'If-None-Match' => $tag);

    is_deeply([ $r->{status}, map { $r->header($_) } qw(Cache-Control Vary) ],
              [ 304, 'private, no-cache', 'Authorization' ], 'its 304 too');
}


sub large_document {
    publish('large', '1.0.0');

    $t->sql(<<'SQL');
insert into cargo_store.versions (crate_id, num, sort_key, checksum, size,
       index_head, index_tail, features, keywords, categories, authors,
       published_by, created_at)
select crate_id, '2.0.' || i, '2.0.' || i, checksum, size,
       replace(index_head, '"1.0.0"', '"2.0.' || i || '"'), index_tail,
       features, keywords, categories, authors, published_by, created_at
  from cargo_store.versions, generate_series(1, 1999) i
 where crate_id = (select id from cargo_store.crates where name = 'large');

select cargo_store.store_document(c) from cargo_store.crates c
 where name = 'large'
SQL

    my $expected = $t->sql(<<'SQL') . "\n";
select index_head || yanked || index_tail from cargo_store.versions
 where crate_id = (select id from cargo_store.crates where name = 'large')
 order by id
SQL

    my $r = $t->get('/index/la/rg/large');

    is($r->{status}, 200, 'a document of 2,000 versions');
    cmp_ok(length $r->{body}, '>', 300_000, 'is large');
    ok($r->{body} eq $expected, 'and arrives whole');
    is(() = $r->{body} =~ /\n/g, 2000, 'in 2,000 lines');
    is($t->head('/index/la/rg/large')->header('Content-Length'),
       length $expected, 'HEAD knows its length');

    $r = $t->get('/index/la/rg/large', port => $t->port('gzip'),
                 'Accept-Encoding' => 'gzip');

    ok(Compress::Zlib::memGunzip($r->{body}) eq $expected,
       'and whole when compressed');
}


sub one_connection {
    my $connection = $t->connect();
    my @uris = map { "/index/$_" } qw(config.json fo/o-/foo-bar fo/o_/foo_bar
                                      ta/gg/tagged no/path config.json);

    $connection->send(join '', map {
        "GET $_ HTTP/1.1\r\nHost: x\r\n\r\n"
    } @uris);

    is(join(' ', map { $connection->receive()->{status} } @uris),
       '200 200 404 200 404 200', 'six requests in one packet, in their order');

    my $r = $t->get('/index/config.json', Upgrade => 'h2c',
                    Connection => 'Upgrade, HTTP2-Settings',
                    'HTTP2-Settings' => 'AAMAAABkAAQAAQAA',
                    'cargo-protocol' => 'version=1');

    is($r->{status}, 200, 'cargo\'s offer of h2c is ignored');
}
