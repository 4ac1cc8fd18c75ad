package Bench::Fixture;

# What the rows measure, made when the first of them asks for it.  A server
# runs only while a row is measured that needs it.

use strict;
use warnings;

use File::Path qw(make_path);

use Bench::Crates;
use Bench::Earlier;
use Bench::Load;
use Bench::Server;
use Bench::Site;

# 1/100 of crates.io's size, nearly
use constant CRATES => 2000;


sub new {
    my ($class, %options) = @_;

    return bless { %options, servers => {} }, $class;
}


# Registries: main; private with the same crates, and one of 100 kB; graph
# for cargo fetch.

sub site {
    my ($self) = @_;

    return $self->{site} if $self->{site};

    my $site = $self->{site} = Bench::Site->new(crates => CRATES);
    my $dir = $site->dir();

    $site->add_registry('private', 'auth-required' => 'on');
    $site->fill('private', CRATES);

    one_crate("$dir/crates", 'hundred-kb', 99_500);
    $site->import_crates('private', "$dir/crates");

    $site->add_registry('graph');
    $self->{graph} = [ graph_of_crates("$dir/crates") ];
    $site->import_crates('graph', "$dir/crates");

    return $site;
}


sub full {
    my ($self) = @_;

    return $self->{full} //= Bench::Site->new(crates => $self->{scale});
}


sub hundredth {
    my ($self) = @_;

    return $self->{hundredth}
           //= Bench::Site->new(crates => $self->{scale} / 100);
}


# What is about to be migrated, and nobody can use twice: a site of the version
# before, and its server.

sub earlier {
    my ($self, $crates) = @_;

    $self->{earlier} //= build_earlier($self->{from});

    my $site = Bench::Site->new(crates => $crates, %{ $self->{earlier} });

    $self->_only();

    return ($site, Bench::Server->ours($site, zone => '1m'));
}


# Ours and plain nginx, their workers on one CPU.

sub pair {
    my ($self) = @_;

    my $ours = $self->_server('ours', sub {
        Bench::Server->ours($self->site(), cpu => SERVER_CPU) });
    my $plain = $self->_server('plain', sub {
        $self->_plain($ours) });

    $self->_only('ours', 'plain');

    return ($ours, $plain);
}


# Where the database works too, all share all CPUs; the zone is much smaller
# than what is asked for, so that nothing is found in it.

sub free {
    my ($self, @sites) = @_;

    my @servers = map {
        my $site = $self->$_();
        $self->_server("free $_", sub {
            Bench::Server->ours($site, zone => '1m') });
    } @sites;

    $self->_only(map { "free $_" } @sites);

    return @servers;
}


sub uri { return $_[0]->{uris}{ $_[1] } }


sub complaints {
    my ($self) = @_;

    return map { my $name = $_;
                 map { "$name: $_" } $self->{servers}{$name}->complaints() }
           sort keys %{ $self->{servers} };
}


sub _server {
    my ($self, $name, $make) = @_;

    return $self->{servers}{$name} if $self->{servers}{$name};

    return $self->{servers}{$name} = $make->();
}


sub _only {
    my ($self, @names) = @_;

    my %wanted = map { ($_ => 1) } @names;
    my $servers = $self->{servers};

    $servers->{$_}->stop_nginx() for grep { !$wanted{$_} } keys %$servers;

    for my $name (grep { !$servers->{$_}{nginx} } @names) {
        $servers->{$name}->restart();
    }
}


# The yardstick's files are what our server answers, byte for byte.

sub _plain {
    my ($self, $ours) = @_;

    my $site = $self->site();
    my $plain = Bench::Server->plain(cpu => SERVER_CPU);

    for my $length (3000, 175_000) {
        my $uri = $ours->index_path($site->crate_of_length($length));
        my $r = $ours->get($uri);
        my $gzip;

        # a large one is compressed while the first who ask get it as it is
        $ours->wait_for(sub {
            $gzip = $ours->get($uri, 'Accept-Encoding' => 'gzip');
            return $gzip->{headers}{'content-encoding'};
        }, 3);

        die "$uri: $r->{status}\n" if $r->{status} != 200;

        $plain->write_file("files$uri", $r->{body});
        $plain->write_file("files$uri.gz", $gzip->{body})
            if $gzip->{headers}{'content-encoding'};

        $self->{uris}{$length} = $uri;
    }

    my $uri = $site->download_path('hundred-kb');
    my $r = $ours->get($uri, port => $ours->port('private'),
                       Authorization => $site->{token});

    die "$uri: $r->{status}\n" if $r->{status} != 200;

    $plain->write_file("files$uri", $r->{body});
    $self->{uris}{crate} = $uri;

    make_path($plain->dir() . '/files/mirror');
    $site->export_crates('graph', $plain->dir() . '/files/mirror',
                         $plain->base_url() . '/mirror');

    return $plain;
}


1;

__END__

=head1 NAME

Bench::Fixture - registries and servers for all rows

=head1 METHODS

=head2 new(scale => N, rounds => N, seconds => N, from => REVISION)

=head2 site, full, hundredth

The L<Bench::Site>s: one for most rows, one of C<scale> crates and one with
1/100 of them.

=head2 earlier($crates)

A L<Bench::Site> of the version before the newest migration, or C<from>, and
its L<Bench::Server>; both are to be ended by finish().

=head2 pair, free(NAME of a site, ...)

The L<Bench::Server>s, running; all others are stopped.  Ours and plain nginx
on one CPU; ours in front of these sites, not bound to a CPU.

=head2 uri($length)

Of a document of about this length, or of C<'crate'>.

=head2 complaints

What the servers' error logs hold.

=cut
