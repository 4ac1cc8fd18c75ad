package Test::Cargo::Import;

use strict;
use warnings;

use Exporter qw(import);
use JSON::PP qw(decode_json);
use Test::More;

our @EXPORT = qw(import_into ok_import export_to);


sub import_into {
    my ($t, $registry, $from, @args) = @_;

    my $dir = $t->dir();
    my $blobs = $registry eq 'second' ? 'second' : 'blobs';

    return report($t->cargoctl(
        'import', "$dir/$from", '--registry', $registry, '--owner', 'alice',
        '--blobs', "$dir/$blobs", '--json', @args, { timeout => 120 }));
}


sub ok_import {
    my ($t, $name, $registry, $from, $expected, @args) = @_;

    my ($rc, $report, $err) = import_into($t, $registry, $from, @args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is_deeply([ $rc, { map { ($_ => $report->{$_}) } keys %$expected } ],
              [ 0, $expected ], $name) || diag($err);

    return $report;
}


sub export_to {
    my ($t, $to, @args) = @_;

    return report($t->cargoctl('export', $t->dir() . "/$to", '--registry',
                               'main', '--json', @args));
}


sub report {
    my ($rc, $out, $err) = @_;

    return ($rc, $rc == 0 || $out =~ /^\{/ ? decode_json($out) : undef, $err);
}


1;

__END__

=head1 NAME

Test::Cargo::Import - crates into a registry and out of it, by cargoctl

=head1 FUNCTIONS

=head2 import_into($t, $registry, $from, @args)

Imports a directory of the test's, for alice; the blobs of the registry
"second" have a store of their own.  Returns the exit code, the report (undef
when there is none) and what was said on standard error.

=head2 ok_import($t, $name, $registry, $from, $expected, @args)

A test: the import ends with 0, and its report has these members (it may have
more).  Returns the report.

=head2 export_to($t, $to, @args)

Exports the registry main; returns what import_into() does.

=cut
