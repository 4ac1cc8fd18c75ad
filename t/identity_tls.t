#!/usr/bin/perl

# Who calls when a certificate says so: conf/cargo_mtls.conf, with good
# certificates, bad ones, and those of another server's CA.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Secret;

my $NEEDED = 'a token is needed: run `cargo login` with a token of this '
             . "registry\n";

my $t = Test::Cargo->new();
my $snippets = $t->root() . '/conf';

certificates();

$t->postgres();
$t->cargoctl('registry', 'set', 'main', 'auth_required=true');

$t->nginx(conf => configuration());

my $alice = $t->account('alice');
$t->account('bob', role => 'reader');
$t->account('adm1n', role => 'admin');

publish_secret($t, $alice);

own_ca();
none();
other_ca();
names();

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
    include  $snippets/cargo_mtls.conf;

@{[ registry_server($t, 'http', '') ]}

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


sub own_ca {
    my $get = by_tls('alice');

    opens('a certificate', 'alice', $get);
    is($get->('DELETE', $YANK)->{status}, 200, 'yanks');
    is($get->('PUT', $UNYANK)->{status}, 200, 'and unyanks');
    is($get->('GET', '/index/config.json')->json()->{'auth-required'}, undef,
       'no token is asked for');
}


sub none {
    my %none = ('' => 'none', forged => 'of another CA',
                none => 'without a common name');

    for my $name (sort keys %none) {
        is(by_tls($name)->('GET', $READS[1])->{body}, $NEEDED,
           "a certificate $none{$name}: nobody");
    }
}


# The CA of the one server is nothing to the other.

sub other_ca {
    is(by_tls('alice', 'other')->('GET', $READS[1])->{body}, $NEEDED,
       'a certificate that another server has verified');
    is(by_tls('forged', 'other', -servername => 'other')
           ->('GET', '/api/v1/me')->json()->{user}{login}, 'adm1n',
       'one of the other CA, for its own server');
}


sub names {
    for my $name ('unknown', 'comma') {
        like(by_tls($name)->('GET', $READS[1])->{body},
             qr/^the user `nobody` has no role/, "$name: not known here");
    }

    is(by_tls('several')->('GET', '/api/v1/me')->json()->{user}{login},
       'adm1n', 'of several names the last of the subject');
}
