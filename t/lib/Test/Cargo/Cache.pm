package Test::Cargo::Cache;

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT = qw(asked in_one_turn listening log_statements refreshed);


sub log_statements {
    my ($t) = @_;

    $t->sql('alter role cargo_web set log_min_duration_statement = 0');
}


# Both servers and PostgreSQL write to files: what was asked before an answer
# was sent is in the log when the answer is here.

sub asked {
    my ($t, $pattern) = @_;

    $pattern //= qr/cargo_(?:index_config|index_documents|download)\b/;

    return scalar grep { /execute $pattern/ }
           split /\n/, $t->read_file('postgres.log') // '';
}


# The cache answers as soon as the first question of the listener is answered.

sub listening {
    my ($t, %options) = @_;

    my @port = $options{port} ? (port => $options{port}) : ();

    return $t->wait_for(sub {
        my $before = asked($t);

        $t->get('/index/config.json', @port) for 1 .. 2;

        return asked($t) == $before;
    });
}


# What comes while a worker is stopped it finds all at once.

sub in_one_turn {
    my ($t, $code) = @_;

    my ($worker, @more) = $t->workers();

    die "more than one worker\n" if @more;

    kill 'STOP', $worker;
    $t->wait_for(sub {
        $t->read_file("/proc/$worker/stat") =~ /\) T /
    }) or die "the worker does not stop\n";

    my $value = eval { $code->() };
    my $error = $@;

    kill 'CONT', $worker;
    die $error if $error;

    return $value;
}


sub refreshed {
    my ($t, $condition, $seconds) = @_;

    my $start = Time::HiRes::time();

    $t->wait_for($condition, $seconds // 5) or return undef;

    return Time::HiRes::time() - $start;
}


1;

__END__

=head1 NAME

Test::Cargo::Cache - what a server remembers, and what it asks for

=head1 FUNCTIONS

=head2 log_statements($t)

Before nginx starts: PostgreSQL logs what nginx asks for.

=head2 asked($t, $pattern)

How often it has asked by now for reads, or for statements with this name.

=head2 listening($t, port => $port)

Waits until the server answers from its memory.

=head2 in_one_turn($t, $code)

Runs the code while the only worker is stopped: what it sends on connections
that are open is read within one turn of the event loop.

=head2 refreshed($t, $condition, $seconds)

The seconds until the condition held, undef when it did not (5 s by default).

=cut
