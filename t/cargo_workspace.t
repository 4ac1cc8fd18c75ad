#!/usr/bin/perl

# "cargo publish --workspace": members that depend on each other go up in one
# command, and as each is in the index before its 200, cargo never waits.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes qw(time);

use Test::Cargo;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

# who needs whom; m-app needs them all, m-alone nobody
my %NEEDS = (
    'm-base' => [], 'm-alone' => [],
    'm-left' => [ 'm-base' ], 'm-right' => [ 'm-base' ],
    'm-top' => [ 'm-left', 'm-right' ], 'm-app' => [ 'm-top', 'm-alone' ],
);

# dependents before dependencies: the order is cargo's business
my @MEMBERS = reverse sort keys %NEEDS;

my $t = Test::Cargo->new();

my ($rc, $help) = $t->cargo('publish', '--help');

plan(skip_all => 'THIS CARGO CANNOT PUBLISH A WORKSPACE: 1.90 or newer can')
    if $help !~ /--workspace/;

$t->postgres();
$t->nginx();

my $token = $t->account('alice');

ok_cargo($t, 'login', 'login', { input => $token });

workspace('1.0.0');
publish_all('1.0.0');
used();
second_time();
stops_at_a_refusal();

$t->done();


sub workspace {
    my ($version) = @_;

    my $list = join ', ', map { qq("$_") } @MEMBERS;

    $t->write_file('ws/Cargo.toml', <<"TOML");
[workspace]
resolver = "2"
members = [$list]
TOML

    member($_, $version) for @MEMBERS;
}


sub member {
    my ($name, $version) = @_;

    my @needs = @{ $NEEDS{$name} };
    my $calls = join ', ', map { tr/-/_/r . '::versions()' } @needs;

    my $dependencies = join '', map { <<"TOML" } @needs;
$_ = { version = "$version", path = "../$_", registry = "main" }
TOML

    $t->new_crate("ws/$name", Test::Cargo::Story::package(
        $name, $version, "\n[dependencies]\n$dependencies"), {
        'src/lib.rs' => <<"RUST",
pub fn versions() -> String {
    let below: Vec<String> = vec![$calls];
    format!("$name $version ({})", below.join(" "))
}
RUST
    });
}


sub publish_all {
    my ($version) = @_;

    my ($out, $took);

    my @asked = requests($t, sub {
        my $start = time;
        $out = ok_cargo($t, 'publish --workspace', 'publish', '--workspace',
                        { dir => "$t->{dir}/ws" });
        $took = time - $start;
    });

    like($out, qr/Published .*\b\Q$_\E v\Q$version\E/, "$_ is published")
        for sort @MEMBERS;

    unlike($out, qr/warning:|timed out/, 'no warning, no timeout');

    order(@asked);
    polls(@asked);

    diag(sprintf "%d members in %.1f s", scalar @MEMBERS, $took);
}


sub uploads {
    my (@asked) = @_;

    return grep { $_->{method} eq 'PUT' } @asked;
}


sub order {
    my (@asked) = @_;

    is(scalar uploads(@asked), scalar @MEMBERS, 'one upload for each member');
    is_deeply([ grep { $_->{status} != 200 } uploads(@asked) ], [],
              'each answered by 200');

    my %at = map { split /\|/ } split /\n/, $t->sql(
        'select c.name, v.id from cargo_store.versions v'
        . ' join cargo_store.crates c on c.id = v.crate_id');

    my @early = grep { my $name = $_;
                       grep { $at{$_} > $at{$name} } @{ $NEEDS{$name} }
                     } @MEMBERS;

    is_deeply(\@early, [], 'each after those it depends on');
}


# After the uploads of a layer cargo looks into the index until it sees one of
# them; a second look would come a second later. Every look begins with
# config.json. What it looks at for the first time must be new.

sub polls {
    my (@asked) = @_;

    my @looks;
    my %first;

    for my $asked (@asked) {
        push @looks, 0 if $asked->{method} eq 'PUT';

        next if !@looks;

        $looks[-1]++ if $asked->{uri} eq '/index/config.json';
        $first{ $asked->{uri} } //= $asked->{status}
            if $asked->{uri} =~ m{^/index/m-/};
    }

    is_deeply([ grep { $_ > 1 } @looks ], [],
              'never a second look between two uploads');
    is($looks[-1], 1, 'and one after the last');
    cmp_ok(scalar(keys %first), '>=', 1, 'documents were looked at');
    is_deeply([ grep { $_ != 200 } values %first ], [],
              'each was new at the first look');
}


sub used {
    my $dir = $t->new_crate('user', Test::Cargo::Story::package(
        'user', '0.1.0', <<'TOML'), {

[dependencies]
m-app = { version = "1", registry = "main" }
TOML
        'src/main.rs' =>
            'fn main() { println!("{}", m_app::versions()); }' });

    unlink "$dir/src/lib.rs";

    like(ok_cargo($t, 'build from the registry', 'run', { dir => $dir }),
         qr/^m-app\ 1\.0\.0\ \(m-top\ 1\.0\.0\ \(m-left\ 1\.0\.0\ \(m-base
            \ 1\.0\.0\ \(\)\)\ m-right\ 1\.0\.0\ \(m-base\ 1\.0\.0\ \(\)\)\)
            \ m-alone\ 1\.0\.0\ \(\)\)$/mx, 'every member is the right one');
}


sub second_time {
    my $all = "$t->{dir}/ws";

    no_cargo($t, 'the same versions once more',
             qr/already exists on `main` index/,
             'publish', '--workspace', { dir => $all });

    workspace('1.0.1');

    like(ok_cargo($t, 'some of them', 'publish', '-p', 'm-base',
                  '-p', 'm-left', { dir => $all }),
         qr/Published .*m-left v1\.0\.1/, 'publish -p -p');

    is($t->get('/index/m-/to/m-top')->{body} =~ tr/\n//, 1,
       'the others stay as they are');
}


# m-right has no license: what comes before is up, what depends on it is not.

sub stops_at_a_refusal {
    workspace('2.0.0');

    my $manifest = $t->read_file('ws/m-right/Cargo.toml');

    $t->write_file('ws/m-right/Cargo.toml',
                   $manifest =~ s/^license.*\n//mr);

    my ($rc, $out) = $t->cargo('publish', '--workspace', '--no-verify',
                               { dir => "$t->{dir}/ws" });

    is($rc, 101, 'a workspace with a bad member fails');
    like($out, qr/missing or empty metadata fields: license/,
         'with the sentence of the registry');
    like($t->get('/index/m-/ba/m-base')->{body}, qr/"vers":"2\.0\.0"/,
         'its dependency was published before');
    unlike($t->get('/index/m-/to/m-top')->{body}, qr/"vers":"2\.0\.0"/,
           'its dependent was not');
}
