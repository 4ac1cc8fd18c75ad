#!/usr/bin/perl

# Errors of any origin, nginx's own included: cargo's JSON under api/v1, a
# line of text under index/ and dl/, and a connection that goes on.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;

my %LOCATION = (
    index => 'cargo_index;', 'api/v1' => 'cargo_api;', dl => 'cargo_download;',
);

my @URIS = ('/index/fo/o-/foo-bar', '/dl/x/y/z.crate',
            '/api/v1/crates/foo-bar/1.0.0/yank');

my $t = Test::Cargo->new();

$t->postgres();
$t->write_file('passwords', "u:{PLAIN}p\n");
$t->write_file('site/oops.html', "the page of the site\n");
certificate();

$t->nginx(http => <<'CONF' . join '',
limit_req_zone $server_port zone=one:1m rate=1r/m;
CONF
    server('site', "error_page 400 401 403 404 405 408 413 414 500 503\n"
           . '/oops.html; location = /oops.html { root %%dir%%/site; }'),
    server('own', 'location = /oops.html { root %%dir%%/site; }',
           'error_page 404 405 =200 /oops.html;'),
    server('limited', 'limit_req zone=one;'),
    server('limited429', 'limit_req zone=one; limit_req_status 429;'),
    server('basic', 'auth_basic closed;'
           . ' auth_basic_user_file %%dir%%/passwords;'),
    server('deny', 'deny all;'),
    server('maintenance', '', 'return 503;'),
    server('gone', '', 'return 410 "said by the administrator";'),
    server('stalls', 'client_body_timeout 1s; client_header_timeout 1s;'),
    server('small', '', 'client_max_body_size 1k;'),
    server('large_names', 'large_client_header_buffers 4 64k;'),
    server('tls', 'ssl_certificate %%dir%%/tls.crt;'
           . ' ssl_certificate_key %%dir%%/tls.key;',
           'client_max_body_size 1k;', 'ssl http2'),
);

my $token = $t->account('alice');

$t->publish($token, { name => 'Foo-Bar', vers => '1.0.0' })->{status} == 200
    or die 'publish';

not_found();
bad_requests();
bad_chunks();
odd_names();
long_names();
too_large_headers();
too_large_bodies();
slow_bodies();
refused_by_nginx();
retry_after();
of_the_administrator();
heads();
keepalive_after_errors();
pipelined();
outside();
http2();

$t->done();


sub server {
    my ($name, $lines, $in_locations, $listen) = @_;

    my $locations = join "\n", map {
        "location /$_/ { $LOCATION{$_} " . ($in_locations // '') . ' }'
    } sort keys %LOCATION;

    return <<"CONF";
server {
    listen  127.0.0.1:%%port:$name%% @{[ $listen // '' ]};
    cargo_registry  main;
    cargo_blobs     %%dir%%/blobs;
    $lines
    $locations
}
CONF
}


sub certificate {
    $t->run_ok(command => [ qw(openssl req -x509 -nodes -days 2 -subj
        /CN=localhost -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout),
        $t->path('tls.key'), '-out', $t->path('tls.crt') ]);
}


# The whole contract: status, type, form, one sentence, and its length.

sub is_error {
    my ($r, $form, $status, $says, $case) = @_;

    is($r->{status}, $status, "$case: $status");

    my ($type, $sentence);

    if ($form eq 'json') {
        my $json = $r->json();

        $type = 'application/json';
        $sentence = $r->detail();

        is_deeply($json, { errors => [ { detail => $sentence // 'none' } ] },
                  'in cargo\'s form, and nothing else') or diag($r->{body});

    } else {
        $type = 'text/plain';
        ($sentence) = $r->{body} =~ /\A([^\n]+)\n\z/;

        unlike($r->{body}, qr/[<{]/, 'as text') or diag($r->{body});
    }

    is($r->header('Content-Type'), $type, "its type is $type");
    like($sentence // '', $says, 'in a sentence');
    is($r->header('Content-Length'), length $r->{body}, 'its length');
    is($r->header('Cache-Control'), 'no-store', 'not for a cache');
}


sub form_of { return $_[0] =~ m{/api/v1/} ? 'json' : 'text' }


sub not_found {
    for my $uri ('/api/v1/', '/api/v1/crates/', '/api/v1/crates/x/y/z',
                 '/api/v1/nothing?q=%00', '/api/v1//', '/api/v1/crates/../x',
                 '/api/v1/me/', '/api/v1/' . 'x/' x 200)
    {
        is_error($t->get($uri), 'json', 404,
                 qr/^Not Found: this registry's API has no GET of this path$/,
                 substr $uri, 0, 30);
    }

    is_error($t->get('/index/'), 'text', 404, qr/^no crate's index/, 'index/');
    is_error($t->get('/dl/'), 'text', 404, qr/^no crate has this path$/, 'dl/');
}


sub bad_requests {
    my $says = qr/^the request is malformed$/;

    for my $uri (@URIS) {
        my $form = form_of($uri);

        is_error($t->get("$uri%00"), $form, 400, $says, "NUL in $uri");
        is_error($t->get("$uri/%zz"), $form, 400, $says, "%zz in $uri");
        is_error($t->get("$uri/../../../../../../../x"), $form, 400, $says,
                 "out of the root from $uri");
        is_error($t->get($uri, Host => undef), $form, 400, $says,
                 "no Host: $uri");
        is_error($t->get($uri, Host => 'a/b'), $form, 400, $says,
                 "a bad Host: $uri");
        is_error($t->http("GET $uri x HTTP/1.1\r\nHost: x\r\n\r\n"), $form,
                 400, $says, "a blank in $uri");
        # longer than nginx's first buffer
        is_error($t->http("GET $uri@{[ 'x' x 3000 ]}\x01 HTTP/1.1\r\n"),
                 $form, 400, $says, "a control character far behind $uri");
        is_error($t->get($uri, 'Content-Length' => 'x'), $form, 400, $says,
                 "a bad Content-Length: $uri");
        is_error($t->http("GET $uri HTTP/1.1\r\nHost: x\r\na\x00b: c\r\n\r\n"),
                 $form, 400, $says, "a NUL in a header: $uri");
    }

    for my $line ("\x16\x03\x01\x02", 'GET', 'get / HTTP/1.1', 'GET x y z',
                  'G' x 3000)
    {
        is($t->http("$line\r\n\r\n")->{status}, 400,
           'what is no HTTP at all is 400 as ever');
    }

    is($t->http('G' x 10_000)->{status}, 414, 'or 414, without any URI');
    is($t->get('/index/config.json')->{status}, 200, 'the worker lives');
}


# What of a name gets into the sentence is still JSON in UTF-8, and does
# nothing to a terminal.

# nginx reads the body of a GET when it sends the file.

sub bad_chunks {
    my $sum = $t->checksum($t->crate(name => 'Foo-Bar'));
    my $uri = "/dl/Foo-Bar/$sum/Foo-Bar-1.0.0.crate";
    my $connection = $t->connect();

    is($t->get($uri)->{status}, 200, 'a file that can be sent');

    $connection->send("GET $uri HTTP/1.1\r\nHost: x\r\n"
                      . "Transfer-Encoding: chunked\r\n\r\nno length\r\n");

    is_error($connection->receive(), 'text', 400,
             qr/^the request is malformed$/, 'a body of a GET, not in chunks');
    unlike($t->read_file('error.log'), qr/cannot be sent/,
           'and no word of a lost file');
}


sub odd_names {
    my %name = (
        'a%22b' => 'a"b', 'a%5Cb' => 'a\\b', 'a%0D%0Ab' => "a?\nb",
        'a%01b' => 'a?b', 'a%7Fb' => 'a?b', 'a%C3%BCb' => "a\xfcb",
        '%3Cscript%3E' => '<script>', 'a%25b' => 'a%b', 'a%20b' => 'a b',
        'a%C2%9Bb' => 'a??b', 'a%C2%A0b' => "a\xa0b",
    );

    for my $name (sort keys %name) {
        is_error($t->get("/api/v1/crates/$name/1.0.0/download"), 'json', 404,
                 qr/\Acrate `\Q$name{$name}\E` does not exist\z/, $name);
    }

    for my $name ('%FF', 'a%C3', '%C0%AF', '%ED%A0%80', '%F5%80%80%80') {
        for my $uri ("$name/1.0.0/download", "foo-bar/$name/download") {
            is_error($t->get("/api/v1/crates/$uri"), 'json', 404,
                     qr/^crate `/, "no UTF-8: $uri");
        }

        is_error($t->delete("/api/v1/crates/$name/1.0.0/yank",
                            Authorization => $token), 'json', 404,
                 qr/^crate `/, "no UTF-8: yank $name");
    }

    for my $uri ('a%2Fb/1.0.0/yank', 'foo-bar%2f1.0.0/yank',
                 'foo-bar/1.0.0%2Fyank', 'a%2Fb/1.0.0/download')
    {
        is_error($t->delete("/api/v1/crates/$uri", Authorization => $token),
                 'json', 404, qr/^Not Found/, "an encoded slash: $uri");
    }

    unlike($t->get('/index/fo/o-/foo-bar')->{body}, qr/"yanked":true/,
           'nothing of this was a yank');
}


sub long_names {
    my %large = (port => $t->port('large_names'));
    my $long = 'x' x 10_000;

    for my $uri ("/index/xx/xx/$long", "/dl/$long/y/z.crate") {
        is_error($t->get($uri, %large), 'text', 404, qr/^no crate/,
                 'a name of 10,000 characters');
    }

    for my $name ($long, '%C3%BC' x 5000, 'x' . '%C3%BC' x 5000,
                  '%E2%82%AC' x 3000)
    {
        is_error($t->get("/api/v1/crates/$name/1.0.0/download", %large),
                 'json', 404, qr/^crate `/, 'a very long name in JSON');
        is_error($t->get("/api/v1/crates/foo-bar/$name/download", %large),
                 'json', 404, qr/^crate `foo-bar` does not/,
                 'a very long version');
    }

    for my $uri (@URIS) {
        is_error($t->get("$uri$long"), form_of($uri), 414,
                 qr/^the URL is too long$/,
                 'one that does not fit nginx\'s buffers');
    }
}


sub too_large_headers {
    for my $uri (@URIS) {
        is_error($t->get($uri, 'X-Long' => 'x' x 10_000), form_of($uri), 400,
                 qr/^the request is malformed$/, "a header of 10,000: $uri");
        is_error($t->get($uri, map { ("X-$_" => 'x' x 5000) } 1 .. 10),
                 form_of($uri), 400, qr/^the request is malformed$/,
                 "ten headers of 5,000: $uri");
    }
}


sub too_large_bodies {
    my %small = (port => $t->port('small'), Authorization => $token);
    my $says = qr/^max upload size is: 10485760$/;

    is_error($t->put('/api/v1/crates/new', 'x' x 2000, %small), 'json', 413,
             $says, 'too large by its Content-Length');
    is_error($t->put('/api/v1/crates/new', 'x' x 2000, %small,
                     chunked => 100), 'json', 413, $says,
             'too large in chunks');
    is_error($t->put('/index/config.json', 'x' x 2000, %small), 'text', 413,
             $says, 'under index/');
    is_error($t->put('/dl/x', 'x' x 2000, %small), 'text', 413, $says,
             'under dl/');
}


sub slow_bodies {
    my $connection = $t->connect(port => $t->port('stalls'));

    $connection->send("PUT /api/v1/crates/new HTTP/1.1\r\nHost: x\r\n"
                      . "Authorization: $token\r\nContent-Length: 1000\r\n\r\n"
                      . 'x' x 10);

    is_error($connection->receive(method => 'PUT'), 'json', 408,
             qr/^the upload came too slowly.*nothing was published/,
             'a body that stalls');
    ok($connection->closed(), 'and the connection is closed');

    $connection = $t->connect(port => $t->port('stalls'));
    $connection->send("PUT /api/v1/crates/new HTTP/1.1\r\nHost: x\r\n"
                      . "Authorization: $token\r\nTransfer-Encoding: chunked"
                      . "\r\n\r\n5\r\nxx");

    is_error($connection->receive(method => 'PUT'), 'json', 408,
             qr/^the upload came too slowly/, 'a chunk that stalls');
}


sub refused_by_nginx {
    my %says = (deny => [403, qr/^this server's configuration does not let/],
                basic => [401, qr/^a login is needed$/],
                maintenance => [503, qr/overloaded or being worked on/]);

    for my $uri (@URIS) {
        for my $server (sort keys %says) {
            my ($status, $says) = @{ $says{$server} };

            is_error($t->get($uri, port => $t->port($server)), form_of($uri),
                     $status, $says, "$server: $uri");
        }
    }

    is($t->get($URIS[0], port => $t->port('basic'))
         ->header('WWW-Authenticate'), 'Basic realm="closed"',
       'auth_basic\'s own challenge stays, alone');
    is($t->get('/index/config.json', port => $t->port('basic'),
               Authorization => 'Basic dTpw')->{status}, 200,
       'and its password opens');

    is_error($t->request('X', '/api/v1/crates/new'), 'json', 405,
             qr/^X is not allowed here, only GET, HEAD, PUT, DELETE$/,
             'an unknown method');
    is($t->request('X', '/api/v1/crates/new')->header('Allow'),
       'GET, HEAD, PUT, DELETE', 'with Allow');
    is_error($t->request('TRACE', $URIS[2]), 'json', 405,
             qr/not allowed here/, 'TRACE, which nginx refuses itself');
}


sub retry_after {
    for my $row ([limited => 503], [limited429 => 429]) {
        my ($server, $status) = @$row;
        my %at = (port => $t->port($server));

        is($t->get('/index/config.json', %at)->{status}, 200, 'one may pass');

        for my $uri (@URIS) {
            my $r = $t->get($uri, %at);

            is_error($r, form_of($uri), $status, qr/try again in a moment$/,
                     "limit_req: $uri");
            like($r->header('Retry-After') // 'none', qr/^[1-9]$/,
                 'with Retry-After, in seconds');
        }
    }
}


sub of_the_administrator {
    for my $uri ('/index/no/su/nosuch', '/dl/x', '/api/v1/x') {
        my $r = $t->get($uri, port => $t->port('site'));

        is_error($r, form_of($uri), 404, qr/\w/,
                 "an error_page of the server is not for cargo: $uri");

        $r = $t->get($uri, port => $t->port('own'));
        is("$r->{status} $r->{body}", "200 the page of the site\n",
           "an error_page of the location itself is meant: $uri");
    }

    is($t->get('/nothing/else', port => $t->port('site'))->{body},
       "the page of the site\n", 'outside of the registry it is as it was');

    my $r = $t->get('/index/config.json', port => $t->port('gone'));

    is($r->{status}, 410, 'a "return" in the location keeps its status');
}


sub heads {
    for my $uri ('/index/no/su/nosuch', '/dl/x', '/api/v1/x',
                 '/index/%00', '/api/v1/%00')
    {
        my ($get, $head) = ($t->get($uri), $t->head($uri));

        is($head->{status}, $get->{status}, "HEAD of an error: $uri");
        is($head->header('Content-Type'), $get->header('Content-Type'),
           'has its type');

        # the sentence may name the method, which is one letter longer
        cmp_ok(abs($head->header('Content-Length')
                   - $get->header('Content-Length')), '<=', 1, 'and a length');
    }
}


sub keepalive_after_errors {
    my $connection = $t->connect();
    my @on = (connection => $connection);
    my @status;

    for my $round (1, 2) {
        push @status, map { $_->{status} }
            $t->get('/index/no/su/nosuch', @on),
            $t->head('/api/v1/x', @on),
            $t->post('/index/config.json', 'x' x 5000, @on),
            $t->put('/api/v1/crates/new', 'x' x 5000, @on),
            $t->put('/api/v1/x', 'x' x 5000, @on, chunked => 999),
            $t->get('/dl/x', @on),
            $t->get('/index/config.json', @on);
    }

    is("@status", join(' ', (404, 404, 405, 403, 404, 404, 200) x 2),
       'errors do not end a connection, with bodies or without');

    $connection = $t->connect();
    is($t->get('/api/v1/%00', connection => $connection)->{status}, 400,
       'a bad request');
    ok($connection->closed(), 'does');
}


sub pipelined {
    my $connection = $t->connect();
    my @requests = (
        ["GET /index/no/su/nosuch HTTP/1.1\r\nHost: x\r\n\r\n", 404],
        ["PUT /api/v1/crates/new HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n"
         . "\r\nGET /", 403],
        ["GET /index/config.json HTTP/1.1\r\nHost: x\r\n\r\n", 200],
        ["DELETE /api/v1/x HTTP/1.1\r\nHost: x\r\n\r\n", 404],
        ["GET /index/fo/o-/foo-bar HTTP/1.1\r\nHost: x\r\n\r\n", 200],
        ["POST /dl/x HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n", 404],
    );

    $connection->send(join '', map { $_->[0] } @requests);

    is(join(' ', map { $connection->receive()->{status} } @requests),
       join(' ', map { $_->[1] } @requests),
       'pipelined requests and errors keep their order');
}


sub outside {
    my $r = $t->get('/no/such/page');

    is($r->{status}, 404, 'outside of the registry');
    like($r->{body}, qr{<center>nginx}, 'the page is nginx\'s own');
}


sub curl {
    my (@args) = @_;

    my $url = 'https://127.0.0.1:' . $t->port('tls') . shift @args;
    my $out = $t->run_ok(command => [ qw(curl -sk --http2 -i --path-as-is),
                                      '-m', 20, @args, $url ]);
    my ($head, $body) = $out =~ /\A(HTTP.*?)\r\n\r\n(.*)\z/s;
    my %headers = map { /^([^:]+): *(.*?)\r?$/ ? (lc $1 => $2) : () }
                  split /\n/, $head // '';
    my ($status) = ($head // '') =~ m{\AHTTP/2 (\d+)};

    return bless { status => $status // 0, headers => \%headers,
                   body => $body // '' }, 'Test::Cargo::Response';
}


sub http2 {
    my $r = curl('/index/config.json');

    is($r->{status}, 200, 'HTTP/2');
    is($r->json()->{api}, 'https://127.0.0.1:' . $t->port('tls'),
       'its :authority is the Host');

    is_error(curl('/api/v1/x'), 'json', 404, qr/^Not Found/, 'HTTP/2');
    is_error(curl('/index/no/su/nosuch'), 'text', 404,
             qr/^crate `nosuch` does not exist$/, 'HTTP/2');
    is_error(curl('/api/v1/%00'), 'json', 400, qr/malformed/, 'HTTP/2');
    is_error(curl('/index/config.json', '-X', 'DELETE'), 'text', 405,
             qr/^DELETE is not/, 'HTTP/2');

    my $body = $t->write_file('body', 'x' x 5000);

    is_error(curl('/api/v1/crates/new', '-T', $body, '-H',
                  "Authorization: $token"), 'json', 413, qr/^max upload/,
             'HTTP/2');
    is_error(curl('/api/v1/crates/new', '-T', '/dev/null'), 'json', 403,
             qr/requires authentication/, 'HTTP/2');
    is_error(curl('/api/v1/crates/%FF/1.0.0/download'), 'json', 404,
             qr/^crate `/, 'HTTP/2');
}
