#!/usr/bin/perl

# cargoctl import and export: crates as the world writes them (Debian's
# librust-*-dev packages carry their sources) go into one registry, out of it,
# and into another one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use File::Find ();
use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Cargo;
use Test::Cargo::Debian;
use Test::Cargo::Store;
use Test::Cargo::Story;

# What is needed by one of these may be missing: the registries allow it.
my @PACKAGES = map { "librust-$_-dev" } qw(
    adler aho-corasick ansi-term anyhow arrayvec atty autocfg base64 bit-set
    bit-vec bitflags byteorder bytes cfg-if crc32fast either fastrand
    fixedbitset fnv form-urlencoded futures-core hashbrown heck hex humantime
    idna indexmap itertools itoa lazy-static lock-api log matches memchr
    memoffset minimal-lexical num-integer num-traits once-cell opaque-debug
    parking-lot-core percent-encoding pin-project-lite pin-utils ppv-lite86
    regex regex-syntax rustc-version ryu same-file scopeguard semver serde
    serde-json shlex slab smallvec static-assertions strsim termcolor tinyvec
    unicode-bidi unicode-ident unicode-segmentation unicode-width
    version-check void walkdir
);

my $SERVERS = <<'CONF';
    server {
        listen          127.0.0.1:%%port:second%%;
        cargo_registry  second;
        cargo_blobs     %%dir%%/second;

        location /index/ { cargo_index; }
        location /dl/    { cargo_download; }
    }

    server {
        listen  127.0.0.1:%%port:plain%%;
        root    %%dir%%/export;
    }
CONF

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

my ($tree, $reason) = debian_tree($t, 'import-crates', @PACKAGES);

if (!$tree) {
    diag("SKIPPED: no real crates: $reason");
    plan(skip_all => "NO REAL CRATES: $reason");
}

my $dir = $t->dir();
my $plain;

$t->postgres();
$t->nginx(http => $SERVERS);
$t->account('alice');
$t->registry('second');
$t->registry('wrong');

for my $registry (qw(main second)) {
    $t->cargoctl('registry', 'set', $registry,
                 'allow_unknown_dependencies=true',
                 'allow_wildcard_dependencies=true',
                 'require_license=false', 'require_description=false');
}

$t->cargoctl('account', 'grant', 'alice', '--registry', $_, '--role',
             'publisher') for qw(second wrong);

make_crates();
real_crates();
the_export();
the_second_registry();
offline_build();
plain_nginx();
lock_file();
layouts();
refused();
own_and_foreign();
told_apart();
resumed();
wrong_usage();

$t->done();


sub import_into {
    my ($registry, $from, @args) = @_;

    my $blobs = $registry eq 'second' ? 'second' : 'blobs';

    my ($rc, $out, $err) = $t->cargoctl(
        'import', "$dir/$from", '--registry', $registry, '--owner', 'alice',
        '--blobs', "$dir/$blobs", '--json', @args, { timeout => 120 });

    return ($rc, $rc == 0 || $out =~ /^\{/ ? decode_json($out) : undef, $err);
}


sub ok_import {
    my ($name, $registry, $from, $expected, @args) = @_;

    my ($rc, $report, $err) = import_into($registry, $from, @args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_deeply([ $rc, { map { ($_ => $report->{$_}) } keys %$expected } ],
              [ 0, $expected ], $name) || diag($err);

    return $report;
}


sub export_to {
    my ($to, @args) = @_;

    my ($rc, $out, $err) = $t->cargoctl('export', "$dir/$to", '--registry',
                                        'main', '--json', @args);

    return ($rc, $rc == 0 || $out =~ /^\{/ ? decode_json($out) : undef, $err);
}


sub documents {
    my ($port, $registry) = @_;

    my @names = split /\n/, $t->sql(<<"EOS");
select c.name from cargo_store.crates c
       join cargo_store.registries r on r.id = c.registry_id
 where r.name = '$registry' order by 1
EOS

    return { map {
        my $path = $t->index_path($_);
        ($path => $t->get($path, port => $t->port($port))->{body})
    } @names };
}


sub files_below {
    my ($below) = @_;

    my %files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        $files{ substr $_, length("$dir/$below/") } = (stat)[1] if -f;
    } }, "$dir/$below");

    return \%files;
}


# What "cargo package" would make of them: Debian unpacks what it downloaded.

sub make_crates {
    my $count = 0;

    make_path("$dir/real", "$dir/sources");

    for my $source (glob "$tree/usr/share/cargo/registry/*") {
        my $toml = $t->read_file("$source/Cargo.toml");
        my ($name) = $toml =~ /^name = "(.*)"$/m;
        my ($version) = $toml =~ /^version = "(.*)"$/m;
        my $root = "$name-$version";

        $t->run_ok(command => [ 'cp', '-rL', $source,
                                "$dir/sources/$root" ]);
        unlink "$dir/sources/$root/.cargo-checksum.json";
        $t->run_ok(command => [
            'tar', '-C', "$dir/sources", '--owner=0', '--group=0',
            '--sort=name', '-czf', "$dir/real/$root.crate", $root ]);
        $count++;
    }

    cmp_ok($count, '>=', 50, 'at least 50 real crates');
}


sub real_crates {
    my $count = () = glob "$dir/real/*.crate";

    my $rows = rows($t);

    ok_import('a rehearsal', 'main', 'real',
              { dry_run => JSON::PP::true, imported => $count,
                refused => [] }, '--dependencies', 'own', '--dry-run');

    is(rows($t), $rows, 'writes no row');
    is_deeply([ blob_files($t) ], [], 'and no file');

    ok_import('all of them are imported', 'main', 'real',
              { imported => $count, already_there => 0, refused => [] },
              '--dependencies', 'own');

    $rows = rows($t);

    ok_import('and once only', 'main', 'real',
              { imported => 0, already_there => $count, refused => [] },
              '--dependencies', 'own');

    is(rows($t), $rows, 'the second import changes nothing');

    my ($rc, $out) = $t->cargoctl('check');

    is($rc, 0, 'every blob is in the store') || diag($out);
    is(join(' ', blob_files($t, 'tmp')), '', 'and nothing in tmp/');

    my @foreign = grep { (stat "$dir/blobs/$_")[4] != (stat "$dir/blobs")[4] }
                  blob_files($t);

    is_deeply(\@foreign, [], 'all belong to the owner of the store');

    my $line = $t->get('/index/se/rd/serde')->{body};

    like($line, qr/"name":"serde","vers":"1[^\n]*"yanked":false/, 'indexed');
    unlike($line, qr/pubtime|crates\.io-index/,
           'no time of publication is made up; dependencies are own');

    is($t->sql("select has_lib, bin_names = '{}' from cargo_store.versions v"
               . " join cargo_store.crates c on c.id = v.crate_id"
               . " where c.name = 'serde'"), 't|t', 'a library, no program');

    like($t->sql('select readme from cargo_store.versions v'
                 . ' join cargo_store.crates c on c.id = v.crate_id'
                 . " where c.name = 'itoa'"), qr/itoa/i, 'with its readme');
}


sub the_export {
    $plain = 'http://127.0.0.1:' . $t->port('plain');

    # one with a line that says more
    my ($rc) = $t->cargoctl('crate', 'yank', 'fnv', version_of('fnv'),
                            '--registry', 'main');
    is($rc, 0, 'yank one of them');

    my ($exported, $report, $err) = export_to('export', '--url', "$plain/");
    my $crates = () = glob "$dir/real/*.crate";

    is_deeply([ $exported, $report->{versions}, $report->{missing} ],
              [ 0, $crates, [] ], 'export') || diag($err);

    my $documents = documents('http', 'main');

    is_deeply({ map { ($_ => $t->read_file("export$_")) }
                keys %$documents }, $documents,
              'the files of the index are the documents');

    is_deeply(decode_json($t->read_file('export/index/config.json')),
              { dl => "$plain/{crate}-{version}.crate" }, 'config.json');

    my $before = files_below('export');

    ($exported, $report) = export_to('export');

    is($report->{written}, 0, 'once more writes nothing');
    is_deeply(files_below('export'), $before, 'and touches nothing');

    $t->write_file('export/old-1.0.0.crate', 'x');
    $t->write_file('export/fnv-' . version_of('fnv') . '.crate.new', 'x');

    ($exported, $report, $err) = export_to('export');
    is($exported, 1, 'a directory with other things');
    like($err, qr/holds other things, such as fnv-/, 'is refused');
    unlink "$dir/export/fnv-" . version_of('fnv') . '.crate.new';

    ($exported, $report, $err) = export_to('export');
    is_deeply([ $exported, $report->{left_over} ],
              [ 0, [ 'old-1.0.0.crate' ] ], 'what is left over is said');
    unlink "$dir/export/old-1.0.0.crate";
}


sub version_of {
    my ($name) = @_;

    return $t->sql('select v.num from cargo_store.versions v'
                   . ' join cargo_store.crates c on c.id = v.crate_id'
                   . ' join cargo_store.registries r on r.id = c.registry_id'
                   . " where c.name = '$name' and r.name = 'main'");
}


sub the_second_registry {
    my $count = () = glob "$dir/real/*.crate";

    ok_import('the export goes into a second registry', 'second', 'export',
              { imported => $count, yanked => 1, refused => [] },
              '--dependencies', 'own');

    is_deeply(documents('second', 'second'), documents('http', 'main'),
              'whose index documents are the same to the byte');

    $t->cargoctl('crate', 'yank', 'fnv', version_of('fnv'), '--registry',
                 'main', '--undo');
    export_to('export');

    ok_import('a line that is not yanked any more', 'second', 'export',
              { imported => 0, already_there => $count, refused => [] },
              '--dependencies', 'own');

    is_deeply(documents('second', 'second'), documents('http', 'main'),
              'is not yanked there either');
}


sub program {
    my ($name) = @_;

    my $manifest = Test::Cargo::Story::package($name, '0.1.0', <<'TOML');

[dependencies]
itoa = "1"
either = "1"
smallvec = "1"
TOML

    return $t->new_crate($name, $manifest, { 'src/main.rs' => <<'RUST' });
fn main() {
    let small: smallvec::SmallVec<[u8; 4]> = smallvec::smallvec![1, 2];
    let either: either::Either<u8, u8> = either::Left(small[1]);
    println!("says {}", itoa::Buffer::new().format(either.into_inner()));
}
RUST
}


sub runs {
    my ($name, $label, $source) = @_;

    my $home = "$dir/home-$name";
    my $package = program($name);

    unlink "$package/src/lib.rs";

    $t->write_file("$home/config.toml", <<"TOML");
[source.crates-io]
replace-with = "elsewhere"

[source.elsewhere]
$source

[net]
retry = 0
TOML

    my ($rc, $out) = $t->cargo('run', { dir => $package,
                               env => { CARGO_HOME => $home } });

    like($out, qr/^says 2$/m, $label);

    return $package;
}


sub offline_build {
    my $package = runs('offline', 'cargo builds from the export, no server',
                       "local-registry = \"$dir/export\"");

    like($t->read_file("$package/Cargo.lock"),
         qr/name = "itoa"\nversion = "\Q${\ version_of('itoa')}\E"/,
         'with what is in it');
}


sub plain_nginx {
    runs('plain', 'and from a plain nginx that serves it',
         "registry = \"sparse+$plain/index/\"");
}


sub lock_file {
    my $lock = $t->read_file('offline/Cargo.lock');

    $t->write_file('Cargo.lock', $lock . <<'TOML');

[[package]]
name = "elsewhere"
version = "1.0.0"
source = "git+https://example.com/elsewhere#0123456789abcdef"

[[package]]
name = "itoa"
version = "99.0.0"
source = "registry+https://github.com/rust-lang/crates.io-index"
checksum = "0000000000000000000000000000000000000000000000000000000000000000"
TOML

    my ($rc, $report) = export_to('locked', '--lock', "$dir/Cargo.lock");

    is_deeply([ sort grep { /crate$/ } keys %{ files_below('locked') } ],
              [ sort map { "$_-" . version_of($_) . '.crate' }
                qw(either itoa smallvec) ], 'what a Cargo.lock needs');

    is_deeply([ $rc, map { "$_->{crate} $_->{version}" }
                     @{ $report->{not_exported} } ],
              [ 0, 'elsewhere 1.0.0', 'itoa 99.0.0' ],
              'what is not of this registry is named');

    # as cargo wrote it before 1.41
    my ($sum) = $lock =~ /name = "itoa".*?checksum = "(\w+)"/s;
    my $version = version_of('itoa');

    $t->write_file('Cargo.lock', <<"TOML");
[[package]]
name = "itoa"
version = "$version"
source = "registry+https://github.com/rust-lang/crates.io-index"

[metadata]
"checksum itoa $version (registry+https://github.com/rust-lang/crates.io-index)" = "$sum"
TOML

    ($rc, $report) = export_to('locked-old', '--lock', "$dir/Cargo.lock");
    is($report->{versions}, 1, 'also by the first format');

    ($rc, $report, my $err) = export_to('locked-not', '--lock',
                                        "$dir/nginx.conf");
    is($rc, 1, 'what is no lock');
    like($err, qr/cannot use .*nginx\.conf: /, 'is refused');
    ok(!-e "$dir/locked-not", 'before anything is made');
}


# The same crates as mirrors lay them out.

sub layouts {
    my %crates = map { ($_ => $t->crate(name => "lay-$_")) } qw(a b c d);
    my $lines = '';

    for my $version ('1.0.0', '0.9.0', '1.0.0-alpha.2', '1.0.0-alpha.10') {
        my $crate = $t->crate(name => 'Lay-E', version => $version);
        my %line = (name => 'Lay-E', vers => $version, deps => [],
                    cksum => Digest::SHA::sha256_hex($crate), features => {},
                    yanked => $version eq '0.9.0' ? \1 : \0,
                    pubtime => '2020-02-0' . length($version)
                               . 'T00:00:00Z', v => 2);

        $t->write_file("layouts/crates/la/y-/Lay-E/$version/download", $crate);
        $lines .= JSON::PP->new->canonical->encode(\%line) . "\n";
    }

    $t->write_file('layouts/index/la/y-/lay-e', "$lines\n");
    $t->write_file('layouts/index/config.json', '{}');
    $t->write_file('layouts/lay-a/lay-a-1.0.0.crate', $crates{a});
    $t->write_file('layouts/crates/la/y-/lay-b/1.0.0/lay-b-1.0.0.crate',
                   $crates{b});
    $t->write_file('layouts/crates/lay-c/1.0.0/download', $crates{c});
    $t->write_file('layouts/any-name.crate', $crates{d});
    $t->write_file('layouts/.cache/x.crate', 'x');
    $t->write_file('layouts/README', 'nothing');
    $t->write_file('layouts/ab/cd/abcd', "{}\n");
    $t->write_file('layouts/other/download', 'no gzip');
    $t->write_file("layouts/lay-f/lay-f-$_.crate",
                   $t->crate(name => 'lay-f', version => $_))
        for '1.10.0', '1.9.0', '1.10.0-rc.1';
    symlink "$dir/layouts", "$dir/layouts/round" or die "symlink: $!\n";

    ok_import('any layout', 'main', 'layouts',
              { imported => 11, yanked => 1, refused => [],
                other_files => 4 });

    my $document = $t->get('/index/la/y-/lay-e')->{body};

    is(join(' ', $document =~ /"vers":"([^"]+)"/g),
       '1.0.0 0.9.0 1.0.0-alpha.2 1.0.0-alpha.10',
       'a document keeps the order of the lines');
    like($document, qr/"vers":"1\.0\.0",.*"pubtime":"2020-02-05T00:00:00Z"/,
         'and the times');
    like($document, qr/"vers":"0\.9\.0".*"yanked":true/, 'and yanks');
    unlike($document, qr/pubtime":"2020-02-01/, 'a broken time is dropped');

    is(join(' ', $t->get('/index/la/y-/lay-f')->{body}
                 =~ /"vers":"([^"]+)"/g), '1.9.0 1.10.0-rc.1 1.10.0',
       'without lines the order is that of the versions');
}


sub refused {
    my $good = $t->crate(name => 'good');
    my $sum = Digest::SHA::sha256_hex($good);

    $t->write_file('bad/good-1.0.0.crate', $good);
    $t->write_file('bad/copy/good-1.0.0.crate', $good);
    $t->write_file('bad/other/good-1.0.0.crate',
                   $t->crate(name => 'good', files => { 'x' => 'y' }));
    $t->write_file('bad/cut-1.0.0.crate',
                   substr $t->crate(name => 'cut'), 0, -20);
    $t->write_file('bad/not-a.crate', 'PK');
    $t->write_file('bad/empty.crate', '');
    $t->write_file('bad/noroot-1.0.0.crate', $t->crate(entries => [
        { name => 'noroot/Cargo.toml', data => '' } ]));
    $t->write_file('bad/escape-1.0.0.crate', $t->crate(
        name => 'escape', more => [ { name => 'other-1.0.0/x' } ]));
    $t->write_file('bad/liar-1.0.0.crate', $t->crate(
        name => 'liar', manifest => Test::Cargo::Crate::manifest(
            name => 'honest')));
    $t->write_file('bad/toml-1.0.0.crate', $t->crate(
        name => 'toml', manifest => '[package'));
    $t->write_file('bad/unknown-1.0.0.crate', $t->crate(
        name => 'unknown', manifest => Test::Cargo::Crate::manifest(
            name => 'unknown',
            extra => "[dependencies]\nnowhere = \"1\"\n")));
    $t->write_file('bad/huge-1.0.0.crate', "\x1f\x8b" . 'x' x 11_000_000);
    $t->write_file('bad/summed-1.0.0.crate', $t->crate(name => 'summed'));
    symlink '/nowhere', "$dir/bad/dangling.crate" or die "symlink: $!\n";

    my $line = '{"name":"%s","vers":"1.0.0","deps":[],"cksum":"%s",'
               . '"features":{},"yanked":false}' . "\n";

    $t->write_file('bad/su/mm/summed', sprintf $line, 'summed', $sum);
    $t->write_file('bad/go/ne/gone', sprintf($line, 'gone', $sum) . "x\n");

    my ($rc, $report, $err) = import_into('wrong', 'bad', '--dependencies',
                                          'own');
    my %why = map { ($_->{file} => $_->{reason}) } @{ $report->{refused} };

    is($rc, 1, 'something was refused');
    is_deeply([ @$report{qw(imported already_there)} ], [ 1, 1 ],
              'the good one is taken, a copy of it is known');

    my %expected = (
        'other/good-1.0.0.crate' => qr/other contents than copy\/good-/,
        'cut-1.0.0.crate' => qr/its gzip data is cut off/,
        'not-a.crate' => qr/not a crate: it does not begin with gzip/,
        'empty.crate' => qr/not a crate: it does not begin with gzip/,
        'noroot-1.0.0.crate' => qr/NAME-VERSION, but below `noroot`/,
        'escape-1.0.0.crate' => qr/other-1\.0\.0/,
        'liar-1.0.0.crate' => qr/Cargo\.toml is that of honest 1\.0\.0/,
        'toml-1.0.0.crate' => qr/failed to parse `Cargo\.toml`/,
        'unknown-1.0.0.crate' => 
            qr/`nowhere`; import it .*--dependencies.*unknown-dependencies=on/,
        'huge-1.0.0.crate' => qr/not a crate/,
        'summed-1.0.0.crate' => qr/its SHA-256 is \w+, but su\/mm\/summed:1/,
        'dangling.crate' => qr/not a regular file/,
        'go/ne/gone:1' => qr/the \.crate file of this version is missing/,
        'go/ne/gone:2' => qr/not a line of the crate's index/,
    );

    is_deeply([ sort keys %why ], [ sort keys %expected ], 'the bad ones')
        || diag(explain(\%why));

    for my $file (sort keys %expected) {
        like($why{$file} // '', $expected{$file}, "$file is refused");
        like($err, qr/^cargoctl: \Q$file\E: /m, 'and named');
    }

    is($t->sql('select string_agg(c.name, $$,$$) from cargo_store.crates c'
               . ' join cargo_store.registries r on r.id = c.registry_id'
               . ' where r.name = $$wrong$$'), 'good',
       'nothing of them is in the registry');
}


# Whose dependencies they are.

sub own_and_foreign {
    my $old = 'sparse+https://old.example/index/';
    my $third = 'sparse+https://third.example/index/';
    my $crates_io = 'https://github.com/rust-lang/crates.io-index';

    my $crate = $t->crate(name => 'deps', manifest =>
        Test::Cargo::Crate::manifest(name => 'deps', extra => <<"TOML"));
[dependencies.plain]
version = "1"
[dependencies.old]
version = "1"
registry-index = "$old"
[dependencies.third]
version = "1"
registry-index = "$third"
TOML

    my $registries = sub {
        my ($args, $line) = @_;

        $t->sql("select (cargo_admin.delete_crate('main', 'deps', 'test',"
                . ' true)).status');
        $t->sql("select (cargo_admin.lift_quarantine('main', 'deps',"
                . ' null)).status');

        $t->run_ok(command => [ 'rm', '-rf', "$dir/deps" ]);
        $t->write_file('deps/deps-1.0.0.crate', $crate);
        $t->write_file('deps/de/ps/deps', JSON::PP->new->encode({
            name => 'deps', vers => '1.0.0', features => {},
            cksum => Digest::SHA::sha256_hex($crate),
            deps => [ map { { name => $_, registry => $line->{$_} } }
                      keys %$line ] }) . "\n") if $line;

        my ($rc, $report, $err) = import_into('main', 'deps', @$args);

        is($rc, 0, "import @$args") || diag($err);

        my $document = decode_json($t->get('/index/de/ps/deps')->{body});

        return { map { ($_->{name} => $_->{registry}) }
                 @{ $document->{deps} } };
    };

    is_deeply($registries->([]), { plain => $crates_io, old => $old,
              third => $third }, 'as the Cargo.toml says');
    is_deeply($registries->([ '--dependencies', 'own' ]),
              { plain => undef, old => $old, third => $third },
              'those without a registry are own');
    is_deeply($registries->([ '--map', "$old=own", '--map',
                              "$third=crates-io" ]),
              { plain => $crates_io, old => undef, third => $crates_io },
              'others by --map');
    is_deeply($registries->([ '--map', "$old=sparse+https://new/" ]),
              { plain => $crates_io, old => 'sparse+https://new/',
                third => $third }, 'to another one');

    my $line = { plain => $crates_io, old => undef, third => $third };

    is_deeply($registries->([ '--dependencies', 'own' ], $line), $line,
              'a line of an index knows better');
    is_deeply($registries->([], { %$line, plain => undef }), $line,
              'but for what it calls its own');
}


# What is there with another line of the index stays as it is, and is named.

sub told_apart {
    my $crate = $t->crate(name => 'apart', manifest =>
        Test::Cargo::Crate::manifest(name => 'apart', extra => <<'TOML'));
[dependencies]
nowhere = "1"
TOML

    $t->write_file('apart/apart-1.0.0.crate', $crate);

    my $report = ok_import('as crates.io\'s', 'main', 'apart',
                           { imported => 1, differs => [], warnings => [] });
    my $document = $t->get('/index/ap/ar/apart')->{body};

    for my $more ('--dry-run', '--quiet') {
        ok_import("as one of its own: $more", 'main', 'apart',
                  { imported => 0, already_there => 1, refused => [],
                    differs => ['apart 1.0.0'] }, '--dependencies', 'own',
                  $more);
    }

    is($t->get('/index/ap/ar/apart')->{body}, $document, 'changes nothing');

    my ($rc, undef, $err) = $t->cargoctl(
        'import', "$dir/apart", '--registry', 'main', '--owner', 'alice',
        '--dependencies', 'own');

    is($rc, 0, 'and fails not');
    like($err, qr/already there, with another index line: apart 1\.0\.0;/,
         'but is said');

    ok_import('an unknown dependency', 'second', 'apart',
              { imported => 1,
                warnings => ['apart 1.0.0: no known crate named `nowhere`'] },
              '--dependencies', 'own');
}


sub resumed {
    my $count = 150;

    $t->write_file("many/many-1.0.$_.crate",
                   $t->crate(name => 'many', version => "1.0.$_"))
        for 0 .. $count - 1;

    my $have = sub { $t->sql('select count(*) from cargo_store.versions v'
                             . ' join cargo_store.crates c'
                             . " on c.id = v.crate_id where c.name = 'many'") };

    my $pid = $t->spawn(
        name => 'cargoctl', stdout => "$dir/killed.log",
        command => [ $t->objs() . '/cargoctl', 'import', "$dir/many",
                     '--registry', 'main', '--owner', 'alice' ],
        env => { CARGO_DATABASE => $t->conninfo('cargo'),
                 CARGO_BLOBS => "$dir/blobs" },
    );

    $t->wait_for(sub { $have->() >= 10 });
    kill 'KILL', $pid;
    $t->reap($pid, 10);

    my $first = $have->();

    ok($first >= 10 && $first < $count, "killed after $first of $count");

    my ($rc, $out) = $t->cargoctl('check');
    is($rc, 0, 'every version that is there has its blob') || diag($out);

    ok_import('continued', 'main', 'many',
              { imported => $count - $first, already_there => $first,
                refused => [] });

    is(join(' ', $t->get('/index/ma/ny/many')->{body}
                 =~ /"vers":"1\.0\.(\d+)"/g), join(' ', 0 .. $count - 1),
       'the order is as if nothing had happened');

    # what the store has lost comes back
    my $lost = "$dir/blobs/" . blob_of(Digest::SHA::sha256_hex(
        $t->read_file('many/many-1.0.7.crate')));
    unlink $lost or die "unlink $lost: $!\n";

    ($rc, my $report, my $err) = export_to('broken');
    is_deeply([ $rc, map { "$_->{crate} $_->{version}" }
                     @{ $report->{missing} } ], [ 1, 'many 1.0.7' ],
              'an export says which blob is missing');
    unlike($t->read_file('broken/index/ma/ny/many'), qr/"1\.0\.7"/,
           'and does not promise it');

    ok_import('imported again', 'main', 'many',
              { imported => 0, already_there => $count, refused => [] });
    ok(-f $lost, 'a missing blob is back');
}


sub wrong_usage {
    my @import = ('import', "$dir/real", '--registry', 'main', '--owner');

    for my $case (
        [ 2, qr/--dependencies is own/, @import, 'alice', '--dependencies',
          'x' ],
        [ 2, qr/--map x=own cannot be understood/, @import, 'alice', '--map',
          'x=own' ],
        [ 2, qr/--map http:\/\/x cannot be/, @import, 'alice', '--map',
          'http://x' ],
        [ 1, qr/cannot open .*nowhere: /, 'import', "$dir/nowhere",
          '--registry', 'main', '--owner', 'alice' ],
        [ 1, qr/there is no \.crate file in/, 'import', "$dir/home",
          '--registry', 'main', '--owner', 'alice' ],
        [ 1, qr/holds other things/, 'export', "$dir/real", '--registry',
          'main' ],
        [ 1, qr/holds other things/, 'export', $dir, '--registry', 'main' ],
        [ 1, qr/holds other things/, @import, 'alice', '--blobs',
          "$dir/real" ],
    ) {
        my ($status, $pattern, @args) = @$case;
        my ($rc, $out, $err) = $t->cargoctl(@args);

        is($rc, $status, "cargoctl @args[2 .. $#args]");
        like($err, $pattern, 'says why');
    }

    $t->write_file("one/one-1.0.$_.crate",
                   $t->crate(name => 'one', version => "1.0.$_")) for 0, 1;

    $t->account('rita', role => 'reader');
    $t->account('gone');
    $t->cargoctl('account', 'disable', 'gone');
    $t->cargoctl('team', 'create', 'core');
    $t->cargoctl('account', 'grant', 'team:core', '--registry', 'main',
                 '--role', 'publisher');

    for my $case ([ qr/`nobody-here`/, 'main', 'nobody-here' ],
                  [ qr/nowhere/, 'nowhere', 'alice' ],
                  [ qr/`rita` has the role reader/, 'main', 'rita' ],
                  [ qr/`gone` is disabled/, 'main', 'gone' ],
                  [ qr/is a team: import for an account/, 'main',
                    'team:core' ]) {
        my ($pattern, $registry, $owner) = @$case;

        for my $from ([ 'one' ], [ 'one', '--dry-run' ], [ 'real' ]) {
            my ($what, @more) = @$from;
            my ($rc, $out, $err) = $t->cargoctl('import', "$dir/$what",
                '--registry', $registry, '--owner', $owner, @more);

            is($rc, 1, "registry $registry, owner $owner, @$from");
            like($err, $pattern, 'says why not');
            is(() = $err =~ /^cargoctl: /mg, 1, 'and that once');
            is($out, '', 'and counts nothing');
        }
    }
}
