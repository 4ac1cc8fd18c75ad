#!/usr/bin/perl

# cargoctl migrate while nginx serves with the module that is there: no
# request fails, whatever is replaced, and whoever holds a table.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database qw(hold in_background log_lines);
use Test::Cargo::Load;

my $ROOT = "$FindBin::Bin/..";
my $ROUNDS = 8;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(main => 'worker_processes 2;');

my $token = $t->account('alice');
my $load = Test::Cargo::Load->start($t, token => $token, strict => 1,
                                    clients => 3);
my %done;

for my $round (1 .. $ROUNDS) {
    $load->go();
    ok($load->answered(10), "release $round: load");
    is(migrate(release($round)), 0, "release $round: migrated");
    ok($load->answered(10), "release $round: load goes on");
    verdict("release $round");
}

table_in_use();
table_vacuumed();

ok($load->stop(), 'the clients lived');
cmp_ok($done{$_} // 0, '>', 10, "there was load: $_")
    for qw(publish yank unyank index download);
is($t->sql("select count(*) from pg_proc where proname ~ '_release_\\d+\$'"
           . " and proname !~ '_release_$ROUNDS\$'"),
   0, 'nothing of an earlier release is left');
is($t->sql("select deadlocks from pg_stat_database where datname = 'cargo'"),
   0, 'no deadlocks');
is(scalar log_lines($t, qr/\[error\]/), 0, 'nothing to complain of')
    or diag((log_lines($t, qr/\[error\]/))[0 .. 9]);

$t->done();


# Another table, another column, and all functions that the module does not
# call itself have other names: what is under way finds them gone.

sub release {
    my ($round) = @_;

    my $dir = $t->path("release-$round");

    system('cp', '-r', "$ROOT/sql", $dir) == 0 or die "cp: $?\n";

    my $last = () = glob("$dir/migrations/*.sql");

    for my $n (1 .. $round) {
        $t->write_file(
            sprintf("%s/migrations/%04d_release_%d.sql", $dir, $last + $n, $n),
            # in the order that ctl_migrate.c asks for
            "lock table cargo_store.registries, cargo_store.versions,"
            . " cargo_store.crates in access exclusive mode;\n"
            . "create table cargo_store.release_$n (n integer);\n"
            . "alter table cargo_store.versions add release_$n integer"
            . " not null default $n;\n"
            . "alter table cargo_store.crates add release_$n text;\n");
    }

    for my $file (glob("$dir/functions/*.sql")) {
        my $text = $t->read_file($file);

        $text =~ s/\b(insert_version|add_version|find_version|open_for_read
                      |insert_dependencies|touch_token)\b
                  /$1_release_$round/gx;
        $t->write_file($file, $text);
    }

    return $dir;
}


sub migrate {
    my ($dir) = @_;

    my ($rc, $out, $err) = $t->cargoctl('migrate', '--sql', $dir);

    diag($out . $err) if $rc;

    return $rc;
}


# As pg_dump holds all tables for as long as it takes.

sub table_in_use {
    my $dir = release($ROUNDS + 1);
    my $held = hold($t, 'lock table cargo_store.versions in access share mode');

    $load->go();

    my $migrated = in_background($t, sub { return migrate($dir) });

    # longer than those would wait who stand behind it
    my $waits = $t->wait_for(sub {
        $t->sql('select count(*) from pg_stat_activity where usename ='
                . " 'cargo' and wait_event_type = 'Lock'");
    });

    ok($waits, 'a migration waits for a table that is in use');
    ok($load->answered(15), 'others do not wait for it') for 1 .. 6;

    release_table($held);
    is($migrated->(60), 0, 'it is done when the table is free');
    verdict('a table in use');
    $ROUNDS++;
}


# The slowest autovacuum that there can be.

sub table_vacuumed {
    my $dir = release($ROUNDS + 1);

    $t->sql("alter system set autovacuum_naptime = '1s'", user => 'postgres');
    $t->sql('select pg_reload_conf()', user => 'postgres');
    $t->sql('alter table cargo_store.versions set ('
            . 'autovacuum_vacuum_threshold = 0,'
            . 'autovacuum_vacuum_scale_factor = 0,'
            . 'autovacuum_vacuum_cost_delay = 100,'
            . 'autovacuum_vacuum_cost_limit = 1)');
    $t->sql('update cargo_store.versions set updated_at = now()') for 1 .. 9;

    ok($t->wait_for(sub {
        $t->sql("select count(*) from pg_stat_activity where backend_type ="
                . " 'autovacuum worker' and query ~ 'cargo_store.versions'",
                user => 'postgres');
    }), 'a table is vacuumed');
    is(migrate($dir), 0, 'it is migrated');
    like($t->read_file('postgres.log'), qr/canceling autovacuum task/,
         'the autovacuum gave way');
    $ROUNDS++;
}


sub release_table { Test::Cargo::Database::release($t, shift) }


sub verdict {
    my ($what) = @_;

    my $known = $load->pause();

    $done{$_} += $known->{done}{$_} for keys %{ $known->{done} };
    is(scalar @{ $known->{wrong} }, 0, "$what: no request failed")
        or diag(explain([ @{ $known->{wrong} }[0 .. 9] ]));
}
