#!/usr/bin/perl

# Every form of a dependency goes through publish and index unharmed: the
# right crate is compiled, under the right name, with the right features.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $CRATES_IO = 'https://github.com/rust-lang/crates.io-index';

# whoever compiles this fails
my $NEVER = { 'src/lib.rs' => 'compile_error!("not for this target");' };

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(http => <<'CONF');
server {
    listen  127.0.0.1:%%port:second%%;

    cargo_registry  second;
    cargo_blobs     %%dir%%/blobs;

    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; client_max_body_size 32m; }
    location /dl/     { cargo_download; }
}
CONF

$t->registry('second');

my $SECOND = 'sparse+http://127.0.0.1:' . $t->port('second') . '/index/';

$t->cargo_config(extra => <<"TOML");
[registries.second]
index = "$SECOND"
TOML

my $token = $t->account('alice');
my $second = $t->account('carol', registry => 'second');

for my $login ([ 'main', $token ], [ 'second', $second ]) {
    ok_cargo($t, "login to $login->[0]", 'login', '--registry', $login->[0],
             { input => $login->[1] });
}

renamed();
by_target();
build_and_dev();
optional_and_features();
default_features();
links();
rust_version();
second_registry();
crates_io();

$t->done();


sub pkg { return Test::Cargo::Story::package(@_) }


# Publishes a library; --no-verify, for the programs compile it anyway.

sub published {
    my ($name, $version, $tables, $files, @options) = @_;

    my $dir = package_of($t, $name, $version, $tables, $files);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    return ok_cargo($t, "publish $name $version", 'publish', '--no-verify',
                    @options, { dir => $dir });
}


# What a program with these dependencies prints.

sub program {
    my ($name, $dependencies, $main) = @_;

    my $dir = $t->new_crate($name, pkg($name, '0.1.0', <<"TOML"), {
[dependencies]
$dependencies
TOML
        'src/main.rs' => "fn main() { println!(\"it says {}\", $main) }\n",
    });

    unlink "$dir/Cargo.lock", "$dir/src/lib.rs";

    my ($rc, $out) = $t->cargo('run', { dir => $dir });

    return $out =~ /^it says (.*)$/m ? $1 : "exit code $rc\n$out";
}


sub index_line {
    my ($name, $version, %options) = @_;

    my @lines = map { JSON::PP->new->utf8->decode($_) } split /\n/,
        $t->get($t->index_path($name), %options)->{body};

    my ($line) = grep { $_->{vers} eq $version } @lines;

    return $line // die "$name $version is not in its index document\n";
}


sub index_deps {
    my ($name, $version, %options) = @_;

    my %deps = map { ($_->{name} => $_) }
               @{ index_line($name, $version, %options)->{deps} };

    return \%deps;
}


# There is a crate with the name of the alias too, and it is another.

sub renamed {
    published('real', '1.0.0');
    published('real', '2.0.0');
    published('calc', '1.0.0');
    published('renaming', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' });

[dependencies]
calc = { package = "real", version = "1", registry = "main" }
newer = { package = "real", version = "2", registry = "main" }
_low = { package = "calc", version = "1", registry = "main" }
TOML
pub fn version() -> String {
    format!("{}, {}, {}", calc::version(), newer::version(), _low::version())
}
RUST

    my $deps = index_deps('renaming', '1.0.0');

    is($deps->{calc}{package}, 'real', 'the alias is the name in the index');
    is($deps->{calc}{req}, '^1', 'each alias with its requirement');
    is($deps->{newer}{req}, '^2', 'and the other one too');

    is(program('renaming-app', <<'TOML', 'sums::version()'),
sums = { package = "renaming", version = "1", registry = "main" }
TOML
       'real 1.0.0, real 2.0.0, calc 1.0.0',
       'under each alias the right crate is compiled');
}


sub by_target {
    published($_, '1.0.0') for qw(on-unix on-this);
    published('on-other', '1.0.0', '', $NEVER);

    my ($triple) = ($t->cargo('version', '-v'))[1] =~ /^host: (\S+)$/m;

    published('targets', '1.0.0', <<"TOML", { 'src/lib.rs' => <<'RUST' });

[target.'cfg(unix)'.dependencies]
on-unix = { version = "1", registry = "main" }

[target.$triple.dependencies]
here = { package = "on-this", version = "1", registry = "main" }

[target.'cfg(all(windows, target_env = "msvc"))'.dependencies]
on-other = { version = "1", registry = "main" }
TOML
pub fn version() -> String {
    format!("{}, {}", on_unix::version(), here::version())
}
RUST

    my $deps = index_deps('targets', '1.0.0');

    is($deps->{'on-unix'}{target}, 'cfg(unix)', 'a cfg in the index');
    is($deps->{here}{target}, $triple, 'a triple in the index');
    is($deps->{'on-other'}{target},
       'cfg(all(windows, target_env = "msvc"))', 'a cfg with a string');

    is(program('targets-app', <<'TOML', 'targets::version()'),
targets = { version = "1", registry = "main" }
TOML
       'on-unix 1.0.0, on-this 1.0.0',
       'dependencies of this target are compiled, others are not');
    is(locked($t, 'targets-app', 'on-other'), '1.0.0',
       'though Cargo.lock has those of all targets');
}


sub build_and_dev {
    published('at-build', '1.0.0');
    published('at-test', '1.0.0');
    published('built', '1.0.0', <<'TOML', {

[build-dependencies]
maker = { package = "at-build", version = "1", registry = "main" }

[dev-dependencies]
at-test = { version = "1", registry = "main" }
TOML
        'build.rs' => <<'RUST',
fn main() { println!("cargo:rustc-env=MADE_BY={}", maker::version()); }
RUST
        'src/lib.rs' => <<'RUST',
pub fn version() -> &'static str { env!("MADE_BY") }

#[test]
fn tests() { println!("tested with {}", at_test::version()); }
RUST
    });

    my $deps = index_deps('built', '1.0.0');

    is($deps->{maker}{kind}, 'build', 'a build-dependency in the index');
    is($deps->{'at-test'}{kind}, 'dev', 'a dev-dependency in the index');

    like(ok_cargo($t, 'test', 'test', '--lib', '--', '--nocapture',
                  { dir => "$t->{dir}/built-1.0.0" }),
         qr/tested with at-test 1\.0\.0/, 'the dev-dependency is for tests');

    is(program('built-app', <<'TOML', 'built::version()'),
built = { version = "1", registry = "main" }
TOML
       'at-build 1.0.0', 'the build-dependency is for the build script');
    is(locked($t, 'built-app', 'at-test'), undef,
       'users of a crate do not get its dev-dependencies');
}


sub optional_and_features {
    published('loud', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' });

[features]
shout = []
TOML
pub fn version() -> &'static str {
    if cfg!(feature = "shout") { "LOUD" } else { "loud" }
}
RUST
    published($_, '1.0.0') for qw(plain implicit);

    published('choices', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' });

[dependencies]
voice = { package = "loud", version = "1", registry = "main", optional = true }
plain = { version = "1", registry = "main", optional = true }
implicit = { version = "1", registry = "main", optional = true }

[features]
default = ["with-plain"]
with-plain = ["dep:plain"]
with-voice = ["dep:voice"]
weak = ["voice?/shout"]
strong = ["with-voice", "weak"]
nothing = []
TOML
pub fn version() -> String {
    let mut on: Vec<&str> = vec![];
    #[cfg(feature = "with-plain")]
    on.push(plain::version());
    #[cfg(feature = "with-voice")]
    on.push(voice::version());
    #[cfg(feature = "implicit")]
    on.push(implicit::version());
    format!("[{}]", on.join(", "))
}
RUST

    my $line = index_line('choices', '1.0.0');

    is_deeply($line->{features2}{weak}, [ 'voice?/shout' ],
              'weak syntax is in features2');
    is_deeply($line->{features2}{'with-voice'}, [ 'dep:voice' ],
              'dep: is in features2');
    is_deeply([ $line->{v}, $line->{features}{nothing} ], [ 2, [] ],
              'with v 2, the others are in features');
    ok($line->{deps}[0]{optional}, 'optional in the index');

    choices();
}


sub choices {
    my @cases = (
        [ '', '[plain 1.0.0]', 'default features' ],
        [ 'default-features = false', '[]', 'no features' ],
        [ 'default-features = false, features = ["weak"]', '[]',
          'a weak feature does not turn its dependency on' ],
        [ 'default-features = false, features = ["with-voice"]', '[loud]',
          'dep: does' ],
        [ 'default-features = false, features = ["with-voice", "weak"]',
          '[LOUD]', 'then the weak feature is passed on' ],
        [ 'features = ["strong", "implicit"]',
          '[plain 1.0.0, LOUD, implicit 1.0.0]',
          'a feature of features, and the implicit one' ],
    );

    for my $case (@cases) {
        my ($options, $expected, $name) = @$case;

        $options = ", $options" if $options;

        is(program('choices-app', <<"TOML", 'choices::version()'),
choices = { version = "1", registry = "main"$options }
TOML
           $expected, $name);
    }

    is(locked($t, 'choices-app', 'implicit'), '1.0.0', 'in Cargo.lock too');
}


sub default_features {
    published('many', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' });

[features]
default = ["std"]
std = []
extra = []
TOML
pub fn version() -> String {
    format!("std {}, extra {}", cfg!(feature = "std"), cfg!(feature = "extra"))
}
RUST

    published('few', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' });

[dependencies.many]
version = ">=0.9, <1.5"
registry = "main"
default-features = false
features = ["extra"]
TOML
pub fn version() -> String { many::version() }
RUST

    my $dep = index_deps('few', '1.0.0')->{many};

    ok(!$dep->{default_features}, 'default_features is false in the index');
    is_deeply($dep->{features}, [ 'extra' ], 'with the features asked for');
    is($dep->{req}, '>=0.9, <1.5', 'the requirement as cargo writes it');

    is(program('few-app', <<'TOML', 'few::version()'),
few = { version = "1", registry = "main" }
TOML
       'std false, extra true', 'and so the dependency is compiled');
}


sub links {
    for my $name (qw(one-sys two-sys)) {
        published($name, '1.0.0', qq{links = "native"\n},
                  { 'build.rs' => <<"RUST" });
fn main() { println!("cargo:where=$name"); }
RUST
    }

    is(index_line('one-sys', '1.0.0')->{links}, 'native', 'links in the index');

    published('linked', '1.0.0', <<'TOML', {

[dependencies]
one-sys = { version = "1", registry = "main" }
TOML
        'build.rs' => <<'RUST',
fn main() {
    let found = std::env::var("DEP_NATIVE_WHERE").unwrap();
    println!("cargo:rustc-env=W={found}");
}
RUST
        'src/lib.rs' => <<'RUST',
pub fn version() -> &'static str { env!("W") }
RUST
    });

    is(program('linked-app', <<'TOML', 'linked::version()'),
linked = { version = "1", registry = "main" }
TOML
       'one-sys', 'what links passes on arrives');

    my $twice = $t->new_crate('twice', pkg('twice', '0.1.0', <<'TOML'));

[dependencies]
one-sys = { version = "1", registry = "main" }
two-sys = { version = "1", registry = "main" }
TOML

    # nothing is downloaded here, so the resolver has it from the index
    no_cargo($t, 'only one crate may link a library',
             qr/package `\S+-sys` links to the native library `native`, but/,
             'generate-lockfile', { dir => $twice });
}


sub rust_version {
    published('modern', '1.0.0', qq{rust-version = "1.60"\n});
    published('modern', '1.1.0', qq{rust-version = "1.999.0"\n});

    is(index_line('modern', '1.0.0')->{rust_version}, '1.60',
       'rust_version in the index');

    my $use = qq{modern = { version = "1", registry = "main" }\n};

    {
        local $ENV{CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS} = 'fallback';

        is(program('modern-app', $use, 'modern::version()'), 'modern 1.0.0',
           'cargo takes a version that this rustc can compile');
    }

    {
        local $ENV{CARGO_RESOLVER_INCOMPATIBLE_RUST_VERSIONS} = 'allow';

        like(program('modern-app', $use, 'modern::version()'),
             qr/modern\@1\.1\.0 requires rustc 1\.999\.0/,
             'and refuses the other one when it has to take it');
    }
}


# The same name is in both registries, and means two crates.

sub second_registry {
    my @to_second = ('--registry', 'second');

    published('twin', '1.0.0', '', { 'src/lib.rs' => <<'RUST' });
pub fn version() -> &'static str { "twin of main" }
RUST
    published('twin', '1.0.0', '', { 'src/lib.rs' => <<'RUST' }, @to_second);
pub fn version() -> &'static str { "twin of second" }
RUST

    my $users = <<'RUST';
pub fn version() -> String { format!("{}, {}", a::version(), b::version()) }
RUST

    for my $registry ('main', 'second') {
        published("user-of-$registry", '1.0.0', <<'TOML', {

[dependencies]
a = { package = "twin", version = "1", registry = "main" }
b = { package = "twin", version = "1", registry = "second" }
TOML
            'src/lib.rs' => $users }, '--registry', $registry);
    }

    my $deps = index_deps('user-of-main', '1.0.0');

    is_deeply([ $deps->{a}{registry}, $deps->{b}{registry} ],
              [ undef, $SECOND ],
              'in main: its own without a name, the other by its index URL');

    $deps = index_deps('user-of-second', '1.0.0', port => $t->port('second'));

    is_deeply([ $deps->{a}{registry}, $deps->{b}{registry} ],
              [ 'sparse+' . $t->base_url() . '/index/', undef ],
              'in second: the other way round');

    for my $registry ('main', 'second') {
        is(program("$registry-app", <<"TOML", 'user::version()'),
user = { package = "user-of-$registry", version = "1", registry = "$registry" }
TOML
           'twin of main, twin of second',
           "a crate of $registry is built from both registries");
    }

    no_cargo($t, 'the token of one registry is not one of the other',
             qr/403 Forbidden\): authentication failed/,
             'publish', '--no-verify', @to_second,
             { dir => package_of($t, 'twin', '2.0.0'),
               env => { CARGO_REGISTRIES_SECOND_TOKEN => $token } });
}


# No test can ask crates.io: the publisher has a patch, the user of the crate
# does not turn the dependency on.

sub crates_io {
    package_of($t, 'outside', '1.0.0');

    published('outgoing', '1.0.0', <<'TOML', { 'src/lib.rs' => <<'RUST' },

[dependencies]
real = { version = "1", registry = "main" }
outside = { version = "1", optional = true }
TOML
#[cfg(not(feature = "outside"))]
pub fn version() -> String { format!("{} alone", real::version()) }
RUST
        '--config', "patch.crates-io.outside.path='$t->{dir}/outside-1.0.0'");

    my $deps = index_deps('outgoing', '1.0.0');

    is($deps->{outside}{registry}, $CRATES_IO,
       'a dependency on crates.io has its URL in the index');
    is($deps->{real}{registry}, undef, 'one on this registry has none');

    is(program('outgoing-app', <<'TOML', 'outgoing::version()'),
outgoing = { version = "1", registry = "main" }
TOML
       'real 1.0.0 alone', 'crates.io is not needed while it is off');

    like(program('outside-app', <<'TOML', 'outgoing::version()'),
outgoing = { version = "1", registry = "main", features = ["outside"] }
TOML
         qr/exit\ code\ 101.*no\ matching\ package\ named\ `outside`\ found
            .*location\ searched:[^\n]*no-crates/sx,
         'turned on, it is looked for there and not in this registry');
}
