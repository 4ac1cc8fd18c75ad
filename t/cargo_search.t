#!/usr/bin/perl

# cargo search, and the list behind it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(server => <<'CONF');
location ~ ^/r/(?<registry>[^/]+)/api/v1/ {
    cargo_registry $registry;
    cargo_api;
}
CONF

my $token = $t->account('alice');

my %crate = (
    'json-codec' => 'Reads and writes documents',
    'json_codec_derive' => 'Macros',
    'yaml' => 'Another format, unlike json-codec',
    'http-client' => 'Fetches things',
    'Telemetry' => "Numbers\nfrom machines",
    'gone' => 'Everything of it is yanked',
);

for my $name (sort keys %crate) {
    my $r = $t->publish($token, { name => $name, vers => '1.0.0',
                                  description => $crate{$name} },
        manifest => <<"TOML");
[package]
name = "$name"
version = "1.0.0"
edition = "2021"
description = '''$crate{$name}'''
license = "MIT"
TOML
    is($r->{status}, 200, "$name is there") or diag($r->{body});
}

$t->delete('/api/v1/crates/gone/1.0.0/yank', Authorization => $token);

with_cargo();
finds();
pages();
refused();
apart();
private();

$t->done();


sub search {
    my ($words, @more) = @_;

    my $out = ok_cargo($t, "cargo search $words", 'search', '--registry',
                       'main', $words, @more);

    return join '', grep { !/^ *Updating|^note:/ } split /^/, $out;
}


sub names {
    my ($query, %headers) = @_;

    my $r = $t->get("/api/v1/crates$query", %headers);

    return [ map { $_->{name} } @{ ($r->json() // {})->{crates} // [] } ];
}


sub with_cargo {
    like(search('json-codec'),
         qr/\Ajson-codec = "1\.0\.0" +# Reads and writes documents$/m,
         'the crate of this name first');
    like(search('telemetry'), qr/^Telemetry = .*# Numbers from machines/m,
         'whatever the case');
    like(search('gone'), qr/^gone = "0\.0\.0"/m, 'all versions yanked');
    is(search('qqqqqqqq'), '', 'nothing');
    like(search('json', '--limit', 1), qr/\.\.\. and \d crates more/,
         'the limit');
}


sub finds {
    is(names('?q=json_codec')->[0], 'json-codec', '_ for -');
    is(names('?q=JSON-CODEC')->[0], 'json-codec', 'upper case');
    is_deeply([ @{ names('?q=json') }[0, 1] ],
              [ 'json-codec', 'json_codec_derive' ],
              'names that begin with it');
    ok(scalar(grep { $_ eq 'yaml' } @{ names('?q=json-codec') }),
       'a description that has it');
    is(names('?q=telemetri')->[0], 'Telemetry', 'a letter that is wrong');
    is(names('?q=http-clint')->[0], 'http-client', 'a letter that is missing');
    is(names('?q=fetches+things')->[0], 'http-client', 'words of the text');
    is(names('?q=%6Ason%2Dcodec')->[0], 'json-codec', 'percent-encoded');
}


sub pages {
    walks('/api/v1/crates?sort=alphabetical&per_page=4', 'seek');
    walks('/api/v1/crates?sort=alphabetical&per_page=4&page=1', 'page');
    is($t->head('/api/v1/crates')->{status}, 200, 'HEAD');
}


sub walks {
    my ($uri, $by) = @_;

    my $r = $t->get($uri);
    my $json = $r->json();

    is(scalar @{ $json->{crates} }, 4, "a page by $by");
    is($json->{meta}{total}, 6, 'of six');
    like($json->{meta}{next_page}, qr/^\?$by=\d+&per_page=4&sort=alphabetical$/,
         'the next one');

    my $next = $t->get("/api/v1/crates$json->{meta}{next_page}")->json();

    is(scalar @{ $next->{crates} }, 2, 'has the rest');
    is($next->{meta}{next_page}, undef, 'and is the last');
    is_deeply([ map { $_->{name} } @{ $json->{crates} },
                @{ $next->{crates} } ],
              [ sort { lc $a cmp lc $b } keys %crate ], 'in their order');
}


sub refused {
    my %bad = (
        'per_page=0' => 400, 'per_page=-1' => 400, 'per_page=101' => 400,
        'per_page=x' => 400, 'per_page=99999999999999999999' => 400,
        'page=0' => 400, 'page=-1' => 400, 'page=1e9' => 400,
        'page=99999999999999999999' => 400, 'user_id=-1' => 400,
        'team_id=99999999999999999999' => 400, 'seek=x' => 400,
        'page=1&seek=1' => 400, 'letter=' => 400, 'following=' => 403,
        'q=%00' => 400, 'q=%ff' => 400,
        'q=' . 'a' x 10_000 => undef, 'q=%25_%5C%27%22%3B--' => 200,
        'q=' => 200, 'q=%20' => 200, 'q=-' => 200, 'q=%26%7C%21%3A%2A' => 200,
        'unknown=1' => 200, 'sort=unknown' => 200, 'q' => 200, '=x' => 200,
        '&&&' => 200, 'q=a&q=b' => 200, 'q[]=a' => 200,
        join('&', map { "a$_=1" } 1 .. 101) => 400,
    );

    for my $query (sort keys %bad) {
        my $r = $t->get("/api/v1/crates?$query");
        my $name = substr $query, 0, 30;

        if (defined $bad{$query}) {
            is($r->{status}, $bad{$query}, "$name: $bad{$query}");
        } else {
            like($r->{status}, qr/^(?:200|4\d\d)$/, "$name: no error of ours");
        }

        like($r->detail() // '', qr/\w+ \w+/, 'in a sentence')
            if $r->{status} != 200;
    }
}


sub apart {
    $t->registry('other');
    my $other = $t->account('olga', registry => 'other');

    is_deeply($t->get('/r/other/api/v1/crates')->json(),
              { crates => [], meta => { total => 0, next_page => undef,
                                        prev_page => undef } },
              'another registry has none of these');
    is($t->get('/r/nowhere/api/v1/crates')->{status}, 404,
       'no such registry');
}


sub private {
    $t->cargoctl('registry', 'set', 'main', 'auth_required=true');

    my $r = $t->get('/api/v1/crates?q=json');

    is($r->{status}, 401, 'a private registry wants a token');
    like($r->header('WWW-Authenticate') // '', qr/^Cargo login_url=/,
         'and says where to get one');
    is(names('?q=yaml', Authorization => $token)->[0], 'yaml',
       'with one it finds');

    # a cargo that remembers config.json would not know of the change
    remove_tree("$t->{dir}/cargo-home/registry");

    like(ok_cargo($t, 'cargo search', 'search', '--registry', 'main', 'yaml',
                  { env => { CARGO_REGISTRIES_MAIN_TOKEN => $token } }),
         qr/^yaml = /m, 'sends it');
}
