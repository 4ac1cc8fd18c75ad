#!/usr/bin/perl

# A crate that not everybody may see, asked for by everybody in every way, in a
# public and in a private registry.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my %REGISTRY = (http => 'main', vault => 'vault');

my @WAYS = (
    'index', 'index: HEAD', 'index: If-None-Match', 'index: If-Modified-Since',
    'dl', 'dl: HEAD', 'api: download',
    'crates/hidden-gem', 'crates/hidden-gem: HEAD',
    map({ "crates/hidden_gem/$_" } qw(versions downloads owners owner_user
        owner_team reverse_dependencies 1.0.0 1.0.0/dependencies
        1.0.0/downloads 1.0.0/authors 1.0.0/readme)),
    map({ "crates?$_" } '', qw(q=hidden-gem q=hidden q=hiden_gem q=den-g
        q=sparkling keyword=gem category=rocks letter=h ids[]=hidden-gem
        sort=downloads sort=new&page=1 include_yanked=no)),
    'crates/base/reverse_dependencies', 'summary',
);

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('vault', 'auth-required' => 'true');
$t->nginx(http => <<'CONF');
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF

my %token = (nobody => undef, 'a wrong token' => 'ngxcargo_' . 'x' x 38);
my %validator;

people();
crates();
everybody();
validators();
as_unknown();
caches();
comes_and_goes();

$t->done();


sub people {
    my %role = (reader => 'reader', stranger => 'publisher', named => 'reader',
                teamed => 'reader', 'owning-team' => 'reader',
                owner => 'publisher', maintainer => 'maintainer',
                admin => 'admin');

    for my $login (sort keys %role) {
        $token{$login} = $t->account($login, role => $role{$login});
        admin("grant_role('$login', 'vault', '$role{$login}')");
    }

    narrow('owner, but of base', 'owner', 'base');
    narrow('maintainer, but of base', 'maintainer', 'bas*');
    narrow('owner, of gems', 'owner', 'HIDDEN-*');
    narrow('stranger, of gems', 'stranger', '*');
    narrow('maintainer, of the gem', 'maintainer', 'Hidden_Gem');
    narrow('maintainer, of both', 'maintainer', 'zircon,hidden-*,base');
    narrow('maintainer, of names around it', 'maintainer',
           'base,hidden-ge,hidden-gem-*,zircon*');

    admin("create_team('$_', null)", "add_team_member('$_', '$_')")
        for 'teamed', 'owning-team';
    admin("grant_role('team:$_', 'main', 'publisher')",
          "grant_role('team:$_', 'vault', 'publisher')") for 'owning-team';
}


# A token that may only read, and only these crates.

sub narrow {
    my ($who, $login, $pattern) = @_;

    $token{$who} = $t->token($login, name => $who);
    $t->sql("update cargo_store.tokens set endpoint_scopes = '{read}',"
            . " crate_scopes = '{$pattern}' where name = '$who'");
}


sub admin {
    for my $call (@_) {
        my $answer = $t->sql("select status, body from cargo_admin.$call");

        like($answer, qr/^200\|/, $call);
    }
}


sub crates {
    for my $port (sort keys %REGISTRY) {
        my $registry = $REGISTRY{$port};

        release($port, 'base', '');
        release($port, 'hidden-gem', <<"TOML", {
readme = "README.md"
keywords = ["gem"]
categories = ["rocks"]
[dependencies]
base = { version = "1", registry-index = "@{[ index_url($port) ]}" }
TOML
            readme => 'Sparkling', readme_file => 'README.md',
            keywords => ['gem'], categories => ['rocks'], deps => [ {
                name => 'base', version_req => '^1', features => [],
                optional => JSON::PP::false,
                default_features => JSON::PP::true, target => undef,
                kind => 'normal', registry => undef,
                explicit_name_in_toml => undef } ],
        });

        admin("restrict_crate('$registry', 'hidden_gem', true)",
              "allow_reader('$registry', 'hidden-gem', 'named')",
              "allow_reader('$registry', 'hidden-gem', 'team:teamed')",
              "add_owners('$registry', 'hidden-gem', '{team:owning-team}')");
    }
}


sub release {
    my ($port, $name, $toml, $metadata) = @_;

    my $r = $t->publish($token{owner}, { name => $name, vers => '1.0.0',
                                         %{ $metadata // {} } },
        port => $t->port($port),
        files => { 'src/lib.rs' => '', 'README.md' => 'Sparkling' },
        manifest => <<"TOML");
[package]
name = "$name"
version = "1.0.0"
edition = "2021"
description = "A crate of a test"
license = "MIT"
$toml
TOML

    is($r->{status}, 200, "$name on $port") or diag($r->{body});
}


sub index_url {
    my ($port) = @_;

    return 'sparse+http://127.0.0.1:' . $t->port($port) . '/index/';
}


sub get {
    my ($port, $who, $path, %options) = @_;

    my $method = delete $options{method} // 'GET';

    return $t->request($method, $path, port => $t->port($port),
                       Authorization => $token{$who}, %options);
}


sub everybody {
    my %alone = map { $_ => 1 } ('owner, of gems', 'maintainer, of the gem');
    my %sees = map { $_ => 1 } ('named', 'teamed', 'owning-team', 'owner',
                                'maintainer', 'admin', 'maintainer, of both',
                                keys %alone);

    for my $port (sort keys %REGISTRY) {
        $validator{$port} = get($port, 'owner',
                                $t->index_path('hidden-gem'));

        for my $who (sort keys %token) {
            my @shown = ways($port, $who);

            # who may read nothing else does not even see base
            my @hidden = $alone{$who} ? 'crates/base/reverse_dependencies'
                                      : ();

            if ($sees{$who}) {
                my %shown = map { $_ => 1 } @shown, @hidden;
                is(join(', ', grep { !$shown{$_} } @WAYS), '',
                   "$who sees it: $port");
            } else {
                is(join(', ', @shown), '', "$who does not: $port");
            }
        }
    }
}


sub ways {
    my ($port, $who) = @_;

    my $index = $t->index_path('hidden-gem');
    my $document = $validator{$port};
    my $dl = dl($port);

    my %asks = (
        'index' => [ $index ],
        'index: HEAD' => [ $index, method => 'HEAD' ],
        'index: If-None-Match'
            => [ $index, 'If-None-Match' => $document->header('ETag') ],
        'index: If-Modified-Since'
            => [ $index, 'If-Modified-Since'
                         => $document->header('Last-Modified') ],
        'dl' => [ $dl ], 'dl: HEAD' => [ $dl, method => 'HEAD' ],
        'api: download' => [ '/api/v1/crates/hidden-gem/1.0.0/download' ],
        'crates/hidden-gem: HEAD'
            => [ '/api/v1/crates/hidden-gem', method => 'HEAD' ],
    );

    return grep {
        shows($_, get($port, $who, @{ $asks{$_} // [ "/api/v1/$_" ] }))
    } @WAYS;
}


# What cargo makes of "dl" in config.json.

sub dl {
    my ($port) = @_;

    my ($cksum) = $validator{$port}{body} =~ /"cksum":"(\w+)"/;
    my %marker = (crate => 'hidden-gem', version => '1.0.0',
                  'sha256-checksum' => $cksum);
    my $dl = get($port, 'owner', '/index/config.json')->json()->{dl};

    return $dl =~ s/\{([^}]+)\}/$marker{$1}/gr =~ s{^http://[^/]+}{}r;
}


sub shows {
    my ($way, $r) = @_;

    return $r->{status} == 304 if $way =~ /: If-/;
    return 0 if $r->{status} != 200;

    my $json = $r->json();

    return $json->{num_crates} != 1 || $r->{body} =~ /hidden/
        if $way eq 'summary';
    return $json->{meta}{total} != 0 || $r->{body} =~ /hidden/
        if $way =~ /^crates\?\w/ && $way !~ /sort|yanked/
           || $way eq 'crates/base/reverse_dependencies';
    return $json->{meta}{total} != 1 || $r->{body} =~ /hidden/
        if $way =~ /^crates\?/;

    return 1;
}


sub validators {
    for my $port (sort keys %REGISTRY) {
        my $r = get($port, 'named', $t->index_path('hidden-gem'),
                    'If-None-Match' => '"x"');

        is($r->{status}, 200, 'another ETag');
        is($r->{body}, $validator{$port}{body}, 'the document');
    }
}


# The same status, headers and words as for a name that nobody has taken.

sub as_unknown {
    for my $path ($t->index_path('hidden-gem'),
                  dl('http'),
                  map { "/api/v1/crates/hidden-gem$_" } '', qw(/1.0.0
                      /1.0.0/download /1.0.0/readme /owners /versions?page=x))
    {
        my $other = $path =~ s/hidden-gem/no-suchgem/gr
                         =~ s{/hi/dd/}{/no/-s/}r;

        for my $method ('GET', 'HEAD') {
            my ($hidden, $unknown) = map {
                my $r = get('http', 'reader', $_, method => $method);
                my $text = join "\n", $r->{status},
                    map({ "$_: " . ($r->header($_) // '-') }
                        qw(Content-Type Content-Length Cache-Control ETag
                           Last-Modified Vary WWW-Authenticate)),
                    $r->{body} // '';
                $text =~ s/no-suchgem/hidden-gem/gr;
            } $path, $other;

            is($hidden, $unknown, "$method $path");
            like($hidden, qr/^404\n/, 'not found');
        }
    }
}


# A cache that many share must not keep what one of them was given.

sub caches {
    for my $who ('named', 'owner') {
        for my $path ($t->index_path('hidden-gem'),
                      '/api/v1/crates/hidden-gem/1.0.0/download')
        {
            like(get('http', $who, $path)->header('Cache-Control'),
                 qr/^private/, "private: $path");
            like(get('http', $who, $path =~ s{hi/dd}{ba/se}r
                                        =~ s/hidden-gem/base/r)
                 ->header('Cache-Control'), qr/^public/, 'base is not');
        }
    }
}


# At once, and for who has asked before.

sub comes_and_goes {
    my @asks = ($t->index_path('hidden-gem'),
                '/api/v1/crates/hidden-gem/1.0.0/download',
                '/api/v1/crates/hidden-gem');
    my @steps = (
        [ "deny_reader('main', 'hidden-gem', 'named')", 'named', 404 ],
        [ "allow_reader('main', 'hidden-gem', 'named')", 'named', 200 ],
        [ "remove_team_member('teamed', 'teamed')", 'teamed', 404 ],
        [ "add_team_member('teamed', 'teamed')", 'teamed', 200 ],
        [ "restrict_crate('main', 'hidden-gem', false)", 'nobody', 200 ],
        [ "restrict_crate('main', 'hidden-gem', true)", 'nobody', 404 ],
        [ "grant_role('stranger', 'main', 'maintainer')", 'stranger', 200 ],
        [ "grant_role('stranger', 'main', 'publisher')", 'stranger', 404 ],
    );

    for my $step (@steps) {
        my ($call, $who, $status) = @$step;

        admin($call);

        for my $path (@asks) {
            ok($t->wait_for(sub {
                get('http', $who, $path)->{status} == $status;
            }, 2), "$status for $who: $path");
        }
    }

    my $r = get('http', 'reader', '/api/v1/keywords');

    is($r->json()->{meta}{total}, 0, 'its keywords are hidden too');
}
