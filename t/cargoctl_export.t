#!/usr/bin/perl

# cargoctl export, and import of what the world has: real crates (Debian's
# librust-*-dev packages carry their sources) go into one registry, out of it,
# and into another one; cargo builds from what was exported.

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
use Test::Cargo::Import;
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

for my $registry (qw(main second)) {
    $t->cargoctl('registry', 'set', $registry,
                 'allow_unknown_dependencies=true',
                 'allow_wildcard_dependencies=true',
                 'require_license=false', 'require_description=false');
}

$t->cargoctl('account', 'grant', 'alice', '--registry', 'second', '--role',
             'publisher');

make_crates();
real_crates();
the_export();
the_second_registry();
offline_build();
plain_nginx();
lock_file();
not_empty();
missing_blob();

$t->done();


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

    ok_import($t, 'a rehearsal', 'main', 'real',
              { dry_run => JSON::PP::true, imported => $count,
                refused => [] }, '--dependencies', 'own', '--dry-run');

    is(rows($t), $rows, 'writes no row');
    is_deeply([ blob_files($t) ], [], 'and no file');

    ok_import($t, 'all of them are imported', 'main', 'real',
              { imported => $count, already_there => 0, refused => [] },
              '--dependencies', 'own');

    $rows = rows($t);

    ok_import($t, 'and once only', 'main', 'real',
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

    my ($exported, $report, $err) = export_to($t, 'export', '--url', "$plain/");
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

    ($exported, $report) = export_to($t, 'export');

    is($report->{written}, 0, 'once more writes nothing');
    is_deeply(files_below('export'), $before, 'and touches nothing');

    $t->write_file('export/old-1.0.0.crate', 'x');
    $t->write_file('export/fnv-' . version_of('fnv') . '.crate.new', 'x');

    ($exported, $report, $err) = export_to($t, 'export');
    is($exported, 1, 'a directory with other things');
    like($err, qr/holds other things, such as fnv-/, 'is refused');
    unlink "$dir/export/fnv-" . version_of('fnv') . '.crate.new';

    ($exported, $report, $err) = export_to($t, 'export');
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

    ok_import($t, 'the export goes into a second registry', 'second', 'export',
              { imported => $count, yanked => 1, refused => [] },
              '--dependencies', 'own');

    is_deeply(documents('second', 'second'), documents('http', 'main'),
              'whose index documents are the same to the byte');

    $t->cargoctl('crate', 'yank', 'fnv', version_of('fnv'), '--registry',
                 'main', '--undo');
    export_to($t, 'export');

    ok_import($t, 'a line that is not yanked any more', 'second', 'export',
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

    my ($rc, $report) = export_to($t, 'locked', '--lock', "$dir/Cargo.lock");

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

    ($rc, $report) = export_to($t, 'locked-old', '--lock', "$dir/Cargo.lock");
    is($report->{versions}, 1, 'also by the first format');

    ($rc, $report, my $err) = export_to($t, 'locked-not', '--lock',
                                        "$dir/nginx.conf");
    is($rc, 1, 'what is no lock');
    like($err, qr/cannot use .*nginx\.conf: /, 'is refused');
    ok(!-e "$dir/locked-not", 'before anything is made');
}


sub not_empty {
    for my $to ("$dir/real", $dir) {
        my ($rc, $out, $err) = $t->cargoctl('export', $to, '--registry',
                                            'main');

        is($rc, 1, "cargoctl export $to");
        like($err, qr/holds other things/, 'says why not');
    }
}


# What the store has lost is not promised.

sub missing_blob {
    my $version = version_of('itoa');
    my $count = () = glob "$dir/real/*.crate";
    my $lost = "$dir/blobs/" . blob_of(Digest::SHA::sha256_hex(
        $t->read_file("real/itoa-$version.crate")));

    unlink $lost or die "unlink $lost: $!\n";

    my ($rc, $report) = export_to($t, 'broken');

    is_deeply([ $rc, map { "$_->{crate} $_->{version}" }
                     @{ $report->{missing} } ], [ 1, "itoa $version" ],
              'an export says which blob is missing');
    is($report->{versions}, $count - 1, 'the others are exported');
    ok(!-e "$dir/broken/index/it/oa/itoa", 'and it has no line');
}
