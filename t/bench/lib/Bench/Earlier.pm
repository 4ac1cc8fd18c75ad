package Bench::Earlier;

# A version from before, built beside this one.

use strict;
use warnings;

use Exporter qw(import);
use File::Basename qw(basename);

use Test::Cargo;

our @EXPORT = qw(build_earlier);


# Of that revision, or of the last one without the newest migration: what a
# Bench::Site is made with.

sub build_earlier {
    my ($revision) = @_;

    my $root = Test::Cargo->root();
    my $dir = Test::Cargo->objs() . '/bench/from';

    $revision = before_migration($root) if !$revision;

    print STDERR "building $revision\n";

    system("$root/conf/build-revision.sh", $revision, $dir) == 0
        or die "revision $revision cannot be built\n";

    my ($last) = reverse sort map { basename($_) }
                 glob "$dir/sql/migrations/*.sql";

    return { tree => $dir, revision => $revision, migration => $last };
}


sub before_migration {
    my ($root) = @_;

    my ($newest) = reverse sort glob "$root/sql/migrations/*.sql";

    open my $git, '-|', 'git', '-C', $root, 'log', '-1', '--first-parent',
        '-m', '--diff-filter=A', '--format=%h', '--', $newest
        or die "git: $!\n";

    my $commit = readline($git) // '';

    close $git;
    chomp $commit;

    die "git does not know who added $newest: say which revision to migrate"
        . " from (FROM=REVISION)\n" if $commit eq '';

    return "$commit^";
}


1;

__END__

=head1 NAME

Bench::Earlier - a version from before, built beside this one

=head1 FUNCTIONS

=head2 build_earlier($revision)

Builds that one, or the last one without the newest migration, in
F<objs/bench/from>: C<tree>, where it is; C<revision>; C<migration>, the newest
that it has.

=cut
