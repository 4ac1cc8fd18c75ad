#!/usr/bin/perl

# Who calls when nginx says so: the snippets of conf/ with auth_basic and with
# a proxy that names its user, and auth_request; what they open and what they
# do not.  Certificates: t/identity_tls.t, a token in the URL: t/url_token.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Socket::INET;
use IO::Socket::UNIX;
use Test::More;

use Test::Cargo;
use Test::Cargo::Secret;

my $t = Test::Cargo->new();
my $snippets = $t->root() . '/conf';

write_passwords($t, 'alice', 'bob', 'nobody', "b\xff", "al\0ice");

# parameters of statements are in PostgreSQL's log too
$t->postgres(settings => { log_statement => 'all' });
$t->cargoctl('registry', 'set', 'main', 'auth_required=true');
$t->registry('open');

$t->nginx(conf => configuration());

my %port = map { $_ => { port => $t->port($_) } } qw(basic sso service open);

my $alice = $t->account('alice');
my $bob = $t->account('bob', role => 'reader');
my $revoked = $t->token('alice', name => 'revoked');

$t->sql("update cargo_store.tokens set revoked_at = now()"
        . " where name = 'revoked'");

publish_secret($t, $alice);

basic();
token_before_login();
odd_logins();
turned_off();
proxy();
realip();
service();
caches();
of_cargo();
no_secrets($t, [ qw(error.log access.log json.log postgres.log) ], $alice,
           $bob, $revoked);

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
CONF
    include  $snippets/cargo_log.conf;
    access_log  %%dir%%/json.log  cargo_json;

@{[ registry_server($t, 'http', '') ]}
@{[ registry_server($t, 'open', 'cargo_registry open; cargo_user $arg_user;'
                    . ' cargo_user_from 127.0.0.1;') ]}
@{[ registry_server($t, 'basic', "include $snippets/cargo_auth_basic.conf;"
                    . ' location /off/index/ { auth_basic off; cargo_user "";'
                    . ' cargo_index; }') ]}
@{[ registry_server($t, 'sso', "listen unix:%%dir%%/sso.sock;"
                    . " include $snippets/cargo_sso.conf;") ]}
@{[ registry_server($t, 'real', 'set_real_ip_from 127.0.0.0/8;'
                    . ' set_real_ip_from unix:;'
                    . ' real_ip_header X-Forwarded-For;'
                    . " listen unix:%%dir%%/real.sock;"
                    . " include $snippets/cargo_sso.conf;") ]}
@{[ registry_server($t, 'service', 'auth_request /auth;'
                    . ' auth_request_set $sso_user'
                    . ' $upstream_http_x_auth_request_user;'
                    . ' cargo_user $sso_user;'
                    . ' location = /auth { internal; auth_request off;'
                    . ' proxy_pass http://unix:%%dir%%/auth.sock:/; }') ]}

    server {
        listen unix:%%dir%%/auth.sock;
        add_header X-Auth-Request-User \$http_x_who always;
        location / { return 204; }
    }
}
HTTP
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
        for @READS;
    is($get->('alice', 'wrong')->('GET', $_)->{status}, 401,
       "the right one for $_") for @READS;

    opens('with a password', 'alice', $get->('alice'));
    is($get->('alice')->('DELETE', $YANK)->{status}, 200, 'it yanks');
    is($get->('bob')->('PUT', $UNYANK)->{status}, 403, 'a reader does not');
    is($get->('ALICE', 'pw-alice')->('GET', '/')->{status}, 401,
       'auth_basic decides what a login is');
    is($get->('alice')->('PUT', $UNYANK)->{status}, 200, 'and unyanks');
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

    $r = $t->get($READS[1], port => $t->port('sso'),
                 Authorization => $revoked, 'X-Forwarded-User' => 'alice');
    is($r->{status}, 401, 'a revoked token is no login');

    for my $other ('Bearer eyJhbGciOiJ.e30.x', 'Digest x', 'x y',
                   basic_of('x'), substr($alice, 0, -1))
    {
        $r = $t->get('/api/v1/me', port => $t->port('sso'),
                     Authorization => $other, 'X-Forwarded-User' => 'alice');
        is($r->json()->{user}{login}, 'alice', "what is none is not: $other");

        $r = $t->put($UNYANK, '', port => $t->port('sso'),
                     Authorization => $other, 'X-Forwarded-User' => 'alice');
        is($r->{status}, 200, 'nor for a write');
    }
}


sub odd_logins {
    for my $login ('', "\xff", "\xc3", 'x' x 4000, "a'b--", '%00', ' ',
                   "alice\xe2\x80\xae")
    {
        my $r = $t->get($READS[1], port => $t->port('sso'),
                        'X-Forwarded-User' => $login);

        like($r->{status}, qr/^40[13]$/, 'a login that nobody has');
    }

    my $r = $t->get($READS[1], %{ $port{basic} },
                    Authorization => basic_of("b\xff"));
    like($r->{body}, qr/^token rejected/, 'one that is not UTF-8 is none');
    like($t->get($READS[1], %{ $port{basic} },
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

    $r = $t->get($READS[1], Authorization => basic_of('alice'),
                 'X-Forwarded-User' => 'alice', 'X-Who' => 'alice');
    is($r->{status}, 401, 'nor without cargo_user');

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

    is(from('127.0.0.1', $port, @alice, @for)->('DELETE', $YANK)->{status},
       200, 'yanked');
    is($t->sql('select address from cargo_store.audit order by id desc'
               . ' limit 1'), '203.0.113.9', 'by the client\'s address');
    is(from('127.0.0.1', $port, @alice)->('PUT', $UNYANK)->{status}, 200,
       'and back');
}


sub service {
    my $as = sub {
        my @who = @_;
        return sub { $t->request(@_, %{ $port{service} }, @who) };
    };

    opens('auth_request', 'alice', $as->('X-Who' => 'alice'));
    closed('auth_request, nobody', 401, qr/^a token is needed/, $as->());
    is($as->('X-Who' => 'alice')->('PUT', $UNYANK)->{status}, 200, 'writes');
}


sub caches {
    kept_by_caches($t, 'a login', { port => $t->port('sso'),
                                    'X-Forwarded-User' => 'alice' }, '',
                   'private, no-cache', undef);
    kept_by_caches($t, 'a header', { Authorization => $alice }, '',
                   'private, max-age=31536000, immutable', 'Authorization');

    is($t->get('/index/config.json?user=alice', %{ $port{open} })
         ->header('Cache-Control'), 'public, no-cache',
       'what all may have is for all');
}


sub of_cargo {
    SKIP: {
        skip('there is no cargo', 2) if !$t->cargo_binary();

        ok_fetch($t, 'a password', 'basic', '', basic_of('bob'));
    }
}
