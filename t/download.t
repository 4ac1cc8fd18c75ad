#!/usr/bin/perl

# Downloads: what nginx's static handler makes of a .crate, who gets one, and
# which of them are counted.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $PUBLIC = 'public, max-age=31536000, immutable';
my $PRIVATE = 'private, max-age=31536000, immutable';

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('private', 'auth-required' => 'true');

# a server with a registry, lines of its own, and lines in its dl location

sub server {
    my ($name, $registry, $lines, $in_dl) = @_;

    return <<"CONF";
server {
    listen  127.0.0.1:%%port:$name%%;
    cargo_registry  $registry;
    cargo_blobs     %%dir%%/blobs;
    $lines
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; @{[ $in_dl // '' ]} }
}
CONF
}

$t->nginx(
    http => join('', 'cargo_downloads_flush 100ms;',
        server('private', 'private', ''),
        server('satisfy', 'private', 'satisfy any; allow all;'),
        server('compress', 'main', 'gzip on; gzip_types *; gzip_min_length 1;'
               . ' gzip_static on; gzip_vary on; gunzip on;'),
        server('sendfile', 'main', 'sendfile on; tcp_nopush on;'),
        server('nosendfile', 'main', 'sendfile off; output_buffers 2 4k;'),
        server('cached', 'main', 'sendfile on; open_file_cache max=100;'
               . ' open_file_cache_errors on;'),
        server('slow', 'main', 'sendfile on; sendfile_max_chunk 64k;',
               'limit_rate 400k; limit_rate_after 100k;'),
        server('except', 'main', '', 'limit_except GET { deny all; }'),
        server('if', 'main', '', 'if ($arg_x) { add_header X-If yes; }'),
        server('threads', 'main', 'sendfile off; aio threads;'),
    ),
);

my $token = $t->account('alice');
my $secret = $t->account('paul', registry => 'private');
my %crate = ('1.0.0' => $t->crate(name => 'Foo-Bar'));

# noise: neither gzip nor a kernel buffer makes it small
my $noise = join '', map { pack 'N', rand 2 ** 32 } 1 .. 250_000;
my $big = $t->crate(name => 'big', files => { 'noise' => $noise });

setup();
by_the_template();
path_variants();
headers();
ranges();
preconditions();
never_encoded();
by_the_api();
not_found();
methods();
lost_blob();
private_registry();
ways_of_sending();
inside_the_location();
counted();
aborted();
flushed_at_the_end();

$t->done();


sub setup {
    $crate{$_} = $t->crate(name => 'Foo-Bar', version => $_)
        for '1.0.1+build.5', '2.0.0-rc.1';

    for my $version (sort keys %crate) {
        my $r = $t->publish($token, { name => 'Foo-Bar', vers => $version },
                            crate => $crate{$version});
        die $r->{body} if $r->{status} != 200;
    }

    $t->publish($token, { name => 'other', vers => '1.0.0' });
    $t->publish($token, { name => 'big', vers => '1.0.0' }, crate => $big);
    $t->publish($secret, { name => 'secret', vers => '1.0.0' },
                port => $t->port('private'));
}


# What cargo does with "dl" (plain replacement), from config.json and a line.

sub path_of {
    my ($name, $version, %options) = @_;

    my $config = $t->get('/index/config.json', %options)->json();
    my $document = $t->get($t->index_path($name), %options)->{body};
    my ($line) = grep { $_->{name} eq $name && $_->{vers} eq $version }
        map { JSON::PP->new->utf8->decode($_) } split /\n/, $document;

    my ($lower) = $t->index_path($name) =~ m{^/index/(.*)/};
    my %marker = (crate => $name, version => $version, prefix => $lower,
                  lowerprefix => $lower, 'sha256-checksum' => $line->{cksum});
    my $url = $config->{dl};

    $url =~ s/\{(crate|version|prefix|lowerprefix|sha256-checksum)\}
             /$marker{$1}/gx or $url .= "/$name/$version/download";

    return $url =~ s{^http://127\.0\.0\.1:\d+}{}r;
}


sub by_the_template {
    for my $version (sort keys %crate) {
        my $path = path_of('Foo-Bar', $version);
        my $r = $t->get($path);

        is($r->{status}, 200, "the dl of config.json leads to $version");
        is($r->{body}, $crate{$version}, 'byte by byte');
    }

    my $path = path_of('Foo-Bar', '1.0.1+build.5');

    like($path, qr/\+build/, 'cargo sends + as it is');
    is($t->get($path =~ s/\+/%2B/r)->{body}, $crate{'1.0.1+build.5'},
       '%2B is the same');

    $t->delete('/api/v1/crates/Foo-Bar/2.0.0-rc.1/yank',
               Authorization => $token);

    is($t->get(path_of('Foo-Bar', '2.0.0-rc.1'))->{body}, $crate{'2.0.0-rc.1'},
       'a yanked version is served');
}


sub path_variants {
    my $sum = $t->checksum($crate{'1.0.0'});
    my $other = $t->checksum($crate{'2.0.0-rc.1'});
    my $foreign = $t->checksum($t->crate(name => 'other'));

    is($t->get("/dl/foo_bar/$sum/foo_bar-1.0.0.crate")->{status}, 200,
       'any canonical spelling of the crate');
    is($t->get("/dl/Foo-Bar/\U$sum\E/Foo-Bar-1.0.0.crate")->{status}, 200,
       'hexadecimal digits in either case');

    my %bad = (
        'the checksum of another version' => "Foo-Bar/$other/Foo-Bar-1.0.0",
        'the checksum of another crate' => "Foo-Bar/$foreign/Foo-Bar-1.0.0",
        'another crate' => "other/$sum/other-1.0.0",
        'a crate that is not there' => "foo/$sum/foo-1.0.0",
        'a version that is not there' => "Foo-Bar/$sum/Foo-Bar-1.0.9",
        'a version without its build' =>
            'Foo-Bar/' . $t->checksum($crate{'1.0.1+build.5'})
            . '/Foo-Bar-1.0.1',
        'two names' => "Foo-Bar/$sum/foo_bar-1.0.0",
        'no checksum' => 'Foo-Bar/Foo-Bar-1.0.0',
        'a short checksum' => 'Foo-Bar/' . substr($sum, 1) . '/Foo-Bar-1.0.0',
        'no hexadecimal digits' =>
            'Foo-Bar/g' . substr($sum, 1) . '/Foo-Bar-1.0.0',
        'a checksum of nothing' => 'Foo-Bar/' . '0' x 64 . '/Foo-Bar-1.0.0',
        'no version' => "Foo-Bar/$sum/Foo-Bar-",
        'no semver' => "Foo-Bar/$sum/Foo-Bar-1.0",
        'an invalid name' => "foo.bar/$sum/foo.bar-1.0.0",
        'an encoded slash' => "Foo-Bar%2F$sum/Foo-Bar-1.0.0",
        'something before it' => "some/thing/Foo-Bar/$sum/Foo-Bar-1.0.0",
        'the location twice' => "x/dl/Foo-Bar/$sum/Foo-Bar-1.0.0",
        'a blob\'s own path' => blob_of($sum) =~ s/\.crate//r,
    );

    for my $case (sort keys %bad) {
        my $r = $t->get("/dl/$bad{$case}.crate");

        is($r->{status}, 404, "404: $case");
        like($r->{body}, qr/\A[^\n<]{10,200}\n\z/, 'in a line of text');
    }

    is($t->get("/dl/Foo-Bar/$sum/Foo-Bar-1.0.0.crate/")->{status}, 404,
       'a slash at the end');
    is($t->get("/dl/Foo-Bar/$sum/Foo-Bar-1.0.0.tar")->{status}, 404,
       'another ending');
}


sub headers {
    my $path = path_of('Foo-Bar', '1.0.0');
    my $sum = $t->checksum($crate{'1.0.0'});
    my $get = $t->get($path, 'Accept-Encoding' => 'deflate, gzip');
    my $head = $t->head($path, 'Accept-Encoding' => 'deflate, gzip');

    is_deeply([ map { $get->header($_) } qw(Content-Type Content-Length ETag
                Cache-Control Accept-Ranges Content-Encoding Vary) ],
              [ 'application/gzip', length $crate{'1.0.0'}, "\"$sum\"",
                $PUBLIC, 'bytes', undef, undef ],
              'type, length, checksum as tag, immutable, not encoded');

    $_->{headers}{date} = 'now' for $get, $head;
    is_deeply([ $head->{status}, $head->{headers} ],
              [ 200, $get->{headers} ], 'HEAD has the same headers');
}


sub ranges {
    my $path = path_of('Foo-Bar', '1.0.0');
    my $whole = $crate{'1.0.0'};
    my $length = length $whole;
    my %range = ('0-9' => [0, 9], '5-' => [5, $length - 1],
                 '-7' => [$length - 7, $length - 1],
                 "10-999999" => [10, $length - 1]);

    for my $range (sort keys %range) {
        my ($from, $to) = @{ $range{$range} };
        my $r = $t->get($path, Range => "bytes=$range");

        is_deeply([ $r->{status}, $r->header('Content-Range'), $r->{body} ],
                  [ 206, "bytes $from-$to/$length",
                    substr $whole, $from, $to - $from + 1 ],
                  "a range: $range");
        is($r->header('Cache-Control'), $PUBLIC, 'as immutable as the whole');
    }

    my $r = $t->get($path, Range => 'bytes=0-1,5-6');
    like($r->header('Content-Type'), qr{^multipart/byteranges; boundary=},
         'two ranges');

    $r = $t->get($path, Range => "bytes=$length-");
    is_deeply([ $r->{status}, $r->header('Content-Range') ],
              [ 416, "bytes */$length" ], 'a range beyond the end');
    is($r->header('Cache-Control'), 'no-store', 'whose answer is not kept');

    my $tag = '"' . $t->checksum($whole) . '"';
    my $date = $t->get($path)->header('Last-Modified');
    my %if_range = ($tag => 206, '"x"' => 200, $date => 206,
                    'Wed, 21 Oct 2015 07:28:00 GMT' => 200);

    for my $value (sort keys %if_range) {
        is($t->get($path, Range => 'bytes=5-', 'If-Range' => $value)->{status},
           $if_range{$value}, "If-Range: $value");
    }
}


sub preconditions {
    my $path = path_of('Foo-Bar', '1.0.0');
    my $tag = '"' . $t->checksum($crate{'1.0.0'}) . '"';
    my $date = $t->get($path)->header('Last-Modified');
    my $old = 'Wed, 21 Oct 2015 07:28:00 GMT';

    my @rows = (
        ['the tag', 304, 'If-None-Match' => $tag],
        ['the weak tag', 304, 'If-None-Match' => "W/$tag"],
        ['a list', 304, 'If-None-Match' => "\"x\", $tag"],
        ['*', 304, 'If-None-Match' => '*'],
        ['another tag', 200, 'If-None-Match' => '"x"'],
        ['the date', 304, 'If-Modified-Since' => $date],
        ['an older date', 200, 'If-Modified-Since' => $old],
        ['the tag and an older date', 304, 'If-None-Match' => $tag,
         'If-Modified-Since' => $old],
        ['another tag and the date', 200, 'If-None-Match' => '"x"',
         'If-Modified-Since' => $date],
        ['If-Match', 200, 'If-Match' => $tag],
        ['If-Match with another tag', 412, 'If-Match' => '"x"'],
        ['If-Unmodified-Since', 412, 'If-Unmodified-Since' => $old],
    );

    for my $row (@rows) {
        my ($case, $status, %headers) = @$row;
        my $r = $t->get($path, %headers);

        is($r->{status}, $status, "$status for $case");
        is($r->header('Cache-Control'), $status < 400 ? $PUBLIC : 'no-store',
           'kept for ever, or not at all');
    }
}


sub never_encoded {
    my $path = path_of('Foo-Bar', '1.0.0');
    my $file = $t->dir() . '/blobs/' . blob_of($t->checksum($crate{'1.0.0'}));

    # what gzip_static would take, if it were let
    $t->write_file("$file.gz", Compress::Zlib::memGzip('not this'));

    for my $uri ($path, '/api/v1/crates/foo_bar/1.0.0/download') {
        my $r = $t->get($uri, port => $t->port('compress'),
                        'Accept-Encoding' => 'deflate, gzip');

        is($r->header('Content-Encoding'), undef, 'never encoded');
        is($r->{body}, $crate{'1.0.0'}, 'so that cargo hashes what we hashed');
        is($r->header('ETag'), '"' . $t->checksum($crate{'1.0.0'}) . '"',
           'its tag stays strong');
    }

    unlink "$file.gz";
}


sub by_the_api {
    my $build = '1.0.1+build.5';

    for my $name (qw(Foo-Bar foo-bar foo_bar FOO_BAR Foo_bar)) {
        is($t->get("/api/v1/crates/$name/1.0.0/download")->{body},
           $crate{'1.0.0'}, "by the API: $name");
    }

    for my $version ('1.0.1+build.5', '1.0.1%2Bbuild.5', '1.0.1%2bbuild.5') {
        is($t->get("/api/v1/crates/foo_bar/$version/download")->{body},
           $crate{$build}, "by the API: $version");
    }

    my $r = $t->get('/api/v1/crates/foo_bar/1.0.0/download');

    is_deeply([ map { $r->header($_) } qw(ETag Content-Type Cache-Control) ],
              [ '"' . $t->checksum($crate{'1.0.0'}) . '"', 'application/gzip',
                $PUBLIC ], 'with the same headers');
}


sub not_found {
    my %detail = (
        'foo/1.0.0' => 'crate `foo` does not exist',
        'foo.bar/1.0.0' => 'crate `foo.bar` does not exist',
        'foo-bar/1.0.9' => 'crate `foo-bar` does not have a version `1.0.9`',
        'foo-bar/1.0.1' => 'crate `foo-bar` does not have a version `1.0.1`',
        'foo-bar/1.0.1+build.6' =>
            'crate `foo-bar` does not have a version `1.0.1+build.6`',
        'foo-bar/v1.0.0' => 'crate `foo-bar` does not have a version `v1.0.0`',
        'foo-bar/2.0.0-RC.1' =>
            'crate `foo-bar` does not have a version `2.0.0-RC.1`',
    );

    for my $path (sort keys %detail) {
        my $r = $t->get("/api/v1/crates/$path/download");

        is($r->{status}, 404, "404: $path");
        is($r->detail(), $detail{$path}, 'in the words of crates.io');
    }

    for my $uri (qw(foo-bar%2F1.0.0/download foo-bar/1.0.0%2Fdownload)) {
        is($t->get("/api/v1/crates/$uri")->{status}, 404,
           "an encoded slash separates nothing: $uri");
    }
}


sub methods {
    for my $uri (path_of('Foo-Bar', '1.0.0'),
                 '/api/v1/crates/foo-bar/1.0.0/download')
    {
        for my $method (qw(POST PUT DELETE OPTIONS)) {
            my $r = $t->request($method, $uri, body => '');

            is("$r->{status} " . ($r->header('Allow') // ''), '405 GET, HEAD',
               "405 with Allow: $method $uri");
        }
    }
}


sub lost_blob {
    my $path = path_of('other', '1.0.0');
    my $sum = $t->checksum($t->crate(name => 'other'));
    my $file = $t->dir() . '/blobs/' . blob_of($sum);

    rename $file, "$file.away" or die "rename: $!";

    for my $uri ($path, '/api/v1/crates/other/1.0.0/download') {
        my $r = $t->get($uri);

        is($r->{status}, 500, 'a file that is lost is no 404');
        like($r->{body}, qr/the registry has lost the file of this crate/,
             'and no mistake of the client');
        is($r->header('Cache-Control'), 'no-store', 'nor kept');
        is($t->head($uri)->{status}, 500, 'HEAD too');
        is($t->get($uri, 'If-None-Match' => "\"$sum\"")->{status}, 500,
           'nor is it "not modified"');
    }

    like($t->read_file('error.log'),
         qr/\[error\].*the file of crate other 1\.0\.0 cannot be sent/,
         'the administrator finds which');

    rename "$file.away", $file or die "rename: $!";
    is($t->get($path)->{status}, 200, 'back again');
}


sub private_registry {
    my %private = (port => $t->port('private'));
    my %with = (%private, Authorization => $secret);
    my $path = path_of('secret', '1.0.0', %with);

    # the API has the URL too, for those who ask for JSON
    my %vary = ($path => 'Authorization',
                '/api/v1/crates/secret/1.0.0/download'
                    => 'Authorization, Accept');

    for my $uri (sort keys %vary) {
        my $r = $t->get($uri, %with);

        is($r->{status}, 200, 'a private crate with a token');
        is_deeply([ map { $r->header($_) } qw(Cache-Control Vary) ],
                  [ $PRIVATE, $vary{$uri} ], 'is kept for its client only');
        is($t->get($uri, %private)->{status}, 401, 'without a token it is 401');

        for my $port (qw(satisfy)) {
            $r = $t->get($uri, port => $t->port($port));

            is($r->{status}, 401,
               '"satisfy any; allow all" does not replace the token');
            is($t->get($uri, %with, port => $t->port($port))->{status}, 200,
               'and does not harm it');
        }
    }

    for my $uri ('/index/config.json', '/index/se/cr/secret') {
        is($t->get($uri, port => $t->port('satisfy'))->{status}, 401,
           "nor on $uri");
    }
}


sub ways_of_sending {
    my $path = path_of('big', '1.0.0');

    for my $port (qw(sendfile nosendfile cached cached slow threads compress)) {
        my $r = $t->get($path, port => $t->port($port));

        ok($r->{status} == 200 && $r->{body} eq $big, "a large one: $port");

        $r = $t->get($path, port => $t->port($port),
                     Range => 'bytes=500000-599999');
        is($r->{body}, substr($big, 500_000, 100_000), "a range: $port")
            if $port ne 'compress';
    }

    my $connection = $t->connect();

    for my $version (sort keys %crate) {
        is($t->get(path_of('Foo-Bar', $version),
                   connection => $connection)->{body},
           $crate{$version}, "one connection: $version");
    }
}


sub inside_the_location {
    my $path = path_of('Foo-Bar', '1.0.0');
    my %except = (port => $t->port('except'));

    is($t->get($path, %except)->{body}, $crate{'1.0.0'},
       'GET where limit_except lets it');
    is($t->head($path, %except)->{status}, 200, 'HEAD too');

    my $r = $t->put($path, 'x', %except);

    is($r->{status}, 403, 'limit_except refuses another method');
    like($r->{body}, qr/\A[^<\n]+\n\z/, 'in a line of text');

    $r = $t->get("$path?x=1", port => $t->port('if'));

    is($r->header('X-If'), 'yes', 'an "if" in the location');
    is($r->{body}, $crate{'1.0.0'}, 'does not take the crate away');
    is($r->header('Cache-Control'), $PUBLIC, 'nor the headers');
    is($t->get("$path?x=1" =~ s/1\.0\.0/1.0.9/r,
               port => $t->port('if'))->{status}, 404, 'nor the checks');
}


sub utc_day { return POSIX::strftime('%Y-%m-%d', gmtime) }


sub counts {
    my ($name) = @_;

    return $t->sql(<<"SQL");
select string_agg(num || '=' || downloads, ' ' order by v.id)
  from cargo_store.version_downloads d
       join cargo_store.versions v on v.id = version_id
       join cargo_store.crates c on c.id = crate_id
 where name = '$name'
SQL
}


sub counted {
    # wait for what the tests above have left
    $t->get(path_of('other', '1.0.0'));
    ok($t->wait_for(sub { counts('other') =~ /=\d/ }), 'downloads are counted');
    $t->stop_nginx();
    $t->sql('delete from cargo_store.version_downloads');
    $t->start_nginx() or die 'nginx does not start again';

    my $path = path_of('Foo-Bar', '1.0.0');
    my $tag = '"' . $t->checksum($crate{'1.0.0'}) . '"';
    my $api = '/api/v1/crates/foo_bar/1.0.0/download';

    # none of these counts
    $t->head($path);
    $t->head($api);
    $t->get($path, 'If-None-Match' => $tag);
    $t->get($path, 'If-Match' => '"x"');
    $t->get($path, Range => 'bytes=5-');
    $t->get($path, Range => 'bytes=-5');
    $t->get($path, Range => 'bytes=999999-');
    $t->get($path =~ s/1\.0\.0/1.0.9/r);
    $t->put($path, '');

    # these do, each once
    my $day = utc_day();
    $t->get($path);
    $t->get($path);
    $t->get($api);
    $t->get($path, port => $t->port('sendfile'), 'If-None-Match' => '"x"');
    $t->get($path, Range => 'bytes=0-');
    $t->get("$path?x=1", port => $t->port('if'));
    $t->get(path_of('Foo-Bar', '1.0.1+build.5'));
    $t->get(path_of('other', '1.0.0'));

    # one worker, one order: when this one is there, all are
    ok($t->wait_for(sub { (counts('other') || '') eq '1.0.0=1' }),
       'after the flush');
    is(counts('Foo-Bar'), '1.0.0=6 1.0.1+build.5=1',
       'full downloads count once, for their version, and nothing else does');

    my $days = $t->sql('select distinct date from'
                       . ' cargo_store.version_downloads order by date');

    ok($days eq $day || $days eq utc_day(), 'on the day, in UTC')
        or diag($days);
}


sub aborted {
    my $connection = $t->connect(port => $t->port('slow'));

    $connection->send('GET ' . path_of('big', '1.0.0')
                      . " HTTP/1.1\r\nHost: x\r\n\r\n");
    $t->wait_for(sub { sysread $connection->socket(), my $some, 1000 });
    $connection->reset();

    my $gone = $t->wait_for(sub {
        my ($last) = $t->read_file('access.log') =~ /([^\n]+)\n\z/;
        $last =~ m{/big-1\.0\.0\.crate HTTP/1\.1" 200 (\d+) }
            && $1 < length $big;
    });

    ok($gone, 'a client goes away in the middle');

    $t->get(path_of('other', '1.0.0'));
    ok($t->wait_for(sub { counts('other') eq '1.0.0=2' }),
       'the next is counted');
    is(counts('big'), '', 'the aborted one is not');
}


sub flushed_at_the_end {
    my $conf = $t->{conf}{http} =~ s/flush 100ms/flush 1h/r;

    $t->write_config(http => $conf);
    ok($t->reload_nginx(), 'with an interval of an hour');

    # the old worker may still be answering
    $t->wait_for(sub { $t->workers() == 1 });
    $t->sql('delete from cargo_store.version_downloads');

    $t->get(path_of('other', '1.0.0')) for 1 .. 3;
    $t->reload_nginx();
    ok($t->wait_for(sub { counts('other') eq '1.0.0=3' }),
       'a reload flushes what the old worker has counted');

    $t->wait_for(sub { $t->workers() == 1 });
    $t->get(path_of('other', '1.0.0')) for 1 .. 4;
    is(counts('other'), '1.0.0=3', 'an hour has not passed');

    ok($t->stop_nginx(), 'SIGQUIT');
    is(counts('other'), '1.0.0=7', 'flushes before the worker exits');

    $t->start_nginx();
    $t->get(path_of('other', '1.0.0'));
    $t->terminate(delete $t->{nginx}, 'TERM');
    is(counts('other'), '1.0.0=7', 'SIGTERM waits for nothing');
}
