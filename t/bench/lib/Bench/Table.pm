package Bench::Table;

# Medians, and how they are shown.

use strict;
use warnings;

use Exporter qw(import);
use POSIX ();

use Test::Cargo;

our @EXPORT = qw(machine median print_table);


sub median {
    my @sorted = sort { $a <=> $b } @_;
    my $half = int(@sorted / 2);

    return @sorted % 2 ? $sorted[$half]
                       : ($sorted[$half - 1] + $sorted[$half]) / 2;
}


# Each result: what, ours, theirs, ratio, required, verdict: text; notes.

sub print_table {
    my (@results) = @_;

    my @columns = qw(what ours theirs ratio required verdict);
    my @head = ('', 'ours', 'yardstick', 'ratio', 'required', '');
    my @lines = (\@head, map { [ @{$_}{@columns} ] } @results);
    my @width;

    for my $line (@lines) {
        for my $i (0 .. $#columns) {
            my $length = length($line->[$i] //= '');
            $width[$i] = $length if $length > ($width[$i] // 0);
        }
    }

    for my $line (@lines) {
        my $text = join '  ', map {
            my $pad = ' ' x ($width[$_] - length $line->[$_]);
            $_ == 0 || $_ == $#columns ? "$line->[$_]$pad" : "$pad$line->[$_]"
        } 0 .. $#columns;

        print $text =~ s/ +$//r, "\n";
    }

    for my $result (grep { @{ $_->{notes} // [] } } @results) {
        print "\n$result->{what}:\n";
        print map { "  $_\n" } @{ $result->{notes} };
    }
}


sub machine {
    my ($t) = @_;

    my ($model) = ($t->read_file('/proc/cpuinfo') // '')
                  =~ /^model name\s*: (.*)/m;
    my ($memory) = ($t->read_file('/proc/meminfo') // '')
                   =~ /^MemTotal:\s*(\d+)/m;
    my (undef, undef, $kernel) = POSIX::uname();
    my $cpus = () = ($t->read_file('/proc/cpuinfo') // '') =~ /^processor/mg;

    return join "\n",
        sprintf('%s, %d cores, %d GB, Linux %s', $model // 'CPU', $cpus,
                $memory / 2 ** 20 + 0.5, $kernel),
        join(', ', map { version($_) }
             [ Test::Cargo::Nginx::nginx_binary(), '-v' ],
             [ Test::Cargo::Postgres::postgres_bin('postgres'), '--version' ],
             [ 'wrk', '-v' ], [ 'h2load', '--version' ],
             [ Test::Cargo->cargo_binary() // (), '--version' ]);
}


sub version {
    my ($command) = @_;

    return 'no cargo' if @$command < 2;

    my ($line) = split /\n/, `@$command 2>&1`;

    return $line =~ s/^nginx version: |^postgres \((\w+)\)/$1 \/\/ ''/er
                 =~ s/ [\[(].*//r;
}


1;

__END__

=head1 NAME

Bench::Table - medians, the table, the machine

=head1 FUNCTIONS

=head2 median(@numbers), print_table(@results), machine($t)

The last returns text: CPU, kernel, versions.

=cut
