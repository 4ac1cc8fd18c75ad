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
subtest 'crates that change while crate_search is filled' => \&fill_search;

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


# As the functions of before write to crates: a default version after the row,
# and none before the row goes.

sub fill_search {
    my $name = 'moving';
    my @files = migrations();
    my @owner = (database => $name, user => $OWNER);

    make_database($t, $name);
    psql($t, $name, $OWNER, @files[0 .. 9]);
    $t->sql(<<'SQL', @owner);
insert into cargo_store.registries (name) values ('main');
insert into cargo_store.crates (registry_id, name)
select r.id, 'c' || n
  from cargo_store.registries r, generate_series(1, 7) n;
update cargo_store.crates
   set default_version_id = id, name_variants = array[canonical_name],
       search_head = 'old', search_readme = 'old'
 where name <> 'c7'
SQL

    psql($t, $name, $OWNER, $files[10]);
    is(search_rows($name), join("\n", map { "c$_ f 0 {c$_} 'old' 'old'" }
                                      1 .. 6), 'what is there is copied');
    is(search_due($name), '', 'nothing is left to do');

    $t->sql($_, @owner) for
        "update cargo_store.crates set search_head = 'new' where name = 'c1'",
        "update cargo_store.crates set restricted = true where name = 'c2'",
        'update cargo_store.crates set default_version_id = null'
        . " where name = 'c3'",
        'update cargo_store.crates set default_version_id = null'
        . " where name = 'c4';"
        . " delete from cargo_store.crates where name = 'c4'",
        "update cargo_store.crates set popularity = 7 where name = 'c5'",
        'update cargo_store.crates set updated_at = now(),'
        . " default_version_id = 0 where name = 'c6'";
    is(search_due($name), 'c1 c2 c3 c5 gone', 'what is changed is noted');

    psql($t, $name, $OWNER, @files[11 .. $#files]);
    is(search_due($name), '', 'nothing is left again');
    $t->sql(<<'SQL', @owner);
update cargo_store.crates
   set default_version_id = id, name_variants = array[canonical_name],
       search_head = 'new', search_readme = 'new'
 where name = 'c7'
SQL
    is(apply_functions($t, $name), '', 'the functions come');
    is(search_rows($name), join("\n", "c1 f 0 {c1} 'new' 'old'",
                                "c2 t 0 {c2} 'old' 'old'",
                                "c5 f 7 {c5} 'old' 'old'",
                                "c6 f 0 {c6} 'old' 'old'",
                                "c7 f 0 {c7} 'new' 'new'"),
       'all is as it was changed');
    is($t->sql(<<'SQL', database => $name), 0, 'nothing is left behind');
select (select count(*) from pg_class where relname = 'crate_search_due')
       + (select count(*) from pg_proc where proname ~ 'search_due')
       + (select count(*) from pg_trigger where tgname = 'crates_search_due')
       + (select count(*) from pg_constraint where not convalidated)
SQL
    $t->sql("drop database $name", database => 'postgres');
}


sub search_rows {
    my ($name) = @_;

    return $t->sql(<<'SQL', database => $name);
select concat_ws(' ', s.canonical_name, s.restricted, s.popularity,
                 s.name_variants, s.search_head, s.search_readme)
  from cargo_store.crate_search s
 order by s.canonical_name
SQL
}


sub search_due {
    my ($name) = @_;

    return $t->sql(<<'SQL', database => $name);
select string_agg(distinct coalesce(c.name, 'gone'), ' ')
  from cargo_store.crate_search_due d
       left join cargo_store.crates c on c.id = d.crate_id
SQL
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
