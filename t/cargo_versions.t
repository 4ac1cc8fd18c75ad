#!/usr/bin/perl

# The same story with every other cargo that can be had here: all toolchains
# of rustup, and the cargos that Debian's archive offers.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(remove_tree);
use Test::More;

use Test::Cargo;
use Test::Cargo::Debian;
use Test::Cargo::Story;

# before 1.74 cargo does not know registries like this one by default
use constant OLDEST => 74;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();

my @cargos = (rustup(), debian());

plan(skip_all => 'NO OTHER CARGO CAN BE HAD than the one of the other tests')
    if !@cargos;

$t->postgres();
$t->nginx();

my $token = $t->account('alice');
my $n = 0;

told($_) for @cargos;

$t->done();


# rustup's cargo is a proxy; beside the real one is the rustc that goes with it.

sub rustup {
    my $home = $ENV{RUSTUP_HOME} // "$ENV{HOME}/.rustup";
    my $usual = version({ binary => Test::Cargo->cargo_binary() });

    my @found = map { { name => "rustup's " . (split m{/}, $_)[-3],
                        binary => $_, rustc => s{cargo$}{rustc}r } }
                sort glob "$home/toolchains/*/bin/cargo";

    return grep { version($_) ne $usual } @found;
}


sub debian {
    my @found;

    my @versions = debian_versions($t, 'cargo-web');

    push @found, { name => "Debian's cargo-web",
                   missing => 'apt does not know the package cargo-web' }
        if !@versions;

    for my $version (@versions) {
        my $name = "Debian's cargo-web $version";
        my ($dir, $reason) = debian_tree($t, "cargo-web-$version",
                                         "cargo-web=$version");

        push @found, $dir
            ? { name => $name, binary => "$dir/usr/bin/cargo",
                libraries => join(':', glob "$dir/usr/lib/*-linux-gnu*") }
            : { name => $name, missing => $reason };
    }

    return @found;
}


sub version {
    my ($cargo) = @_;

    my ($rc, $out) = with($cargo, sub { $t->cargo('--version') });

    return $rc == 0 && $out =~ /^cargo (\d+\.\d+\.\d+\S*)/ ? $1 : '';
}


sub with {
    my ($cargo, $code) = @_;

    local $ENV{CARGO} = $cargo->{binary};
    local $ENV{LD_LIBRARY_PATH} = $cargo->{libraries}
        if $cargo->{libraries};
    local $ENV{RUSTC} = $cargo->{rustc} // usual_rustc();

    return $code->();
}


# The real one, for rustup's proxy would look for a toolchain.

my $usual_rustc;

sub usual_rustc {
    if (!$usual_rustc) {
        my ($rc, $sysroot) = $t->run(command => [ 'rustc', '--print',
                                                  'sysroot' ]);

        chomp $sysroot if $rc == 0;
        $usual_rustc = $rc == 0 ? "$sysroot/bin/rustc" : 'rustc';
    }

    return $usual_rustc;
}


sub told {
    my ($cargo) = @_;

    my $version = $cargo->{missing} ? '' : version($cargo);
    my $reason = $cargo->{missing}
        // ($version eq '' ? 'it does not run here: '
                             . (with($cargo, sub { $t->cargo('-V') }))[1]
            : $version =~ /^1\.(\d+)/ && $1 < OLDEST
              ? "cargo $version is older than 1." . OLDEST : undef);

    SKIP: {
        if (defined $reason) {
            diag("SKIPPED: $cargo->{name}: $reason");
            skip("$cargo->{name}: $reason", 4);
        }

        with($cargo, sub { story($cargo, $version) });
    }
}


sub story {
    my ($cargo, $version) = @_;

    my $env = { CARGO_REGISTRIES_MAIN_TOKEN => $token };

    remove_tree("$t->{dir}/cargo-home", "$t->{dir}/target");

    my @asked = requests($t, sub {
        short_story($t, "$cargo->{name}: cargo $version",
                    name => 'story-' . ++$n, env => $env);
    });

    my ($short) = $version =~ /^([\d.]+)/;

    is_deeply([ grep { $_->{agent} !~ m{^cargo[/ ]\Q$short\E} } @asked ], [],
              'it was this cargo that asked');

    is_deeply([ map { "$_->{method} $_->{uri} $_->{status}" } grep {
        $_->{status} !~ /^(?:200|304)$/ && $_->{uri} !~ m{^/index/st/or/story}
    } @asked ], [], 'and all it asked was answered');

    private($cargo, $env);
}


# The 401 that makes it ask for the token, which changed most over the years.

sub private {
    my ($cargo, $env) = @_;

    $t->cargoctl('registry', 'set', 'main', 'auth_required=true');
    remove_tree("$t->{dir}/cargo-home/registry");

    ok_cargo($t, 'private: reads with a token', 'fetch',
             { dir => "$t->{dir}/story-$n-app", env => $env });

    $t->cargoctl('registry', 'set', 'main', 'auth_required=false');
}
