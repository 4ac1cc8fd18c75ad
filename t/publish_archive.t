#!/usr/bin/perl

# Bad archives, and good ones whose Cargo.toml says something else than the
# metadata: what each gets, and that nothing of it stays.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $CRATES_IO = 'https://github.com/rust-lang/crates.io-index';
my $THIRD = 'sparse+https://third.example/index/';
my $MALFORMED = 'uploaded tarball is malformed or too large when '
                . 'decompressed: ';
my $TOML = 'failed to parse `Cargo.toml` manifest file';

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(main => 'worker_processes 2;', server => <<'CONF');
cargo_max_unpacked_size    8m;
cargo_max_archive_entries  1000;
CONF

my $alice = $t->account('alice');
my $manifest = { name => 'foo-1.0.0/Cargo.toml',
                 data => Test::Cargo::Crate::manifest() };
my $rows = rows($t);
my @workers = sort($t->workers());

compressed();
paths();
types();
manifests();
bombs();
bad_toml();
disagreements();
dependencies_disagree();

is(rows($t), $rows, 'no crate, version or dependency was written');
is_deeply([ blob_files($t) ], [], 'no file is in the store nor in tmp/');
is_deeply([ sort($t->workers()) ], \@workers, 'the workers still run');

is($t->publish($alice, {})->{status}, 200, 'and a good crate is accepted');

$t->done();


sub refused {
    my ($rule, $r, $detail) = @_;

    die "no answer: $rule\n" if $r->{status} == 0;

    my $said = "$r->{status} " . ($r->detail() // 'not JSON: ' . $r->{body});

    ref $detail ? like($said, qr/^400 $detail/, $rule)
                : is($said, "400 $detail", $rule);
}


sub put {
    my ($crate, %metadata) = @_;

    return $t->publish($alice, \%metadata, crate => $crate);
}


sub put_entries {
    return put(Test::Cargo::Crate::gzip(Test::Cargo::Crate::tar(@_)));
}


sub compressed {
    my $crate = $t->crate();
    my $crc = $crate;

    substr($crc, -8, 1) ^= "\1";

    my $tar = Test::Cargo::Crate::tar($manifest);

    my @rows = (
        ['no gzip', 'hello', 'its gzip data is damaged; publish again'],
        ['a bare tar', $tar, 'its gzip data is damaged; publish again'],
        ['gzip cut off', substr($crate, 0, -20),
         'its gzip data is cut off; publish again'],
        ['gzip without its trailer', substr($crate, 0, -1),
         'its gzip data is cut off; publish again'],
        ['a wrong CRC', $crc, 'its gzip data is damaged; publish again'],
        ['data after gzip', "${crate}x",
         qr/\Q$MALFORMED\Eit has data after the end of its gzip stream; /],
        ['zeros after gzip', $crate . "\0" x 512,
         qr/\Q$MALFORMED\Eit has data after the end of its gzip stream; /],
        ['a second member', $crate . $crate,
         qr/\Q$MALFORMED\Eit has data after the end of its gzip stream; /],
        ['gzip of text', Test::Cargo::Crate::gzip('x' x 2048),
         qr/\Q$MALFORMED\Eit has a header that is neither/],
        ['gzip of nothing', Test::Cargo::Crate::gzip(''),
         'uploaded tarball is missing a `Cargo.toml` manifest file'],
        ['a tar cut off', Test::Cargo::Crate::gzip(substr $tar, 0, 700),
         qr/\Q$MALFORMED\Eit ends in the middle of an entry/],
        ['data after the tar', Test::Cargo::Crate::gzip($tar . $tar),
         qr/\Q$MALFORMED\Eit has data after the end of the tar/],
    );

    for my $row (@rows) {
        my ($rule, $bytes, $detail) = @$row;

        refused($rule, put($bytes), ref $detail || $detail =~ /^uploaded/
                                    ? $detail : $MALFORMED . $detail);
    }
}


sub paths {
    my $invalid = 'invalid path found: ';

    for my $path ('foo-1.0.0/../etc/passwd', '../foo', '/etc/passwd', 'foo',
                  'foo-1.0.1/a', 'foo-1.0.0x/a', 'Foo-1.0.0/a', './foo-1.0.0/a',
                  'foo-1.0.0/a/../../../b', 'foo-1.0.0/..', '')
    {
        refused("path `$path`", put_entries($manifest, { name => $path }),
                $invalid . $path);
    }

    for my $path ('foo-1.0.0/./a', 'foo-1.0.0//a', "foo-1.0.0/a\\..\\b",
                  'foo-1.0.0/C:', "foo-1.0.0/\xff", 'foo-1.0.0/nul',
                  'foo-1.0.0/a.', "foo-1.0.0/a\nb", 'foo-1.0.0/.cargo-ok')
    {
        refused("path `$path`", put_entries($manifest, { name => $path }),
                qr/\Q$invalid\Efoo-1\.0\.0\/.*: (?:it|cargo) /s);
    }

    refused('a NUL inside a path',
            put_entries($manifest, { name => "foo-1.0.0/a\0/../../b" }),
            qr/\Q$MALFORMED\Eit has a NUL inside of a name/);
    refused('traversal in a GNU long name',
            put_entries($manifest,
                        Test::Cargo::Crate::long_name('foo-1.0.0/../../a'),
                        { name => 'foo-1.0.0/a' }),
            "${invalid}foo-1.0.0/../../a");
    refused('an absolute path in a pax header',
            put_entries($manifest, Test::Cargo::Crate::pax(path => '/a'),
                        { name => 'foo-1.0.0/a' }), "$invalid/a");

    my $held = 'uploaded tarball contains `foo-1.0.0/';

    refused('a path twice',
            put_entries($manifest, map {; { name => 'foo-1.0.0/a' } } 1 .. 2),
            "${held}a` more than once");
    refused('paths that differ in case',
            put_entries($manifest, { name => 'foo-1.0.0/a' },
                        { name => 'foo-1.0.0/A' }),
            "${held}A` and another path that differs from it only in case");
    refused('directories that differ in case',
            put_entries($manifest, { name => 'foo-1.0.0/d/a' },
                        { name => 'foo-1.0.0/D/b' }),
            "${held}D` and another path that differs from it only in case");
    refused('a file that is also a directory',
            put_entries($manifest, { name => 'foo-1.0.0/a' },
                        { name => 'foo-1.0.0/a/b' }),
            "${held}a` both as a file and as a directory");
}


sub types {
    my %types = (1 => 'Link', 2 => 'Symlink', 3 => 'Char', 4 => 'Block',
                 6 => 'Fifo', 7 => 'Continuous', S => 'GNUSparse',
                 K => 'GNULongLink', g => 'XGlobalHeader', Z => 'Other(90)');

    for my $type (sort keys %types) {
        refused("type $types{$type}", put_entries($manifest,
                { name => 'foo-1.0.0/bar', type => $type, link => '/etc' }),
                "unexpected tar entry type $types{$type} found: "
                . 'foo-1.0.0/bar');
    }

    refused('a manifest that is a link', put_entries({ %$manifest,
            data => '', type => 2, link => '/etc/passwd' }),
            'unexpected tar entry type Symlink found: foo-1.0.0/Cargo.toml');

    for my $row (
        ['a wrong checksum', { checksum => 1 }, 'a wrong checksum'],
        ['a size that is no number', { size => 'x' x 12 }, 'a size that is'],
        ['a negative size', { size => "\xff" x 12 }, 'a size that is'],
        ['no magic', { magic => '' }, 'neither ustar nor GNU tar'],
    ) {
        my ($rule, $fields, $detail) = @$row;

        refused($rule, put_entries($manifest,
                { name => 'foo-1.0.0/a', %$fields }),
                qr/\Q$MALFORMED\Eit has a header (?:that is|with) $detail/);
    }

    refused('a pax size that is not the header\'s',
            put_entries($manifest, Test::Cargo::Crate::pax(size => 5),
                        { name => 'foo-1.0.0/a', data => 'abc' }),
            qr/\Q$MALFORMED\Eit has a pax header with another size/);
    refused('a size beyond the limit', put_entries($manifest,
            { name => 'foo-1.0.0/a', size => 8 ** 11 - 1 }),
            "${MALFORMED}it unpacks to more than 8388608 bytes");
}


sub manifests {
    my $missing = 'uploaded tarball is missing a `Cargo.toml` manifest file';
    my $data = $manifest->{data};

    refused('no manifest', put_entries({ name => 'foo-1.0.0/src/lib.rs' }),
            $missing);
    refused('one in a directory only', put_entries(
            { name => 'foo-1.0.0/a/Cargo.toml', data => $data }), $missing);
    refused('a directory of that name', put_entries(
            { name => 'foo-1.0.0/Cargo.toml/', type => 5 }), $missing);
    refused('one in capitals', put_entries(
            { name => 'foo-1.0.0/CARGO.TOML', data => $data }),
            "$missing; `CARGO.TOML` was found, but must be named `Cargo.toml` "
            . 'with that exact casing');
    refused('two', put_entries($manifest, $manifest),
            'uploaded tarball contains more than one `Cargo.toml` manifest '
            . 'file; found `foo-1.0.0/Cargo.toml`, `foo-1.0.0/Cargo.toml`');
    refused('two that differ in case', put_entries($manifest,
            { name => 'foo-1.0.0/cargo.toml', data => $data }),
            'uploaded tarball contains more than one `Cargo.toml` manifest '
            . 'file; found `foo-1.0.0/Cargo.toml`, `foo-1.0.0/cargo.toml`');
    refused('one of more than 1 MiB', put_entries({ %$manifest,
            data => $data . '#' x 1_048_576 }),
            '`foo-1.0.0/Cargo.toml` in the uploaded tarball is too large; '
            . 'at most 1048576 bytes are allowed');
}


sub bombs {
    my $large = "${MALFORMED}it unpacks to more than 8388608 bytes";
    my $many = 'uploaded tarball contains more than 1000 files and '
               . 'directories';

    refused('a bomb in one file', put_entries($manifest,
            { name => 'foo-1.0.0/a', data => "\0" x (64 << 20) }), $large);
    refused('a bomb in many files', put_entries($manifest, map {; {
            name => "foo-1.0.0/f$_", data => "\0" x (1 << 20) } } 1 .. 20),
            $large);
    refused('a bomb after the tar', put(Test::Cargo::Crate::gzip(
            Test::Cargo::Crate::tar($manifest) . "\0" x (64 << 20))), $large);
    refused('a bomb before it', put(Test::Cargo::Crate::gzip(
            "\0" x (64 << 20) . Test::Cargo::Crate::tar($manifest))), $large);
    refused('too many files', put_entries($manifest,
            map {; { name => "foo-1.0.0/f$_" } } 1 .. 1000), $many);
    refused('too many directories', put_entries($manifest,
            map {; { name => "foo-1.0.0/d$_/", type => 5 } } 1 .. 1000), $many);
    refused('too many directories that are only named', put_entries($manifest,
            map {; { name => "foo-1.0.0/d$_/f" } } 1 .. 500), $many);
}


sub bad_toml {
    my $package = "[package]\nname = \"foo\"\nversion = \"1.0.0\"\n";

    my @rows = (
        ['no TOML', '{}', 'TOML parse error at line 1, column 1: '],
        ['not UTF-8', "# \xff\n$package", 'TOML parse error at line 1, '],
        ['a NUL', "$package\0", 'TOML parse error at line 4, '],
        ['a NUL in a string', "${package}x = \"\\u0000\"\n",
         'a string contains a NUL character'],
        ['a key twice', "${package}name = \"foo\"\n", 'TOML parse error'],
        ['a table twice', $package . $package, 'TOML parse error'],
        ['nothing', '', 'missing field `package`'],
        ['an empty package', "[package]\n", 'missing field `package.name`'],
        ['no version', "[package]\nname = \"foo\"\n",
         'missing field `package.version`'],
        ['a version of a workspace', "[package]\nname = \"foo\"\n"
         . "version.workspace = true\n",
         'value from workspace hasn\'t been set: `package.version`; '],
        ['a number for a version', "[package]\nname = \"foo\"\nversion = 1\n",
         'invalid type: integer, expected a string in field `package.version`'
        ],
        ['dependencies in an array', "$package\n[[dependencies]]\na = 1\n",
         'invalid type: sequence, expected a map in field `dependencies`'],
        ['a dependency that is a number', "$package\n[dependencies]\na = 1\n",
         'invalid type: integer, expected a map in field `dependencies.a`'],
        ['a patch', "$package\n[patch.crates-io]\n",
         'crates cannot be published with `[patch]` tables'],
        ['a path dependency', "$package\n[dependencies]\na.path = \"../a\"\n",
         '`dependencies.a.path` without `version`: '],
        ['a registry by its name', "$package\n[dependencies]\n"
         . "a = { version = \"1\", registry = \"x\" }\n",
         '`dependencies.a.registry` without `registry-index`: '],
        ['100000 brackets', $package . 'x = ' . '[' x 100_000, ''],
        ['100000 braces', $package . 'x = ' . '{a=' x 100_000, ''],
        ['100000 dots', $package . 'x' . '.x' x 100_000 . ' = 1', ''],
    );

    for my $row (@rows) {
        my ($rule, $toml, $detail) = @$row;

        refused("Cargo.toml: $rule", put_entries({ %$manifest,
                data => $toml }), qr/\Q$TOML\E\n\n\Q$detail\E/);
    }
}


# One field of the metadata is not what is in the archive.

sub disagreements {
    my $toml = <<'TOML';
[package]
name = "foo"
version = "1.0.0+a"
edition = "2021"
description = "d"
license = "MIT"
links = "z"
rust-version = "1.70"

[features]
f = ["g"]
g = []
TOML

    my %metadata = (vers => '1.0.0+a', links => 'z', rust_version => '1.70',
                    features => { f => ['g'], g => [] });

    my $unmodified = '; publish with an unmodified cargo';

    my $try = sub {
        my ($rule, $detail, %fields) = @_;

        my $name = $fields{name} // 'foo';
        my $version = $fields{vers} // '1.0.0+a';

        refused($rule, put($t->crate(name => $name, version => $version,
                                     manifest => $toml),
                           %metadata, %fields), $detail);
    };

    for my $row (
        ['name', 'name', 'bar', 'name `bar`', 'name `foo`'],
        ['case of name', 'name', 'Foo', 'name `Foo`', 'name `foo`'],
        ['version', 'vers', '1.0.1', 'version `1.0.1`', 'version `1.0.0+a`'],
        ['build metadata', 'vers', '1.0.0+b', 'version `1.0.0+b`',
         'version `1.0.0+a`'],
        ['links', 'links', 'y', 'links `y`', 'links `z`'],
        ['no links', 'links', undef, 'links `(none)`', 'links `z`'],
        ['rust-version', 'rust_version', '1.71', 'rust-version `1.71`',
         'rust-version `1.70`'],
    ) {
        my ($rule, $field, $value, $ours, $theirs) = @$row;

        $try->("another $rule",
               "metadata $ours does not match manifest $theirs",
               $field => $value);
    }

    $try->('a feature less', 'the manifest has a feature `g` that the '
           . "metadata does not have$unmodified", features => { f => ['g'] });
    $try->('a feature more', 'the metadata has a feature `h` that the '
           . "manifest does not have$unmodified",
           features => { f => ['g'], g => [], h => [] });
    $try->('a feature that enables more', 'metadata feature `g`: `f` does not '
           . 'match manifest ``', features => { f => ['g'], g => ['f'] });

    my $inner = $t->crate(name => 'bar', manifest => $toml);

    refused('the archive of another crate', put($inner, %metadata),
            'invalid path found: bar-1.0.0/Cargo.toml');
}


sub dependencies_disagree {
    my $toml = $manifest->{data} . <<"TOML";

[dependencies.alias]
version = "0.1"
package = "real"
features = ["x"]
registry-index = "$THIRD"

[target."cfg(unix)".build-dependencies]
cc = "1"
TOML

    my %real = (name => 'real', explicit_name_in_toml => 'alias',
                version_req => '^0.1', features => ['x'], registry => $THIRD,
                kind => 'normal', optional => JSON::PP::false,
                default_features => JSON::PP::true);
    my %cc = (name => 'cc', version_req => '^1', registry => $CRATES_IO,
              kind => 'build', target => 'cfg(unix)');

    my $crate = $t->crate(manifest => $toml);
    my $unmodified = '; publish with an unmodified cargo';

    my @rows = (
        # the other package first: the confusion that would be an attack
        ['package', { name => 'evil' }, '`evil`', '`real`'],
        ['version_req', { version_req => '>=0' }, '`>=0`', '`^0.1`'],
        ['optional', { optional => JSON::PP::true }, '`true`', '`false`'],
        ['default_features', { default_features => JSON::PP::false },
         '`false`', '`true`'],
        ['target', { target => 'cfg(windows)' }, '`cfg(windows)`', '`(none)`'],
        ['features', { features => ['x', 'y'] }, '`x, y`', '`x`'],
    );

    for my $row (@rows) {
        my ($member, $fields, $ours, $theirs) = @$row;

        refused("another $member", put($crate,
                deps => [ { %real, %$fields }, \%cc ]),
                "metadata dependency `alias`: $member $ours does not match "
                . "manifest $theirs");
    }

    for my $registry (undef, $CRATES_IO) {
        my $said = $registry // '(this registry)';

        refused("registry $said", put($crate,
                deps => [ { %real, registry => $registry }, \%cc ]),
                "metadata dependency `alias`: registry `$said` does not match "
                . 'manifest `' . $THIRD =~ s{/$}{}r . '`; use this registry '
                . 'under one index URL only');
    }

    refused('a dependency less', put($crate, deps => [ \%real ]),
            'the manifest has a build dependency `cc` that the metadata does '
            . "not have$unmodified");
    refused('a dependency more', put($crate,
            deps => [ \%real, \%cc, { %cc, kind => 'dev' } ]),
            'the metadata has a dev dependency `cc` that the manifest does '
            . "not have$unmodified");
    refused('another kind', put($crate,
            deps => [ \%real, { %cc, kind => 'normal' } ]),
            'the metadata has a normal dependency `cc` that the manifest does '
            . "not have$unmodified");
    refused('another alias', put($crate,
            deps => [ { %real, explicit_name_in_toml => 'a' }, \%cc ]),
            'the metadata has a normal dependency `a` that the manifest does '
            . "not have$unmodified");
}
