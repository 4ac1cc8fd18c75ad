package Test::Cargo::Clock;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes ();

our @EXPORT_OK = qw(cpu_waits seconds_alone);

# a child that measures has the same family as the test
my $test = $$;


sub seconds_alone {
    my ($start, $waits) = @_;

    my $seconds = Time::HiRes::time() - $start;
    my $now = cpu_waits();
    my $waited = 0;

    $waited += $now->{$_} - ($waits->{$_} // 0) for keys %$now;
    $seconds = ($seconds - $waited / 1e9) / ($ENV{TEST_PATIENCE} // 1);

    return $seconds > 0 ? $seconds : 0;
}


# /proc/PID/task/TID/schedstat: "on a CPU, ready and without one, how often",
# in nanoseconds

sub cpu_waits {
    my %waits;

    for my $file (map { glob "/proc/$_/task/[0-9]*/schedstat" } _family()) {
        my ($task) = $file =~ m{/task/(\d+)/};
        my (undef, $waited) = split ' ', _text($file);

        $waits{$task} = $waited if defined $waited;
    }

    return \%waits;
}


sub _family {
    my (%children, @family);

    # "PID (command) state parent ..."
    for my $file (glob '/proc/[0-9]*/stat') {
        my ($pid, $parent) = _text($file) =~ /^(\d+) \(.*\) \S (\d+) /s
            or next;
        push @{ $children{$parent} }, $pid;
    }

    my @left = ($test);

    while (defined(my $pid = shift @left)) {
        push @family, $pid;
        push @left, @{ $children{$pid} // [] };
    }

    return @family;
}


sub _text {
    my ($path) = @_;

    open my $file, '<', $path or return '';
    local $/;

    return scalar(<$file>) // '';
}


1;

__END__

=head1 NAME

Test::Cargo::Clock - how long something takes on a machine that has time

=head1 DESCRIPTION

What is to happen at once is not late when the machine has other things to do:
the kernel says how long each process was ready to run and had to wait for a
CPU.  These waits, of the test and of all that it has started, are taken off.
On an idle machine they are nothing, and a process that sleeps or waits for
another is not ready: what is slow of itself stays as slow as it is.  Where all
takes TEST_PATIENCE times as long, the rest is divided by that.

=head1 FUNCTIONS

=head2 cpu_waits()

What the kernel says by now.

=head2 seconds_alone($start, $waits)

The seconds since $start, when cpu_waits() returned $waits, less the waits
since.  For an upper bound; a lower one is a matter of time alone.

=cut
