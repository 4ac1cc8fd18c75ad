package Bench::Crates;

# Crates to be published, imported and fetched.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use POSIX ();
use JSON::PP ();

use Test::Cargo::Crate;

our @EXPORT = qw(graph_of_crates one_crate publish_bodies);

my $NOISE = do {
    srand 4;
    join '', map { pack 'N', int rand 2 ** 32 } 1 .. 100_000;
};

# The versions that each new crate gets.
my $VERSIONS = 5;


# What does not get smaller, of about this length.

sub noise {
    my ($length) = @_;

    return substr $NOISE, int rand(length($NOISE) - $length), $length;
}


sub one_crate {
    my ($dir, $name, $length, %options) = @_;

    my $version = $options{version} // '1.0.0';
    my $crate = Test::Cargo::Crate->crate(
        name => $name, version => $version, extra => $options{extra},
        files => { 'src/noise.bin' => noise($length) });

    make_path($dir);

    my $path = "$dir/$name-$version.crate";

    open my $file, '>:raw', $path or die "open $path: $!\n";
    print {$file} $crate or die "write $path: $!\n";
    close $file or die "close $path: $!\n";
}


# 20 crates that depend on 14 others each: names of the 20.

sub graph_of_crates {
    my ($dir) = @_;

    my @top;

    for my $i (1 .. 20) {
        my $extra = "\n[dependencies]\n";

        for my $j (1 .. 14) {
            my $name = sprintf 'graph-%02d-%02d', $i, $j;

            one_crate($dir, $name, 2000 + int rand 60_000);
            $extra .= "$name = \"1\"\n";
        }

        my $name = sprintf 'graph-%02d', $i;

        one_crate($dir, $name, 2000 + int rand 60_000,
                  extra => $extra);
        push @top, $name;
    }

    return @top;
}


# For so many clients, each with new crates of its own and more versions of
# them: all are different, in every call.

my $calls = 0;

sub publish_bodies {
    my ($t, $number, $length) = @_;

    my $json = JSON::PP->new->utf8->canonical->encode(
        $t->metadata(name => '%name%', vers => '%vers%'));
    my @bodies;

    $calls++;

    # versions of a crate far apart: their publishers would wait for each other

    my $crates = POSIX::ceil($number / $VERSIONS);

    for my $i (0 .. $number - 1) {
        my $name = sprintf 'bench-%d-%d', $calls, $i % $crates;
        my $version = '1.' . int($i / $crates) . '.0';
        my $crate = $t->crate(
            name => $name, version => $version,
            files => { 'src/noise.bin' => noise($length) });

        push @bodies, $t->publish_body(
            $json =~ s/%name%/$name/r =~ s/%vers%/$version/r, $crate);
    }

    return \@bodies;
}


1;

__END__

=head1 NAME

Bench::Crates - crates to be published, imported and fetched

=head1 FUNCTIONS

=head2 one_crate($dir, $name, $length, version => '1.0.0', extra => TEXT)

Writes a .crate of about this length, with more text at the end of its
Cargo.toml.

=head2 graph_of_crates($dir)

Writes 300 of them, 2 to 62 kB long; returns the 20 that need the others.

=head2 publish_bodies($t, $number, $length)

Uploads of new crates, five versions of each.

=cut
