package Bench::Waits;

# How long others wait while something is done to the database: one who reads
# index documents that the server does not remember, and one who publishes new
# versions of crates that are there, each with a request at a time.

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes ();

# between two requests: what is measured shall not be their own load
use constant PAUSE => 0.005;


sub start {
    my ($class, $server, $site) = @_;

    my @names = $site->some_crates(20_000);
    my $self = bless { server => $server, children => {} }, $class;
    my $number = 0;

    $self->_child('read', sub {
        my $name = $names[rand @names];

        return $server->get($server->index_path($name), timeout => 120);
    });

    $self->_child('publish', sub {
        my $name = $names[rand @names];

        return $server->publish($site->{token},
                                { name => $name,
                                  vers => '2000.0.' . ++$number },
                                timeout => 120);
    });

    return $self;
}


# By what they do: requests since they were asked before (done), those of them
# that were not answered with 200 (failed), seconds of the longest.

sub tell {
    my ($self) = @_;

    my %all;

    for my $what (sort keys %{ $self->{children} }) {
        my $child = $self->{children}{$what};

        syswrite $child->{socket}, "tell\n";

        my $line = readline $child->{socket};

        $all{$what} = JSON::PP->new->utf8->decode(
            $line // die "the one who was to $what is gone\n");

        push @{ $self->{complaints} }, map { "$what: $_" }
            @{ $all{$what}{why} };
    }

    return \%all;
}


sub stop {
    my ($self) = @_;

    my $last = $self->tell();

    for my $child (values %{ $self->{children} }) {
        close $child->{socket};
        $self->{server}->reap($child->{pid}, 30);
    }

    return $last;
}


sub complaints { return @{ $_[0]{complaints} // [] } }


sub _child {
    my ($self, $what, $ask) = @_;

    socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
        or die "socketpair: $!\n";

    my $pid = fork() // die "fork: $!\n";

    if (!$pid) {
        close $_->{socket} for values %{ $self->{children} };
        close $ours;
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

        my $ok = eval { _ask_and_tell($theirs, $ask); 1 };

        print {*STDERR} "$what: $@" if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }

    close $theirs;
    $self->{server}{children}{$pid} = $what;
    $self->{children}{$what} = { pid => $pid, socket => $ours };
}


sub _ask_and_tell {
    my ($socket, $ask) = @_;

    my $select = IO::Select->new($socket);
    my %sum = _nothing();

    srand 4;

    while (1) {
        if ($select->can_read(PAUSE)) {
            sysread $socket, my $text, 100 or return;
            syswrite $socket, JSON::PP->new->utf8->encode(\%sum) . "\n";
            %sum = _nothing();
        }

        my $start = Time::HiRes::time();
        my $r = eval { $ask->() } // { status => 0, body => $@ };
        my $seconds = Time::HiRes::time() - $start;

        $sum{done}++;
        $sum{longest} = $seconds if $seconds > $sum{longest};

        next if $r->{status} == 200;

        $sum{failed}++;
        push @{ $sum{why} }, "$r->{status} " . substr($r->{body}, 0, 200)
            if @{ $sum{why} } < 5;
    }
}


sub _nothing { return (done => 0, failed => 0, longest => 0, why => []) }


1;

__END__

=head1 NAME

Bench::Waits - how long others wait while something is done to the database

=head1 METHODS

=head2 start($server, $site)

Starts the two, who go on until C<stop>.

=head2 tell, stop

C<< { read => { done, failed, longest (s) }, publish => ... } >> since the last
C<tell>; the request under way counts, and is waited for.

=head2 complaints

The first answers that were not 200.

=cut
