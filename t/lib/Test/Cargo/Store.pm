package Test::Cargo::Store;

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();

our @EXPORT = qw(blob_files blob_of rows status_of);


sub blob_files {
    my ($t, $below) = @_;

    my $store = $t->dir() . '/blobs';
    my $dir = $store . (defined $below ? "/$below" : '');
    my @files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        push @files, substr $_, length("$store/") if !-d;
    } }, $dir) if -d $dir;

    return sort @files;
}


sub blob_of {
    my ($checksum) = @_;

    return join('/', unpack 'a2 a2', $checksum) . "/$checksum.crate";
}


sub rows {
    my ($t) = @_;

    my @tables = ('crates', 'versions', 'dependencies', 'owners',
                  'changes where crate is not null');

    return $t->sql('select ' . join ', ', map {
        "(select count(*) from cargo_store.$_)"
    } @tables);
}


sub status_of {
    my ($pid, $field) = @_;

    open my $file, '<', "/proc/$pid/status" or return undef;

    while (my $line = <$file>) {
        return $1 if $line =~ /^$field:\s+(\d+) kB/;
    }

    return undef;
}


1;

__END__

=head1 NAME

Test::Cargo::Store - what a registry holds, and what its workers cost

=head1 FUNCTIONS

=head2 blob_files($t, $below)

The files in the store (temporary ones and trash too), or in a directory of
it, by their paths in the store, sorted.

=head2 blob_of($checksum)

The path in the store of the crate with this SHA-256.

=head2 rows($t)

The numbers of crates, versions, dependencies, owners and changes of index
documents, joined by "|": equal before and after means that nothing was
written.

=head2 status_of($pid, $field)

A line of /proc/PID/status in kB, such as C<VmRSS> and C<VmHWM>; undef when
the process is gone.

=cut
