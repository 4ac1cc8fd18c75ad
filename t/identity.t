#!/usr/bin/perl

# Who calls when nginx says so: the snippets of conf/ with auth_basic, a proxy
# that names its user, certificates, and a token in the URL; what they open,
# what they do not, and that no log has what they were opened with.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use IO::Socket::INET;
use IO::Socket::UNIX;
use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

my $NEEDED = 'a token is needed: run `cargo login` with a token of this '
             . "registry\n";

my $t = Test::Cargo->new();
my $snippets = $t->root() . '/conf';

certificates();
passwords();

# parameters of statements are in PostgreSQL's log too
$t->postgres(settings => { log_statement => 'all' });
$t->cargoctl('registry', 'set', 'main', 'auth_required=true');
$t->registry('open');

$t->nginx(conf => configuration());

my %port = map { $_ => { port => $t->port($_) } }
           qw(basic sso real service url url_basic open);

my $alice = $t->account('alice');
my $bob = $t->account('bob', role => 'reader');
my $admin = $t->account('adm1n', role => 'admin');
my $revoked = $t->token('alice', name => 'revoked');
my $secret = $t->crate(name => 'secret');
my $sum = $t->checksum($secret);

my @reads = ('/index/config.json', '/index/se/cr/secret',
             "/dl/secret/$sum/secret-1.0.0.crate",
             '/api/v1/crates/secret/1.0.0/download', '/api/v1/me');

my $yank = '/api/v1/crates/secret/1.0.0/yank';
my $unyank = '/api/v1/crates/secret/1.0.0/unyank';

published();
basic();
token_before_login();
odd_logins();
turned_off();
proxy();
realip();
service();
certificate();
url();
url_encoded();
url_and_others();
url_of_cargo();
kept_by_caches();
early();
no_secrets();

$t->done();


sub registry {
    my ($port, $more) = @_;

    return "server { listen 127.0.0.1:%%port:$port%%; $more"
           . " include $snippets/cargo.conf; }\n";
}


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

@{[ registry('http', '') ]}
@{[ registry('open', 'cargo_registry open; cargo_user $arg_user;'
             . ' cargo_user_from 127.0.0.1;') ]}
@{[ registry('basic', "include $snippets/cargo_auth_basic.conf;"
             . ' location /off/index/ { auth_basic off; cargo_user "";'
             . ' cargo_index; }') ]}
@{[ registry('sso', "listen unix:%%dir%%/sso.sock;"
             . " include $snippets/cargo_sso.conf;") ]}
@{[ registry('real', 'set_real_ip_from 127.0.0.0/8; set_real_ip_from unix:;'
             . ' real_ip_header X-Forwarded-For;'
             . " listen unix:%%dir%%/real.sock;"
             . " include $snippets/cargo_sso.conf;") ]}
@{[ registry('service', 'auth_request /auth; auth_request_set $sso_user'
             . ' $upstream_http_x_auth_request_user; cargo_user $sso_user;'
             . ' location = /auth { internal; auth_request off;'
             . ' proxy_pass http://unix:%%dir%%/auth.sock:/; }') ]}
@{[ registry('url', "include $snippets/cargo_entitlement.conf;"
             . ' location ~ ^/limited/(?<token>[^/]+)/index/ {'
             . ' limit_req zone=one; cargo_token $token; cargo_index; }'
             . ' location /arg/index/ { cargo_token $arg_token;'
             . ' cargo_index; } location /arg/api/v1/ {'
             . ' cargo_token $arg_token; cargo_api; }') ]}
@{[ registry('url_basic', "include $snippets/cargo_auth_basic.conf;"
             . " include $snippets/cargo_entitlement.conf;") ]}

    server {
        listen 127.0.0.1:%%port:redirect%%;
        return 301 https://x\$request_uri;
    }

    server {
        listen unix:%%dir%%/auth.sock;
        add_header X-Auth-Request-User \$http_x_who always;
        location / { return 204; }
    }

    include  $snippets/cargo_mtls.conf;

    server {
        listen  127.0.0.1:%%port:tls%% ssl;

        ssl_certificate         %%dir%%/server.crt;
        ssl_certificate_key     %%dir%%/server.key;
        ssl_client_certificate  %%dir%%/ca.crt;
        ssl_verify_client       optional_no_ca;

        include  $snippets/cargo.conf;
    }

    server {
        listen       127.0.0.1:%%port:tls%% ssl;
        server_name  other;

        ssl_certificate         %%dir%%/server.crt;
        ssl_certificate_key     %%dir%%/server.key;
        ssl_client_certificate  %%dir%%/other-ca.crt;
        ssl_verify_client       on;

        include  $snippets/cargo.conf;
    }
}
HTTP
}


sub certificates {
    my @key = qw(-newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes);
    my %subject = (server => '/CN=127.0.0.1', alice => '/O=x/CN=alice',
                   unknown => '/CN=nobody', none => '/O=alice',
                   comma => '/CN=nobody/O=x,CN=adm1n',
                   several => '/O=x/CN=bob/CN=adm1n');

    for my $ca ('ca', 'other-ca') {
        openssl('req', '-x509', @key, '-days', 2, '-subj', "/CN=$ca",
                '-keyout', "$ca.key", '-out', "$ca.crt");
    }

    sign($_, $subject{$_}, 'ca', @key) for sort keys %subject;
    sign('forged', '/CN=adm1n', 'other-ca', @key);
}


sub sign {
    my ($name, $subject, $ca, @key) = @_;

    openssl('req', @key, '-subj', $subject, '-keyout', "$name.key",
            '-out', "$name.csr");
    openssl('x509', '-req', '-in', "$name.csr", '-days', 2, '-CA', "$ca.crt",
            '-CAkey', "$ca.key", '-CAcreateserial', '-out', "$name.crt");
}


sub openssl {
    my (@args) = @_;

    $t->run_ok(command => [ 'openssl', @args ], dir => $t->dir());
}


sub passwords {
    my $text = join '', map { "$_:{PLAIN}pw-$_\n" }
               ('alice', 'bob', 'nobody', "b\xff", "al\0ice");

    $t->write_file('cargo.htpasswd', $text);
}


sub basic_of {
    my ($user, $password) = @_;

    return 'Basic ' . encode_base64("$user:" . ($password // "pw-$user"), '');
}


sub published {
    my $r = $t->publish($alice, { name => 'secret' }, crate => $secret);

    is($r->{status}, 200, 'published') or diag($r->{body});
    $t->sql("update cargo_store.tokens set revoked_at = now()"
            . " where name = 'revoked'");
}


sub opens {
    my ($name, $login, $get) = @_;

    for my $uri (@reads) {
        my $r = $get->('GET', $uri);

        is($r->{status}, 200, "$name: $uri") or diag($r->{body});
        is($r->json()->{user}{login}, $login, "as $login")
            if $uri =~ /me$/;
    }
}


sub closed {
    my ($name, $status, $says, $get) = @_;

    for my $uri (@reads) {
        my $r = $get->('GET', $uri);

        is($r->{status}, $uri =~ /me$/ ? 403 : $status, "$name: $uri");
        like($r->{body}, $says, 'says why') if $uri =~ /index/;
    }

    is($get->('DELETE', $yank)->{status}, 403, 'nor is anything written');
}


sub basic {
    my $get = sub {
        my ($user, @more) = @_;
        return sub {
            $t->request(@_, %{ $port{basic} },
                        Authorization => basic_of($user, @more));
        };
    };

    is($t->get($_, %{ $port{basic} })->{status}, 401, "a password for $_")
        for @reads;
    is($get->('alice', 'wrong')->('GET', $_)->{status}, 401,
       "the right one for $_") for @reads;

    opens('with a password', 'alice', $get->('alice'));
    is($get->('alice')->('DELETE', $yank)->{status}, 200, 'it yanks');
    is($get->('bob')->('PUT', $unyank)->{status}, 403, 'a reader does not');
    is($get->('ALICE', 'pw-alice')->('GET', '/')->{status}, 401,
       'auth_basic decides what a login is');
    is($get->('alice')->('PUT', $unyank)->{status}, 200, 'and unyanks');
    closed('nobody that is known here', 403,
           qr/^the user `nobody` has no role in registry `main`/,
           $get->('nobody'));

    is($t->get('/index/config.json', %{ $port{basic} },
               Authorization => basic_of('alice'))->json()
         ->{'auth-required'}, JSON::PP::true,
       'cargo is told to send the password always');
    is($t->sql("select login || ' ' || address from (select account as login,"
               . ' address from cargo_store.audit where action = \'yank\''
               . ' and token_id is null and status = 200) a'),
       'alice 127.0.0.1', 'the audit log has the login');
}


# A good token of somebody else decides, whatever nginx has found.

sub token_before_login {
    my $r = $t->get('/api/v1/me', port => $t->port('sso'),
                    Authorization => $bob, 'X-Forwarded-User' => 'alice');

    is($r->json()->{user}{login}, 'bob', 'a token before a login');

    $r = $t->get('/api/v1/me', port => $t->port('sso'),
                 Authorization => "Bearer $bob",
                 'X-Forwarded-User' => 'alice');
    is($r->json()->{user}{login}, 'bob', 'as Bearer');

    $r = $t->get($reads[1], port => $t->port('sso'),
                 Authorization => $revoked, 'X-Forwarded-User' => 'alice');
    is($r->{status}, 401, 'a revoked token is no login');

    for my $other ('Bearer eyJhbGciOiJ.e30.x', 'Digest x', 'x y',
                   basic_of('x'), substr($alice, 0, -1))
    {
        $r = $t->get('/api/v1/me', port => $t->port('sso'),
                     Authorization => $other, 'X-Forwarded-User' => 'alice');
        is($r->json()->{user}{login}, 'alice', "what is none is not: $other");

        $r = $t->put($unyank, '', port => $t->port('sso'),
                     Authorization => $other, 'X-Forwarded-User' => 'alice');
        is($r->{status}, 200, 'nor for a write');
    }
}


sub odd_logins {
    for my $login ('', "\xff", "\xc3", 'x' x 4000, "a'b--", '%00', ' ',
                   "alice\xe2\x80\xae")
    {
        my $r = $t->get($reads[1], port => $t->port('sso'),
                        'X-Forwarded-User' => $login);

        like($r->{status}, qr/^40[13]$/, 'a login that nobody has');
    }

    my $r = $t->get($reads[1], %{ $port{basic} },
                    Authorization => basic_of("b\xff"));
    like($r->{body}, qr/^token rejected/, 'one that is not UTF-8 is none');
    like($t->get($reads[1], %{ $port{basic} },
                 Authorization => basic_of("al\0ice"))->{body},
         qr/^token rejected|401 Authorization/, 'nor is one with NUL');
    is($t->get('/api/v1/me', port => $t->port('sso'),
               'X-Forwarded-User' => 'Alice')->json()->{user}{login},
       'alice', 'case does not matter');
}


sub turned_off {
    my $r = $t->get('/off/index/se/cr/secret', %{ $port{basic} },
                    Authorization => basic_of('alice', 'wrong'));

    is($r->{status}, 401, 'cargo_user "": nobody\'s word counts');
    like($r->{body}, qr/^token rejected: this registry does not know/,
         'what was sent is no token');

    for my $port (qw(http url)) {
        $r = $t->get($reads[1], port => $t->port($port),
                     Authorization => basic_of('alice'),
                     'X-Forwarded-User' => 'alice', 'X-Who' => 'alice');
        is($r->{status}, 401, 'nor without cargo_user');
    }

    $r = $t->get('/api/v1/me?user=alice', %{ $port{open} });
    is($r->{status}, 403, 'no role in the other registry');
    is($t->get('/index/config.json?user=alice', %{ $port{open} })->{status},
       200, 'which anybody may read');
}


# A request from an address of our own, or by a socket.

sub from {
    my ($address, $port, %headers) = @_;

    my $socket = $port =~ m{^/}
        ? IO::Socket::UNIX->new(Peer => $port)
        : IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $port,
                                LocalAddr => $address, Timeout => 10);

    return sub {
        my ($method, $uri) = @_;

        my $connection = bless {
            socket => $socket, buffer => '', eof => 0, timeout => 10,
        }, 'Test::Cargo::Connection';

        $socket->blocking(0);

        return $t->request($method, $uri, connection => $connection,
                           Connection => 'keep-alive', %headers);
    };
}


sub proxy {
    my $port = $t->port('sso');
    my $sock = $t->dir() . '/sso.sock';
    my @alice = ('X-Forwarded-User' => 'alice');

    opens('a proxy\'s word', 'alice', from('127.0.0.1', $port, @alice));
    opens('by a socket', 'alice', from(undef, $sock, @alice));
    closed('without it', 401, qr/^a token is needed/,
           from('127.0.0.1', $port));
    closed('another\'s word', 401, qr/^a token is needed/,
           from('127.0.0.2', $port, @alice));
    opens('who may come with a token', 'alice',
          from('127.0.0.2', $port, @alice, Authorization => $alice));

    is(from('127.0.0.1', $port, @alice)->('GET', '/index/config.json')
           ->json()->{'auth-required'}, undef, 'no token is asked for');
}


# realip puts the client in the proxy's place, and must not make it one.

sub realip {
    my $port = $t->port('real');
    my $sock = $t->dir() . '/real.sock';
    my @alice = ('X-Forwarded-User' => 'alice');
    my @for = ('X-Forwarded-For' => '203.0.113.9');

    opens('realip', 'alice', from('127.0.0.1', $port, @alice, @for));
    opens('realip by a socket', 'alice', from(undef, $sock, @alice, @for));
    closed('a client that calls itself the proxy', 401, qr/^a token is/,
           from('127.0.0.2', $port, @alice,
                'X-Forwarded-For' => '127.0.0.1'));

    is(from('127.0.0.1', $port, @alice, @for)->('DELETE', $yank)->{status},
       200, 'yanked');
    is($t->sql('select address from cargo_store.audit order by id desc'
               . ' limit 1'), '203.0.113.9', 'by the client\'s address');
    is(from('127.0.0.1', $port, @alice)->('PUT', $unyank)->{status}, 200,
       'and back');
}


sub service {
    my $as = sub {
        my @who = @_;
        return sub { $t->request(@_, %{ $port{service} }, @who) };
    };

    opens('auth_request', 'alice', $as->('X-Who' => 'alice'));
    closed('auth_request, nobody', 401, qr/^a token is needed/, $as->());
    is($as->('X-Who' => 'alice')->('PUT', $unyank)->{status}, 200, 'writes');
}


sub by_tls {
    my ($name, $host, @sni) = @_;

    my @certificate = $name ? ('-cert', "$name.crt", '-key', "$name.key") : ();
    my $port = $t->port('tls');

    return sub {
        my ($method, $uri) = @_;

        my ($rc, $out) = $t->run(
            command => [ 'openssl', 's_client', '-quiet', '-connect',
                         "127.0.0.1:$port", '-CAfile', 'ca.crt',
                         @certificate, @sni ],
            input => "$method $uri HTTP/1.1\r\nHost: @{[ $host // 'x' ]}\r\n"
                     . "Content-Length: 0\r\nConnection: close\r\n\r\n",
            dir => $t->dir(), timeout => 20);

        my ($head, $body) = split /\r\n\r\n/, $out, 2;
        my ($status) = ($head // '') =~ m{^HTTP/1.1 (\d+)};

        return bless { status => $status // 0, headers => {},
                       body => $body // '' }, 'Test::Cargo::Response';
    };
}


sub certificate {
    my $get = by_tls('alice');

    opens('a certificate', 'alice', $get);
    is($get->('DELETE', $yank)->{status}, 200, 'yanks');
    is($get->('PUT', $unyank)->{status}, 200, 'and unyanks');
    is($get->('GET', '/index/config.json')->json()->{'auth-required'}, undef,
       'no token is asked for');

    my %none = ('' => 'none', forged => 'of another CA',
                none => 'without a common name');

    for my $name (sort keys %none) {
        is(by_tls($name)->('GET', $reads[1])->{body}, $NEEDED,
           "a certificate $none{$name}: nobody");
    }

    for my $name ('unknown', 'comma') {
        like(by_tls($name)->('GET', $reads[1])->{body},
             qr/^the user `nobody` has no role/, "$name: not known here");
    }

    # the CA of the one server is nothing to the other
    is(by_tls('alice', 'other')->('GET', $reads[1])->{body}, $NEEDED,
       'a certificate that another server has verified');
    is(by_tls('forged', 'other', -servername => 'other')
           ->('GET', '/api/v1/me')->json()->{user}{login}, 'adm1n',
       'one of the other CA, for its own server');

    is(by_tls('several')->('GET', '/api/v1/me')->json()->{user}{login},
       'adm1n', 'of several names the last of the subject');
}


sub url {
    my $at = sub {
        my ($token, @more) = @_;
        return sub {
            my ($method, $uri) = @_;
            $t->request($method, "/t/$token$uri", %{ $port{url} },
                        body => $method eq 'PUT' ? '{}' : undef, @more);
        };
    };

    opens('a token in the URL', 'bob', $at->($bob));

    my $base = "http://127.0.0.1:$port{url}{port}/t/$bob";
    my $config = $at->($bob)->('GET', '/index/config.json')->json();

    is($config->{'auth-required'}, undef, 'cargo needs no other');
    is($config->{api}, $base, 'and finds the rest there');
    is($t->get("/t/$bob/api/v1/crates/secret/1.0.0/download", %{ $port{url} },
               Accept => 'application/json')->json()->{url},
       "$base/dl/secret/$sum/secret-1.0.0.crate", 'downloads too');
    is($at->($alice)->($_->[0], $_->[1])->{status}, 403,
       "but it does not write: $_->[0]")
        for [ DELETE => $yank ], [ PUT => $unyank ],
            [ PUT => '/api/v1/crates/new' ], [ PUT => '/api/v1/me/tokens' ];
    is($at->($alice)->(DELETE => $yank)->detail(),
       'this action requires authentication: a token in the URL only reads;'
       . ' run `cargo login` with a token that may write', 'and says so');
    is($t->sql('select detail from cargo_store.audit order by id desc limit 1')
       =~ /only reads/ ? 1 : 0, 1, 'also in the audit log');
    is($at->($bob, Authorization => $alice)->('PUT', $unyank)->{status}, 200,
       'a header does');
    is($at->($bob, Authorization => $alice)->('GET', '/api/v1/me')->json()
           ->{user}{login}, 'alice', 'and decides');
    is($at->($bob, Authorization => 'nonsense')->('GET', '/api/v1/me')->json()
           ->{user}{login}, 'bob', 'unless it is none');

    for my $bad ($revoked, 'nonsense', substr($bob, 0, -1), "${bob}x") {
        for my $uri (@reads[0 .. 3]) {
            my $r = $at->($bad)->('GET', $uri);

            is($r->{status}, 401, 'a bad token');
            unlike("$r->{head}\n$r->{body}", qr/\Q$bad\E/,
                   'is not repeated') if $bad ne 'nonsense';
        }
    }

    for my $uri ('/api/v1/crates/nosuch', "/api/v1/$bob", '/api/v1/x',
                 "/api/v1/users/$bob", "/api/v1/crates/$bob",
                 "/index/no/su/nosuch", "/dl/$bob", "/$bob", '/x', '')
    {
        my $r = $at->($bob)->('GET', $uri);

        is($r->{status}, 404, "not there: $uri");
        unlike("$r->{head}\n$r->{body}", qr/\Q$bob\E/,
               'nor is a good one repeated');
    }

    like($t->get("/limited/$bob/index/se/cr/secret", %{ $port{url} })
           ->{status}, qr/^(?:200|503)$/, 'limited') for 1 .. 3;
    is($t->get("/arg/index/se/cr/secret?token=$bob", %{ $port{url} })
         ->{status}, 200, 'as an argument');
    is($t->get("/arg/api/v1/crates?q=$bob&token=$bob", %{ $port{url} })
         ->{status}, 200, 'and of the API');
}


sub url_encoded {
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


sub url_and_others {
    my $uri = "/t/$bob/api/v1/me";

    is($t->get($uri, %{ $port{url_basic} }, Authorization => basic_of('alice'))
         ->json()->{user}{login}, 'bob', 'a token in the URL before a login');
    is($t->get('/t/nonsense/api/v1/me', %{ $port{url_basic} },
               Authorization => basic_of('alice'))->json()->{user}{login},
       'alice', 'a login before what is no token');
    is($t->delete("/t/$bob$yank", %{ $port{url_basic} },
                  Authorization => basic_of('alice'))->{status}, 200,
       'who may write without it');
    is($t->put("/t/$bob$unyank", '', %{ $port{url_basic} },
               Authorization => basic_of('alice'))->{status}, 200,
       'in both ways');
}


sub url_of_cargo {
    SKIP: {
        skip('there is no cargo', 4) if !$t->cargo_binary();

        my %index = (
            'a token in the URL' => [ "url", "/t/$bob", undef ],
            'a password' => [ 'basic', '', basic_of('bob') ],
        );

        for my $name (sort keys %index) {
            my ($port, $path, $token) = @{ $index{$name} };

            $t->cargo_config(index => 'sparse+http://127.0.0.1:'
                             . $t->port($port) . "$path/index/");
            remove_tree("$t->{dir}/cargo-home/registry");

            my $app = $t->new_crate("app-$port", Test::Cargo::Story::package(
                "app-$port", '0.1.0', <<'TOML'));

[dependencies]
secret = { version = "1", registry = "main" }
TOML

            ok_cargo($t, "cargo with $name", 'fetch', { dir => $app, env => {
                $token ? (CARGO_REGISTRIES_MAIN_TOKEN => $token) : () } });
            my @files = glob "$t->{dir}/cargo-home/registry/cache/*/*.crate";

            is(scalar @files, 1, 'has the crate');
        }
    }
}


sub kept_by_caches {
    my %case = (
        'a login' => [ { port => $t->port('sso'),
                         'X-Forwarded-User' => 'alice' }, '',
                       'private, no-cache', 'private, no-cache', undef ],
        'a header' => [ { Authorization => $alice }, '', 'private, no-cache',
                        'private, max-age=31536000, immutable',
                        'Authorization' ],
        'a URL' => [ $port{url}, "/t/$alice", 'private, no-cache',
                     'private, max-age=31536000, immutable', undef ],
    );

    for my $name (sort keys %case) {
        my ($with, $path, $index, $file, $vary) = @{ $case{$name} };
        my @expected = ([ $index, $vary ], [ $index, $vary ],
                        [ $file, $vary ]);

        for my $i (0 .. 2) {
            my $r = $t->get("$path$reads[$i]", %$with);

            is_deeply([ $r->header('Cache-Control'), $r->header('Vary') ],
                      $expected[$i], "$name: $reads[$i]");
        }

        is($t->get("$path/api/v1/me", %$with)->header('Cache-Control'),
           'private, no-cache', 'and of the API');
    }

    is($t->get('/index/config.json?user=alice', %{ $port{open} })
         ->header('Cache-Control'), 'public, no-cache',
       'what all may have is for all');
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


# Not in any form in which they were sent.

sub no_secrets {
    my $secrets = join '|', map { quotemeta substr $_, 9, 20 }
                  ($alice, $bob, $admin, $revoked);

    for my $log (qw(error.log access.log json.log uri.log postgres.log)) {
        my $text = $t->read_file($log) // '';

        $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
        $text =~ s/^.* \[info\] .* while reading client request .*$//gm;
        ok(length $text, "there is something in $log");
        is(join("\n", grep { /$secrets/ } split /\n/, $text), '',
           'but no token');
    }

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
