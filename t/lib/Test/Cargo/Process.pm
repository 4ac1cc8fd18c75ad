package Test::Cargo::Process;

use strict;
use warnings;

use POSIX qw(:sys_wait_h);
use Time::HiRes ();


sub spawn {
    my ($self, %options) = @_;

    my $pid = fork() // die "fork: $!\n";

    if ($pid) {
        $self->{children}{$pid} = $options{name} // $options{command}[0];
        return $pid;
    }

    $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP PIPE);
    POSIX::setsid() if $options{session};

    # Neither prove's pipes nor the test's own files may stay open in a server.
    eval {
        open STDIN, '<', $options{stdin} // '/dev/null' or die "stdin: $!\n";
        open STDOUT, '>>', $options{stdout} or die "$options{stdout}: $!\n";
        open STDERR, '>>', $options{stderr} // $options{stdout}
            or die "stderr: $!\n";

        chdir($options{dir} // '/') or die "chdir: $!\n";

        my %env = %{ $options{env} // {} };
        @ENV{ keys %env } = values %env;
        delete @ENV{ grep { !defined $env{$_} } keys %env };

        exec { $options{command}[0] } @{ $options{command} };
        die "$options{command}[0]: $!\n";
    };

    print STDERR $@;
    POSIX::_exit(127);
}


sub adopt {
    my ($self, $pid, $name) = @_;

    $self->{children}{$pid} = $name;
    $self->{adopted}{$pid} = 1;

    return $pid;
}


sub as_user {
    my ($self, $user, $signal, @command) = @_;

    # When the test itself is killed, its servers shall not stay.
    my @setpriv = ('setpriv', '--pdeathsig', $signal);

    push @setpriv, "--reuid=$user", "--regid=$user", '--init-groups'
        if $user && $> == 0;

    return (@setpriv, @command);
}


sub run {
    my ($self, %options) = @_;

    my $number = ++$self->{runs};
    my $out = $self->path("out/$number.out");
    my $err = $options{merge} ? $out : "$self->{dir}/out/$number.err";

    my $stdin;
    $stdin = $self->write_file("out/$number.in", $options{input})
        if defined $options{input};

    my $pid = $self->spawn(
        %options, stdin => $stdin, stdout => $out, stderr => $err);

    my $status = $self->reap($pid, $options{timeout} // 60);

    if (!defined $status) {
        $self->terminate($pid, 'KILL');
        return (-1, $self->read_file($out), "timed out\n");
    }

    my $rc = $status & 127 ? 128 + ($status & 127) : $status >> 8;

    return ($rc, $self->read_file($out),
            $options{merge} ? '' : $self->read_file($err));
}


sub run_ok {
    my ($self, %options) = @_;

    my ($rc, $out, $err) = $self->run(%options);

    die "@{ $options{command} }: exit code $rc\n$out$err" if $rc != 0;

    return $out;
}


sub reap {
    my ($self, $pid, $seconds) = @_;

    return undef if !exists $self->{children}{$pid};

    my $status;

    my $done = $self->wait_for(sub {
        if ($self->{adopted}{$pid}) {
            $status = 0;
            return ($self->read_file("/proc/$pid/stat") // '') !~ /\) [^Z] /;
        }

        my $rc = waitpid $pid, WNOHANG;
        $status = $? if $rc == $pid;
        $status = 0 if $rc == -1;
        return $rc;
    }, $seconds);

    return undef if !$done;

    delete $self->{children}{$pid};

    return $status;
}


sub running {
    my ($self, $pid) = @_;

    return defined $pid && exists $self->{children}{$pid}
           && !defined $self->reap($pid, 0);
}


sub terminate {
    my ($self, $pid, $signal, $seconds) = @_;

    return 1 if !$self->running($pid);

    kill $signal, $pid;
    return 1 if defined $self->reap($pid, $seconds // 10);

    kill 'KILL', $pid;
    $self->reap($pid, 10);

    return $signal eq 'KILL';
}


sub stop_everything {
    my ($self) = @_;

    $self->stop_nginx();
    $self->stop_postgres();

    $self->terminate($_, 'TERM') for keys %{ $self->{children} };
}


1;

__END__

=head1 NAME

Test::Cargo::Process - the processes of a test

=head1 METHODS

=head2 spawn(command => [...], stdout => file, stderr => file, ...)

Starts a child and returns its process id.  Also C<stdin>, C<dir>, C<env> (a
hash, undef removes), C<session> (true: a session of its own, so that a signal
can be sent to all of it as a terminal does).

=head2 adopt($pid, $name)

A process that is not our child, such as a daemon, shall be waited for and
ended like one.

=head2 as_user($user, $signal, @command)

The command, run as $user when the test is root, and sent $signal by the
kernel when the test itself dies.

=head2 run(command => [...], input => text, merge => 1, timeout => 60, ...)

Runs to the end.  Returns exit code (128 + signal, -1 after the timeout),
standard output and standard error; with C<merge> both are in the first.

=head2 run_ok(...)

The same; returns the output, dies when the exit code is not 0.

=head2 reap($pid, $seconds), running($pid)

The wait status of a child, undef while it lives; whether it lives.

=head2 terminate($pid, $signal, $seconds)

Sends the signal, waits, kills.  True when the signal sufficed.

=head2 stop_everything

Stops nginx, PostgreSQL and every other child that was started.

=cut
