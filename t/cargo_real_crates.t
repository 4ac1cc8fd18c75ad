#!/usr/bin/perl

# Crates as the world writes them: Debian's librust-*-dev packages carry their
# sources. They go up with the real cargo, in the order of their dependencies,
# and then a program is built from them.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Debian;
use Test::Cargo::Story;

# What is required by one of these is one of these.
my @PACKAGES = map { "librust-$_-dev" } qw(
    aho-corasick anyhow autocfg bitflags byteorder cfg-if either fnv getrandom
    hashbrown indexmap itertools itoa lazy-static libc log memchr num-integer
    num-traits once-cell ppv-lite86 proc-macro2 quote rand rand-chacha
    rand-core regex regex-automata regex-syntax ryu serde serde-derive
    serde-json smallvec syn thiserror thiserror-impl unicode-ident
    version-check
);

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

my ($tree, $reason) = debian_tree($t, 'crates', @PACKAGES);

if (!$tree) {
    diag("SKIPPED: no real crates: $reason");
    plan(skip_all => "NO REAL CRATES: $reason");
}

# name => { version, dir, sections, deps }
my %crates;
my %published;
my @dropped;

$t->postgres();
$t->nginx();

my $token = $t->account('alice');

ok_cargo($t, 'login', 'login', { input => $token });

read_crates();
publish_crates();
the_index();
a_program();

$t->done();


sub read_crates {
    for my $dir (glob "$tree/usr/share/cargo/registry/*") {
        my @sections = sections($t->read_file("$dir/Cargo.toml"));
        my ($package) = grep { $_->{head} eq '[package]' } @sections;
        my ($name) = $package->{text} =~ /^name = "(.*)"$/m;
        my ($version) = $package->{text} =~ /^version = "(.*)"$/m;

        $crates{$name} = { name => $name, version => $version, dir => $dir,
                           sections => \@sections };
    }

    cmp_ok(scalar keys %crates, '>=', 20, 'at least 20 crates')
        || die 'what did apt-get download?';
}


# The manifests are cargo's own: every dependency is a table with one key in a
# line.

sub sections {
    my ($text) = @_;

    my @sections = ({ head => '', text => '' });

    for my $line (split /^/, $text) {
        push @sections, { head => $1, text => '' }
            if $line =~ /^(\[.*\])$/;

        $sections[-1]{text} .= $line;
    }

    $_->{dependency} = dependency($_) for @sections;

    return @sections;
}


sub dependency {
    my ($section) = @_;

    my ($kind, $alias) = $section->{head} =~
        /^\[(?:target\..+\.)?(?:(dev|build)-)?dependencies\.([\w-]+)\]$/
        or return undef;

    my ($name) = $section->{text} =~ /^package = "(.*)"$/m;
    my ($req) = $section->{text} =~ /^version = "(.*)"$/m;
    my $optional = $section->{text} =~ /^optional = true$/m;

    return { alias => $alias, name => $name // $alias, kind => $kind // '',
             req => $req, optional => $optional };
}


sub publish_crates {
    my @order = order();

    for my $crate (@order) {
        my $dir = prepare($crate);

        ok_cargo($t, "publish $crate->{name} $crate->{version}", 'publish',
                 '--no-verify', { dir => $dir });

        $published{ $crate->{name} } = 1;
    }

    diag(scalar(@order) . ' real crates; ' . scalar(@dropped) . ' optional and'
         . ' dev-dependencies on others were dropped (prove -v names them)');
    note("dropped: $_") for @dropped;
}


sub order {
    my (@order, %state);

    my $visit;

    $visit = sub {
        my ($name) = @_;

        die "$name depends on itself\n" if ($state{$name} // '') eq 'open';
        return if $state{$name};

        $state{$name} = 'open';

        $visit->($_) for grep { $crates{$_} } map { $_->{name} }
            grep { $_ && $_->{kind} ne 'dev' }
            map { $_->{dependency} } @{ $crates{$name}{sections} };

        $state{$name} = 'done';
        push @order, $crates{$name};
    };

    $visit->($_) for sort keys %crates;

    return @order;
}


# A copy whose dependencies are those of this registry.

sub prepare {
    my ($crate) = @_;

    my $dir = "$t->{dir}/sources/$crate->{name}";

    $t->path("sources/$crate->{name}");
    $t->run_ok(command => [ 'cp', '-rL', $crate->{dir}, $dir ]);

    # what cargo makes, not the author
    unlink map { "$dir/$_" }
        qw(.cargo-checksum.json .cargo_vcs_info.json Cargo.toml.orig
           Cargo.lock);

    my (@kept, %gone);

    for my $section (@{ $crate->{sections} }) {
        my $dep = $section->{dependency};

        if (!$dep) {
            push @kept, $section->{text};

        } elsif (is_kept($crate, $dep)) {
            push @kept, $section->{text} =~ s/\n*\z/\nregistry = "main"\n\n/r;

        } else {
            $gone{ $dep->{alias} } = 1 if $dep->{optional};
        }
    }

    my $manifest = join '', map { /^\[features\]/ ? features($_, %gone) : $_ }
                            @kept;

    $t->write_file("$dir/Cargo.toml", $manifest);

    return $dir;
}


# A crate may be tested with one that is built from it: of the dev-dependencies
# those stay that are there already, in a version that fits.

sub is_kept {
    my ($crate, $dep) = @_;

    return 1 if $published{ $dep->{name} }
                && ($dep->{kind} ne 'dev' || fits($dep));

    die "$crate->{name} needs $dep->{name}, which is not among the crates\n"
        if $dep->{kind} ne 'dev' && !$dep->{optional};

    push @dropped, "$crate->{name} -> $dep->{name}"
                   . ($dep->{kind} eq 'dev' ? ' (dev)' : ' (optional)');

    return 0;
}


# Near enough to what cargo calls compatible.

sub fits {
    my ($dep) = @_;

    my $compatible = sub { $_[0] =~ /^\D*((?:0\.)*\d+)/ ? $1 : '' };

    return $compatible->($dep->{req})
           eq $compatible->($crates{ $dep->{name} }{version});
}


sub features {
    my ($text, %gone) = @_;

    for my $alias (keys %gone) {
        my $own = $text =~ /^\Q$alias\E = /m;

        $text =~ s{"(?:dep:\Q$alias\E|\Q$alias\E\??/[^"]*)"(?:,\s*|(?=\s*\]))}
                  {}g;
        $text =~ s{"\Q$alias\E"(?:,\s*|(?=\s*\]))}{}g if !$own;
    }

    return $text;
}


sub the_index {
    is($t->sql('select count(*) from cargo_store.versions'),
       scalar keys %crates, 'every crate is in the registry');

    my $serde = $t->get('/index/se/rd/serde')->{body};

    like($serde, qr/"name":"serde_derive","req":"=1\.\d+\.\d+"/,
         'serde wants exactly its serde_derive');

    my $getrandom = $t->get('/index/ge/tr/getrandom')->{body};

    like($getrandom, qr/"name":"libc"[^}]*"target":"cfg\(unix\)"/,
         'getrandom wants libc on Unix');
}


sub a_program {
    my $dir = $t->new_crate('program', manifest(),
                            { 'src/main.rs' => main_rs() });

    unlink "$dir/src/lib.rs";

    my $out;

    my @asked = requests($t, sub {
        $out = ok_cargo($t, 'build a program from them', 'run',
                        { dir => $dir });
    });

    my %said = $out =~ /^(\w+): (.*)$/mg;

    is_deeply({ map { ($_ => $said{$_}) } qw(
        json regex error random sorted bits joined small divisor ) }, {
        json => '{"name":"foo","versions":["1.0.0","1.1.0"],"size":42}',
        regex => '2026-11-21 is 21/11 of 2026',
        error => 'no crate bar',
        random => 'the same twice',
        sorted => 'c=3 a=1 b=2',
        bits => 'A | C',
        joined => '1-2-3',
        small => 'on the stack',
        divisor => '6',
    }, 'and each does its work');

    my $lock = $t->read_file("$dir/Cargo.lock");
    my $own = 'sparse+' . $t->base_url() . '/index/';
    my %sources;

    $sources{$_}++ for $lock =~ /^source = "(.*)"$/mg;

    is_deeply([ keys %sources ], [ $own ], 'all from this registry');
    cmp_ok($sources{$own} // 0, '>=', 20, 'at least 20 of them');

    my @downloads = grep { $_->{uri} =~ m{^/dl/} } @asked;

    cmp_ok(scalar @downloads, '>=', 20, 'downloaded now');
    is_deeply([ grep { $_->{status} !~ /^(?:200|304)$/ } @asked ], [],
              'and nothing it asked for was missing');
}


sub manifest {
    my @names = qw(anyhow bitflags itertools lazy_static num-integer once_cell
                   rand rand_chacha regex smallvec thiserror);

    my $dependencies = join '', map { <<"TOML" } @names;
$_ = { version = "$crates{$_}{version}", registry = "main" }
TOML

    return Test::Cargo::Story::package('program', '0.1.0', <<"TOML");

[dependencies]
$dependencies
serde = { version = "1", registry = "main", features = ["derive"] }
serde_json = { version = "1", registry = "main", features = ["preserve_order"] }

[profile.dev]
debug = false
TOML
}


sub main_rs {
    return <<'RUST';
use itertools::Itertools;
use num_integer::Integer;
use rand::{Rng, SeedableRng};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Crate { name: String, versions: Vec<String>, size: u32 }

#[derive(Debug, thiserror::Error)]
#[error("no crate {0}")]
struct Missing(&'static str);

bitflags::bitflags! {
    struct Bits: u32 { const A = 1; const B = 2; const C = 4; }
}

lazy_static::lazy_static! {
    static ref DATE: regex::Regex =
        regex::Regex::new(r"(?P<y>\d{4})-(?P<m>\d\d)-(?P<d>\d\d)").unwrap();
}

static SEED: once_cell::sync::Lazy<u64> = once_cell::sync::Lazy::new(|| 7);

fn find() -> anyhow::Result<()> { Err(Missing("bar"))? }

fn random() -> u64 { rand_chacha::ChaCha8Rng::seed_from_u64(*SEED).gen() }

fn main() -> anyhow::Result<()> {
    let json = r#"{"name":"foo","versions":["1.0.0","1.1.0"],"size":42}"#;
    let parsed: Crate = serde_json::from_str(json)?;
    println!("json: {}", serde_json::to_string(&parsed)?);

    println!("regex: {}", DATE.replace("2026-11-21", "$0 is $d/$m of $y"));
    println!("error: {}", find().unwrap_err());

    let same = random() == random();
    println!("random: {}", if same { "the same twice" } else { "different" });

    let map: serde_json::Map<String, serde_json::Value> =
        serde_json::from_str(r#"{"c":3,"a":1,"b":2}"#)?;
    println!("sorted: {}",
             map.iter().map(|(k, v)| format!("{k}={v}")).join(" "));

    println!("bits: {:?}", Bits::A | Bits::C);
    println!("joined: {}", (1..4).join("-"));

    let small: smallvec::SmallVec<[u8; 4]> = smallvec::smallvec![1, 2];
    let spilled = small.spilled();
    println!("small: {}", if spilled { "heap" } else { "on the stack" });

    println!("divisor: {}", 54u32.gcd(&24));
    Ok(())
}
RUST
}
