package Bench::Rows;

# The rows of the table: what is measured, against what, and what it has to be.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(remove_tree);
use Time::HiRes qw(time);

use Bench::Compare;
use Bench::Crates;
use Bench::Load;
use Bench::Scale;
use Bench::Server;
use Test::Cargo::Story ();

our @EXPORT = qw(choose_rows measure);

my %GZIP = ('Accept-Encoding' => 'gzip');

my @ROWS = (
    { key => 'warm', what => 'warm 3 kB document', measure => \&document,
      length => 3000, least => 1.15 },
    { key => 'gzip', what => 'warm 175 kB document, gzip',
      measure => \&document, length => 175_000, headers => { %GZIP },
      least => 1.0 },
    { key => '304', what => '304 by ETag', measure => \&document,
      length => 3000, unchanged => 1, least => 1.15 },
    { key => '304-ceiling', what => '  at most: nginx "return 304"',
      measure => \&ceiling, length => 3000 },
    { key => 'tls-warm', what => '3 kB document, TLS, HTTP/2',
      measure => \&document, length => 3000, tls => 1, least => 1.0 },
    { key => 'tls-gzip', what => '175 kB document, gzip, TLS, HTTP/2',
      measure => \&document, length => 175_000, headers => { %GZIP },
      tls => 1, least => 1.0 },
    { key => 'tls-304', what => '304 by ETag, TLS, HTTP/2',
      measure => \&document, length => 3000, unchanged => 1, tls => 1,
      least => 1.0 },
    { key => 'tls-304-ceiling', what => '  at most: nginx "return 304"',
      measure => \&ceiling, length => 3000, tls => 1 },
    { key => 'private', what => 'private registry, token / public',
      measure => \&private, least => 0.92 },
    { key => 'miss', what => 'miss, 2 DB connections / pgbench -S',
      measure => \&miss, least => 1.0 },
    { key => 'miss-memory', what => '  at most: the same from memory',
      measure => \&miss_memory },
    { key => 'miss-select', what => '  at most: pgbench, the same documents',
      measure => \&miss_select },
    { key => 'download', what => 'download 100 kB, private, counted',
      measure => \&download, least => 0.95 },
    { key => 'publish', what => 'publish 10 kB, 16 clients / pgbench insert',
      measure => \&publish_crates, least => 0.10 },
    { key => 'publish-rows', what => '  at most: pgbench, the same rows',
      measure => \&publish_rows },
    { key => 'fetch', what => 'cargo fetch of 300 crates, cold',
      measure => \&fetch, most => 1.05 },
    { key => 'memory', what => 'memory, 1 million requests after / before',
      measure => \&memory, more => 1 },
    { key => 'search', what => 'search, p99, full scale / 1/100',
      measure => \&search, scale => 1, limit => 50 },
    { key => 'miss-scale', what => 'miss, full scale / 1/100',
      measure => \&miss_scale, scale => 1, least => 0.8 },
    { key => 'publish-scale', what => 'publish, full scale / 1/100',
      measure => \&publish_scale, scale => 1, least => 0.8 },
    { key => 'import', what => 'import, full scale / 1/100',
      measure => \&import_crates, scale => 1 },
    { key => 'migrate', what => 'migrate, full scale / 1/100',
      measure => \&migrate, scale => 1 },
);


sub choose_rows {
    my (@keys) = @_;

    return @ROWS if !@keys;

    my %chosen;

    for my $key (@keys) {
        my @some = grep { $_->{key} eq $key || $_->{key} =~ /^\Q$key\E-/ }
                   @ROWS;

        die "there is no row \"$key\"; there are: "
            . join(' ', map { $_->{key} } @ROWS) . "\n" if !@some;

        $chosen{ $_->{key} } = 1 for @some;
    }

    return grep { $chosen{ $_->{key} } } @ROWS;
}


# What cannot be measured is short.  A row that requires nothing is there to be
# compared with.

sub measure {
    my ($bench, $row) = @_;

    my %result = (what => $row->{what}, required => required($row));

    return { %result, verdict => 'SKIPPED' } if $row->{scale}
                                                && !$bench->{scale};

    print STDERR "$row->{key} ...\n";

    my $measured = eval { $row->{measure}->($bench, $row) };

    if (!$measured) {
        my ($why) = ($@ || "no result\n") =~ /\A(.{1,2000})/s;
        return { %result, verdict => 'short', notes => [ split /\n/, $why ] };
    }

    my $ok = $row->{least} ? $measured->{value} >= $row->{least}
           : $row->{most} ? $measured->{value} <= $row->{most}
           : $row->{more} ? $measured->{value} <= $row->{more}
           : $row->{limit} ? $measured->{value} <= $row->{limit}
           : !$measured->{failed};

    return { %result, %$measured, verdict => $ok ? 'ok' : 'short' };
}


sub required {
    my ($row) = @_;

    return $row->{least} ? sprintf('>= %.2fx', $row->{least})
         : $row->{most} ? sprintf('<= %.2fx', $row->{most})
         : $row->{more} ? "<= +$row->{more} MB"
         : $row->{limit} ? "<= $row->{limit} ms"
         : '';
}


# The answers of both have to be the same before they are counted.

sub check_answers {
    my ($status, @answers) = @_;

    for my $r (@answers) {
        die "status $r->{status}, not $status: $r->{body}\n"
            if $r->{status} != $status;
    }

    die 'the bodies differ: ' . join(', ', map {
        length($_->{body}) . ' bytes, '
        . ($_->{headers}{'content-encoding'} // 'not compressed') } @answers)
        . "\n" if @answers > 1 && $answers[0]{body} ne $answers[1]{body};
}


sub size {
    my ($r) = @_;

    return length($r->{head}) + 4 + length $r->{body};
}


sub document {
    my ($bench, $row) = @_;

    my @servers = $bench->pair();
    my $uri = $bench->uri($row->{length});
    my @headers = map { { %{ $row->{headers} // {} } } } @servers;
    my @answers = map { $servers[$_]->get($uri, %{ $headers[$_] }) } 0, 1;
    my $status = 200;

    check_answers(200, @answers);

    die "nothing is compressed\n" if $row->{headers}{'Accept-Encoding'}
        && !$answers[0]{headers}{'content-encoding'};

    if ($row->{unchanged}) {
        $status = 304;
        $headers[$_]{'If-None-Match'} = $answers[$_]{headers}{etag} for 0, 1;
        @answers = map { $servers[$_]->get($uri, %{ $headers[$_] }) } 0, 1;
        check_answers(304, @answers);
    }

    return compare_asking($bench, $row, $status, map {
        { server => $servers[$_], uri => $uri, headers => $headers[$_],
          size => size($answers[$_]) } } 0, 1);
}


# No module of nginx's can be faster than this: the server's own rewrite phase
# answers, without a file, a cache, an ETag or any header that is not nginx's.

sub ceiling {
    my ($bench, $row) = @_;

    my (undef, $plain) = $bench->pair();
    my $uri = $bench->uri($row->{length});
    my $static = $plain->get($uri);
    my %headers = ('If-None-Match' => $static->{headers}{etag});
    my @uris = (Bench::Server::NOT_MODIFIED, $uri);
    my @answers = map { $plain->get($_, %headers) } @uris;

    check_answers(304, @answers);

    return compare_asking($bench, $row, 304, map {
        { server => $plain, uri => $uris[$_], headers => \%headers,
          size => size($answers[$_]) } } 0, 1);
}


# Each side asks one server for one thing again and again.

sub compare_asking {
    my ($bench, $row, $status, @sides) = @_;

    return compare($bench, map { my %side = %$_; sub {
        my ($seconds) = @_;

        my %o = (uri => $side{uri}, headers => $side{headers},
                 status => $status, seconds => $seconds, cpu => CLIENT_CPU);

        return $row->{tls} ? h2load($side{server}, %o)
             : wrk($side{server}, %o, size => $side{size});
    } } @sides);
}


sub private {
    my ($bench) = @_;

    my ($ours) = $bench->pair();
    my $uri = $bench->uri(3000);
    my @ports = map { $ours->port($_) } 'private', 'http';
    my @headers = ({ Authorization => $bench->site()->{token} }, {});
    my @answers = map { $ours->get($uri, port => $ports[$_],
                                   %{ $headers[$_] }) } 0, 1;

    check_answers(200, @answers);
    check_answers(401, $ours->get($uri, port => $ports[0]));

    return compare($bench, map { my $i = $_; sub {
        return wrk($ours, port => ('private', 'http')[$i], uri => $uri,
                   headers => $headers[$i], seconds => $_[0],
                   size => size($answers[$i]), cpu => CLIENT_CPU);
    } } 0, 1);
}


sub download {
    my ($bench) = @_;

    my ($ours, $plain) = $bench->pair();
    my $site = $bench->site();
    my $uri = $bench->uri('crate');
    my %headers = (Authorization => $site->{token});
    my @answers = ($ours->get($uri, port => $ours->port('private'), %headers),
                   $plain->get($uri, %headers));

    check_answers(200, @answers);

    my $count = sub { $site->sql('select coalesce(sum(d.downloads), 0)'
        . ' from cargo_store.version_downloads d'
        . ' join cargo_store.versions v on v.id = d.version_id'
        . ' join cargo_store.crates c on c.id = v.crate_id'
        . " where c.name = 'hundred-kb'") };

    sleep 2;

    my $before = $count->();
    my $asked = 0;

    my $result = compare($bench, sub {
        my $sample = wrk($ours, port => 'private', uri => $uri,
                         headers => \%headers, seconds => $_[0],
                         size => size($answers[0]), cpu => CLIENT_CPU);
        $asked += $sample->{requests};
        return $sample;
    }, sub {
        return wrk($plain, uri => $uri, headers => \%headers,
                   seconds => $_[0], size => size($answers[1]),
                   cpu => CLIENT_CPU);
    });

    sleep 2;

    my $counted = $count->() - $before;

    # wrk does not count what it leaves unfinished at the end of a run
    die "$asked downloads, and $counted were counted\n"
        if $counted < $asked
           || $counted > $asked + 64 * ($bench->{rounds} + 1);

    return $result;
}


sub miss {
    my ($bench) = @_;

    my ($server) = $bench->free('site');
    my $site = $bench->site();

    $site->pgbench_tables();

    return compare($bench,
        sub { misses($server, $site, $_[0]) },
        sub { pgbench($site, clients => 2, seconds => $_[0]) });
}


# What the answer over HTTP costs when nothing at all is missed.

sub miss_memory {
    my ($bench) = @_;

    my ($server) = $bench->free('site');
    my $site = $bench->site();
    my ($crate) = $site->some_crates(1);
    my $uri = $server->index_path($crate);

    check_answers(200, $server->get($uri));
    $site->pgbench_tables();

    return compare($bench,
        sub { wrk($server, uri => $uri, seconds => $_[0]) },
        sub { pgbench($site, clients => 2, seconds => $_[0]) });
}


# What the documents cost, by their key, where there is no HTTP.

sub miss_select {
    my ($bench) = @_;

    my $site = $bench->site();

    $bench->free('site');
    $site->pgbench_tables();

    return compare($bench,
        sub { pgbench($site, clients => 2, seconds => $_[0],
                      script => 'documents') },
        sub { pgbench($site, clients => 2, seconds => $_[0]) });
}


sub publish_crates {
    my ($bench) = @_;

    my ($server) = $bench->free('site');
    my $site = $bench->site();

    $site->pgbench_tables();

    return compare($bench,
        sub { publishes($server, $site, $_[0]) },
        sub { pgbench($site, clients => 16, seconds => $_[0],
                      script => 'insert') });
}


# What a publish writes, where nobody asks who it is and what is allowed, and
# nothing is uploaded.

sub publish_rows {
    my ($bench) = @_;

    my ($server) = $bench->free('site');
    my $site = $bench->site();

    publishes($server, $site, 1);
    $site->pgbench_tables();
    $site->release_script();

    return compare($bench,
        sub { pgbench($site, clients => 16, seconds => $_[0],
                      script => 'release') },
        sub { pgbench($site, clients => 16, seconds => $_[0],
                      script => 'insert') });
}


# An empty CARGO_HOME, a Cargo.lock, and servers that have just started.

sub fetch {
    my ($bench) = @_;

    die "there is no cargo: set CARGO\n" if !Test::Cargo->cargo_binary();

    my @servers = $bench->pair();
    my $site = $bench->site();
    my @index = ('sparse+http://127.0.0.1:' . $servers[0]->port('graph')
                 . '/index/',
                 'sparse+' . $servers[1]->base_url() . '/mirror/index/');
    my $manifest = Test::Cargo::Story::package('app', '0.1.0',
        "\n[dependencies]\n" . join '', map {
            qq{$_ = { version = "1", registry = "main" }\n}
        } @{ $bench->{graph} });

    $site->new_crate("app-$_", $manifest) for 0, 1;

    my ($ours, $theirs) = alternate($bench, map { my $i = $_; sub {
        $servers[$i]->restart();
        remove_tree($site->cargo_home());
        $site->cargo_config(index => $index[$i]);

        my $seconds = cargo_fetch($site, $site->dir() . "/app-$i");
        my @crates = glob $site->cargo_home() . '/registry/cache/*/*.crate';

        die @crates . " crates were fetched, not 300\n" if @crates != 300;

        return { seconds => $seconds };
    } } 0, 1);

    my @seconds = map { middle('seconds', $_) } $ours, $theirs;

    return { value => $seconds[0] / $seconds[1],
             ours => sprintf('%.2f s', $seconds[0]),
             theirs => sprintf('%.2f s', $seconds[1]),
             ratio => sprintf('%.2fx', $seconds[0] / $seconds[1]),
             notes => [ 'rounds: ' . join ', ', map {
                 join ' ', map { sprintf '%.2f', $_->{seconds} } @$_
             } $ours, $theirs ] };
}


sub cargo_fetch {
    my ($site, $dir) = @_;

    my (undef, $wall) = command($site, dir => $dir,
        command => [ Test::Cargo->cargo_binary(), 'fetch' ],
        env => { $site->cargo_env() });

    return $wall;
}


sub memory {
    my ($bench) = @_;

    my ($ours) = $bench->pair();
    my @lists = mixture($bench, $ours);
    my $sum = 0;

    $ours->restart();

    my $ask = sub {
        my ($i, $seconds) = @_;
        my $list = $lists[$i % @lists];

        $sum += wrk($ours, port => $list->{port}, list => $list->{path},
                    first => int rand 2000, seconds => $seconds,
                    connections => 8 << $i % 4, refusals => 1)->{requests};
        $sum += publish($ours, token => $bench->site()->{token},
                        seconds => 1, bodies => publish_bodies(
                            $bench->site(), 500, 9500))->{requests};
    };

    # what every worker needs sooner or later
    $ask->($_, 3) for 0 .. 2 * @lists;

    my $before = $ours->memory();

    for (my $i = $sum = 0; $sum < 1_000_000; $i++) {
        $ask->($i, 10);
        print STDERR "  $sum requests: ", $ours->memory() - $before, " kB\n";
    }

    my $after = $ours->memory();
    my $mb = ($after - $before) / 1024;

    return { value => $mb, ours => sprintf('%.1f MB', $after / 1024),
             theirs => sprintf('%.1f MB', $before / 1024),
             ratio => sprintf('%+.2f MB', $mb) };
}


# Documents in both forms, not modified, not there, not allowed; config.json,
# downloads, the API.

sub mixture {
    my ($bench, $server) = @_;

    my $site = $bench->site();
    my $token = "\tAuthorization: $site->{token}";
    my @crates = map { { name => $_, path => $server->index_path($_) } }
                 $site->some_crates(1500);
    my $hundred_kb = $site->download_path('hundred-kb');
    my %lines = (http => '', private => '', graph => '');

    for my $i (0 .. $#crates) {
        my ($name, $path) = @{ $crates[$i] }{qw(name path)};
        my $graph = sprintf 'graph-%02d', 1 + $i % 20;

        my @lines = ($path, "$path\tAccept-Encoding: gzip",
                     "$path\tIf-None-Match: *", "$path-is-not-there");

        push @lines, '/index/config.json' if $i % 4 == 0;
        push @lines, "/api/v1/crates/$name" if $i % 20 == 0;
        push @lines, "/api/v1/crates?q=$name&per_page=5" if $i % 100 == 0;

        $lines{http} .= "$_\n" for @lines;
        $lines{private} .= "$_$token\n" for @lines;
        $lines{private} .= "$path\tAuthorization: nonsense\n$path\n"
            . "$hundred_kb$token\n" if $i % 5 == 0;
        $lines{graph} .= $site->download_path($graph) . "\n"
            . $server->index_path($graph) . "\n";
    }

    return map { { port => $_, path => $server->write_file("mixture-$_",
                                                           $lines{$_}) } }
           sort keys %lines;
}


1;

__END__

=head1 NAME

Bench::Rows - the rows of the table

=head1 FUNCTIONS

=head2 choose_rows(@keys)

The rows with these keys, C<tls> for all that begin with C<tls->; all without
any.  Dies when there is none.

=head2 measure($bench, $row)

A result for print_table() of L<Bench::Table>; $bench is a L<Bench::Fixture>.

=cut
