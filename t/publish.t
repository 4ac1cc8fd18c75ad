#!/usr/bin/perl

# What a publish puts into the index: the 200, the line, and that the line is
# made from the Cargo.toml in the .crate.

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
my $ALIAS = 'sparse+http://alias.example/index/';

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(server => <<"CONF");
cargo_index_alias  $ALIAS sparse+\$scheme://second.example/\$server_name/;
CONF

my $OWN = 'sparse+' . $t->base_url() . '/index/';

my $token = $t->account('alice');

the_answer();
the_whole_line();
dependencies_by_registry();
features_in_two_parts();
the_manifest_decides();
in_publish_order();

$t->done();


# A manifest as cargo packs it: lines of [package], then whole tables.

sub manifest {
    my ($name, $version, $package, $tables) = @_;

    return <<"TOML";
[package]
edition = "2021"
name = "$name"
version = "$version"
description = "A crate of a test"
license = "MIT"
@{[ $package // '' ]}

[lib]
name = "lib"
path = "src/lib.rs"

@{[ $tables // '' ]}
TOML
}


sub publish {
    my ($metadata, $package, $tables) = @_;

    return $t->publish($token, $metadata, manifest =>
        manifest($metadata->{name}, $metadata->{vers}, $package, $tables));
}


sub dep {
    my ($name, $req, %more) = @_;

    return { name => $name, version_req => $req, optional => JSON::PP::false,
             default_features => JSON::PP::true, features => [],
             target => undef, kind => 'normal', %more };
}


sub document { return $t->get($t->index_path($_[0]))->{body} }


sub line {
    my ($name) = @_;

    my @lines = split /\n/, document($name);

    return JSON::PP->new->utf8->decode($lines[-1]);
}


sub the_answer {
    my $crate = $t->crate(name => 'Ans-wer', version => '0.1.0');

    my $r = $t->publish($token, { name => 'Ans-wer', vers => '0.1.0' },
                        crate => $crate);

    is($r->{status}, 200, 'a publish is answered with 200');
    is($r->{body}, '{"warnings":{"invalid_categories":[],"invalid_badges":[],'
       . '"other":[]}}', 'the body that cargo parses, without "errors"');
    is($r->header('Content-Type'), 'application/json', 'JSON by its type');
    is($r->header('Content-Length'), length $r->{body},
       'a body of known length');

    my $checksum = $t->checksum($crate);

    is_deeply([ blob_files($t) ], [ blob_of($checksum) ],
              'the .crate is stored by its checksum, and nothing else is');
    is($t->read_file('blobs/' . blob_of($checksum)), $crate,
       'the file is what was uploaded, byte by byte');
    is($t->get('/api/v1/crates/ans_wer/0.1.0/download')->{body}, $crate,
       'and can be downloaded at once');

    my ($mode) = map { $_ & 07777 }
                 (stat $t->dir() . '/blobs/' . blob_of($checksum))[2];

    is(sprintf('%o', $mode), '644', 'the file can be read by everybody');

    is($t->sql('select login from cargo_store.owners join'
               . ' cargo_store.accounts on id = account_id'), 'alice',
       'the first publisher owns the crate');
}


# Every key that a line can have, in the order in which crates.io has them.

sub the_whole_line {
    my $before = time;
    my $crate = $t->crate(name => 'whole', version => '1.2.3-rc.1+b.7',
        manifest => manifest('whole', '1.2.3-rc.1+b.7', <<'PACKAGE', <<'TOML'));
links = "z"
rust-version = "1.70"
PACKAGE
[dependencies.alias]
version = "0.1"
features = ["b", "a"]
optional = true
default-features = false
package = "Real-Name"

[target."cfg(any(windows, target_os = \"x y\"))".build-dependencies]
cc = ">= 1.0.5,<2"

[dev-dependencies]
rand = "=0.8.5"

[features]
default = ["x"]
x = []
y = ["dep:alias"]
TOML

    my $r = $t->publish($token, {
        name => 'whole', vers => '1.2.3-rc.1+b.7', links => 'z',
        rust_version => '1.70',
        features => { default => ['x'], x => [], y => ['dep:alias'] },
        deps => [
            dep('rand', '=0.8.5', kind => 'dev', registry => $CRATES_IO),
            dep('Real-Name', '^0.1', optional => JSON::PP::true,
                features => [qw(b a)], default_features => JSON::PP::false,
                explicit_name_in_toml => 'alias', registry => $CRATES_IO),
            dep('cc', '>=1.0.5, <2', kind => 'build', registry => $CRATES_IO,
                target => 'cfg(any(windows, target_os = "x y"))'),
        ],
    }, crate => $crate);

    is($r->{status}, 200, 'a release with everything') or diag($r->{body});

    my $line = document('whole');
    my ($pubtime) = $line =~ /"pubtime":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)"/;

    is($line, '{"name":"whole","vers":"1.2.3-rc.1+b.7","deps":['
       . '{"name":"alias","req":"^0.1","features":["b","a"],"optional":true,'
       . '"default_features":false,"target":null,"kind":"normal","registry":"'
       . $CRATES_IO . '","package":"Real-Name"},'
       . '{"name":"cc","req":">=1.0.5, <2","features":[],"optional":false,'
       . '"default_features":true,'
       . '"target":"cfg(any(windows, target_os = \\"x y\\"))",'
       . '"kind":"build","registry":"' . $CRATES_IO . '"},'
       . '{"name":"rand","req":"=0.8.5","features":[],"optional":false,'
       . '"default_features":true,"target":null,"kind":"dev","registry":"'
       . $CRATES_IO . '"}],"cksum":"' . $t->checksum($crate)
       . '","features":{"default":["x"],"x":[]},'
       . '"features2":{"y":["dep:alias"]},"yanked":false,"links":"z",'
       . '"rust_version":"1.70","pubtime":"' . ($pubtime // 'none')
       . "\",\"v\":2}\n", 'the line, byte by byte');

    cmp_ok($pubtime // '', 'ge', utc($before), 'pubtime is not before');
    cmp_ok($pubtime // '~', 'le', utc(time), 'nor after the publish');
}


sub utc {
    my ($time) = @_;

    return POSIX::strftime('%Y-%m-%dT%H:%M:%SZ', gmtime $time);
}


# null in JSON and index is this registry, no key in a manifest is crates.io.

sub dependencies_by_registry {
    my @rows = (
        # case, registry-index in the manifest, registry in JSON, in the index
        ['the own index URL', $OWN, undef, undef],
        ['the own index URL in both', $OWN, $OWN, undef],
        ['the own one without a slash', $OWN =~ s{/$}{}r, undef, undef],
        ['the own one in capitals', $OWN =~ s/http/HTTP/r, undef, undef],
        ['an alias', $ALIAS, undef, undef],
        ['an alias in JSON too', $ALIAS, $ALIAS, undef],
        ['an alias here, the canonical URL there', $ALIAS, $OWN, undef],
        ['an alias with variables',
         'sparse+http://second.example/localhost/', undef, undef],
        ['crates.io', undef, $CRATES_IO, $CRATES_IO],
        ['crates.io by its sparse URL', 'sparse+https://index.crates.io/',
         $CRATES_IO, $CRATES_IO],
        ['a third registry', $THIRD, $THIRD, $THIRD],
    );

    for my $row (@rows) {
        my ($case, $toml, $json, $index) = @$row;
        my $version = '1.0.' . ++$t->{patch};

        my $r = publish(
            { name => 'uses', vers => $version,
              deps => [ dep('Ans-wer', '^0.1', registry => $json) ] }, '',
            "[dependencies.Ans-wer]\nversion = \"0.1\"\n"
            . (defined $toml ? "registry-index = \"$toml\"\n" : ''));

        is($r->{status}, 200, "dependency by $case") or diag($r->{body});

        my $dep = line('uses')->{deps}[0];

        is_deeply([ @$dep{qw(name registry package)} ],
                  [ 'Ans-wer', $index, undef ], "in the index, $case");
    }

    is($t->sql("select string_agg(distinct coalesce(registry, 'own'), ' '"
               . ' order by coalesce(registry, \'own\'))'
               . ' from cargo_store.dependencies where name = \'Ans-wer\''),
       join(' ', sort($CRATES_IO, 'own', $THIRD)), 'the same in the tables');
}


sub features_in_two_parts {
    publish({ name => 'one-part', vers => '1.0.0',
              features => { a => ['b', 'dep/f'], b => [] },
              deps => [ dep('dep', '1', registry => $CRATES_IO) ] }, '',
            "[dependencies]\ndep = \"1\"\n"
            . "[features]\na = [\"b\", \"dep/f\"]\nb = []\n");

    my $line = line('one-part');

    is_deeply([ $line->{features}, @$line{qw(features2 v)} ],
              [ { a => ['b', 'dep/f'], b => [] }, undef, undef ],
              'old syntax: no features2, no v');

    my %features = (
        a => ['dep?/f'], b => ['a'], c => ['b'], d => ['dep/f'], e => [],
        default => ['d', 'e'],
    );

    my $r = publish({ name => 'two-parts', vers => '1.0.0',
                      features => \%features,
                      deps => [ dep('dep', '1', optional => JSON::PP::true,
                                    registry => $CRATES_IO) ] }, '',
        "[dependencies]\ndep = { version = \"1\", optional = true }\n"
        . "[features]\n" . join '', map {
            "$_ = [" . join(', ', map { "\"$_\"" } @{ $features{$_} }) . "]\n"
        } sort keys %features);

    is($r->{status}, 200, 'new syntax') or diag($r->{body});

    $line = line('two-parts');

    is_deeply([ $line->{features}, @$line{qw(features2 v)} ],
              [ { d => ['dep/f'], e => [], default => ['d', 'e'] },
                { a => ['dep?/f'], b => ['a'], c => ['b'] }, 2 ],
              'those that use ?/, and all that enable them, are in features2');
}


# Old cargos leave some things out of the JSON, and crates.io trusts none of
# it: what the compiler reads goes into the index.

sub the_manifest_decides {
    my $r = publish({ name => 'decides', vers => '1.0.0',
                      description => 'from the metadata',
                      license => 'Apache-2.0' },
                    'rust-version = "1.60.1"');

    is($r->{status}, 200, 'metadata without rust_version, as of cargo 1.70');
    is(line('decides')->{rust_version}, '1.60.1',
       'rust_version is the manifest\'s');
    is($t->sql('select description, license from cargo_store.versions v join'
               . " cargo_store.crates c on c.id = crate_id"
               . " where name = 'decides'"), 'A crate of a test|MIT',
       'description and license are the manifest\'s');

    $r = publish({ name => 'decides', vers => '1.0.1', readme => "# \x{dc}n\x{ef}\n",
                   readme_file => 'README.md', unknown => { key => [1] },
                   badges => { travis => { branch => 'x' } } });

    is($r->{status}, 200, 'unknown keys and badges do not matter');
    is($t->sql('select readme from cargo_store.versions where readme_file'
               . " = 'README.md'"), "# \xc3\x9cn\xc3\xaf\n",
       'the readme\'s text can only be the metadata\'s');
}


sub in_publish_order {
    for my $version ('1.0.0', '0.9.0', '2.0.0-a', '1.0.1') {
        publish({ name => 'Order', vers => $version });
    }

    is_deeply([ document('order') =~ /"vers":"([^"]+)"/g ],
              ['1.0.0', '0.9.0', '2.0.0-a', '1.0.1'],
              'lines are in the order of the publishes');
    is_deeply([ document('order') =~ /"name":"([^"]+)"/g ],
              [('Order') x 4], 'names as they were written');
}
