package Test::Cargo::HTTP;

use strict;
use warnings;

use Time::HiRes ();


sub connect {
    my ($self, %options) = @_;

    return Test::Cargo::Connection->new(
        port => $options{port} // $self->port(),
        timeout => ($options{timeout} // 10) * ($ENV{TEST_PATIENCE} // 1),
    );
}


sub http {
    my ($self, $request, %options) = @_;

    my $connection = $options{connection} // $self->connect(%options);

    for my $part (ref $request ? @$request : $request) {
        if (ref $part) {
            Time::HiRes::sleep($$part);

        } elsif ($options{piece}) {
            $connection->send_slowly($part, $options{piece}, $options{pause});

        } else {
            $connection->send($part);
        }
    }

    my ($method) = (ref $request ? $request->[0] : $request) =~ /^(\w+)/;

    return $connection->receive(method => $method);
}


sub request {
    my ($self, $method, $uri, %options) = @_;

    my $body = delete $options{body};
    my %transport;

    for my $name (qw(connection port timeout piece pause chunked)) {
        $transport{$name} = delete $options{$name} if exists $options{$name};
    }

    my $port = $transport{port} // $self->port();
    my %headers = (Host => "127.0.0.1:$port", %options);

    $headers{Connection} //= 'close' if !$transport{connection};

    if (my $size = delete $transport{chunked}) {
        $headers{'Transfer-Encoding'} = 'chunked';
        $body = chunked($body // '', $size);

    } elsif (defined $body) {
        $headers{'Content-Length'} //= length $body;
    }

    # undef takes a header out, an array sends it several times
    my $head = "$method $uri HTTP/1.1\r\n";

    for my $name (sort keys %headers) {
        my $value = $headers{$name};
        $head .= "$name: $_\r\n" for ref $value ? @$value : $value // ();
    }

    return $self->http("$head\r\n" . ($body // ''), %transport);
}


sub get { my $self = shift; return $self->request('GET', @_) }


sub head { my $self = shift; return $self->request('HEAD', @_) }


sub delete { my $self = shift; return $self->request('DELETE', @_) }


sub put {
    my ($self, $uri, $body, %options) = @_;

    return $self->request('PUT', $uri, body => $body, %options);
}


sub post {
    my ($self, $uri, $body, %options) = @_;

    return $self->request('POST', $uri, body => $body, %options);
}


sub chunked {
    my ($body, $size) = @_;

    my $text = '';

    for (my $at = 0; $at < length $body; $at += $size) {
        my $piece = substr $body, $at, $size;
        $text .= sprintf("%x\r\n", length $piece) . "$piece\r\n";
    }

    return $text . "0\r\n\r\n";
}


package Test::Cargo::Connection;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use Socket qw(SOL_SOCKET SO_LINGER);
use Time::HiRes ();


sub new {
    my ($class, %options) = @_;

    my $socket = IO::Socket::INET->new(
        PeerAddr => '127.0.0.1', PeerPort => $options{port}, Proto => 'tcp',
        Timeout => $options{timeout},
    ) or die "connect to 127.0.0.1:$options{port}: $!\n";

    $socket->blocking(0);

    return bless { %options, socket => $socket, buffer => '', eof => 0 },
                 $class;
}


sub socket { return $_[0]{socket} }


# A server that refuses an upload may answer and close while bytes are still
# being sent: what was sent then is for receive() to find out.

sub send {
    my ($self, $bytes) = @_;

    my $deadline = Time::HiRes::time() + $self->{timeout};
    my $select = IO::Select->new($self->{socket});

    while (length $bytes) {
        my $left = $deadline - Time::HiRes::time();

        return 0 if $left <= 0 || !$select->can_write($left);

        my $n = syswrite $self->{socket}, $bytes;

        if (!defined $n) {
            next if $!{EAGAIN} || $!{EINTR};
            return 0;
        }

        substr($bytes, 0, $n) = '';
    }

    return 1;
}


sub send_slowly {
    my ($self, $bytes, $size, $pause) = @_;

    setsockopt $self->{socket}, Socket::IPPROTO_TCP(), Socket::TCP_NODELAY(), 1;

    for (my $at = 0; $at < length $bytes; $at += $size) {
        return 0 if !$self->send(substr $bytes, $at, $size);
        Time::HiRes::sleep($pause // 0.001);
    }

    return 1;
}


sub receive {
    my ($self, %options) = @_;

    my $method = $options{method} // 'GET';
    my $response = { status => 0, headers => {}, body => '' };

    $self->{deadline} = Time::HiRes::time()
                        + ($options{timeout} // $self->{timeout});

    do {
        my $head = $self->_take_until("\r\n\r\n");
        return bless $response, 'Test::Cargo::Response' if !defined $head;

        push @{ $response->{informational} }, $response->{status}
            if $response->{status};

        _parse_head($response, $head);
    } while ($response->{status} < 200);

    my $status = $response->{status};

    $self->_receive_body($response)
        if $method ne 'HEAD' && $status != 204 && $status != 304;

    return bless $response, 'Test::Cargo::Response';
}


sub closed {
    my ($self, $seconds) = @_;

    $self->{deadline} = Time::HiRes::time() + ($seconds // 5);

    while (!$self->{eof}) {
        return 0 if !$self->_fill();
    }

    return 1;
}


sub end_of_sending {
    my ($self) = @_;

    return shutdown $self->{socket}, 1;
}


sub reset {
    my ($self) = @_;

    setsockopt $self->{socket}, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);

    return $self->close();
}


sub close {
    my ($self) = @_;

    return close $self->{socket};
}


sub _parse_head {
    my ($response, $head) = @_;

    my ($first, @lines) = split /\r\n/, $head;

    ($response->{status}) = $first =~ m{^HTTP/1\.[01] (\d{3})};
    $response->{status} //= 0;
    $response->{head} = $head;
    $response->{headers} = {};

    for my $line (@lines) {
        my ($name, $value) = $line =~ /^([^:]+):[ \t]*(.*?)[ \t]*$/ or next;
        my $known = \$response->{headers}{ lc $name };

        $$known = defined $$known ? "$$known, $value" : $value;
    }
}


sub _receive_body {
    my ($self, $response) = @_;

    my $headers = $response->{headers};
    my $length = $headers->{'content-length'};

    if (($headers->{'transfer-encoding'} // '') eq 'chunked') {
        $self->_receive_chunks($response);

    } elsif (defined $length) {
        my $body = $self->_take($length);

        $response->{truncated} = 1 if !defined $body;
        $response->{body} = $body // $self->{buffer};

    } else {
        1 while !$self->{eof} && $self->_fill();

        $response->{truncated} = 1 if !$self->{eof};
        $response->{body} = $self->{buffer};
        $self->{buffer} = '';
    }
}


sub _receive_chunks {
    my ($self, $response) = @_;

    while (1) {
        my $line = $self->_take_until("\r\n");
        my ($size) = ($line // '') =~ /^([0-9a-fA-F]+)/;
        my $chunk = defined $size ? $self->_take(hex($size) + 2) : undef;

        if (!defined $chunk) {
            $response->{truncated} = 1;
            return;
        }

        return if hex($size) == 0;

        $response->{body} .= substr $chunk, 0, -2;
    }
}


sub _take {
    my ($self, $n) = @_;

    while (length $self->{buffer} < $n) {
        return undef if $self->{eof} || !$self->_fill();
    }

    return substr $self->{buffer}, 0, $n, '';
}


sub _take_until {
    my ($self, $end) = @_;

    my $at;

    while (($at = index $self->{buffer}, $end) < 0) {
        return undef if $self->{eof} || !$self->_fill();
    }

    my $text = substr $self->{buffer}, 0, $at;
    substr($self->{buffer}, 0, $at + length $end) = '';

    return $text;
}


# True when there were bytes or the end, false when the time is over.

sub _fill {
    my ($self) = @_;

    while (1) {
        my $left = $self->{deadline} - Time::HiRes::time();

        return 0 if $left <= 0;

        next if !IO::Select->new($self->{socket})->can_read($left);

        my $n = sysread $self->{socket}, $self->{buffer}, 65536,
                        length $self->{buffer};

        next if !defined $n && ($!{EAGAIN} || $!{EINTR});

        $self->{eof} = 1 if !$n;
        $self->{error} = "$!" if !defined $n;

        return 1;
    }
}


package Test::Cargo::Response;

use strict;
use warnings;

use JSON::PP ();


sub header { return $_[0]{headers}{ lc $_[1] } }


sub json { return eval { JSON::PP->new->utf8->decode($_[0]{body}) } }


sub detail {
    my ($self) = @_;

    my $json = $self->json();

    return ref $json eq 'HASH' && ref $json->{errors} eq 'ARRAY'
           ? $json->{errors}[0]{detail} : undef;
}


1;

__END__

=head1 NAME

Test::Cargo::HTTP - requests over plain sockets

=head1 METHODS

=head2 get($uri, %headers), head, delete, put($uri, $body, %headers), post

One request on a connection of its own.  A header of undef is left out, an
array is sent several times.  These names are no headers:

    connection => $connection   use this one, and keep it open
    port => 8080, timeout => 10
    chunked => 100              send the body in chunks of 100 bytes
    piece => 7, pause => 0.01   write 7 bytes at a time, with pauses
    body => $bytes              (for request)

The answer is a response (below).

=head2 request($method, $uri, %headers)

The same for any method.

=head2 http($raw, connection =>, port =>, timeout =>, piece =>, pause =>)

Sends what it is given and reads one answer.  An array is sent part by part;
a reference to a number among the parts is a pause in seconds.

=head2 connect(port => 8080, timeout => 10)

A connection (below).

=head2 chunked($body, $size)

The body in chunks.  A function.

=head1 RESPONSE

A hash: C<status> (0 when there was no answer), C<headers> (names in lower
case, repeated ones joined by a comma), C<body>, C<head> (the raw head),
C<truncated> (true when the body did not come whole), C<informational> (the
1xx before it).  Methods: C<header($name)>, C<json> (undef when it is not
JSON), C<detail> (of cargo's errors envelope).

=head1 CONNECTION

=over

=item send($bytes), send_slowly($bytes, $size, $pause)

False when the peer no longer takes any.

=item receive(method => 'GET', timeout => 10)

One response, by Content-Length, chunks, or the end of the connection.

=item closed($seconds)

Whether the server closes within the time.

=item end_of_sending, reset, close, socket

Half-close; close with RST; close; the socket.

=back

=cut
