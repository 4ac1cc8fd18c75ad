package Test::Cargo::Postgres;

use strict;
use warnings;

use Digest::SHA ();
use Fcntl qw(:flock);
use File::Find ();
use File::Path qw(make_path remove_tree);
use Time::HiRes ();

my $USER = 'postgres';
my $DATABASE = 'cargo';
my $OWNER = 'cargo';


sub postgres {
    my ($self, %options) = @_;

    my $lock = _lock($self, LOCK_SH);
    my $template = _template_path($self);

    if (!-d $template) {
        close $lock;
        $lock = _lock($self, LOCK_EX);
        _make_template($self, $template) if !-d $template;
    }

    system('cp', '-a', $template, "$self->{dir}/pgdata") == 0
        or die "cannot copy the template cluster $template\n";

    close $lock;

    _make_socket_dir($self);

    $self->configure_postgres(
        fsync => $options{fsync} ? 'on' : 'off',
        synchronous_commit => $options{fsync} ? 'on' : 'off',
        full_page_writes => $options{fsync} ? 'on' : 'off',
        %{ $options{settings} // {} },
    );

    $self->start_postgres();
    $self->registry($self->{registry}) if $self->{registry} ne 'main';

    return $self;
}


sub configure_postgres {
    my ($self, %settings) = @_;

    my $path = "$self->{dir}/pgdata/postgresql.auto.conf";

    open my $file, '>>', $path or die "open $path: $!\n";
    print {$file} "$_ = '$settings{$_}'\n" for sort keys %settings;
    close $file or die "close $path: $!\n";
}


sub start_postgres {
    my ($self) = @_;

    my $data = "$self->{dir}/pgdata";

    # After a crash the old backends hold the shared memory a moment longer.
    for (1 .. 10) {
        my $pid = $self->spawn(
            name => 'postgres', stdout => "$self->{dir}/postgres.log",
            command => [ $self->as_user($USER, 'INT',
                         postgres_bin('postgres'), '-D', $data) ],
        );

        my $ready = $self->wait_for(sub {
            return 'dead' if !$self->running($pid);
            my @lines = split /\n/, $self->read_file('pgdata/postmaster.pid')
                                    // '';
            return @lines > 7 && $lines[0] == $pid && $lines[7] =~ /^ready/;
        }, 30);

        if ($ready && $ready ne 'dead') {
            $self->{postgres} = $pid;
            return $self;
        }

        $self->terminate($pid, 'QUIT');
        Time::HiRes::sleep(0.2);
    }

    die "PostgreSQL does not start:\n" . $self->read_file('postgres.log');
}


sub stop_postgres {
    my ($self, $mode) = @_;

    my %signals = (smart => 'TERM', fast => 'INT', immediate => 'QUIT');
    my $pid = delete $self->{postgres} or return 1;

    return $self->terminate($pid, $signals{ $mode // 'fast' }, 20);
}


sub kill_postgres {
    my ($self) = @_;

    my $pid = delete $self->{postgres} or return 1;

    return $self->terminate($pid, 'KILL');
}


sub conninfo {
    my ($self, $user) = @_;

    $user //= 'cargo_web';

    return "host=$self->{dir}/pg dbname=$DATABASE user=$user";
}


sub postgres_env {
    my ($self, $user) = @_;

    return (PGHOST => "$self->{dir}/pg", PGDATABASE => $DATABASE,
            PGUSER => $user // $OWNER);
}


sub sql {
    my ($self, $text, %options) = @_;

    my $out = $self->run_ok(
        command => [ postgres_bin('psql'), '-XAtq', '-v', 'ON_ERROR_STOP=1' ],
        env => { $self->postgres_env($options{user} // $USER),
                 $options{database} ? (PGDATABASE => $options{database}) : () },
        input => $text,
    );

    chomp $out;

    return $out;
}


sub postgres_bin {
    my ($name) = @_;

    my $dir = $ENV{TEST_POSTGRES_BIN};

    if (!$dir) {
        my @major = sort { $b <=> $a } map { m{/(\d+)/bin/initdb$} }
                    glob('/usr/lib/postgresql/*/bin/initdb');

        $dir = @major ? "/usr/lib/postgresql/$major[0]/bin"
                      : `pg_config --bindir`;
        chomp $dir;
    }

    die "no PostgreSQL server in $dir: install postgresql"
        . " or set TEST_POSTGRES_BIN\n" if !-x "$dir/initdb";

    return "$dir/$name";
}


sub _lock {
    my ($self, $mode) = @_;

    make_path($self->objs() . '/t');

    my $path = $self->objs() . '/t/postgres.lock';

    open my $lock, '>>', $path or die "open $path: $!\n";
    flock $lock, $mode or die "flock $path: $!\n";

    return $lock;
}


sub _template_path {
    my ($self) = @_;

    my $version = `@{[ postgres_bin('postgres') ]} --version`;
    my $sum = Digest::SHA->new(256);
    my @files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        push @files, $File::Find::name if -f && /\.sql$/;
    } }, $self->root() . '/sql');

    # cargoctl is what applies the files, so what it makes of them counts too.
    push @files, $self->objs() . '/cargoctl';

    for my $file (sort @files) {
        $sum->add("$file\n");
        $sum->addfile($file) if -f $file;
    }

    $version =~ s/\D*([\d.]+).*/$1/s;

    return $self->objs() . "/t/postgres-$version-$<-"
           . substr($sum->hexdigest(), 0, 16);
}


# Only called under the exclusive lock: no other test is copying a template.

sub _make_template {
    my ($self, $template) = @_;

    my $data = "$self->{dir}/pgdata";

    _make_owned_dir($data, 0700);
    _make_socket_dir($self);

    $self->run_ok(
        command => [ $self->as_user($USER, 'TERM', postgres_bin('initdb'),
                     '-D', $data, '-U', $USER, '-A', 'trust', '-N',
                     '-E', 'UTF8', '--locale', 'C.UTF-8') ],
    );

    $self->configure_postgres(
        listen_addresses => '', unix_socket_directories => '../pg',
        fsync => 'off', max_connections => 60, shared_buffers => '16MB',
        log_line_prefix => '%m [%p] %u@%d ', log_statement => 'none',
    );

    $self->start_postgres();

    $self->sql("create role $OWNER login createrole", database => $USER);
    $self->sql("create database $DATABASE owner $OWNER", database => $USER);

    $self->_admin('migrate');
    $self->registry('main');

    $self->stop_postgres();

    remove_tree($_) for glob($self->objs() . '/t/postgres-*-' . "$<-*");

    system('mv', $data, "$template.new") == 0
        && rename("$template.new", $template)
        or die "cannot keep the template cluster as $template\n";
}


sub _make_socket_dir {
    my ($self) = @_;

    my $dir = "$self->{dir}/pg";

    # sun_path holds 107 bytes and a NUL; libpq's error says it less well
    die "$dir/.s.PGSQL.5432 is too long for a socket: use a shorter TMPDIR\n"
        if length("$dir/.s.PGSQL.5432") > 107;

    _make_owned_dir($dir, 0755);
}


sub _make_owned_dir {
    my ($dir, $mode) = @_;

    return if -d $dir;

    mkdir $dir or die "mkdir $dir: $!\n";
    chmod $mode, $dir or die "chmod $dir: $!\n";

    if ($> == 0) {
        my ($uid, $gid) = (getpwnam $USER)[2, 3];
        defined $uid or die "there is no user $USER\n";
        chown $uid, $gid, $dir or die "chown $dir: $!\n";
    }
}


1;

__END__

=head1 NAME

Test::Cargo::Postgres - the private PostgreSQL cluster of a test

=head1 DESCRIPTION

The cluster listens on a Unix socket in the private directory only and
trusts everybody who can reach it.  Roles: C<postgres> (superuser), C<cargo>
(owner of the database C<cargo>), C<cargo_web> (what nginx is; made by the
migrations).  The first test to need one makes a migrated cluster and keeps it
in C<objs/t> as long as PostgreSQL, C<sql/> and cargoctl stay the same; every
test starts from a copy of that.

=head1 METHODS

=head2 postgres(fsync => 1, settings => { name => value })

Makes the cluster and starts it.  C<fsync> is off unless asked for.

=head2 configure_postgres(name => value, ...)

Adds to postgresql.auto.conf; in force at the next start.

=head2 start_postgres, stop_postgres($mode), kill_postgres

Start it again; stop it (C<smart>, C<fast> by default, C<immediate>); kill
the postmaster with SIGKILL.

=head2 conninfo($user), postgres_env($user)

How to connect, as C<cargo_web> by default: a conninfo string; the same as
environment variables, as C<cargo> by default.

=head2 sql($text, user => NAME, database => NAME)

Runs it in psql, as the superuser by default, and returns the output
unaligned, without the last newline.  Dies on an error.

=head2 postgres_bin($name)

The path of a PostgreSQL program.  A function.

=cut
