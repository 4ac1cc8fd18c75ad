package Test::Cargo::Pipeline;

use strict;
use warnings;

use Exporter qw(import);
use IO::Select;
use IO::Socket::INET;
use Time::HiRes ();

our @EXPORT = qw(pipeline);

# As many requests of a connection are on their way at a time.
my $DEPTH = 40;


sub pipeline {
    my ($requests, %options) = @_;

    my @answers;
    my $n = $options{connections} // 6;
    my @idle = map { { options => \%options, queue => [] } } 1 .. $n;

    for my $i (0 .. $#$requests) {
        push @{ $idle[$i % $n]{queue} }, $i;
    }

    my %busy = map { fileno($_->{socket}) => $_ }
               map { _connect($_); $_ } grep { @{ $_->{queue} } } @idle;

    while (%busy) {
        my @sockets = map { $_->{socket} } values %busy;

        _send($_, $requests) for values %busy;

        my @ready = IO::Select->new(@sockets)->can_read(20)
            or die "no answer within 20 s to\n"
                   . _waiting($requests, values %busy);

        for my $socket (@ready) {
            my $c = delete $busy{ fileno $socket };

            _receive($c, \@answers, $requests);

            $busy{ fileno $c->{socket} } = $c if @{ $c->{queue} };
        }
    }

    return @answers;
}


sub _connect {
    my ($c) = @_;

    close $c->{socket} if $c->{socket};

    $c->{socket} = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $c->{options}{port},
        Proto => 'tcp',
    ) or die "connect to 127.0.0.1:$c->{options}{port}: $!\n";

    $c->{socket}->blocking(0);
    $c->{sent} = 0;
    $c->{out} = $c->{in} = '';
}


sub _send {
    my ($c, $requests) = @_;

    while ($c->{sent} < @{ $c->{queue} } && $c->{sent} < $DEPTH
           && length $c->{out} < 65536)
    {
        $c->{out} .= $requests->[ $c->{queue}[ $c->{sent}++ ] ];
    }

    my $n = length $c->{out} ? syswrite $c->{socket}, $c->{out} : 0;

    # what the server has closed says so when it is read
    substr($c->{out}, 0, $n) = '' if $n;
}


# nginx ends a connection after a 400 and the like: it has not looked at what
# was sent behind that, which is sent again.

sub _receive {
    my ($c, $answers, $requests) = @_;

    my $n = sysread $c->{socket}, $c->{in}, 262_144, length $c->{in};

    return if !defined $n && ($!{EAGAIN} || $!{EINTR});

    while (@{ $c->{queue} } && $c->{sent}) {
        my $request = $requests->[ $c->{queue}[0] ];
        my $answer = _take($c, $request) or last;

        $answers->[ shift @{ $c->{queue} } ] = $answer;
        $c->{sent}--;

        if ($answer->{head} =~ /^Connection: close\r$/mi) {
            _connect($c) if @{ $c->{queue} };
            return;
        }
    }

    return if $n;

    die 'no answer, but the end of the connection, to ' . _head(
        $requests->[ $c->{queue}[0] ]) . "\n" if !$c->{answered_since};

    $c->{answered_since} = 0;

    return _connect($c);
}


sub _take {
    my ($c, $request) = @_;

    my $end = index $c->{in}, "\r\n\r\n";

    return if $end < 0;

    my $head = substr $c->{in}, 0, $end + 2;
    my ($status) = $head =~ m{^HTTP/1\.1 (\d{3})}
        or die "no answer of HTTP to " . _head($request) . ": $head\n";
    my ($length) = $head =~ /^Content-Length: (\d+)\r$/mi;

    die "neither Content-Length nor 204 for " . _head($request) . "\n$head"
        if !defined $length && $status != 204;

    $length = 0 if $status == 204 || $request =~ /^HEAD /;

    return if length $c->{in} < $end + 4 + $length;

    my $body = substr $c->{in}, $end + 4, $length;

    substr($c->{in}, 0, $end + 4 + $length) = '';
    $c->{answered_since} = 1;

    return { status => $status, head => $head, body => $body };
}


sub _head { return $_[0] =~ s/\r\n.*//sr }


sub _waiting {
    my ($requests, @connections) = @_;

    return join '', map { _head($requests->[ $_->{queue}[0] ]) . "\n" }
                    grep { @{ $_->{queue} } } @connections;
}


1;

__END__

=head1 NAME

Test::Cargo::Pipeline - thousands of requests

=head1 FUNCTIONS

=head2 pipeline(\@requests, port => 8080, connections => 6)

Sends the requests, each of them raw, over a few connections, many at a time,
and returns the answers in the same order: hashes of C<status>, C<head> and
C<body>.  The order in which the server sees them is that of each connection
only.  A request whose connection was ended before it is sent again.  Dies
when an answer does not come or is none.

=cut
