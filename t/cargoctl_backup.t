#!/usr/bin/perl

# cargoctl backup: while the registry is written to, interrupted, and what a
# restore into another cluster makes of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use POSIX ();
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Backup;
use Test::Cargo::Store;
use Test::Cargo::Story;

my $t = Test::Cargo->new();
my $other;

$t->postgres();
$t->nginx();

my $token = $t->account('alice');
my $backups = backups($t);

publish($t, $token, 'foo', "1.0.$_") for 1 .. 3;
publish($t, $token, 'bar', '0.1.0');
admin($t, 'crate', 'yank', 'foo', '1.0.2', '--registry', 'main');

layout();
another_cluster();
while_it_is_used();
a_sweep_waits();
refused();
killed_backup();
keep();
tools();

$other->finish();
$t->done();


sub documents {
    my ($server) = @_;

    return { map {
        my $r = $server->get($_);
        ($_ => [ @$r{qw(status body)},
                 map { $r->header($_) } qw(ETag Last-Modified) ])
    } map { $t->index_path($_) } qw(foo bar nobody) };
}


sub layout {
    my $first = backup($t);
    my $dir = "$backups/$first->{name}";

    is("$first->{blobs} $first->{copied}", '4 4', 'all blobs are copied');
    is_deeply([ files($dir) ], [ qw(blobs.sha256 database.dump manifest.json) ],
              'a backup is a dump, a list and a manifest');
    is((stat $backups)[2] & 07777, 0700, 'that nobody else can read');

    for my $file (files($dir)) {
        is((stat "$dir/$file")[2] & 07777, 0600, "nor $file");
    }

    is(($t->run(command => [ 'sha256sum', '--check', '--quiet',
                                   'blobs.sha256' ], dir => $dir))[0], 0,
       'sha256sum can check it');

    my ($blob) = grep { /\.crate$/ } files("$t->{dir}/blobs");

    isnt((stat "$backups/blobs/$blob")[1], (stat "$t->{dir}/blobs/$blob")[1],
         'a blob of a backup is a file of its own');
    is((stat "$backups/blobs/$blob")[9], (stat "$t->{dir}/blobs/$blob")[9],
       'with the time it had');

    publish($t, $token, 'foo', '1.0.4');

    my $second = backup($t);

    is("$second->{blobs} $second->{copied}", '5 1',
       'the next backup copies what is new');
    cmp_ok($second->{name}, 'gt', $first->{name}, 'and has a later name');
}


# One that has never heard of cargo_web.

sub another_cluster {
    my $before = documents($t);

    $other = Test::Cargo->new();
    $other->{finished} = 0;
    $other->postgres();

    my $fresh = schema($other);

    for my $statement ('drop database cargo', 'drop role cargo_web',
                       'create database cargo owner cargo')
    {
        $other->sql($statement, database => 'postgres');
    }

    $other->write_config();

    my ($rc, $out, $err) = $other->cargoctl('restore', $backups);

    is("$rc$err", '0', 'a restore into another cluster');
    like($out, qr/^restored backup \S+ into database "cargo" and \S+: 5 blobs,/,
         'says what it did');
    like($out, qr/^all 5 versions have their blob/m, 'and ends with a check');

    is(schema($other), $fresh, 'tables, functions and rights are those of'
       . ' migrate');

    $other->nginx();

    is_deeply(documents($other), $before, 'index documents are the same, byte'
              . ' for byte, and so are their validators');
    is($other->get('/api/v1/crates/foo/1.0.1/download')->{body},
       $t->get('/api/v1/crates/foo/1.0.1/download')->{body},
       'crates can be downloaded');
    is($other->publish($token, { name => 'foo', vers => '1.0.5' })->{status},
       200, 'tokens are good, owners own');
    like(($other->cargoctl('audit', '--action', 'restore', '--json'))[1],
         qr/"backup":"\d{8}T\d{6}Z"/, 'the restore is in the audit log');

    SKIP: {
        skip('THERE IS NO CARGO', 1) if !Test::Cargo->cargo_binary();

        Test::Cargo::Story::short_story($other, 'after a restore', env => {
            CARGO_REGISTRIES_MAIN_TOKEN => $token });
    }
}


# what dumps of two databases differ in is no part of a schema

sub schema {
    my ($server) = @_;

    my $dump = $server->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin('pg_dump'),
                     '--schema-only' ],
        env => { $server->postgres_env() });

    $dump =~ s/^\\(?:un)?restrict .*\n//mg;

    my $rights = $server->sql(<<'SQL', database => 'postgres');
select d.datname, pg_get_userbyid(d.datdba), d.datacl, s.setconfig
  from pg_database d
       left join pg_db_role_setting s on s.setdatabase = d.oid
 where d.datname = 'cargo'
 order by 4;
select rolcanlogin, rolsuper, rolcreaterole, rolcreatedb
  from pg_roles where rolname = 'cargo_web';
SQL

    return "$dump\n$rights";
}


# Publishes, yanks, deletions and sweeps go on; each backup is whole.

sub while_it_is_used {
    my $stop = "$t->{dir}/stop";

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my $done = eval { use_it($stop); 1 };
        print STDERR $@ if !$done;
        POSIX::_exit($done ? 0 : 1);
    }

    my @names;

    for (1 .. 4) {
        my $rows = $t->sql('select count(*) from cargo_store.audit');

        ok($t->wait_for(sub {
            $t->sql('select count(*) from cargo_store.audit') > $rows + 10
        }), 'it is used');
        push @names, backup($t);
    }

    $t->write_file('stop', '');
    waitpid $pid, 0;
    is($?, 0, 'all of which went well');

    for my $backup (@names) {
        my $target = target($t);
        my ($rc, $out, $err) = restore($t, $target, '--at', $backup->{name});

        is("$rc$err", '0', "backup $backup->{name} can be restored");
        is($t->sql('select count(distinct checksum) from cargo_store.versions',
                   database => $target->{name}), $backup->{blobs},
           'and has a blob for each version');
    }

    cmp_ok($names[-1]{blobs}, '>', $names[0]{blobs}, 'more and more of them');
}


sub use_it {
    my ($stop) = @_;

    # files of run() are numbered
    $t->{runs} = 100000;

    for (my $n = 1; !-e $stop; $n++) {
        publish($t, $token, 'busy', "1.0.$n");
        next if $n % 5;

        admin($t, 'crate', 'yank', 'busy', "1.0.$n", '--registry', 'main');
        admin($t, 'crate', 'delete', 'busy', '1.0.' . ($n - 1), '--registry',
              'main', '--reason', 'a test');

        # old enough for the sweep, which may find a backup at work
        utime 1, 1, map { "$t->{dir}/blobs/$_" } blob_files($t);
        $t->cargoctl('sweep');
    }
}


sub a_sweep_waits {
    my $fifo = fifo('pg_dump');
    my $pid = $t->spawn(
        stdout => "$t->{dir}/waits.log",
        command => [ $t->objs() . '/cargoctl', 'backup', $backups ],
        env => tool_env());

    ok($t->wait_for(sub { -e "$fifo.begun" }), 'a backup is at work');

    my ($rc, $out, $err) = $t->cargoctl('sweep');

    is($rc, 1, 'a sweep does not begin');
    like($err, qr/another sweep or a backup is at work/, 'and says why');

    ($rc, $out, $err) = $t->cargoctl('backup', $backups);
    is($rc, 1, 'nor another backup to this directory');
    like($err, qr/another backup or restore is at work in/, 'which says why');

    go_on($fifo);
    is($t->reap($pid, 30), 0, 'the backup ends');
    is(($t->cargoctl('sweep'))[0], 0, 'and a sweep may begin');
}


sub refused {
    my $target = target($t);

    my %wrong = (
        'in use' => [ sub { $t->cargoctl('restore', $backups) },
            qr/database "cargo" is in use \(registries: main\)/ ],
        'no such backup' => [ sub { restore($t, $target, '--at', '2026') },
            qr/no complete backup "2026"; there are: \d{8}T\d{6}Z, / ],
        'no directory of backups' => [
            sub { $t->cargoctl('restore', "$t->{dir}/blobs") },
            qr/is no directory of `cargoctl backup`/ ],
        'holds other things' => [
            sub { $t->cargoctl('backup', $t->dir()) },
            qr/holds other things and no backups/ ],
        'in the store' => [
            sub { $t->cargoctl('backup', "$t->{dir}/blobs/backups") },
            qr/lies in the store/ ],
        'keeps none' => [
            sub { $t->cargoctl('backup', $backups, '--keep', '0') },
            qr/--keep 0 makes no sense/ ],
    );

    for my $name (sort keys %wrong) {
        my ($code, $pattern) = @{ $wrong{$name} };
        my ($rc, $out, $err) = $code->();

        isnt($rc, 0, "refused: $name");
        like($err, $pattern, 'with a reason');
    }

    rmdir "$t->{dir}/blobs/backups";
    untouched($t, $target, 'a refusal');
}


sub killed_backup {
    my $left = 0;

    for my $after (map { $_ * 0.04 } 0 .. 9) {
        publish($t, $token, 'killed', "1.0." . int($after * 1000));

        # of another second, and so with another name than that before
        my $second = time;
        $t->wait_for(sub { time != $second });

        my %before = map { $_ => 1 } glob("$backups/2*");

        my $pid = $t->spawn(
            stdout => "$t->{dir}/killed.log",
            command => [ $t->objs() . '/cargoctl', 'backup', $backups ],
            env => { CARGO_DATABASE => $t->conninfo('cargo'),
                     CARGO_BLOBS => "$t->{dir}/blobs" });

        $t->wait_for(sub { grep { !$before{$_} } glob("$backups/2*") })
            or die "no backup was begun\n";
        Time::HiRes::sleep($after);
        kill 'KILL', $pid;
        $t->reap($pid, 10);

        my @undone = grep { !-e "$_/manifest.json" } glob("$backups/2*");

        $left += @undone;
    }

    cmp_ok($left, '>', 0, 'killed backups leave something');

    backup($t);

    is(scalar(grep { !-e "$_/manifest.json" } glob("$backups/2*")), 0,
       'which the next one takes away');
    is(scalar(() = glob("$backups/blobs/tmp/*")), 0, 'all of it');
    is((restore($t, target($t)))[0], 0, 'and can be restored itself');
}


sub keep {
    my $all = () = files("$backups/blobs");

    admin($t, 'crate', 'delete', 'busy', '--registry', 'main', '--reason',
          'none', '--force');

    my $report = decode_json(admin($t, 'backup', $backups, '--keep', '1',
                                   '--json'));

    is(scalar(() = glob("$backups/2*")), 1, 'one backup stays');
    cmp_ok($report->{backups_removed}, '>', 5, 'all others were removed');
    is(scalar(() = files("$backups/blobs")), $report->{blobs},
       'and the blobs that only they had');
    is($all - $report->{blobs_removed}, $report->{blobs},
       'as the report says');
    is((restore($t, target($t)))[0], 0, 'the one that stays is whole');
}


# pg_dump of another version, of nobody, and what it is told.

sub tools {
    my $bin = "$t->{dir}/bin";
    my $env = tool_env();

    $t->write_file('bin/pg_dump', "#!/bin/sh\n"
                   . "echo 'pg_dump (PostgreSQL) 12.1'\n");

    my ($rc, $out, $err) = $t->cargoctl('backup', $backups, { env => $env });

    is($rc, 1, 'an old pg_dump is refused');
    like($err, qr/pg_dump in PATH is that of PostgreSQL 12 and the server is/,
         'with both versions');

    ($rc, $out, $err) = $t->cargoctl('backup', $backups, {
        env => { %$env, PATH => '/nowhere' } });
    is($rc, 1, 'and so is none');
    like($err, qr/there is no pg_dump in PATH: install/, 'in other words');

    $t->write_file('bin/pg_dump', <<"SH");
#!/bin/sh
echo "\$@" >> $bin/arguments
env >> $bin/environment
exec @{[ Test::Cargo::Postgres::postgres_bin('pg_dump') ]} "\$@"
SH
    ($rc, $out, $err) = $t->cargoctl('backup', $backups, { env => {
        %$env, CARGO_DATABASE => $t->conninfo('cargo') . ' password=hush' } });

    is("$rc$err", '0', 'a password');
    unlike($t->read_file('bin/arguments'), qr/hush/, 'is not in the arguments');
    like($t->read_file('bin/environment'), qr/^PGPASSWORD=hush$/m,
         'but in the environment');

    $t->write_file('bin/pg_dump', "#!/bin/sh\ncase \$1 in --version) exec"
        . " @{[ Test::Cargo::Postgres::postgres_bin('pg_dump') ]} --version;;"
        . " esac\necho oops >&2; exit 3\n");

    my @before = glob("$backups/2*");

    ($rc, $out, $err) = $t->cargoctl('backup', $backups, { env => $env });
    is($rc, 3, 'a pg_dump that fails');
    like($err, qr/^oops\n.*pg_dump failed \(exit code 3\)/, 'is told of');
    is_deeply([ glob("$backups/2*") ], \@before, 'and leaves nothing');
}


sub tool_env {
    return { CARGO_DATABASE => $t->conninfo('cargo'),
             CARGO_BLOBS => "$t->{dir}/blobs",
             PATH => "$t->{dir}/bin:$ENV{PATH}" };
}


# a pg_dump that waits before it begins

sub fifo {
    my ($name) = @_;

    my $fifo = "$t->{dir}/bin/wait";
    my $real = Test::Cargo::Postgres::postgres_bin($name);

    make_path("$t->{dir}/bin");
    POSIX::mkfifo($fifo, 0600) or die "mkfifo $fifo: $!\n";
    $t->write_file("bin/$name", <<"SH");
#!/bin/sh
case \$1 in --version) exec $real --version ;; esac
touch $fifo.begun
read -r go < $fifo
exec $real "\$@"
SH
    chmod 0755, "$t->{dir}/bin/$name";

    return $fifo;
}


sub go_on {
    my ($fifo) = @_;

    open my $file, '>', $fifo or die "open $fifo: $!\n";
    print {$file} "go\n";
    close $file;
}
