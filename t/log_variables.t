#!/usr/bin/perl

# What the access log can say of a request: conf/cargo_log.conf and its
# variables, for every kind of call, whoever ends it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;

my @KEYS = qw(account bytes crate endpoint method remote_addr request_id
              request_time status time token_name user_agent version);

my $t = Test::Cargo->new();
my $conf = $t->root() . '/conf';

$t->postgres();
$t->registry('private', 'auth-required' => 'true');

$t->nginx(http => <<"CONF", server => <<'CONF2');
include     $conf/cargo_log.conf;
log_format  plain  '\$cargo_endpoint|\$cargo_crate|\$cargo_version|'
                   '\$cargo_account|\$cargo_token_name';
limit_req_zone  \$uri  zone=one:1m  rate=1r/m;

server {
    listen      127.0.0.1:%%port:private%%;
    access_log  %%dir%%/json.log  cargo_json;

    cargo_registry  private;
    cargo_blobs     %%dir%%/blobs;

    include  $conf/cargo.conf;

    location /limited/index/ {
        limit_req   zone=one;
        cargo_index;
    }

    location /closed/api/v1/ {
        deny  all;
        cargo_api;
    }

    location /moved/index/ {
        cargo_index;
        error_page  401  =401  /sorry;
    }

    location = /sorry {
        internal;
        return  401  "sorry";
    }
}
server {
    listen      127.0.0.1:%%port:other%%;
    access_log  %%dir%%/plain.log  plain;

    location / {
        return 204;
    }
}
CONF
access_log  %%dir%%/json.log  cargo_json;
access_log  %%dir%%/plain.log  plain;
CONF2

my $seen = 0;
my $alice = $t->account('alice', role => 'admin');
my $paul = $t->account('paul', registry => 'private');
my %private = (port => $t->port('private'));
my $rita = $t->token('alice', name => 'a "name"');

published();
calls();
private();
elsewhere();

$t->done();


# the log of what was asked since the last time

sub logged {
    my (@lines) = ();

    $t->wait_for(sub {
        @lines = split /\n/, $t->read_file('json.log') // '';
        return @lines > $seen;
    });

    my ($line) = splice @lines, $seen, 1;
    my $json = eval { JSON::PP->new->utf8->decode($line // '') };

    $seen++;

    return $json // { line => $line };
}


sub is_logged {
    my ($name, $r, %expected) = @_;

    my $line = logged();
    my %got = map { $_ => $line->{$_} } sort keys %expected;

    is_deeply(\%got, \%expected, "$name: in the log") or diag(explain($line));
    is($line->{status}, $r->{status}, 'with its status');
}


sub published {
    my $r = $t->publish($alice, { name => 'Foo-Bar', vers => '1.2.3+x' });
    my $line = logged();

    is($r->{status}, 200, 'published') or diag($r->{body});
    is_deeply([ sort keys %$line ], \@KEYS, 'all members and no others');
    is_deeply([ @$line{qw(endpoint crate version account token_name method
                          status remote_addr)} ],
              [ qw(publish Foo-Bar 1.2.3+x alice), 'a test', 'PUT', 200,
                '127.0.0.1' ], 'of a publish');
    like($line->{time}, qr/^20\d\d-\d\d-\d\dT/, 'the time');
    like($line->{request_id}, qr/^[0-9a-f]{32}$/, 'the id');

    my $encoded = JSON::PP->new->canonical->encode($line);

    like($encoded, qr/"(?:bytes|status)":\d+,.*"request_time":"?[\d.]+"?,/,
         'numbers');

    $r = $t->publish($alice, { name => 'Foo-Bar', vers => '1.2.3+x' },
                     crate => 'no gzip');
    is_logged('an archive that is none', $r, endpoint => 'publish',
              crate => 'Foo-Bar', version => '1.2.3+x', account => 'alice');

    $r = $t->put('/api/v1/crates/new', 'x', Authorization => 'nonsense');
    is_logged('no token', $r, endpoint => 'publish', crate => '',
              version => '', account => '', token_name => '');
}


sub calls {
    my $sum = $t->sql("select encode(checksum, 'hex') from"
                      . ' cargo_store.versions');
    my %foo = (crate => 'Foo-Bar', version => '');
    my %one = (crate => 'Foo-Bar', version => '1.2.3+x');
    my $crate = 'crates/Foo-Bar';
    my $version = "$crate/1.2.3+x";

    my @calls = (
        [ GET => '/index/config.json', 'config' ],
        [ GET => '/index/fo/o-/foo-bar', 'index', crate => 'foo-bar' ],
        [ GET => '/index/fo/o-/foo_bar', 'index', crate => '' ],
        [ GET => "/dl/Foo-Bar/$sum/Foo-Bar-1.2.3+x.crate", 'download', %one ],
        [ GET => '/dl/nothing', 'download', crate => '' ],
        [ GET => "/api/v1/$version/download", 'download', %one ],
        [ GET => '/me', 'login_page' ],
        [ GET => '/api/v1/crates', 'search' ],
        [ GET => "/api/v1/$crate", 'crate', %foo ],
        [ HEAD => "/api/v1/$crate", 'crate', %foo ],
        [ GET => "/api/v1/$crate/versions", 'versions', %foo ],
        [ GET => "/api/v1/$crate/owners", 'owners', %foo ],
        [ PUT => "/api/v1/$crate/owners", 'add_owners', %foo ],
        [ DELETE => "/api/v1/$crate/owners", 'remove_owners', %foo ],
        [ PUT => "/api/v1/$crate/follow", 'follow', %foo ],
        [ DELETE => "/api/v1/$crate/follow", 'unfollow', %foo ],
        [ GET => "/api/v1/$version", 'version', %one ],
        [ PATCH => "/api/v1/$version", 'change_version', %one ],
        [ GET => "/api/v1/$version/readme", 'readme', %one ],
        [ DELETE => "/api/v1/$version/yank", 'yank', %one ],
        [ PUT => "/api/v1/$version/unyank", 'unyank', %one ],
        [ GET => '/api/v1/summary', 'summary' ],
        [ GET => '/api/v1/keywords/x', 'keyword' ],
        [ GET => '/api/v1/users/alice', 'user' ],
        [ GET => '/api/v1/me', 'me', account => 'alice' ],
        [ GET => '/api/v1/me/tokens', 'tokens' ],
        [ GET => '/api/v1/me/tokens/1', 'token' ],
        [ PUT => '/api/v1/me/tokens', 'create_token' ],
        [ DELETE => '/api/v1/me/tokens/99999', 'revoke_token' ],
        [ GET => '/api/v1/nothing', 'unknown', crate => '' ],
        [ POST => "/api/v1/$crate", 'unknown', crate => '' ],
        [ GET => '/api/v1/crates/b%20d', 'crate', crate => '' ],
        [ GET => '/nothing', '' ],
    );

    for my $call (@calls) {
        my ($method, $uri, $endpoint, %rest) = @$call;
        my $r = $t->request($method, $uri, Authorization => $alice,
                            body => $method =~ /P|DEL/ ? 'x' : undef);

        is_logged("$method $uri", $r, endpoint => $endpoint,
                  method => $method, %rest);
    }

    my $r = $t->get('/api/v1/me', Authorization => $rita,
                    'User-Agent' => "a \"b\" \\ \xc3\xa4");

    is_logged('odd characters', $r, account => 'alice',
              token_name => 'a "name"',
              user_agent => "a \"b\" \\ \x{e4}");
}


# Who was refused, and who was let in; and what never came to us.

sub private {
    my $uri = '/index/fo/o-/foo-bar';

    is_logged('nobody', $t->get($uri, %private), endpoint => 'index',
              account => '', crate => 'foo-bar');
    is_logged('somebody', $t->get($uri, %private, Authorization => $paul),
              endpoint => 'index', account => 'paul', token_name => 'a test');
    is_logged('somebody else', $t->get($uri, %private,
              Authorization => $alice), account => '', token_name => '');

    $t->cargoctl('account', 'disable', 'paul');
    is_logged('disabled', $t->get($uri, %private, Authorization => $paul),
              account => 'paul', token_name => 'a test');
    $t->cargoctl('account', 'enable', 'paul');

    is_logged('not limited', $t->get("/limited$uri", %private,
              Authorization => $paul), endpoint => 'index');
    is_logged('limited', $t->get("/limited$uri", %private,
              Authorization => $paul), endpoint => 'index', status => 503,
              account => '');
    is_logged('denied', $t->get('/closed/api/v1/crates', %private),
              endpoint => 'search', status => 403);
    is_logged('an error page', $t->get("/moved$uri", %private),
              crate => 'foo-bar', status => 401);
}


sub elsewhere {
    $t->get('/', port => $t->port('other'));

    ok($t->wait_for(sub {
        ($t->read_file('plain.log') // '') =~ /^-\|-\|-\|-\|-$/m;
    }), 'a server without a registry has "-"');
    like($t->read_file('plain.log'),
         qr/^publish\|Foo-Bar\|1\.2\.3\+x\|alice\|a test$/m,
         'any log_format may have them');

    my $log = $t->read_file('json.log') . $t->read_file('plain.log');

    unlike($log, qr/ngxcargo_|Authorization/i, 'and no token is in the logs');
}
