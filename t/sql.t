#!/usr/bin/perl

# The SQL alone: applied to a private cluster by psql as cargoctl would, and
# tried with pgTAP (t/sql/*.sql, one subtest each).

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use TAP::Parser;
use Test::More;

use Test::Cargo;
use Test::Cargo::Postgres;
use Test::Cargo::Schema;

my $OWNER = 'cargo';

my $t = Test::Cargo->new();

start_cluster($t);

subtest 'an owner who may not create roles' => \&owner_without_createrole;
subtest 'two databases migrated at once' => \&migrate_together;

prepare($t, 'pgtap');
$t->sql('create schema tap; grant usage on schema tap to public;'
        . 'create extension pgtap schema tap', database => 'pgtap');

pgtap($_) for sort glob "$FindBin::Bin/sql/*.sql";

$t->done();


sub owner_without_createrole {
    $t->sql('create role plain login', database => 'postgres');
    $t->sql('create database plain owner plain', database => 'postgres');
    make_store($t, 'plain', 'plain');

    my ($rc, undef, $err) = psql($t, 'plain', 'plain', migrations(1));

    isnt($rc, 0, 'the first migration is refused');
    like($err, qr/role "plain" may not create the role cargo_web/,
         'and says why');

    my ($hint) = $err =~ /^HINT:\s+As a superuser run: (.*;) Then run/m;

    like($hint // '', qr/^create role cargo_web login; alter role /,
         'and what to do');

    $t->sql($hint // '', database => 'postgres');

    is(apply($t, 'plain', 'plain'), '', 'after that all files apply');

    $t->sql($_, database => 'postgres')
        for 'drop database plain', 'drop role cargo_web', 'drop role plain';
}


sub migrate_together {
    my @names = map { "together$_" } 1 .. 4;

    make_database($t, $_) for @names;

    my @pids = map {
        my $name = $_;
        $t->spawn(
            name => "psql $name", stdout => $t->path("out/$name"),
            env => { $t->postgres_env($OWNER), PGDATABASE => $name },
            command => [ psql_command(), '-1', map { ('-f', $_) }
                         migrations(), functions() ],
        )
    } @names;

    for my $i (0 .. $#names) {
        is($t->reap($pids[$i], 30), 0, "$names[$i] is migrated");
        is($t->read_file("out/$names[$i]"), '', 'without a word');
    }

    is($t->sql(<<'SQL', database => 'postgres'), 4, 'timeouts are set in each');
select count(*)
  from pg_db_role_setting d join pg_database b on b.oid = d.setdatabase
 where d.setrole = 'cargo_web'::regrole and cardinality(d.setconfig) = 3
SQL

    is(apply_functions($t, $names[0]), '', 'functions apply again');

    $t->sql("drop database $_", database => 'postgres') for @names;
}


sub pgtap {
    my ($file) = @_;

    my ($rc, $out, $err) = $t->run(
        env => { $t->postgres_env('postgres'), PGDATABASE => 'pgtap' },
        command => [ psql_command(), '-f', $file ],
    );

    subtest 'sql/' . ($file =~ s{.*/}{}r) => sub {
        my $parser = TAP::Parser->new({ tap => $out });

        while (my $line = $parser->next()) {
            if ($line->is_test()) {
                ok($line->is_ok(), $line->description() =~ s/^- //r);
            } elsif ($line->is_comment() && $line->as_string() =~ /^#  /) {
                diag($line->comment());
            }
        }

        ok($parser->is_good_plan(), 'ran to its end');
        is($err, '', 'psql had nothing to say');
    };
}
