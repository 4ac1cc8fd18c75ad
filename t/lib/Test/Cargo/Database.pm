package Test::Cargo::Database;

use strict;
use warnings;

use Exporter qw(import);
use POSIX ();
use Time::HiRes ();

use Test::Cargo::Clock qw(cpu_waits seconds_alone);
use Test::Cargo::Postgres;

our @EXPORT = qw(backends follow hold in_background in_step listen_on_tcp
                 log_lines release start_request terminate_backends timed
                 timed_alone);


sub listen_on_tcp {
    my ($t, %options) = @_;

    my $dir = $t->dir();
    my $tls = join '.', 127, 1 + $$ % 254, 1 + ($$ >> 8) % 254, 2;
    my $plain = $tls =~ s/2$/3/r;
    my $how = $options{auth} // 'trust';

    $t->stop_postgres();

    $t->run_ok(command => [
        qw(openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test),
        '-keyout', "$dir/pgdata/server.key", '-out', "$dir/pgdata/server.crt",
    ]);

    chmod 0600, "$dir/pgdata/server.key" or die "chmod: $!\n";

    if ($> == 0) {
        my ($uid, $gid) = (getpwnam 'postgres')[2, 3];

        chown $uid, $gid, glob("$dir/pgdata/server.*") or die "chown: $!\n";
    }

    $t->write_file('pgdata/pg_hba.conf', <<"CONF");
local      all all trust
hostnossl  all all 127.0.0.0/8 $how
hostssl    all cargo_nossl 127.0.0.0/8 reject
hostssl    all all 127.0.0.0/8 $how
CONF

    $t->configure_postgres(listen_addresses => "$tls,$plain", ssl => 'on');
    $t->start_postgres();

    return ($tls, $plain);
}


sub follow {
    my ($standby, $primary) = @_;

    my ($from, $to) = map { $_->dir() } $primary, $standby;

    $standby->stop_postgres('immediate');
    Test::Cargo::Postgres::_make_socket_dir($standby) if !-d "$to/pg";

    # the user of PostgreSQL may write there
    $primary->run_ok(command => [
        $primary->as_user('postgres', 'TERM',
                          Test::Cargo::Postgres::postgres_bin('pg_basebackup'),
                          '-h', "$from/pg", '-U', 'postgres',
                          '-D', "$to/pg/copy", '-X', 'stream', '-c', 'fast',
                          '-R'),
    ]);

    system('rm', '-rf', "$to/pgdata");
    rename "$to/pg/copy", "$to/pgdata" or die "rename: $!\n";

    $standby->start_postgres();
}


sub in_step {
    my ($standby, $primary) = @_;

    my $lsn = $primary->sql('select pg_current_wal_lsn()');

    return $primary->wait_for(sub {
        $standby->sql("select pg_last_wal_replay_lsn() >= '$lsn'") eq 't'
    });
}


sub hold {
    my ($t, $statement) = @_;

    my $name = 'holder-' . ++$t->{holders};

    my $pid = $t->spawn(
        name => $name, stdout => $t->dir() . '/holder.log',
        command => [ Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq',
                     '-c', "begin; $statement; select pg_sleep(600)" ],
        env => { $t->postgres_env('postgres'), PGAPPNAME => $name },
    );

    $t->wait_for(sub {
        $t->sql("select count(*) from pg_stat_activity where"
                . " application_name = '$name' and wait_event = 'PgSleep'");
    }) or die "no lock: " . ($t->read_file('holder.log') // '');

    return { name => $name, pid => $pid };
}


sub release {
    my ($t, $held) = @_;

    $t->sql("select pg_terminate_backend(pid, 10000) from pg_stat_activity"
            . " where application_name = '$held->{name}'");
    $t->reap($held->{pid}, 10);
}


sub backends {
    my ($t, $condition) = @_;

    return $t->sql('select count(*) from pg_stat_activity where usename ='
                   . " 'cargo_web' and " . ($condition // 'true'));
}


sub terminate_backends {
    my ($t, $condition) = @_;

    return $t->sql('select count(pg_terminate_backend(pid, 10000)) from'
                   . " pg_stat_activity where usename = 'cargo_web' and "
                   . ($condition // 'true'));
}


sub log_lines {
    my ($t, $pattern) = @_;

    return grep { $_ =~ $pattern }
           split /\n/, $t->read_file('error.log') // '';
}


sub timed {
    my ($code) = @_;

    my $start = Time::HiRes::time();
    my $value = $code->();

    return ($value, Time::HiRes::time() - $start);
}


sub timed_alone {
    my ($code) = @_;

    my $waits = cpu_waits();
    my $start = Time::HiRes::time();
    my $value = $code->();

    return ($value, seconds_alone($start, $waits));
}


sub start_request {
    my ($t, $method, $uri, %headers) = @_;

    my $connection = $t->connect(timeout => delete $headers{timeout} // 15);

    $headers{Host} //= 'localhost';
    $headers{Connection} //= 'close';

    $connection->send("$method $uri HTTP/1.1\r\n"
        . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
        . "\r\n");

    return $connection;
}


sub in_background {
    my ($t, $code) = @_;

    my $number = ++$t->{backgrounds};
    my $path = $t->path("background/$number");
    my $pid = fork() // die "fork: $!\n";

    if ($pid) {
        $t->{children}{$pid} = "background $number";
        return sub { _result($t, $pid, $path, @_) };
    }

    $SIG{TERM} = 'DEFAULT';

    my $text = eval { $code->() } // "died: $@";

    $t->write_file("background/$number", "$text\n");
    POSIX::_exit(0);
}


sub _result {
    my ($t, $pid, $path, $seconds) = @_;

    $t->reap($pid, $seconds // 30) // die "a background job hangs\n";

    my $text = $t->read_file($path) // die "a background job died\n";
    chomp $text;

    die "a background job $text\n" if $text =~ /^died: /;

    return $text;
}


1;

__END__

=head1 NAME

Test::Cargo::Database - what goes on in the database of a test

=head1 FUNCTIONS

=head2 listen_on_tcp($t, auth => 'scram-sha-256')

Restarts PostgreSQL so that it listens on two addresses of this test's own,
which it returns, with the port 5432, a part of the name of its Unix socket:
with TLS (optional; rejected for the user C<cargo_nossl>), and meant for
without.

=head2 follow($standby, $primary), in_step($standby, $primary)

Makes the PostgreSQL of one test a copy of another's, which follows it by
streaming replication; waits until it has all that there is now.

=head2 hold($t, $statement), release($t, $held)

Runs the statement (C<lock table ...>) in a transaction of another session
and keeps that open until release().

=head2 backends($t, $condition), terminate_backends($t, $condition)

How many server processes nginx's connections have (that meet a condition on
pg_stat_activity); ends them as an administrator would, and waits for it.

=head2 log_lines($t, $pattern)

The lines of nginx's error log that match.

=head2 timed($code)

What the code returns, and the seconds it took.

=head2 timed_alone($code)

The same, less what the processes of the test waited for a CPU meanwhile (see
L<Test::Cargo::Clock>): for what has to be done at once.

=head2 start_request($t, $method, $uri, %headers)

Sends a request and returns the connection, for receive() later.

=head2 in_background($t, $code)

Runs the code in a child.  Returns a function that waits for it and returns
the text that the code returned.

=cut
