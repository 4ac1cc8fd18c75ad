package Bench::Compare;

# Two sides, measured in alternating rounds.

use strict;
use warnings;

use Exporter qw(import);

use Bench::Table;

our @EXPORT = qw(alternate compare middle);


# A B A B ..., after one of each that does not count.

sub alternate {
    my ($bench, @sides) = @_;

    my @samples = ([], []);

    $_->(1) for @sides;

    for my $round (1 .. $bench->{rounds}) {
        push @{ $samples[$_] }, $sides[$_]->($bench->{seconds}) for 0, 1;
    }

    return @samples;
}


sub middle {
    my ($name, $samples) = @_;

    return median(map { $_->{$name} } @$samples);
}


# By throughput, unless on both sides it is the generator that has no more:
# then by what the worker's CPU time is good for, which the note says.

sub compare {
    my ($bench, @sides) = @_;

    my ($ours, $theirs) = alternate($bench, @sides);
    my @rate = map { middle('rate', $_) } $ours, $theirs;
    my @notes = sprintf('%s: %s, %s', 'rounds',
        map { join ' ', map { sprintf '%.0f', $_->{rate} } @$_ }
            $ours, $theirs);

    if (defined $ours->[0]{run} && defined $theirs->[0]{run}) {
        my @cpu = map { median(map { $_->{requests} / ($_->{run} || 1e-9) }
                                   @$_) } $ours, $theirs;

        push @notes, sprintf('per second of the worker\'s CPU: %.0f, %.0f:'
                             . ' %.2fx', @cpu, $cpu[0] / $cpu[1]);
        push @notes, sprintf('worker busy %.0f%%, %.0f%%; generator %.0f%%,'
            . ' %.0f%%', map { 100 * $_ } map {
                my $name = $_;
                map { middle($name, $_) } $ours, $theirs } qw(server client));

        if (!grep { middle('server', $_) > 0.9
                    || middle('client', $_) < middle('server', $_) }
                  $ours, $theirs)
        {
            push @notes, 'the generator was the limit: compared by CPU time';
            @rate = @cpu;
        }
    }

    return { value => $rate[0] / $rate[1],
             ours => sprintf('%.0f/s', $rate[0]),
             theirs => sprintf('%.0f/s', $rate[1]),
             ratio => sprintf('%.2fx', $rate[0] / $rate[1]),
             notes => \@notes };
}


1;

__END__

=head1 NAME

Bench::Compare - two sides, measured in alternating rounds

=head1 FUNCTIONS

=head2 alternate($bench, $ours, $theirs)

Calls both with the seconds that a round takes, by turns, once more than there
are rounds; two arrays of what they returned, without the first.

=head2 middle($name, $samples), compare($bench, $ours, $theirs)

The median of what the samples have by this name; what the row shows when both
return samples of L<Bench::Load>.

=cut
