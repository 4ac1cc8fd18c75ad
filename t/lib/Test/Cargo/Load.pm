package Test::Cargo::Load;

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use POSIX ();
use Socket qw(AF_UNIX SOCK_STREAM PF_UNSPEC);
use Time::HiRes ();

use Test::Cargo::Crate;

# 0: the connection broke, which a kill does and a reload must not do
my %AWAY = map { $_ => 1 } 0, 503;

my @WEIGHTS = (publish => 30, yank => 20, document => 25, download => 25);

my $CRATES = 8;


sub start {
    my ($class, $t, %options) = @_;

    my $self = bless {
        t => $t, clients => [],
    }, $class;

    for my $n (1 .. $options{clients} // 4) {
        socketpair my $ours, my $theirs, AF_UNIX, SOCK_STREAM, PF_UNSPEC
            or die "socketpair: $!\n";

        my $pid = fork() // die "fork: $!\n";

        if ($pid) {
            close $theirs;
            $t->{children}{$pid} = "client $n";
            push @{ $self->{clients} }, { pid => $pid, socket => $ours };
            next;
        }

        close $ours;
        close $_->{socket} for @{ $self->{clients} };
        $SIG{$_} = 'DEFAULT' for qw(INT TERM HUP);

        my $ok = eval { _client($t, $n, $theirs, %options); 1 };

        print {*STDERR} "client $n: $@" if !$ok;
        POSIX::_exit($ok ? 0 : 1);
    }

    return $self;
}


# Returns when all have settled: what the test does next may hit a request,
# but not that.

sub go {
    my ($self, $seconds) = @_;

    syswrite $_->{socket}, "go\n" for @{ $self->{clients} };

    for my $client (@{ $self->{clients} }) {
        _read_json($client->{socket}, $seconds // 60)
            // die "a client does not answer\n";
    }
}


# What the clients know, each of crates of its own: one hash of all.

sub pause {
    my ($self, $seconds) = @_;

    my %all = (crates => {}, downloads => {}, wrong => [], done => {});

    syswrite $_->{socket}, "pause\n" for @{ $self->{clients} };

    for my $client (@{ $self->{clients} }) {
        my $known = _read_json($client->{socket}, $seconds // 60)
            // die "a client does not answer\n";

        $all{crates}{$_} = $known->{crates}{$_} for keys %{ $known->{crates} };
        push @{ $all{downloads}{$_} }, @{ $known->{downloads}{$_} }
            for keys %{ $known->{downloads} };
        push @{ $all{wrong} }, @{ $known->{wrong} };
        $all{done}{$_} += $known->{done}{$_} for keys %{ $known->{done} };
    }

    return \%all;
}


# Have all of them been answered since?  A line for each is on its way.

sub answered {
    my ($self, $seconds) = @_;

    syswrite $_->{socket}, "tell\n" for @{ $self->{clients} };

    my $deadline = Time::HiRes::time() + $seconds;

    for my $client (@{ $self->{clients} }) {
        my $left = $deadline - Time::HiRes::time();

        _read_json($client->{socket}, $left > 0 ? $left : 0.1) // return 0;
    }

    return 1;
}


sub stop {
    my ($self) = @_;

    close $_->{socket} for @{ $self->{clients} };

    return !grep {
        my $status = $self->{t}->reap($_->{pid}, 30);
        !defined $status || $status != 0;
    } @{ $self->{clients} };
}


sub _read_json {
    my ($socket, $seconds) = @_;

    my $text = '';
    my $deadline = Time::HiRes::time() + $seconds;

    while ($text !~ /\n\z/) {
        my $left = $deadline - Time::HiRes::time();

        return undef if $left <= 0 || !IO::Select->new($socket)->can_read($left);
        sysread $socket, $text, 1 << 16, length $text or return undef;
    }

    return JSON::PP->new->utf8->decode($text);
}


# From here on: a client.

sub _client {
    my ($t, $n, $socket, %options) = @_;

    srand(($options{seed} // 1) + 1000 * $n);

    my $self = bless {
        t => $t, n => $n, token => $options{token}, prefix =>
        $options{prefix} // 'load', pace => $options{pace} // 0,
        keepalive => $options{keepalive} // 1, stale => $options{stale} // 0,
        crates => {}, downloads => {}, wrong => [], done => {},
        away => $options{strict} ? {} : \%AWAY,
        large => $options{large} // 1_000_000,
        noise => join('', map { pack 'N', rand 2**32 } 1 .. 262_144),
    }, __PACKAGE__ . '::Client';

    my $select = IO::Select->new($socket);
    my ($going, $tell) = (0, 0);

    while (1) {
        if (!$going || $select->can_read(0)) {
            sysread $socket, my $text, 100 or return;

            for my $command (split /\n/, $text) {
                $going = 1 if $command eq 'go';
                $tell = 1 if $command eq 'tell';

                if ($command eq 'go') {
                    $self->settle();
                    syswrite_all($socket, '{"settled":true}');

                } elsif ($command eq 'pause') {
                    $going = $tell = 0;
                    syswrite_all($socket, $self->report());
                }
            }
            next;
        }

        my $answered = $self->act();

        if ($answered && $tell) {
            syswrite_all($socket, '{"answered":true}');
            $tell = 0;
        }

        Time::HiRes::sleep($answered ? $self->{pace} : 0.02 + rand 0.05)
            if !$answered || $self->{pace};
    }
}


sub syswrite_all {
    my ($socket, $text) = @_;

    $text .= "\n";

    while (length $text) {
        my $n = syswrite $socket, $text or die "the test is gone\n";
        substr($text, 0, $n) = '';
    }
}


package Test::Cargo::Load::Client;

use strict;
use warnings;

use IO::Select;
use JSON::PP ();
use Time::HiRes ();


sub report {
    my ($self) = @_;

    my $text = JSON::PP->new->utf8->canonical->encode({
        map { $_ => $self->{$_} } qw(crates downloads wrong done) });

    $self->{wrong} = [];
    $self->{downloads} = {};
    $self->{done} = {};

    return $text;
}


# What is in nobody's hands any more is as it is.

sub settle {
    my ($self) = @_;

    for my $name (sort keys %{ $self->{crates} }) {
        my $versions = $self->{crates}{$name};
        my @open = grep { !$_->{published} || @{ $_->{yanked} } > 1 }
                   values %$versions;

        delete $_->{ghost} for values %$versions;
        next if !@open;

        my $r = $self->request('GET', $self->{t}->index_path($name));

        next if $r->{truncated};

        my %line = lines($r);

        for my $version (@open) {
            my $line = $line{ $version->{vers} };

            if ($line) {
                $version->{published} = 1;
                $version->{yanked} = [ $line->{yanked} ? 1 : 0 ];
            }
        }
    }
}


sub lines {
    my ($r) = @_;

    return map { $_->{vers} => $_ } map { JSON::PP->new->utf8->decode($_) }
           split /\n/, $r->{status} == 200 ? $r->{body} : '';
}


# True when there was an answer.

sub act {
    my ($self) = @_;

    my @published = $self->published();
    my $action = @published ? $self->choose() : 'publish';

    return $self->$action(@published);
}


sub choose {
    my $at = rand 100;

    for (my $i = 0; $i < @WEIGHTS; $i += 2) {
        $at -= $WEIGHTS[$i + 1];
        return $WEIGHTS[$i] if $at < 0;
    }

    return $WEIGHTS[0];
}


sub published {
    my ($self) = @_;

    return map {
        my $name = $_;
        map { [$name, $_] } grep { $_->{published} }
                            values %{ $self->{crates}{$name} };
    } keys %{ $self->{crates} };
}


# A new version, or the one of which is not known whether it was published.

sub publish {
    my ($self) = @_;

    my $t = $self->{t};
    my $name = "$self->{prefix}$self->{n}-" . int rand $CRATES;
    my $versions = $self->{crates}{$name} //= {};
    my ($version) = grep { !$_->{published} } values %$versions;
    my $vers = $version ? $version->{vers} : '1.0.' . keys %$versions;

    $version //= $versions->{$vers} = { vers => $vers, yanked => [0],
                                        salt => $self->salt() };

    my $crate = $self->archive($name, $version);

    $version->{checksum} = $t->checksum($crate);

    my $r = $self->request('PUT', '/api/v1/crates/new', body =>
        $t->publish_body($t->metadata(name => $name, vers => $vers), $crate));

    $version->{published} = 1 if $r->{status} == 200;

    return $self->judge($r, "publish $name $vers", 200);
}


sub salt {
    my ($self) = @_;

    my $kind = rand 100;
    my $size = $kind < 80 ? rand 2000 : $kind < 97 ? rand 100_000
                                                   : $self->{large};

    return [ int rand(2**31), int $size ];
}


# The same bytes each time: not with level 0, whose blocks depend on the room
# that zlib has for what comes out.

sub archive {
    my ($self, $name, $version) = @_;

    my ($number, $size) = @{ $version->{salt} };
    my $noise = $self->{noise};

    $noise x= 1 + int $size / length $noise;

    my %files = ('Cargo.toml' => Test::Cargo::Crate::manifest(
                     name => $name, version => $version->{vers}),
                 'src/lib.rs' => "// $number\n",
                 'noise' => substr $noise, $number % 1000, $size);

    return Test::Cargo::Crate::gzip(Test::Cargo::Crate::tar(map {
        { name => "$name-$version->{vers}/$_", data => $files{$_} }
    } sort keys %files), 1);
}


sub yank {
    my ($self, @published) = @_;

    my ($name, $version) = @{ $published[rand @published] };
    my $yanked = int rand 2;
    my ($method, $verb) = $yanked ? ('DELETE', 'yank') : ('PUT', 'unyank');

    $version->{yanked} = [ @{ $version->{yanked} }, $yanked ];

    my $r = $self->request($method,
                           "/api/v1/crates/$name/$version->{vers}/$verb");

    # one that nobody has heard of may still be at work, and come later
    $version->{yanked} = [$yanked]
        if $r->{status} == 200 && !$version->{ghost};
    $version->{ghost} = 1 if $r->{status} != 200;

    return $self->judge($r, "$verb $name $version->{vers}", 200);
}


sub document {
    my ($self, @published) = @_;

    my ($name) = @{ $published[rand @published] };
    my $deadline = Time::HiRes::time() + $self->{stale};
    my @wrong;

    do {
        my $r = $self->request('GET', $self->{t}->index_path($name));

        $self->judge($r, "index of $name", 200) or return 0;

        my %line = lines($r);

        @wrong = differences($name, $self->{crates}{$name}, \%line);
    } while (@wrong && Time::HiRes::time() < $deadline);

    push @{ $self->{wrong} }, @wrong;

    return 1;
}


# Of what was acknowledged to what an index document says.

sub differences {
    my ($name, $versions, $line) = @_;

    my @wrong;

    for my $vers (sort keys %$versions) {
        my $version = $versions->{$vers};
        my $there = delete $line->{$vers};

        if (!$there) {
            push @wrong, "$name $vers is not in the index"
                if $version->{published};
            next;
        }

        push @wrong, "$name $vers has the checksum $there->{cksum},"
                     . " $version->{checksum} was published"
            if $there->{cksum} ne $version->{checksum};

        my $yanked = $there->{yanked} ? 1 : 0;

        push @wrong, "$name $vers is yanked: $yanked, not"
                     . " @{ $version->{yanked} }"
            if !grep { $_ == $yanked } @{ $version->{yanked} };
    }

    push @wrong, map { "$name $_ is in the index, nobody published it" }
                 sort keys %$line;

    return @wrong;
}


sub download {
    my ($self, @published) = @_;

    my ($name, $version) = @{ $published[rand @published] };
    my $vers = $version->{vers};
    my $started = Time::HiRes::time();
    my $r = $self->request(
        'GET', "/dl/$name/$version->{checksum}/$name-$vers.crate");
    my $whole = $r->{status} == 200 && !$r->{truncated};

    push @{ $self->{downloads}{"$name $vers"} },
         [ $started, $whole ? Time::HiRes::time() : 0 ];

    push @{ $self->{wrong} }, "download of $name $vers: other bytes"
        if $whole && $self->{t}->checksum($r->{body}) ne $version->{checksum};

    return $self->judge($r, "download $name $vers", 200);
}


# On a connection that is kept, if there is one.  That the server closes it
# before it has sent a byte of an answer is no failure: clients try again.

sub request {
    my ($self, $method, $uri, %options) = @_;

    my $kept = delete $self->{connection};

    if ($kept && !IO::Select->new($kept->socket())->can_read(0)) {
        my $r = $self->exchange($kept, $method, $uri, %options);

        return $r if $r->{status} || $kept->{got};

        $self->{done}{crossed}++;
    }

    my $new = eval { $self->{t}->connect(timeout => 30) };

    return $new ? $self->exchange($new, $method, $uri, %options)
                : { status => 0, error => $@ };
}


sub exchange {
    my ($self, $connection, $method, $uri, %options) = @_;

    my $keep = $self->{keepalive} && rand() < 0.7;
    my $r = $self->{t}->request($method, $uri, %options,
                                connection => $connection,
                                Authorization => $self->{token},
                                $keep ? () : (Connection => 'close'));

    $connection->{got} = length $connection->{buffer};

    $self->{connection} = $connection
        if $keep && $r->{status} && !$r->{truncated}
           && ($r->header('Connection') // '') ne 'close';

    return $r;
}


sub judge {
    my ($self, $r, $what, @good) = @_;

    my $status = $r->{truncated} ? 0 : $r->{status};

    $self->{done}{ (split / /, $what)[0] }++ if grep { $_ == $status } @good;

    return 1 if grep { $_ == $status } @good;
    return 0 if $self->{away}{$status};

    push @{ $self->{wrong} },
         sprintf '%.3f %s: %s %s', Time::HiRes::time(), $what, $r->{status},
                 ($r->{truncated} ? 'truncated ' : '')
                 . substr($r->{body} // '', 0, 200) . ($r->{error} // '');

    return 0;
}


1;

__END__

=head1 NAME

Test::Cargo::Load - clients that publish, yank and read, and remember

=head1 DESCRIPTION

Each client is a process with crates of its own.  It notes what it asked for
before it asks, and what was acknowledged; what it reads has to agree with
that.  What was not answered may have been done or not, and is allowed either
way until settled at the next go(); a publish that was not answered is sent
again until it is acknowledged.

=head1 METHODS

=head2 start($t, token => TOKEN, clients => 4, seed => N, prefix => NAME,
strict => 1, stale => SECONDS, pace => SECONDS, large => BYTES)

Starts the clients, which wait for go().  Broken connections and 503 are
no fault unless C<strict>; all other answers are.  C<stale>: for so long the
index may say what was before.  C<pace>: between two requests.  C<large>: of
the largest crates, 1 MB by default.

=head2 go(), pause()

Begin, and go on; end what is being done and stand still.  go() returns when
each client knows what had become of what was not answered, pause() returns
what they know: C<crates> (by name and version: C<checksum>, C<published>,
C<yanked>, all states that it may have), C<downloads> since the last pause
(by "name version": [started, ended, 0 when it was cut off]), C<wrong>, what
they found wrong, C<done>, how often they did what (C<crossed>: a request and
the end of a kept connection).

=head2 answered($seconds)

Waits until each client has had an answer since.

=head2 stop()

Ends them; false when one had died.

=head1 FUNCTIONS

=head2 Test::Cargo::Load::Client::differences($name, $versions, \%line)

Of what the clients know of a crate to the lines of its index document, in
words.  C<lines($response)> makes the latter.

=cut
