package Test::Cargo::Schema;

use strict;
use warnings;

use Exporter qw(import);
use FindBin;

use Test::Cargo::Postgres;

our @EXPORT = qw(apply apply_functions functions make_database make_store
                 migrations prepare psql psql_command start_cluster);

my $OWNER = 'cargo';
my $SQL = "$FindBin::Bin/../sql";


sub start_cluster {
    my ($t) = @_;

    my @ids = $> == 0 ? (getpwnam 'postgres')[2, 3] : ($>, $) + 0);

    for my $dir (map { $t->dir() . "/$_" } 'pgdata', 'pg') {
        mkdir $dir, 0700 or die "mkdir $dir: $!\n";
        chown @ids, $dir or die "chown $dir: $!\n";
    }

    $t->run_ok(command => [
        $t->as_user('postgres', 'TERM',
                    Test::Cargo::Postgres::postgres_bin('initdb'),
                    '-D', $t->dir() . '/pgdata', '-U', 'postgres',
                    '-A', 'trust', '-N', '-E', 'UTF8',
                    '--locale', 'C.UTF-8') ]);

    $t->configure_postgres(
        listen_addresses => '', unix_socket_directories => '../pg',
        fsync => 'off', shared_buffers => '16MB',
    );

    $t->start_postgres();

    $t->sql("create role $OWNER login createrole", database => 'postgres');
}


sub prepare {
    my ($t, $name) = @_;

    make_database($t, $name);

    my $err = apply($t, $name);
    die $err if $err ne '';
}


sub make_database {
    my ($t, $name) = @_;

    $t->sql("create database $name owner $OWNER", database => 'postgres');
    make_store($t, $name);
}


sub make_store {
    my ($t, $name, $owner) = @_;

    $t->sql(<<'SQL', database => $name, user => $owner // $OWNER);
create schema cargo_store;
create table cargo_store.migrations (
    number     integer primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
);
SQL
}


# What psql said on the way: nothing, when all is well.

sub apply {
    my ($t, $name, $owner) = @_;

    my $said = '';

    for my $file (migrations()) {
        my ($rc, $out, $err) = psql($t, $name, $owner, $file);
        $said .= $out . $err;
    }

    return $said . apply_functions($t, $name, $owner);
}


sub apply_functions {
    my ($t, $name, $owner) = @_;

    my ($rc, $out, $err) = psql($t, $name, $owner, functions());

    return $out . $err;
}


sub psql {
    my ($t, $name, $owner, @files) = @_;

    return $t->run(
        env => { $t->postgres_env($owner // $OWNER), PGDATABASE => $name },
        command => [ psql_command(), '-1', map { ('-f', $_) } @files ],
    );
}


sub psql_command {
    return (Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq',
            '-v', 'ON_ERROR_STOP=1');
}


sub migrations {
    my ($count) = @_;

    my @files = sort glob "$SQL/migrations/*.sql";

    return @files[0 .. ($count // @files) - 1];
}


sub functions {
    return sort glob "$SQL/functions/*.sql";
}


1;

__END__

=head1 NAME

Test::Cargo::Schema - the SQL alone, applied by psql as cargoctl would

=head1 FUNCTIONS

=head2 start_cluster($t)

A cluster of its own with nothing in it but the role that owns the databases.

=head2 make_database($t, $name), make_store($t, $name, $owner)

An empty database with the table that cargoctl keeps its migrations in; that
table alone, in a database that is there.

=head2 prepare($t, $name)

A database to which all files were applied.

=head2 apply($t, $name, $owner), apply_functions($t, $name, $owner)

Applies all files, or the functions alone, and returns what psql said on the
way.

=head2 psql($t, $name, $owner, @files), psql_command()

Runs files in one transaction; the command that can.

=head2 migrations($count), functions()

The files, in the order in which they are applied; the first migrations only.

=cut
