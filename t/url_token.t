#!/usr/bin/perl

# A token in the URL (conf/cargo_entitlement.conf): what it opens, that it
# only reads, what it is beside a login or a header, and that no log has it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Secret;

my $t = Test::Cargo->new();
my $snippets = $t->root() . '/conf';

certificate();
write_passwords($t, 'alice');

# parameters of statements are in PostgreSQL's log too
$t->postgres(settings => { log_statement => 'all' });
$t->cargoctl('registry', 'set', 'main', 'auth_required=true');

$t->nginx(conf => configuration());

my %port = map { $_ => { port => $t->port($_) } } qw(url url_basic);

my $alice = $t->account('alice');
my $bob = $t->account('bob', role => 'reader');
my $revoked = $t->token('alice', name => 'revoked');

$t->sql("update cargo_store.tokens set revoked_at = now()"
        . " where name = 'revoked'");

publish_secret($t, $alice);

good();
writes_nothing();
bad();
not_there();
other_locations();
encoded();
and_others();
of_cargo();
kept_by_caches($t, 'a URL', $port{url}, "/t/$alice",
               'private, max-age=31536000, immutable', undef);
early();
no_secrets($t, [ qw(error.log access.log json.log uri.log postgres.log) ],
           $alice, $bob, $revoked);
masked();

$t->done();


sub configuration {
    return <<'CONF' . <<"HTTP";
%%globals%%
events { }
http {
    %%http_globals%%
    cargo_postgres  "%%conninfo%%";
    cargo_registry  main;
    cargo_blobs     %%dir%%/blobs;
    log_format      uri  '$request|$request_uri|$cargo_account|$limit';
    limit_req_zone  $binary_remote_addr  zone=one:1m  rate=1r/m;
    map $request_uri $limit { default all; ~^/none none; }
CONF
    include  $snippets/cargo_log.conf;
    access_log  %%dir%%/json.log  cargo_json;
    access_log  %%dir%%/uri.log  uri;

@{[ registry_server($t, 'http', '') ]}
@{[ registry_server($t, 'url', "include $snippets/cargo_entitlement.conf;"
                    . ' location ~ ^/limited/(?<token>[^/]+)/index/ {'
                    . ' limit_req zone=one; cargo_token $token; cargo_index; }'
                    . ' location /arg/index/ { cargo_token $arg_token;'
                    . ' cargo_index; } location /arg/api/v1/ {'
                    . ' cargo_token $arg_token; cargo_api; }') ]}
@{[ registry_server($t, 'url_basic',
                    "include $snippets/cargo_auth_basic.conf;"
                    . " include $snippets/cargo_entitlement.conf;") ]}

    server {
        listen 127.0.0.1:%%port:redirect%%;
        return 301 https://x\$request_uri;
    }

    server {
        listen 127.0.0.1:%%port:tls%% ssl;

        ssl_certificate      %%dir%%/server.crt;
        ssl_certificate_key  %%dir%%/server.key;

        include  $snippets/cargo.conf;
    }
}
HTTP
}


sub certificate {
    $t->run_ok(command => [ qw(openssl req -x509 -nodes -days 2 -subj
        /CN=localhost -newkey ec -pkeyopt ec_paramgen_curve:P-256 -keyout),
        $t->path('server.key'), '-out', $t->path('server.crt') ]);
}


sub at {
    my ($token, @more) = @_;

    return sub {
        my ($method, $uri) = @_;

        return $t->request($method, "/t/$token$uri", %{ $port{url} },
                           body => $method eq 'PUT' ? '{}' : undef, @more);
    };
}


sub good {
    opens('a token in the URL', 'bob', at($bob));

    my $base = "http://127.0.0.1:$port{url}{port}/t/$bob";
    my $config = at($bob)->('GET', '/index/config.json')->json();

    is($config->{'auth-required'}, undef, 'cargo needs no other');
    is($config->{api}, $base, 'and finds the rest there');
    is($t->get("/t/$bob/api/v1/crates/secret/1.0.0/download", %{ $port{url} },
               Accept => 'application/json')->json()->{url}, $base . $READS[2],
       'downloads too');
    is(at($bob, Authorization => 'nonsense')->('GET', '/api/v1/me')->json()
           ->{user}{login}, 'bob', 'a header that is none is nothing to it');
}


sub writes_nothing {
    is(at($alice)->($_->[0], $_->[1])->{status}, 403,
       "it does not write: $_->[0]")
        for [ DELETE => $YANK ], [ PUT => $UNYANK ],
            [ PUT => '/api/v1/crates/new' ], [ PUT => '/api/v1/me/tokens' ];
    is(at($alice)->(DELETE => $YANK)->detail(),
       'this action requires authentication: a token in the URL only reads;'
       . ' run `cargo login` with a token that may write', 'and says so');
    is($t->sql('select detail from cargo_store.audit order by id desc limit 1')
       =~ /only reads/ ? 1 : 0, 1, 'also in the audit log');
    is(at($bob, Authorization => $alice)->('PUT', $UNYANK)->{status}, 200,
       'a header does');
    is(at($bob, Authorization => $alice)->('GET', '/api/v1/me')->json()
           ->{user}{login}, 'alice', 'and decides');
}


sub bad {
    for my $bad ($revoked, 'nonsense', substr($bob, 0, -1), "${bob}x") {
        for my $uri (@READS[0 .. 3]) {
            my $r = at($bad)->('GET', $uri);

            is($r->{status}, 401, 'a bad token');
            unlike("$r->{head}\n$r->{body}", qr/\Q$bad\E/,
                   'is not repeated') if $bad ne 'nonsense';
        }
    }

    is($t->get($READS[1], %{ $port{url} }, Authorization => basic_of('alice'),
               'X-Forwarded-User' => 'alice', 'X-Who' => 'alice')->{status},
       401, 'without one nobody\'s word counts');
}


sub not_there {
    for my $uri ('/api/v1/crates/nosuch', "/api/v1/$bob", '/api/v1/x',
                 "/api/v1/users/$bob", "/api/v1/crates/$bob",
                 "/index/no/su/nosuch", "/dl/$bob", "/$bob", '/x', '')
    {
        my $r = at($bob)->('GET', $uri);

        is($r->{status}, 404, "not there: $uri");
        unlike("$r->{head}\n$r->{body}", qr/\Q$bob\E/,
               'nor is a good one repeated');
    }
}


sub other_locations {
    like($t->get("/limited/$bob/index/se/cr/secret", %{ $port{url} })
           ->{status}, qr/^(?:200|503)$/, 'limited') for 1 .. 3;
    is($t->get("/arg/index/se/cr/secret?token=$bob", %{ $port{url} })
         ->{status}, 200, 'as an argument');
    is($t->get("/arg/api/v1/crates?q=$bob&token=$bob", %{ $port{url} })
         ->{status}, 200, 'and of the API');
}


sub encoded {
    my $all = join '', map { sprintf '%%%02x', ord } split //, $bob;
    my $one = sprintf '%%%02x%s', ord $bob, substr $bob, 1;

    for my $token ($all, $one) {
        is($t->get("/t/$token/index/se/cr/secret", %{ $port{url} })->{status},
           200, 'percent-encoded');
        is($t->get("/t/$token/index/se%2Fcr/secret", %{ $port{url} })
             ->{status}, 404, 'a slash is not');
    }

    is($t->get("/t/$bob/index/se/cr/secret?again=$one", %{ $port{url} })
         ->{status}, 200, 'as it is, and encoded');
    is($t->get("/t/x/../$bob/index//se/./cr/secret", %{ $port{url} })
         ->{status}, 200, 'by a longer way');
}


sub and_others {
    my $uri = "/t/$bob/api/v1/me";

    is($t->get($uri, %{ $port{url_basic} }, Authorization => basic_of('alice'))
         ->json()->{user}{login}, 'bob', 'a token in the URL before a login');
    is($t->get('/t/nonsense/api/v1/me', %{ $port{url_basic} },
               Authorization => basic_of('alice'))->json()->{user}{login},
       'alice', 'a login before what is no token');
    is($t->delete("/t/$bob$YANK", %{ $port{url_basic} },
                  Authorization => basic_of('alice'))->{status}, 200,
       'who may write without it');
    is($t->put("/t/$bob$UNYANK", '', %{ $port{url_basic} },
               Authorization => basic_of('alice'))->{status}, 200,
       'in both ways');
}


sub of_cargo {
    SKIP: {
        skip('there is no cargo', 2) if !$t->cargo_binary();

        ok_fetch($t, 'a token in the URL', 'url', "/t/$bob", undef);
    }
}


# What nginx refuses before it has chosen a location: its own lines about it
# are of the level "info".

sub early {
    my $uri = "/t/$bob/index/se/cr/secret";
    my @requests = (
        [ url => "GET $uri HTTP/1.1\r\n\r\n" ],
        [ url => "GET $uri HTTP/1.1\r\nHost: a b\r\n\r\n" ],
        [ url => "GET $uri HTTP/1.1\r\nHost: x\r\nX: " . 'x' x 40000 ],
        [ tls => "GET $uri HTTP/1.1\r\nHost: x\r\n\r\n" ],
        [ url => "GET $uri?ngxcargo_&$bob$bob HTTP/1.1\r\n\r\n" ],
    );

    for my $request (@requests) {
        my ($port, $raw) = @$request;

        is($t->http($raw, port => $t->port($port))->{status}, 400,
           'refused early');
    }

    is($t->http("PUT /t/$bob/api/v1/crates/new HTTP/1.1\r\nHost: x\r\n"
                . "Content-Length: 99999999\r\nConnection: close\r\n\r\n",
                %{ $port{url} })->{status}, 413, 'in the location');

    my $given_up = $t->connect(%{ $port{url} });

    $given_up->send("GET $uri?given-up HTTP/1.1\r\nHost: x\r\n");
    $given_up->close();
    ok($t->wait_for(sub { $t->read_file('uri.log') =~ /given-up/ }, 5),
       'given up by the client');
    is($t->get("$uri?sent-on", port => $t->port('redirect'))
         ->header('Location'), "https://x$uri?sent-on",
       'a redirect has it still');
}


sub masked {
    like($t->read_file('uri.log'),
         qr{^GET\ /t/ngxcargo_\*\*\*/index/se/cr/secret\ HTTP/1\.1
            \|/t/ngxcargo_\*\*\*/index/se/cr/secret\|bob\|all$}mx,
         'the rest of the request is there');
    like($t->read_file('uri.log'),
         qr{^GET /ngxcargo_\*\*\* HTTP/1\.1\|/ngxcargo_\*\*\*\|bob\|all$}m,
         'but for what was encoded');
    like($t->read_file('error.log'),
         qr{limiting requests.*request: "GET /limited/ngxcargo_\*\*\*/},
         'the error log too');
}
