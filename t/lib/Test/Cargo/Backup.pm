package Test::Cargo::Backup;

use strict;
use warnings;

use Exporter qw(import);
use File::Find ();
use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More ();

our @EXPORT = qw(admin backup backups files publish restore target untouched);


sub publish {
    my ($t, $token, $name, $vers, %options) = @_;

    my $r = $t->publish($token, { name => $name, vers => $vers }, %options);

    die "publish $name $vers: $r->{status} $r->{body}" if $r->{status} != 200;

    return $r;
}


sub admin {
    my ($t, @args) = @_;

    my ($rc, $out, $err) = $t->cargoctl(@args);

    die "cargoctl @args: $rc\n$out$err" if $rc != 0;

    return $out;
}


sub backups { return "$_[0]{dir}/backups" }


sub backup {
    my ($t) = @_;

    return decode_json(admin($t, 'backup', backups($t), '--json'));
}


sub target {
    my ($t) = @_;

    my $name = 'target' . ++$t->{targets};

    $t->sql("create database $name owner cargo", database => 'postgres');
    make_path("$t->{dir}/$name");

    return { name => $name, blobs => "$t->{dir}/$name", env => {
        CARGO_DATABASE => "host=$t->{dir}/pg dbname=$name user=cargo",
        CARGO_SQL => $t->root() . '/sql', CARGO_BLOBS => "$t->{dir}/$name" } };
}


sub restore {
    my ($t, $target, @args) = @_;

    return $t->cargoctl('restore', backups($t), @args,
                        { env => $target->{env} });
}


sub files {
    my ($dir) = @_;

    my @files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        push @files, substr $_, length("$dir/") if -f;
    } }, $dir);

    return sort @files;
}


sub untouched {
    my ($t, $target, $name) = @_;

    Test::More::is($t->sql('select count(*) from pg_namespace'
                           . " where nspname ~ '^cargo'",
                           database => $target->{name}), 0,
                   "$name leaves the database alone");
    Test::More::is_deeply([ files($target->{blobs}) ], [], 'and the store');
}


1;

__END__

=head1 NAME

Test::Cargo::Backup - a registry and its directory of backups

=head1 DESCRIPTION

Functions that take the test first.

=head1 FUNCTIONS

=head2 publish($t, $token, $name, $vers, %options)

Or dies.

=head2 admin($t, @args)

The output of cargoctl, which has to do it.

=head2 backups($t), backup($t)

The directory; makes one more in it and returns cargoctl's report.

=head2 target($t)

An empty database in the cluster of the test and an empty store: C<name>,
C<blobs>, and C<env> for cargoctl.

=head2 restore($t, $target, @args)

Runs cargoctl restore.  Returns exit code, output and error output.

=head2 files($dir)

The files below a directory by their paths in it, sorted.

=head2 untouched($t, $target, $name)

Tests that neither database nor store of the target has changed.

=cut
