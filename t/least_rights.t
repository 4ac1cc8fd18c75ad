#!/usr/bin/perl

# What whoever has taken over nginx could do in the database: as cargo_web, by
# a connection of its own, everything is tried that the catalogue knows of, so
# that what is added later is tried too.  (t/sql/rights.sql asks the catalogue
# who may; this asks the server.)

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();

$t->postgres();
$t->account('alice');

tables();
functions();
schemas();
roles();
server();
settings();
left_open();

$t->done();


# the SQLSTATE of each statement, whose effects are rolled back

sub tried {
    my (@statements) = @_;

    my $out = $t->sql("\\set ON_ERROR_STOP 0\n" . join('', map {
        my $alone = /^alter system/;

        ($alone ? '' : "begin;\n") . "$_;\n\\echo tried :SQLSTATE\n"
        . ($alone ? '' : "rollback;\n")
    } @statements), user => 'cargo_web');

    my @states = $out =~ /^tried (\w{5})$/mg;

    die @states . ' answers to ' . @statements . " statements\n"
        if @states != @statements;

    my %states;
    @states{@statements} = @states;

    return \%states;
}


sub refused {
    my ($name, @statements) = @_;

    my $states = tried(@statements);

    is(join("\n", map { "$states->{$_} $_" }
                  grep { $states->{$_} ne '42501' } @statements), '',
       "$name: " . @statements . ' statements, all of them refused');
}


sub tables {
    my @relations = split /\n/, $t->sql(<<'SQL');
select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname ~ '^cargo' and c.relkind in ('r', 'p', 'v', 'm', 'f')
 order by 1
SQL
    cmp_ok(scalar @relations, '>', 20, 'there are tables');

    refused('tables', map {
        my $relation = $_;

        my $column = $t->sql("select quote_ident(attname) from pg_attribute"
                             . " where attrelid = '$relation'::regclass"
                             . " and attnum = 1");

        ("select * from $relation", "select $column from $relation",
         "select count(*) from $relation",
         "insert into $relation default values", "delete from $relation",
         "update $relation set $column = $column",
         "select $column from $relation for update", "truncate $relation",
         "lock table $relation in access share mode",
         "copy $relation to stdout", "drop table $relation",
         "alter table $relation add evil int", "analyze $relation",
         "create index on $relation ($column)",
         "create trigger evil after insert on $relation"
         . ' execute function suppress_redundant_updates_trigger()',
         "comment on table $relation is 'evil'",
         "grant select on $relation to cargo_web")
    } @relations) if @relations;

    refused('sequences', map {
        ("select nextval('$_')", "select setval('$_', 1)",
         "select last_value from $_")
    } split /\n/, $t->sql(<<'SQL'));
select format('%I.%I', n.nspname, c.relname)
  from pg_class c join pg_namespace n on n.oid = c.relnamespace
 where n.nspname ~ '^cargo' and c.relkind = 'S'
 order by 1
SQL
}


sub functions {
    my @calls = split /\n/, $t->sql(<<'SQL');
select format('select %I.%I(%s)', n.nspname, p.proname,
              (select string_agg('null::' || format_type(a, null), ', '
                                 order by i)
                 from unnest(p.proargtypes) with ordinality t(a, i)))
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where n.nspname in ('cargo_admin', 'cargo_store')
 order by 1
SQL
    cmp_ok(scalar @calls, '>', 100, 'there are functions');
    refused('functions of cargo_admin and cargo_store', @calls);

    my @own = split /\n/, $t->sql(<<'SQL');
select p.oid::regprocedure from pg_proc p
 where p.pronamespace = 'cargo'::regnamespace
SQL
    refused('functions of cargo, other than called', map {
        ("drop function $_", "alter function $_ security invoker",
         "alter function $_ owner to cargo_web",
         "alter function $_ set search_path = public")
    } @own);

    # a call may fail for its nulls, but not for want of rights
    my $states = tried(split /\n/, $t->sql(<<'SQL'));
select format('select %I.%I(%s)', n.nspname, p.proname,
              (select string_agg('null::' || format_type(a, null), ', '
                                 order by i)
                 from unnest(p.proargtypes) with ordinality t(a, i)))
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = 'cargo' and p.prokind = 'f'
SQL
    is_deeply([ grep { $states->{$_} eq '42501' } sort keys %$states ], [],
              'functions of cargo: all may be called');
}


sub schemas {
    my @schemas = split /\n/, $t->sql(<<'SQL');
select quote_ident(nspname) from pg_namespace where nspname !~ '^pg_'
SQL
    refused('schemas', map {
        ("create table $_.evil ()", "create view $_.evil as select 1",
         "create type $_.evil as enum ()", "create sequence $_.evil",
         "create function $_.evil() returns int language sql as 'select 1'",
         "create operator $_.=== (leftarg = int, rightarg = int,"
         . ' function = int4eq)',
         "create collation $_.evil from \"C\"", "drop schema $_ cascade",
         "alter schema $_ rename to evil")
    } @schemas);

    refused('the database', 'create schema evil', 'create temporary table e ()',
            'create extension dblink', 'create extension file_fdw',
            'create extension postgres_fdw',
            'create language evil handler plpgsql_call_handler',
            'create foreign data wrapper evil', 'create publication evil',
            'create event trigger evil on ddl_command_start'
            . ' execute function cargo.changes()',
            'alter database cargo set search_path = evil',
            'alter database cargo rename to evil',
            'alter default privileges for role cargo grant select on tables'
            . ' to cargo_web');
}


sub roles {
    refused('roles', 'set role cargo', 'set role postgres',
            'set session authorization cargo', 'create role evil',
            'alter role cargo_web superuser', 'alter role cargo_web createdb',
            'alter role cargo password null', 'drop role cargo',
            'grant cargo to cargo_web', 'grant pg_read_all_data to cargo_web',
            'reassign owned by cargo to cargo_web',
            'alter role cargo set role = cargo_web');

    my @members = $t->sql("select roleid::regrole from pg_auth_members"
                          . " where member = 'cargo_web'::regrole");

    is("@members", '', 'it is in no other role');
}


# What would lead out of the database, or into the files of the server.

sub server {
    refused('the server', "copy (select 1) to program 'id'",
            "copy (select 1) to '/tmp/evil'",
            "do \$\$ begin create temporary table e (t text);"
            . " copy e from '/etc/passwd'; end \$\$",
            "select pg_read_file('/etc/passwd')",
            "select pg_read_binary_file('PG_VERSION')",
            "select pg_ls_dir('.')", "select pg_stat_file('PG_VERSION')",
            'select pg_ls_logdir()', 'select pg_ls_waldir()',
            'select pg_reload_conf()', 'select pg_rotate_logfile()',
            "select lo_import('/etc/passwd')", "select lo_export(1, '/tmp/e')",
            'select pg_switch_wal()', 'select pg_promote()',
            "select pg_create_restore_point('evil')",
            "select pg_create_physical_replication_slot('evil')",
            'select pg_stat_reset()', 'select * from pg_authid',
            'select * from pg_shadow', 'select * from pg_hba_file_rules()',
            'select * from pg_show_all_file_settings()',
            'select * from pg_user_mapping', 'select * from pg_statistic',
            'select * from pg_largeobject',
            'update pg_class set relname = relname',
            'delete from pg_proc', "load '/tmp/evil'",
            'alter system set log_statement = none');
}


# A server log says what was done: that is not nginx's to end.

sub settings {
    refused('settings', 'set log_statement = none',
            'set log_min_messages = panic', 'set session_preload_libraries'
            . " = 'evil'", 'set session_replication_role = replica',
            'set log_min_error_statement = panic', "set lc_messages = 'C'",
            "set dynamic_library_path = '/tmp'");
}


# What PostgreSQL lets every role do, and only a superuser could forbid: told
# of in SECURITY.md.

sub left_open {
    my $states = tried('select lo_create(0)', 'select pg_advisory_lock(1)',
                       'notify cargo_changes', 'set statement_timeout = 0',
                       'alter role cargo_web set work_mem = 64',
                       'select oid, proname, prosrc from pg_proc');

    is_deeply([ grep { $states->{$_} ne '00000' } sort keys %$states ], [],
              'what is known to be open to every role is');
}
