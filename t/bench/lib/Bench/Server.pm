package Bench::Server;

# An nginx with one worker: ours, in front of a Bench::Site, or the yardstick,
# plain nginx in front of a directory.  Both have the same binary and the same
# settings; the yardstick has not even the module loaded.

use strict;
use warnings;

use parent -norequire, 'Test::Cargo';

use Time::HiRes ();

use Test::Cargo;

# answered by plain nginx without looking at anything
use constant NOT_MODIFIED => '/not-modified';

# %%affinity%% and so on are filled in here, the rest by Test::Cargo::Nginx.

my $COMMON = <<'CONF';
%%globals%%

worker_processes      1;
%%affinity%%
worker_rlimit_nofile  4096;

events {
    worker_connections  2048;
}

http {
    %%http_globals%%

    access_log  off;
    sendfile    on;
    tcp_nopush  on;

    keepalive_requests  1000000000;

    open_file_cache           max=10000 inactive=60s;
    open_file_cache_min_uses  1;

    default_type         text/plain;
    ssl_certificate      %%dir%%/server.crt;
    ssl_certificate_key  %%dir%%/server.key;

%%servers%%
}
CONF

my $LISTEN = <<'CONF';
        listen  127.0.0.1:%%port%%;
        listen  127.0.0.1:%%port:tls%% ssl http2;
CONF

my $OURS = <<'CONF';
    cargo_postgres              "%%conninfo%%";
    cargo_postgres_connections  read=2 write=8;
    cargo_zone                  bench:%%zone%%;
    cargo_downloads_flush       1s;
    cargo_blobs                 %%blobs%%;

CONF

my $REGISTRY = <<'CONF';
    server {
        %%listen%%

        cargo_registry  %%name%%;

        location /index/  { cargo_index; }
        location /api/v1/ { cargo_api; }
        location /dl/     { cargo_download; }
        location = /me    { cargo_me; }
%%status%%
    }

CONF

my $STATUS = '        location /-/      { cargo_status; }';

my $PLAIN = <<'CONF';
    server {
        %%listen%%

        root  %%dir%%/files;

        location /index/ { gzip_static on; }
        location = %%not_modified%% { return 304; }
    }
CONF


sub ours {
    my ($class, $site, %options) = @_;

    my $servers = $OURS;

    $servers =~ s/%%zone%%/$options{zone} \/\/ '64m'/e;
    $servers =~ s/%%blobs%%/$site->dir() . '\/blobs'/e;

    for my $name ($site->registries()) {
        my $listen = $name eq 'main' ? $LISTEN
                   : "listen  127.0.0.1:%%port:$name%%;";

        $servers .= $REGISTRY =~ s/%%name%%/$name/r =~ s/%%listen%%/$listen/r;
    }

    # an earlier module may know nothing of it
    my $status = $site->{tree} ? '' : $STATUS;

    $servers =~ s/%%status%%/$status/g;

    return $class->_start($servers, $options{cpu}, $site);
}


sub plain {
    my ($class, %options) = @_;

    local $ENV{TEST_NGINX_STATIC} = 1;

    my $servers = $PLAIN =~ s/%%listen%%/$LISTEN/r
                         =~ s/%%not_modified%%/NOT_MODIFIED/er;

    return $class->_start($servers, $options{cpu});
}


sub _start {
    my ($class, $servers, $cpu, $site) = @_;

    my $self = $class->SUPER::new(objs => $site && $site->objs());
    my $conf = $COMMON;
    my $affinity = defined $cpu
        ? 'worker_cpu_affinity  1' . '0' x $cpu . ';' : '';

    $conf =~ s/%%affinity%%/$affinity/;
    $conf =~ s/%%servers%%/$servers/;

    $self->_certificate();
    $self->nginx(conf => $conf, conninfo => $site ? $site->conninfo() : '');

    return $self;
}


# The module is the one that the site was made for.

sub objs { return $_[0]{objs} // $_[0]->SUPER::objs() }


sub _certificate {
    my ($self) = @_;

    $self->run_ok(dir => $self->dir(), command => [
        qw(openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1
           -nodes -days 2 -subj /CN=127.0.0.1
           -keyout server.key -out server.crt) ]);
}


# A server that has answered nothing yet.

sub restart {
    my ($self) = @_;

    $self->stop_nginx();
    unlink $self->dir() . '/nginx.pid';

    $self->start_nginx() or die "nginx did not start again:\n"
                                . ($self->read_file('error.log') // '');
}


# Seconds that the workers have run, and have been kept waiting for a CPU.

sub cpu_time {
    my ($self) = @_;

    my ($run, $wait) = (0, 0);

    for my $pid ($self->workers()) {
        for my $file (glob "/proc/$pid/task/*/schedstat") {
            my ($ran, $waited) = split / /, $self->read_file($file) // '0 0';

            $run += $ran / 1e9;
            $wait += $waited / 1e9;
        }
    }

    return ($run, $wait);
}


# Reads that memory could not answer.

sub reads_asked {
    my ($self) = @_;

    my ($n) = $self->get('/-/metrics')->{body}
              =~ /^ngx_cargo_reads_asked_total (\d+)/m;

    return $n // die "no ngx_cargo_reads_asked_total\n";
}


# kB that no other process shares: not the zone, not the binary.

sub memory {
    my ($self) = @_;

    my $sum = 0;

    for my $pid ($self->workers()) {
        my ($kb) = ($self->read_file("/proc/$pid/status") // '')
                   =~ /^RssAnon:\s*(\d+) kB/m;

        $sum += $kb // die "no RssAnon of process $pid\n";
    }

    return $sum;
}


# What went wrong while nobody looked.

sub complaints {
    my ($self) = @_;

    return grep { /\[(?:error|crit|alert|emerg)\]/ }
           split /\n/, $self->read_file('error.log') // '';
}


1;

__END__

=head1 NAME

Bench::Server - an nginx to be measured

=head1 METHODS

Those of L<Test::Cargo>, and:

=head2 ours($site, cpu => N, zone => SIZE)

Starts one in front of the registries of the site, its worker on that CPU or,
without, where the system puts it.  C<port()> is the registry C<main>,
C<port('tls')> the same by TLS and HTTP/2, C<port(NAME)> another registry.

=head2 plain(cpu => N)

Starts one that serves C<files> of its directory, at C<port()> and
C<port('tls')>, and answers C<NOT_MODIFIED> with 304.

=head2 restart, cpu_time, memory, complaints

A new nginx of the same configuration; seconds that the workers ran and
waited for a CPU; kB of memory of their own; lines of the error log that are
errors.

=cut
