package Test::Cargo::Debian;

use strict;
use warnings;

use Exporter qw(import);
use Fcntl qw(:flock);
use File::Path qw(make_path remove_tree);

our @EXPORT = qw(debian_tree debian_versions);

my @APT = qw(apt-get -q -o APT::Sandbox::User=root -o Acquire::Retries=1
             -o Acquire::http::Timeout=10 -o Acquire::https::Timeout=10);


# Tests run beside each other: one fetches, the others wait for it.

sub debian_tree {
    my ($t, $name, @packages) = @_;

    return (undef, 'there is no apt-get: this is not Debian')
        if !grep { -x "$_/apt-get" } split /:/, $ENV{PATH};

    my $dir = $t->objs() . "/t/$name";

    make_path($t->objs() . '/t');

    open my $lock, '>>', "$dir.lock" or die "open $dir.lock: $!\n";
    flock $lock, LOCK_EX or die "flock $dir.lock: $!\n";

    my $wanted = join(' ', sort @packages) . "\n";

    return $dir if ($t->read_file("$dir/.packages") // '') eq $wanted;

    remove_tree("$dir.new");
    make_path("$dir.new");

    my $reason = fetch($t, "$dir.new", @packages);

    if ($reason) {
        remove_tree("$dir.new");
        return (undef, $reason);
    }

    $t->write_file("$dir.new/.packages", $wanted);

    remove_tree($dir);
    rename "$dir.new", $dir or die "rename $dir.new: $!\n";

    return $dir;
}


sub fetch {
    my ($t, $dir, @packages) = @_;

    my %seen;

    while (@packages) {
        $seen{ (split /=/)[0] } = 1 for @packages;

        my ($rc, $out) = $t->run(
            command => [ @APT, 'download', @packages ], dir => $dir,
            merge => 1, timeout => 120,
        );

        if ($rc != 0) {
            my ($why) = $out =~ /^(E: .*)$/m;
            return "apt-get download: " . ($why // "exit code $rc");
        }

        my @debs = glob "$dir/*.deb";

        $t->run_ok(command => [ 'dpkg-deb', '-x', $_, $dir ]) for @debs;

        @packages = grep { !$seen{$_}++ } libraries($t, @debs);
        unlink @debs;
    }

    return undef;
}


# The shared libraries that packages need and this machine does not have.

sub libraries {
    my ($t, @debs) = @_;

    my @needed;

    for my $deb (@debs) {
        my $depends = $t->run_ok(
            command => [ 'dpkg-deb', '-f', $deb, 'Depends' ]);

        for my $name ($depends =~ /(?:^|, )(lib[\w.+-]+)/g) {
            next if $name =~ /^librust-/;

            my ($rc, $out) = $t->run(command => [
                'dpkg-query', '-W', '-f', '${db:Status-Status}', $name ]);

            push @needed, $name if $rc != 0 || $out ne 'installed';
        }
    }

    return @needed;
}


sub debian_versions {
    my ($t, $package) = @_;

    my ($rc, $out) = eval {
        $t->run(command => [ 'apt-cache', 'madison', $package ]);
    };

    return if !defined $rc || $rc != 0;

    my %seen;

    return grep { !$seen{$_}++ }
           $out =~ /^\s*\Q$package\E \|\s*(\S+) \|.*Packages$/mg;
}


1;

__END__

=head1 NAME

Test::Cargo::Debian - files out of Debian's packages, not installed

=head1 FUNCTIONS

=head2 debian_tree($t, $name, @packages)

Downloads the packages (C<name> or C<name=version>) and the shared libraries
that they need and this machine lacks, unpacks them all into one directory and
returns its path.  It is kept as C<objs/t/$name> for later runs; nothing of it
may be changed.  When that cannot be done: undef and the reason.

=head2 debian_versions($t, $package)

The versions of a package that apt knows, the newest first.

=cut
