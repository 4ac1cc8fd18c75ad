package Test::Cargo::Nginx;

use strict;
use warnings;

use IO::Socket::INET;

my $USER = 'nobody';

my $STANDARD = <<'CONF';
%%globals%%

%%main%%

events {
    %%events%%
}

http {
    %%http_globals%%

    cargo_postgres  "%%conninfo%%";

    %%http%%

    server {
        listen       127.0.0.1:%%port%%;
        server_name  localhost;

        cargo_registry  %%registry%%;
        cargo_blobs     %%dir%%/blobs;

        %%server%%

        location /index/  { cargo_index; }
        location /api/v1/ { cargo_api; client_max_body_size 32m; }
        location /dl/     { cargo_download; }
        location = /me    { cargo_me; }
    }
}
CONF


sub nginx {
    my ($self, %options) = @_;

    $self->{conf} = { %options };

    for (1 .. 5) {
        $self->write_config();
        return $self if $self->start_nginx();

        my $log = $self->read_file('error.log') // '';
        my $out = $self->read_file('nginx.log') // '';

        last if "$log$out" !~ /98: Address already in use/;

        unlink "$self->{dir}/error.log", "$self->{dir}/nginx.log";
        %{ $self->{ports} } = ();
    }

    die "nginx does not start:\n" . ($self->read_file('nginx.log') // '')
        . ($self->read_file('error.log') // '');
}


sub write_config {
    my ($self, %options) = @_;

    my $conf = $self->{conf} = { %{ $self->{conf} // {} }, %options };

    $self->_make_blob_dir();

    my %value = (
        main => $conf->{main} // '',
        events => $conf->{events} // '',
        http => $conf->{http} // '',
        server => $conf->{server} // '',
    );

    my $text = $conf->{conf} // $STANDARD;

    $text =~ s/%%(main|events|http|server)%%/$value{$1}/g;

    %value = (
        globals => $self->_globals(), http_globals => $self->_http_globals(),
        conninfo => $conf->{conninfo} // $self->conninfo(),
        registry => $self->{registry}, dir => $self->{dir},
        objs => $self->objs(), port => $self->port(),
    );

    $text =~ s/%%port:(\w+)%%/$self->port($1)/ge;
    $text =~ s/%%(\w+)%%/$value{$1} \/\/ die "nginx.conf: no %%$1%%\n"/ge;

    return $self->write_file('nginx.conf', $text);
}


sub start_nginx {
    my ($self) = @_;

    return $self->_start_daemon() if $self->{conf}{daemon};

    my $pid = $self->spawn(
        name => 'nginx', stdout => "$self->{dir}/nginx.log",
        command => [ $self->as_user('', 'TERM', nginx_binary(),
                     '-p', "$self->{dir}/", '-c', "$self->{dir}/nginx.conf",
                     '-e', "$self->{dir}/error.log") ],
    );

    my $up = $self->wait_for(sub {
        return 'dead' if !$self->running($pid);
        return ($self->read_file('nginx.pid') // '') =~ /^$pid\n/;
    }, 15);

    if (!$up || $up eq 'dead') {
        $self->terminate($pid, 'TERM');
        return 0;
    }

    $self->{nginx} = $pid;

    return 1;
}


# nginx only lets itself be replaced (USR2) when it is nobody's child.

sub _start_daemon {
    my ($self) = @_;

    my ($rc, $out) = $self->run(
        merge => 1,
        command => [ nginx_binary(), '-p', "$self->{dir}/",
                     '-c', "$self->{dir}/nginx.conf",
                     '-e', "$self->{dir}/error.log" ],
    );

    $self->write_file('nginx.log', $out);

    return 0 if $rc != 0;

    my ($pid) = $self->wait_for(sub {
        ($self->read_file('nginx.pid') // '') =~ /^(\d+)\n/ && $1;
    });

    $self->{nginx} = $self->adopt($pid, 'nginx') if $pid;

    return $pid;
}


# nginx -t ends without giving back what it has read.

sub no_leaks {
    my $asan = $ENV{ASAN_OPTIONS} or return ();

    return (env => { ASAN_OPTIONS => "$asan:detect_leaks=0" });
}


sub test_config {
    my ($self) = @_;

    my ($rc, $out) = $self->run(
        command => [ nginx_binary(), '-t', '-p', "$self->{dir}/",
                     '-c', "$self->{dir}/nginx.conf",
                     '-e', "$self->{dir}/test-config.log" ],
        merge => 1, no_leaks(),
    );

    return ($rc, $out);
}


sub reload_nginx {
    my ($self) = @_;

    my $log = "$self->{dir}/error.log";
    my $seen = -s $log;
    my $new = sub { substr($self->read_file('error.log') // '', $seen) };

    kill 'HUP', $self->{nginx};

    my $answer = $self->wait_for(sub {
        my $text = $new->();
        return 'refused' if $text =~ /reconfiguring.*\[emerg\]/s;
        return $text =~ /reconfiguring.*start\ worker\ process\ \d
                         .*signal\ 17|reconfiguring.*gracefully\ shutting/sx;
    }, 15);

    return $answer && $answer ne 'refused';
}


sub stop_nginx {
    my ($self, $seconds) = @_;

    my $pid = delete $self->{nginx} or return 1;

    return 1 if $self->terminate($pid, 'QUIT', $seconds // 15);

    push @{ $self->{complaints} },
         'nginx did not exit after SIGQUIT and had to be killed';

    return 0;
}


sub kill_nginx {
    my ($self, $signal) = @_;

    my $pid = delete $self->{nginx} or return 1;
    my @workers = $self->workers($pid);

    kill 'KILL', $pid, @workers;
    $self->reap($pid, 10);

    # the last worker holds the listening sockets until it is gone
    return $self->wait_for(sub {
        !IO::Socket::INET->new(PeerAddr => '127.0.0.1',
                               PeerPort => $self->port());
    });
}


sub workers {
    my ($self, $master) = @_;

    $master //= $self->{nginx};

    # /proc/PID/stat: "PID (command) state parent ..."
    return grep {
        ($self->read_file("/proc/$_/stat") // '') =~ /\) [^Z] $master /;
    } map { m{(\d+)$} } glob('/proc/[0-9]*');
}


sub nginx_binary { return $ENV{TEST_NGINX_BINARY} // '/usr/sbin/nginx' }


sub _globals {
    my ($self) = @_;

    my $level = $ENV{TEST_NGINX_LOGLEVEL} // 'info';
    my $daemon = $self->{conf}{daemon} ? 'on' : 'off';
    my @lines = ("daemon $daemon;", "pid $self->{dir}/nginx.pid;",
                 "error_log $self->{dir}/error.log $level;");

    push @lines, 'load_module ' . $self->objs() . '/ngx_http_cargo_module.so;'
        if !$ENV{TEST_NGINX_STATIC};
    push @lines, "user $USER " . getgrgid((getpwnam $USER)[3]) . ';'
        if $> == 0;

    # nginx that is executed by nginx (USR2) has no other environment
    push @lines, map { "env $_;" }
        grep { defined $ENV{$_} } qw(ASAN_OPTIONS LSAN_OPTIONS UBSAN_OPTIONS);

    return join "\n", @lines;
}


sub _http_globals {
    my ($self) = @_;

    my $dir = $self->{dir};

    # A binary may have been built without one of these modules.
    my $built = $self->{nginx_built} //= `@{[ nginx_binary() ]} -V 2>&1`;
    my @lines = ("access_log $dir/access.log;",
                 "client_body_temp_path $dir/temp_body;");

    for my $name (qw(proxy fastcgi uwsgi scgi)) {
        push @lines, "${name}_temp_path $dir/temp_$name;"
            if $built !~ /--without-http_${name}_module/;
    }

    return join "\n    ", @lines;
}


sub _make_blob_dir {
    my ($self) = @_;

    my $dir = "$self->{dir}/blobs";

    return if -d $dir;

    mkdir $dir or die "mkdir $dir: $!\n";

    if ($> == 0) {
        chown((getpwnam $USER)[2, 3], $dir) or die "chown $dir: $!\n";
    }
}


1;

__END__

=head1 NAME

Test::Cargo::Nginx - the nginx of a test

=head1 METHODS

=head2 nginx(main => text, events => text, http => text, server => text,
conninfo => text, conf => text, daemon => 1)

Writes nginx.conf and starts nginx.  The texts go into these contexts of the
standard configuration: one server on C<port()> with the locations of a
registry.  C<conf> replaces all of it.  In each of them are replaced:
C<%%globals%%>, C<%%http_globals%%> (what a whole configuration needs in the
main context and in http{}), C<%%main%%>, C<%%events%%>, C<%%http%%>,
C<%%server%%>, C<%%conninfo%%>, C<%%registry%%>, C<%%dir%%>, C<%%objs%%>,
C<%%port%%>, C<%%port:NAME%%>.  C<daemon>: as such, and not as a child of the
test.

Dies when nginx does not start; when a port was taken in the meantime, other
ports are tried.

=head2 write_config(%options)

Writes nginx.conf again, with options that replace those of nginx().

=head2 test_config

C<nginx -t>: exit code and what it said.

=head2 reload_nginx

SIGHUP.  True when the new workers are there, false when nginx refused the
configuration (which leaves an C<[emerg]> in the log: see allow_errors).

=head2 start_nginx, stop_nginx($seconds), kill_nginx

Start it again with the same configuration; SIGQUIT and wait (a nginx that
does not exit fails the test); SIGKILL for master and workers.

=head2 workers

The process ids of the workers.

=head2 nginx_binary

The path of nginx.  A function.

=cut
