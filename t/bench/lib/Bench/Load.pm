package Bench::Load;

# The load generators.  Each returns a hash with "rate", per second, and dies
# when not every answer was the one that is measured.

use strict;
use warnings;

use Cwd qw(abs_path);
use Exporter qw(import);
use File::Basename qw(dirname);
use POSIX ();
use Time::HiRes qw(time);

use Bench::Crates;
use Test::Cargo;

our @EXPORT = qw(CLIENT_CPU SERVER_CPU command h2load misses pgbench publish
                 publishes wrk);

use constant { SERVER_CPU => 0, CLIENT_CPU => 1 };

my $LUA = dirname(dirname(dirname(abs_path(__FILE__)))) . '/load.lua';


# Runs it to the end: its output, the seconds, and those of CPU.

sub command {
    my ($t, %options) = @_;

    my $number = ++$t->{runs};
    my $out = $t->path("out/$number.out");
    my $before = children_cpu();
    my $start = time();
    my $pid = $t->spawn(%options, stdout => $out);

    # not reap(): it looks only every 10 ms
    waitpid $pid, 0;

    my $status = $?;
    my $wall = time() - $start;

    $t->reap($pid, 0);

    my $text = $t->read_file($out);
    unlink $out;

    die "@{ $options{command} }: wait status $status\n$text" if $status != 0;

    return ($text, $wall, children_cpu() - $before);
}


sub children_cpu {
    my (undef, undef, $user, $system) = times;

    return $user + $system;
}


# What the server and the generator had of the time: a server that neither
# ran nor waited for its CPU waited for the generator, or for a database.

sub busy {
    my ($server, $generate) = @_;

    my ($run, $wait) = $server->cpu_time();
    my ($wall, $client, $result) = $generate->();
    my ($run_after, $wait_after) = $server->cpu_time();

    $result->{run} = $run_after - $run;
    $result->{server} = ($run_after - $run + $wait_after - $wait) / $wall;
    $result->{client} = $client / $wall;

    return $result;
}


sub wrk {
    my ($server, %o) = @_;

    my $port = $server->port($o{port});
    my $headers = $o{headers} // {};
    my @pin = defined $o{cpu} ? ('taskset', '-c', $o{cpu}) : ();

    return busy($server, sub {
        my ($text, $wall, $cpu) = command($server,
            command => [ @pin, 'wrk', '-t', 1, '-c', $o{connections} // 32,
                         '-d', $o{seconds} . 's', '--timeout', '20s',
                         '-s', $LUA,
                         (map { ('-H', "$_: $headers->{$_}") }
                              sort keys %$headers),
                         "http://127.0.0.1:$port" . ($o{uri} // '/') ],
            env => { BENCH_LIST => $o{list}, BENCH_FIRST => $o{first} // 0,
                     BENCH_UPLOADS => $o{uploads} },
        );

        my %sum = $text =~ /\b(\w+)=(\d+)/g;

        die "wrk said:\n$text" if !$sum{requests};
        die "$sum{broken} broken connections\n" if $sum{broken};
        die "$sum{refused} requests were refused\n"
            if $sum{refused} && !$o{refusals};

        check_size($sum{bytes} / $sum{requests}, $o{size}) if $o{size};

        return ($wall, $cpu, {
            rate => $sum{requests} / ($sum{us} / 1e6), p99 => $sum{p99} / 1e3,
            requests => $sum{requests}, bytes => $sum{bytes},
        });
    });
}


# A little less when the time is over in the middle of an answer.

sub check_size {
    my ($got, $wanted) = @_;

    die sprintf("answers of %d bytes where %d were expected\n", $got, $wanted)
        if abs($got - $wanted) > 16 + $wanted / 50;
}


# A hundred streams in each connection; with one alone, server and generator
# would wait for each other in turn.

sub h2load {
    my ($server, %o) = @_;

    my $port = $server->port('tls');
    my $headers = $o{headers} // {};
    my $class = $o{status} == 304 ? 3 : 2;

    return busy($server, sub {
        my ($text, $wall, $cpu) = command($server, command => [
            'taskset', '-c', CLIENT_CPU, 'h2load', '-t', 1, '-c', 4,
            '-m', 100, '-D', $o{seconds},
            (map { ('-H', "$_: $headers->{$_}") } sort keys %$headers),
            "https://127.0.0.1:$port$o{uri}" ]);

        my ($seconds) = $text =~ /^finished in ([\d.]+)s,/m;
        my ($failed, $errored, $timeout) = $text =~
            /(\d+) failed, (\d+) errored, (\d+) timeout$/m;
        my ($done) = $text =~ /^requests: .* (\d+) done,/m;
        my ($good) = $text =~ /^status codes: .*?(\d+) ${class}xx,/m;
        my ($protocol) = $text =~ /^Application protocol: (\S+)/m;

        die "h2load said:\n$text"
            if !$seconds || !$done || !defined $good || !defined $failed;
        die "$protocol instead of h2\n" if $protocol ne 'h2';
        die "of $done answers $good were those expected\n"
            if $good < $done || $failed + $errored + $timeout > 0;

        return ($wall, $cpu, { rate => $done / $seconds, requests => $done });
    });
}


sub pgbench {
    my ($site, %o) = @_;

    my @what = $o{script} ? ('-f', $site->dir() . "/$o{script}.sql") : ('-S');
    my $database = ($o{script} // '') =~ /^(?:documents|release)$/
        ? 'cargo' : 'pgbench';

    my ($text) = command($site,
        command => [ Test::Cargo::Postgres::postgres_bin('pgbench'),
                     '-M', 'prepared', '-n', '-c', $o{clients}, '-j', 2,
                     '-T', $o{seconds}, @what ],
        env => { $site->postgres_env('postgres'), PGDATABASE => $database,
                 PGOPTIONS => '-c cargo.ring=later' },
    );

    my ($tps) = $text =~ /^tps = ([\d.]+)/m;
    my ($failed) = $text =~ /^number of failed transactions: (\d+)/m;

    die "pgbench said:\n$text" if !$tps || $failed;

    return { rate => $tps };
}


# Uploads over 16 connections, until the time is over or all are sent.

sub publish {
    my ($server, %o) = @_;

    my $uploads = $server->write_file('uploads',
        join '', map { length($_) . "\n$_" } @{ $o{bodies} });

    my $sample = wrk($server, uploads => $uploads, connections => 16,
                     headers => { Authorization => $o{token} },
                     seconds => $o{seconds});

    unlink $uploads;

    return $sample;
}


# The list is longer than the zone, so that by the time a crate has its turn
# again it is long forgotten.  Both sides have two connections to PostgreSQL;
# ours has 32 clients.

sub misses {
    my ($server, $site, $seconds) = @_;

    $server->{list} //= $server->write_file('misses', join '', map {
        $server->index_path($_) . "\n" } $site->some_crates(20_000));

    my $before = $server->reads_asked();
    my $sample = wrk($server, list => $server->{list}, seconds => $seconds,
                     first => int rand 2000);
    my $asked = $server->reads_asked() - $before;

    die "$sample->{requests} requests, and only $asked were misses\n"
        if $asked < 0.98 * $sample->{requests};

    return $sample;
}


# So many new ones that the time is over before they are all sent.

sub publishes {
    my ($server, $site, $seconds) = @_;

    my $number = int($seconds * ($server->{publishes} // 500)) + 100;
    my $sample = publish($server, token => $site->{token},
                         seconds => $seconds,
                         bodies => publish_bodies($site, $number, 9500));

    $server->{publishes} = 1.5 * $sample->{rate};

    return $sample;
}


1;

__END__

=head1 NAME

Bench::Load - wrk, h2load, pgbench, and clients that publish

=head1 FUNCTIONS

=head2 wrk($server, port => NAME, uri => PATH, list => FILE, first => LINE,
headers => {}, connections => N, seconds => N, size => BYTES, cpu => N,
refusals => 1)

=head2 h2load($server, uri => PATH, headers => {}, status => N, seconds => N)

Ask one URL, or with C<list> those of a file (see F<load.lua>).  C<size> is
what an answer has, head and body; with C<refusals>, those with status 400 and
more count too.  Beside C<rate>: C<requests>; C<run>, the
seconds that the worker ran; C<server> and C<client>, the part of the time for
which the worker ran or was waiting for its CPU, and for which the generator
ran; wrk's C<p99> in milliseconds.

=head2 pgbench($site, clients => N, seconds => N, script => NAME)

=head2 publish($server, token => TOKEN, bodies => [ ... ], seconds => N)

The yardsticks of the database; uploads by 16 clients.

=head2 misses($server, $site, $seconds), publishes($server, $site, $seconds)

Index documents that the server does not remember, new crates; of that
L<Bench::Site>.

=head2 command($t, %options)

Runs a command (see spawn of L<Test::Cargo::Process>): its output, the seconds
it took, the seconds of CPU.

=cut
