#!/usr/bin/perl

# Bad requests: what each gets (status, words, cargo's JSON form), and that
# nothing of it stays.  Bad archives have a file of their own.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';
my $MIB = 1024 * 1024;
my $INVALID = 'invalid upload request: ';

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('other');
$t->nginx(main => 'worker_processes 2;', server => <<'CONF');
location /absent/api/v1/ { cargo_api; cargo_registry absent; }
CONF

my $alice = $t->account('alice');
my $crate = $t->crate();
my $rows = rows($t);
my @workers = sort($t->workers());

frames();
json_texts();
missing_and_null();
wrong_types();
names();
versions();
dependencies();
features();
other_fields();
tokens();
paths();
nothing_stored();
refused_by_the_database();

is_deeply([ sort($t->workers()) ], \@workers, 'the workers still run');

$t->done();


# Status, words and form, all in one.

sub refused {
    my ($rule, $r, $status, $detail) = @_;

    die "no answer: $rule\n" if $r->{status} == 0;

    my $said = "$r->{status} " . ($r->detail() // 'not JSON: ' . $r->{body});

    ref $detail ? like($said, qr/^$status $detail/, $rule)
                : is($said, "$status $detail", $rule);

    my $json = $r->json();

    my $form = ref $json eq 'HASH' && join(' ', keys %$json) eq 'errors'
        && @{ $json->{errors} } == 1
        && join(' ', keys %{ $json->{errors}[0] }) eq 'detail'
        && $r->header('Content-Type') eq 'application/json'
        && $r->header('Cache-Control') eq 'no-store';

    ok($form, "$rule: in cargo's form") or diag($r->{head}, $r->{body});
}


sub put {
    my ($body, %more) = @_;

    return $t->put($URI, $body, Authorization => $alice, %more);
}


sub put_json {
    my ($text) = @_;

    return put($t->publish_body($text, $crate));
}


sub put_fields {
    my (%fields) = @_;

    return put_json($t->metadata(%fields));
}


sub json { return JSON::PP->new->utf8->canonical->encode($_[0]) }


sub frames {
    my $json = json($t->metadata());
    my $head = pack 'V/a*', $json;
    my $n = length $crate;

    my @rows = (
        ['no body', '', 400, 'invalid metadata length'],
        ['3 bytes', "\1\0\0", 400, 'invalid metadata length'],
        ['only a length', pack('V', 100), 400,
         'invalid metadata length for remaining payload: 100'],
        ['a length beyond the JSON', pack('V', 100) . '{}', 400,
         'invalid metadata length for remaining payload: 100'],
        ['a length of 2^32 - 1', pack('V', 0xffffffff) . $json, 413,
         'JSON metadata blob too large'],
        ['a length of 2^31', pack('V', 0x80000000) . $json, 413,
         'JSON metadata blob too large'],
        ['one byte over 1 MiB', pack('V/a*', ' ' x ($MIB + 1)) . $head, 413,
         'JSON metadata blob too large'],
        ['no tarball length', $head, 400, 'invalid tarball length'],
        ['3 bytes of it', "${head}abc", 400, 'invalid tarball length'],
        ['only a tarball length', $head . pack('V', 100), 400,
         'invalid tarball length for remaining payload: 100'],
        ['a tarball cut off', $head . pack('V', $n) . substr($crate, 0, -1),
         400, "invalid tarball length for remaining payload: $n"],
        ['a tarball length too large by one', $head . pack('V', $n + 1)
         . $crate, 400,
         'invalid tarball length for remaining payload: ' . ($n + 1)],
        ['a tarball length of 2^32 - 1', $head . pack('V', 0xffffffff)
         . $crate, 413, 'max upload size is: 10485760'],
        ['one byte over the limit', $head . pack('V', 10 * $MIB + 1) . $crate,
         413, 'max upload size is: 10485760'],
        ['a tarball length too small by one', $head . pack('V', $n - 1)
         . $crate, 400, qr/the request goes on after the tarball; /],
        ['bytes after the tarball', $head . pack('V/a*', $crate) . 'x', 400,
         qr/the request goes on after the tarball; /],
        ['an empty tarball', $head . pack('V', 0), 400,
         'uploaded tarball is empty'],
        ['lengths in the other byte order',
         pack('N/a*', $json) . pack('N/a*', $crate), 413,
         'JSON metadata blob too large'],
    );

    for my $row (@rows) {
        my ($rule, $body, $status, $detail) = @$row;

        refused($rule, put($body), $status, $detail);
        refused("$rule, chunked", put($body, chunked => 4096), $status,
                $detail) if length $body < 10_000;
    }

    refused('a crate over the limit',
            put($head . pack('V/a*', "\0" x (10 * $MIB + 1))), 413,
            'max upload size is: 10485760');
    refused('a body over client_max_body_size',
            put('', 'Content-Length' => 32 * $MIB + 1), 413,
            'max upload size is: 10485760');
}


sub json_texts {
    my $open = '{"name":"foo","vers":"1.0.0","x":';

    my @rows = (
        ['no JSON at all', 'hello'],
        ['an empty text', ''],
        ['white space', '  '],
        ['JSON cut off', substr json($t->metadata()), 0, -1],
        ['two objects', '{}{}'],
        ['bytes after the object', json($t->metadata()) . 'x'],
        ['a comma too many', '{"name":"foo",}'],
        ['single quotes', "{'name':'foo'}"],
        ['NaN', "${open}NaN}"],
        ['a duplicate key', '{"name":"foo","name":"bar","vers":"1.0.0"}'],
        ['a duplicate key inside',
         $open . '{"a":1,"a":1}}'],
        ['a duplicate key, escaped', '{"name":"foo","n\u0061me":"foo"}'],
        ['a byte that is not UTF-8', "$open\"\xff\"}"],
        ['an overlong slash', "$open\"\xc0\xaf\"}"],
        ['a surrogate in UTF-8', "$open\"\xed\xa0\x80\"}"],
        ['UTF-8 cut off', "$open\"\xc3\"}"],
        ['beyond Unicode', "$open\"\xf4\x90\x80\x80\"}"],
        ['half a surrogate pair', "$open\"\\ud800\"}"],
        ['a byte order mark', "\xef\xbb\xbf" . json($t->metadata())],
        ['a NUL in a string', "$open\"a\\u0000b\"}"],
        ['a NUL in a key', '{"a\u0000b":1}'],
        ['a NUL byte', "$open\"a\0b\"}"],
        ['a NUL byte after the object', json($t->metadata()) . "\0"],
        ['a newline in a string', "$open\"a\nb\"}"],
        ['10000 brackets', '[' x 10_000],
        ['10000 brackets, closed',
         $open . '[' x 10_000 . ']' x 10_000 . '}'],
        ['10000 braces', $open . '{"a":' x 10_000],
        ['a number too large', "${open}1e999}"],
        ['an integer too large', "${open}99999999999999999999}"],
    );

    for my $row (@rows) {
        my ($rule, $text) = @$row;

        refused($rule, put_json($text), 400,
                qr/${INVALID}.+ at line \d+ column \d+$/s);
    }

    refused("100000 times `$_`", put_json($open . $_ x 100_000), 400,
            "${INVALID}it has more than 32768 values")
        for '[', '{"a":', '{},', '0,';

    refused("$_->[0] instead of a map", put_json($_->[1]), 400,
            qr/${INVALID}invalid type: sequence, expected a map$/)
        for (['an array', '[]']);

    refused("$_ instead of a map", put_json($_), 400, qr/$INVALID/)
        for ('1', '"x"', 'null', 'true');
}


sub missing_and_null {
    for my $field (qw(name vers)) {
        my $metadata = $t->metadata();
        delete $metadata->{$field};

        refused("no $field", put_json($metadata), 400,
                "${INVALID}missing field `$field`");
        refused("$field is null", put_fields($field => undef), 400,
                "${INVALID}missing field `$field`");
    }

    refused('an empty object', put_json('{}'), 400,
            "${INVALID}missing field `name`");
}


# Each field with each type that is none of its own.

sub wrong_types {
    my %values = (
        'integer' => 1, 'floating point' => 1.5, 'string' => 'x',
        'boolean `true`' => JSON::PP::true, 'sequence' => [], 'map' => {},
    );

    my $try = sub {
        my ($field, $own, $fields) = @_;

        for my $type (sort grep { $_ ne $own->[0] } keys %values) {
            refused("$field is a $type", put_fields($fields->($values{$type})),
                    400, "${INVALID}invalid type: $type, expected $own->[1]"
                         . " in field `$field`");
        }
    };

    my @string = ('string', 'a string');
    my @strings = ('sequence', 'an array of strings');
    my @boolean = ('boolean `true`', 'a boolean');

    for my $field (qw(name vers description documentation homepage readme
                      readme_file license license_file repository links
                      rust_version))
    {
        $try->($field, \@string, sub { $field => $_[0] });
    }

    for my $field (qw(keywords categories authors)) {
        $try->($field, \@strings, sub { $field => $_[0] });
        refused("$field holds null", put_fields($field => [undef]), 400,
                "${INVALID}invalid type: null, expected an array of strings"
                . " in field `$field`");
    }

    $try->('features', [ 'map', 'a map' ], sub { features => $_[0] });
    $try->('features.f', \@strings, sub { features => { f => $_[0] } });
    $try->('deps', [ 'sequence', 'an array of maps' ], sub { deps => $_[0] });
    $try->('deps', [ 'map', 'an array of maps' ], sub { deps => [ $_[0] ] });

    my %dep = (name => 'a', version_req => '1');

    for my $field (qw(name version_req explicit_name_in_toml target registry
                      kind))
    {
        $try->("deps[1].$field", \@string,
               sub { deps => [ \%dep, { %dep, $field => $_[0] } ] });
    }

    $try->("deps[0].$_->[0]", $_->[1], sub {
        deps => [ { %dep, artifact => ['bin'], $_->[0] => $_[0] } ]
    }) for ['optional', \@boolean], ['default_features', \@boolean],
           ['lib', \@boolean], ['features', \@strings],
           ['artifact', \@strings], ['bindep_target', \@string];
}


sub names {
    my ($long, $first, $rest) = ('a' x 65,
        'the first character must be an ASCII character',
        'characters must be an ASCII alphanumeric characters, `-`, or `_`');

    my @rows = (
        ['', 'crate name cannot be empty'],
        [$long, "the crate name `$long` is too long (max 64 characters)"],
        ['123', 'the name `123` cannot be used as a crate name, the name '
                . 'cannot start with a digit'],
        ['_foo', "invalid character `_` in crate name: `_foo`, $first"],
        ['-foo', "invalid character `-` in crate name: `-foo`, $first"],
        ["\x{e4}", "invalid character `\x{e4}` in crate name: `\x{e4}`, "
                   . $first],
        ['foo+plus', "invalid character `+` in crate name: `foo+plus`, $rest"],
        ['foo.bar', "invalid character `.` in crate name: `foo.bar`, $rest"],
        ['foo bar', "invalid character ` ` in crate name: `foo bar`, $rest"],
        ['a/b', "invalid character `/` in crate name: `a/b`, $rest"],
        ['a\\b', "invalid character `\\` in crate name: `a\\b`, $rest"],
        ['../a', "invalid character `.` in crate name: `../a`, $first"],
        ['/etc', "invalid character `/` in crate name: `/etc`, $first"],
        ["a\t", "invalid character `?` in crate name: `a?`, $rest"],
        ['a"', "invalid character `\"` in crate name: `a\"`, $rest"],
        ["f\x{f6}", "invalid character `\x{f6}` in crate name: `f\x{f6}`, "
                    . $rest],
        ['a%2f', "invalid character `%` in crate name: `a%2f`, $rest"],
    );

    refused('name ' . json([ $_->[0] ]), put_fields(name => $_->[0]), 400,
            $_->[1]) for @rows;

    refused('a name of half a megabyte', put_fields(name => 'a' x 500_000),
            400, qr/the crate name `a{256}` is too long \(max 64 char/);
}


sub versions {
    for my $version ('', 'broken', '1', '1.0', '1.0.0.0', '01.0.0', '1.00.0',
                     '1.0.00', '1.0.0-', '1.0.0+', '1.0.0-01', '1.0.0-a..b',
                     '1.0.0+a+b', 'v1.0.0', '=1.0.0', ' 1.0.0', '1.0.0 ',
                     '1.0.-1', '1.0.0-a_b', '1.0.0/../..', '1.x.0', '1.0.0-*',
                     '18446744073709551616.0.0', "1.0.0-\x{e4}")
    {
        refused('version ' . json([$version]), put_fields(vers => $version),
                400, "\"$version\" is an invalid semver version");
    }

    refused('a version of 151 characters',
            put_fields(vers => '1.0.0-' . 'a' x 145), 400,
            'the version number is too long (max 150 characters)');
}


sub dependencies {
    my $text = 'is an invalid version requirement';

    my @rows = (
        [{ version_req => 'latest' }, "\"latest\" $text"],
        [{ version_req => '' }, "\"\" $text"],
        [{ version_req => '1 || 2' }, "\"1 || 2\" $text"],
        [{ version_req => '^^1' }, "\"^^1\" $text"],
        [{ version_req => '1.0.0,' }, "\"1.0.0,\" $text"],
        [{ version_req => undef },
         "${INVALID}missing field `deps[0].version_req`"],
        [{ name => undef }, "${INVALID}missing field `deps[0].name`"],
        [{ name => '' }, 'dependency name cannot be empty'],
        [{ name => '1a' }, 'the name `1a` cannot be used as a dependency '
         . 'name, the name cannot start with a digit'],
        [{ name => '_a' }, 'invalid character `_` in dependency name: `_a`, '
         . 'the first character must be an ASCII character'],
        [{ name => '../a' }, 'invalid character `.` in dependency name: '
         . '`../a`, the first character must be an ASCII character'],
        [{ explicit_name_in_toml => '-a' }, 'invalid character `-` in '
         . 'dependency name: `-a`, the first character must be an ASCII '
         . 'character, or `_`'],
        [{ kind => 'test' }, "${INVALID}unknown variant `test`, expected one "
         . 'of `normal`, `build`, `dev` in field `deps[0].kind`'],
        [{ registry => 'here' }, '`here` is not a valid registry index URL; '
         . 'give one such as sparse+https://example.com/index/'],
        [{ features => ['a b'] }, qr/invalid character ` ` in feature `a b`/],
    );

    for my $row (@rows) {
        my ($fields, $detail) = @$row;

        refused('dependency ' . json($fields), put_fields(deps => [
            { name => 'a', version_req => '1', %$fields } ]), 400, $detail);
    }
}


sub features {
    for my $row (
        ['', 'feature cannot be empty'],
        ['-a', qr/invalid character `-` in feature `-a`, the first char/],
        ['a b', qr/invalid character ` ` in feature `a b`, characters must/],
        ['a/b', qr/invalid character `\/` in feature `a\/b`/],
        ['dep:a', qr/invalid character `:` in feature `dep:a`/],
    ) {
        refused("feature `$row->[0]`",
                put_fields(features => { $row->[0] => [] }), 400, $row->[1]);
    }

    refused("feature value `$_`", put_fields(features => { a => [$_] }), 400,
            qr/(?:invalid character|feature cannot|dependency name)/)
        for '', 'dep:', 'dep:a/b', 'a/', '/a', 'a?', 'a/b/c', 'a b';
}


sub other_fields {
    my $url = 'must begin with http:// or https:// (url: javascript:1)';

    refused("$_ is no URL of the web", put_fields($_ => 'javascript:1'), 400,
            "URL for field `$_` $url")
        for qw(homepage documentation repository);

    refused("rust_version $_", put_fields(rust_version => $_), 400,
            "${INVALID}invalid `rust-version` value `$_`, expected a version "
            . 'like 1.70')
        for '^1.70', '1.70.0-beta', 'x', '', '1.', '1.2.3.4', '01';

    refused('a keyword too long', put_fields(keywords => ['a' x 21]), 400,
            qr/"a{21}" is an invalid keyword /);
    refused("keyword `$_`", put_fields(keywords => [$_]), 400,
            qr/"\Q$_\E" is an invalid keyword; /) for '', '-a', 'a b', 'a/b';
}


sub tokens {
    my %token = map { $_ => $t->token('alice', name => $_) }
                    qw(revoked expired deleted);

    $token{disabled} = $t->account('dora');
    $token{stranger} = $t->account('mallory', registry => 'other');
    $token{reader} = $t->account('rita', role => 'reader');
    $token{elsewhere} = $t->token('mallory', registry => 'other');

    $t->sql(<<'SQL');
update cargo_store.tokens set revoked_at = now() where name = 'revoked';
update cargo_store.tokens set expires_at = '2020-01-01Z'
 where name = 'expired';
delete from cargo_store.tokens where name = 'deleted';
update cargo_store.accounts set disabled_at = now() where login = 'dora';
SQL

    my $failed = 'authentication failed: ';
    my $unknown = "${failed}this registry does not know the token; run `cargo "
                  . 'login` with a token of this registry';
    my $ask = 'ask an administrator of the registry';

    my @rows = (
        ['no token', undef, 'this action requires authentication; run `cargo '
         . 'login` with a token of this registry'],
        ['an unknown token', $token{deleted}, $unknown],
        ['somebody of another registry', $token{stranger}, $unknown],
        ['a token for another registry', $token{elsewhere}, $unknown],
        ['a revoked token', $token{revoked}, "${failed}the token has been "
         . "revoked; $ask for a new one and run `cargo login`"],
        ['an expired token', $token{expired}, "${failed}the token expired on "
         . "2020-01-01 00:00 UTC; $ask for a new one and run `cargo login`"],
        ['a disabled account', $token{disabled},
         "${failed}the account of the token is disabled; $ask"],
        ['a reader', $token{reader}, 'this action needs the role publisher or '
         . 'a higher one in registry `main`, the account `rita` has the '
         . "role reader; $ask"],
        ['a text that is no token', 'secret',
         qr/${failed}this is not a token of this registry; /],
        ['a token with a wrong checksum', $alice =~ s/.$/!/r,
         qr/${failed}this is not a token of this registry; /],
    );

    for my $row (@rows) {
        my ($rule, $token, $detail) = @$row;

        refused($rule, put($t->publish_body($t->metadata(), $crate),
                           Authorization => $token), 403, $detail);
        refused("$rule, no body", put('', Authorization => $token), 403,
                $detail);
    }

    refused('a registry that is not there',
            $t->put("/absent$URI", '', Authorization => $alice), 404,
            'registry `absent` does not exist; look at the index URL in the '
            . 'configuration of cargo');
}


sub paths {
    my $body = $t->publish_body($t->metadata(), $crate);
    my $gone = "Not Found: this registry's API has no PUT of this path";

    for my $uri ('/api/v1/crates%2Fnew', '/api/v1/crates%2fnew',
                 '/api/v1/crates/new%2F', '/api/v1%2Fcrates/new',
                 '/api/v1/crates/new/', '/api/v1/crates/',
                 '/api/v1/', '/api/v1/crates/a/b/c/d/e')
    {
        refused("PUT $uri", $t->put($uri, $body, Authorization => $alice), 404,
                $gone);
    }

    for my $row (['new/x', 'GET, HEAD, PATCH, DELETE'],
                 ['New', 'GET, HEAD, DELETE'], ['new%20', 'GET, HEAD, DELETE'])
    {
        my $uri = "/api/v1/crates/$row->[0]";

        refused("PUT $uri", $t->put($uri, $body, Authorization => $alice), 405,
                "PUT is not allowed here, only $row->[1]");
    }

    for my $uri ('/api/v1/crates/new%00', '/api/v1/crates/%00/1.0.0/unyank',
                 '/api/v1/%zz', '/api/v1/../../../etc')
    {
        refused("PUT $uri", $t->put($uri, $body, Authorization => $alice), 400,
                'the request is malformed');
    }

    refused('POST', $t->post($URI, $body, Authorization => $alice), 405,
            'POST is not allowed here, only GET, HEAD, PUT, DELETE');

    for my $row (
        ['nobody', '1.0.0', 'crate `nobody` does not exist'],
        ['n%20o', '1.0.0', 'crate `n o` does not exist'],
        ['n%C3%A4', '1.0.0', "crate `n\x{e4}` does not exist"],
        ['_n', '1.0.0', 'crate `_n` does not exist'],
        ['a' x 65, '1.0.0', 'crate `' . 'a' x 65 . '` does not exist'],
    ) {
        my ($name, $version, $detail) = @$row;

        refused("yank of $name", $t->delete(
            "/api/v1/crates/$name/$version/yank", Authorization => $alice),
            404, $detail);
    }

    for my $name ('a%2Fb', '..%2Fetc', '%2e%2e%2f') {
        refused("yank of $name",
                $t->delete("/api/v1/crates/$name/1.0.0/yank",
                           Authorization => $alice), 404, qr/Not Found: /);
    }

    for my $uri ('/index/fo/o%00', '/index/3/f/fo%00') {
        my $r = $t->get($uri);

        is("$r->{status} $r->{body}", "400 the request is malformed\n",
           "GET $uri: text, not JSON");
    }

    is($t->get("/index/$_")->{status}, 404, "GET /index/$_")
        for '3/f/f%2Fo', '3/f/..%2Ffoo', '3/f/f%5Co';
}


sub nothing_stored {
    is(rows($t), $rows, 'no crate, version or dependency was written');
    is_deeply([ blob_files($t) ], [], 'no file is in the store nor in tmp/');
}


# Here the archive is good, so it was stored before the database said no.

sub refused_by_the_database {
    my $bob = $t->account('bob');

    is($t->publish($bob, { name => 'owned' })->{status}, 200, 'bob\'s crate');

    my $before = rows($t);
    my @known = blob_files($t);

    refused('a foreign owner', $t->publish($alice, { name => 'owned',
        vers => '2.0.0' }), 403, qr/this crate exists but you don't seem to /);
    refused('a duplicate version',
            $t->publish($bob, { name => 'owned' }, files => { a => '' }), 400,
            'crate version `1.0.0` is already uploaded');
    refused('an unknown dependency', $t->publish($bob, { name => 'needs',
        deps => [ { name => 'absent', version_req => '^1' } ] },
        manifest => Test::Cargo::Crate::manifest(name => 'needs', extra =>
            "\n[dependencies]\nabsent = { version = \"1\", registry-index = "
            . '"sparse+' . $t->base_url() . "/index/\" }\n")), 400,
        'no known crate named `absent`');

    is(rows($t), $before, 'nothing was written');
    is_deeply([ blob_files($t, 'tmp') ], [], 'nothing is in tmp/');

    my %referenced = map { $_ => 1 } split /\n/, $t->sql(
        "select encode(checksum, 'hex') from cargo_store.versions");
    my %orphan = map { $_ => 1 } blob_files($t);
    delete @orphan{@known};

    is((grep { /([0-9a-f]{64})/ && $referenced{$1} } keys %orphan), 0,
       'no version refers to what was left in the store');

    my ($rc, $out, $err) = $t->cargoctl('check');

    is($rc, 0, 'cargoctl check is content') or diag($out . $err);
}
