package Test::Cargo::Proxy;

use strict;
use warnings;

use IO::Select;
use IO::Socket::INET;
use IO::Socket::UNIX;
use Socket qw(IPPROTO_TCP SOCK_STREAM SOL_SOCKET SO_LINGER TCP_NODELAY);
use Time::HiRes ();

# What is read at a time, and a pair may owe: a stalled reader stalls the
# writer, as it does without a proxy.
my $CHUNK = 65536;


sub start {
    my ($class, $t, %options) = @_;

    my $self = bless {
        t => $t, port => $options{port} // $t->free_port(),
        to => $options{to} // $t->dir() . '/pg/.s.PGSQL.5432',
    }, $class;

    my $control = $t->path("proxy-$self->{port}.control");

    $self->{pid} = $t->spawn(
        name => 'proxy', stdout => $t->dir() . '/proxy.log',
        command => [ $t->as_user('', 'TERM', $^X, '-I' . $t->root() . '/t/lib',
                     "-M$class", '-e', "${class}::serve(\@ARGV)",
                     $self->{port}, $self->{to}, $control) ],
    );

    $self->{control} = $t->wait_for(sub {
        IO::Socket::UNIX->new(Peer => $control, Type => SOCK_STREAM);
    }) or die "the proxy does not start:\n" . $t->read_file('proxy.log');

    return $self;
}


sub port { return $_[0]{port} }


sub conninfo {
    my ($self, $more) = @_;

    return "host=127.0.0.1 port=$self->{port} dbname=cargo user=cargo_web "
           . ($more // 'sslmode=disable');
}


sub pass { return $_[0]->command('pass') }
sub stall { return $_[0]->command('stall') }
sub dribble { return $_[0]->command('dribble') }
sub cut { return $_[0]->command("cut $_[1] client close") }
sub cut_sent { return $_[0]->command("cut $_[1] server close") }
sub reset_after { return $_[0]->command("cut $_[1] client reset") }
sub stall_after { return $_[0]->command("cut $_[1] client stall") }
sub stall_sent { return $_[0]->command("cut $_[1] server stall") }
sub reset { return $_[0]->command('reset') }
sub refuse { return $_[0]->command('refuse') }
sub accepted { return $_[0]->command('accepted') }
sub open_now { return $_[0]->command('open') }
sub bytes { return $_[0]->command('bytes') }
sub sent { return $_[0]->command('sent') }
sub left { return $_[0]->command('left') }


sub command {
    my ($self, $text) = @_;

    my $control = $self->{control};

    syswrite $control, "$text\n" or die "the proxy is gone: $!\n";
    IO::Select->new($control)->can_read(10) or die "the proxy is silent\n";

    my $answer = '';
    sysread $control, $answer, 1024 or die "the proxy has ended\n";
    chomp $answer;

    die "the proxy: $answer\n" if $answer !~ s/^ok ?//;

    return $answer;
}


# From here on the child.

sub serve {
    my ($port, $to, $control_path) = @_;

    $SIG{PIPE} = 'IGNORE';

    my $control = IO::Socket::UNIX->new(
        Local => $control_path, Listen => 1, Type => SOCK_STREAM,
    ) or die "listen on $control_path: $!\n";

    my $proxy = {
        port => $port, to => $to, mode => 'pass', accepted => 0, bytes => 0,
        sent => 0, ends => {}, budget => undef, commander => undef,
    };

    _listen($proxy);

    $proxy->{commander} = $control->accept() or die "accept: $!\n";

    _turn($proxy) while 1;
}


sub _listen {
    my ($proxy) = @_;

    $proxy->{listener} //= IO::Socket::INET->new(
        LocalAddr => '127.0.0.1', LocalPort => $proxy->{port}, Listen => 128,
        Proto => 'tcp', ReuseAddr => 1,
    ) or die "listen on $proxy->{port}: $!\n";
}


sub _turn {
    my ($proxy) = @_;

    my $moves = $proxy->{mode} ne 'stall';
    my $select = IO::Select->new($proxy->{commander});
    my $writes = IO::Select->new();

    $select->add($proxy->{listener}) if $proxy->{listener};

    for my $end ($moves ? values %{ $proxy->{ends} } : ()) {
        $writes->add($end->{socket}) if length $end->{out};
        $select->add($end->{socket})
            if !length $end->{peer}{out} && !$end->{eof};
    }

    my ($readable, $writable) = IO::Select->select($select, $writes, undef, 5);

    for my $socket (@{ $writable // [] }) {
        _flush($proxy, $proxy->{ends}{$socket}) if $proxy->{ends}{$socket};
    }

    for my $socket (@{ $readable // [] }) {
        if ($socket == $proxy->{commander}) {
            _obey($proxy);

        } elsif ($proxy->{listener} && $socket == $proxy->{listener}) {
            _accept($proxy);

        } elsif ($proxy->{ends}{$socket}) {
            _relay($proxy, $proxy->{ends}{$socket});
        }
    }
}


sub _accept {
    my ($proxy) = @_;

    my $client = $proxy->{listener}->accept() or return;

    $proxy->{accepted}++;

    my $server = $proxy->{to} =~ m{^/}
        ? IO::Socket::UNIX->new(Peer => $proxy->{to}, Type => SOCK_STREAM)
        : IO::Socket::INET->new(PeerAddr => $proxy->{to}, Proto => 'tcp');

    if (!$server) {
        _reset($client);
        return;
    }

    my %client = (socket => $client, out => '', is_client => 1);
    my %server = (socket => $server, out => '');

    @client{qw(peer)} = \%server;
    @server{qw(peer)} = \%client;

    for my $end (\%client, \%server) {
        $end->{socket}->blocking(0);
        setsockopt $end->{socket}, IPPROTO_TCP, TCP_NODELAY, 1
            if $end->{socket}->isa('IO::Socket::INET');
        $proxy->{ends}{ $end->{socket} } = $end;
    }
}


sub _relay {
    my ($proxy, $from) = @_;

    my $data;
    my $n = sysread $from->{socket}, $data, $CHUNK;

    return if !defined $n && ($!{EAGAIN} || $!{EINTR});

    if (!$n) {
        # a half-closed connection is of no use to either side here
        _close_pair($proxy, $from);
        return;
    }

    $from->{peer}{out} .= $data;
    _flush($proxy, $from->{peer});
}


sub _flush {
    my ($proxy, $end) = @_;

    return if $proxy->{mode} eq 'stall';

    my $n = length $end->{out};
    my $towards = $end->{is_client} ? 'client' : 'server';
    my $budget = $proxy->{budget};

    undef $budget if $budget && $budget->{towards} ne $towards;

    $n = 1 if $proxy->{mode} eq 'dribble';
    $n = $budget->{left} if $budget && $n > $budget->{left};

    my $written = $n ? syswrite $end->{socket}, $end->{out}, $n : 0;

    if (!defined $written) {
        _close_pair($proxy, $end) if !$!{EAGAIN} && !$!{EINTR};
        return;
    }

    substr($end->{out}, 0, $written) = '';

    $proxy->{ $end->{is_client} ? 'bytes' : 'sent' } += $written;

    return if !$budget || ($budget->{left} -= $written) > 0;

    $proxy->{budget} = undef;

    if ($budget->{then} eq 'stall') {
        $proxy->{mode} = 'stall';
    } else {
        _close_pair($proxy, $end, $budget->{then} eq 'reset');
    }
}


sub _obey {
    my ($proxy) = @_;

    my $text;

    exit 0 if !sysread $proxy->{commander}, $text, 1024;

    my ($word, @arguments) = split ' ', $text;
    my $answer = 'ok';

    if ($word =~ /^(?:pass|stall|dribble)$/) {
        $proxy->{mode} = $word;
        $proxy->{budget} = undef;
        _listen($proxy);

    } elsif ($word eq 'cut') {
        my %budget;

        @budget{qw(left towards then)} = @arguments;
        $proxy->{budget} = \%budget;

    } elsif ($word eq 'left') {
        $answer .= ' ' . ($proxy->{budget} ? $proxy->{budget}{left} : 0);

    } elsif ($word eq 'reset') {
        _close_pair($proxy, $_, 1) for grep { $_->{is_client} }
            values %{ $proxy->{ends} };

    } elsif ($word eq 'refuse') {
        close delete $proxy->{listener} if $proxy->{listener};

    } elsif ($word eq 'open') {
        $answer .= ' ' . keys(%{ $proxy->{ends} }) / 2;

    } elsif (exists $proxy->{$word} && !ref $proxy->{$word}) {
        $answer .= " $proxy->{$word}";

    } else {
        $answer = "does not know $word";
    }

    syswrite $proxy->{commander}, "$answer\n";
}


sub _close_pair {
    my ($proxy, $end, $reset) = @_;

    for my $socket ($end->{socket}, $end->{peer}{socket}) {
        delete $proxy->{ends}{$socket};
        $reset ? _reset($socket) : close $socket;
    }

    # the two hold each other
    delete $end->{peer}{peer};
}


sub _reset {
    my ($socket) = @_;

    setsockopt $socket, SOL_SOCKET, SO_LINGER, pack('ii', 1, 0);
    close $socket;
}


1;

__END__

=head1 NAME

Test::Cargo::Proxy - a bad network between nginx and PostgreSQL

=head1 SYNOPSIS

    my $proxy = Test::Cargo::Proxy->start($t);

    $t->nginx(conninfo => $proxy->conninfo());
    $proxy->stall();

=head1 DESCRIPTION

A child process that accepts TCP connections on 127.0.0.1 and relays each to
PostgreSQL.  It does what the test commands, at once and until the next
command; a command returns when it is in force.

=head1 METHODS

=head2 start($t, to => '127.0.0.2:5432', port => 20000)

Starts one, in front of the test's PostgreSQL by its Unix socket or of C<to>.

=head2 conninfo($more)

How nginx connects through it; C<sslmode=disable> unless $more says else.

=head2 pass, stall, dribble

Relay; accept, keep everything open and relay nothing; relay one byte at a
time.  Each ends refuse().

=head2 cut($n), stall_after($n)

After $n more bytes from the server, over all connections: close the
connection that carried the last one, and go on; stall().

=head2 cut_sent($n), stall_sent($n), reset_after($n)

The same for bytes to the server; as cut(), with a reset for the client.

=head2 left

The bytes until one of these happens; 0 when none is to happen.

=head2 reset, refuse

Reset all connections, and go on; take no new ones.

=head2 accepted, open_now, bytes, sent

Connections so far, connections now, bytes that went from the server, to it.

=head2 port

Where it listens.

=cut
