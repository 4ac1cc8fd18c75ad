#!/usr/bin/perl

# cargoctl restore: into a registry that runs, interrupted anywhere, and of
# what is damaged.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use File::Path qw(make_path);
use POSIX ();
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Backup;
use Test::Cargo::Cache;
use Test::Cargo::Store;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my $token = $t->account('alice');
my $backups = backups($t);

publish($t, $token, 'foo', "1.0.$_") for 1 .. 3;
publish($t, $token, 'bar', '0.1.0');

running();
damaged();
damaged_store();
killed_restore();

$t->done();


# The database is lost while nginx serves, and an older one comes back.

sub running {
    # as in a database of a version that did not store them
    $t->sql('delete from cargo_store.documents');
    backup($t);

    publish($t, $token, 'foo', '2.0.0');
    listening($t);

    my $foo = $t->index_path('foo');

    $t->get($foo);
    like($t->get($foo)->{body}, qr/"2\.0\.0"/, 'a version after the backup');

    my $pid = fork() // die "fork: $!\n";

    if ($pid == 0) {
        my %seen;

        while (!-e "$t->{dir}/restored") {
            for my $uri ($foo, '/index/config.json', $t->index_path('bar'),
                         '/api/v1/crates/bar/owners')
            {
                my $r = $t->get($uri);

                $seen{"$uri $r->{status} $r->{body}"}++
                    if $r->{status} !~ /^(?:200|503)$/;
            }
        }

        print STDERR "$_\n" for keys %seen;
        POSIX::_exit(%seen ? 1 : 0);
    }

    $t->sql('drop database cargo with (force)', database => 'postgres');
    $t->sql('create database cargo owner cargo', database => 'postgres');

    my ($rc, $out, $err) = $t->cargoctl('restore', $backups);

    is("$rc$err", '0', 'a restore under a running nginx');
    is($t->sql('select count(*) from cargo_store.documents'), 2,
       'index documents are stored that were not');

    ok($t->wait_for(sub { $t->get($foo)->{body} !~ /"2\.0\.0"/ }, 10),
       'nginx serves what was restored, and nothing of what was lost');
    ok($t->wait_for(sub {
        $t->publish($token, { name => 'foo', vers => '2.0.0' },
                    files => { 'src/new.rs' => '' })->{status} == 200
    }, 10), 'a publish is taken again');
    like($t->get($foo)->{body}, qr/"2\.0\.0"/, 'and shown');

    $t->write_file('restored', '');
    waitpid $pid, 0;
    is($?, 0, 'meanwhile there was never another answer than 200 and 503');
}


sub damaged {
    my $target = target($t);
    my $name = backup($t)->{name};
    my ($blob) = grep { /crate$/ } files("$backups/blobs");
    my ($listed) = $t->read_file("$backups/$name/blobs.sha256")
                   =~ m{blobs/(\S+)};

    my %files = (
        "$name/database.dump" => qr/database\.dump is damaged: .*SHA-256/,
        "$name/blobs.sha256" => qr/blobs\.sha256 is damaged: .*SHA-256/,
        "$name/manifest.json" => qr/manifest\.json is damaged/,
        "blobs/$listed" => qr/is corrupt.*\n.*1 blob of backup .* is damaged/,
    );

    for my $file (sort keys %files) {
        my $good = $t->read_file("$backups/$file");
        my $bad = $good;

        substr($bad, 5, 1) = substr($bad, 5, 1) eq 'x' ? 'y' : 'x';
        $t->write_file("$backups/$file", $bad);

        my ($rc, $out, $err) = restore($t, $target);

        is($rc, 1, "a damaged $file is found") or diag($out, $err);
        like($err, $files{$file}, 'and named');
        untouched($t, $target, 'it');

        $t->write_file("$backups/$file", $good);
    }

    rename "$backups/blobs/$listed", "$t->{dir}/kept" or die;

    my ($rc, $out, $err) = restore($t, $target);

    like($err, qr/\Q$listed\E is missing/, 'a missing blob is found');

    ($rc, $out, $err) = restore($t, $target, '--force');

    is($rc, 1, 'and with --force restored is all else');
    like($out, qr/^main: \S+ \S+: \Q$listed\E is missing/m,
         'as the check says');

    rename "$t->{dir}/kept", "$backups/blobs/$listed" or die;

    my $manifest = $t->read_file("$backups/$name/manifest.json");

    $t->write_file("$backups/$name/manifest.json",
                   $manifest =~ s/"format": 1/"format": 2/r);
    ($rc, $out, $err) = restore($t, target($t));
    like($err, qr/was made by a newer cargoctl/, 'another format is refused');

    $t->write_file("$backups/$name/manifest.json",
                   $manifest =~ s/("0008.*\n.*"sha256": ")./$1-/r);
    ($rc, $out, $err) = restore($t, target($t));
    like($err, qr/has another file in its place/, 'other migrations too');

    $t->write_file("$backups/$name/manifest.json", $manifest);
}


# A blob that is gone keeps nobody from a backup of the rest.

sub damaged_store {
    my $body = 'unlucky ' x 9;

    publish($t, $token, 'unlucky', '1.0.0', files => { 'src/x.rs' => $body });

    my $checksum = $t->sql("select encode(v.checksum, 'hex') from"
        . " cargo_store.versions v join cargo_store.crates c"
        . " on c.id = v.crate_id where c.name = 'unlucky'");
    my $blob = "$t->{dir}/blobs/" . blob_of($checksum);

    rename $blob, "$t->{dir}/kept" or die "rename $blob: $!\n";

    my ($rc, $out, $err) = $t->cargoctl('backup', $backups);

    is($rc, 1, 'a backup without a blob');
    like($err, qr/is missing \(main: unlucky 1\.0\.0\)\n.*1 blob could not/s,
         'says which');
    like($out, qr/^backup \S+ is in/, 'and holds all else');

    my $target = target($t);

    ($rc, $out, $err) = restore($t, $target);
    is($rc, 1, 'that it is not whole');
    like($err, qr/main: unlucky 1\.0\.0, which is missing.*with --force/s,
         'is said before it is restored');
    untouched($t, $target, 'that');

    # a sweep that was killed had it in trash/
    make_path("$t->{dir}/blobs/trash");
    rename "$t->{dir}/kept", "$t->{dir}/blobs/trash/$checksum.crate" or die;

    is(backup($t)->{copied}, 1, 'what is in trash/ is found there');
    $t->cargoctl('sweep');
    ok(-e $blob, 'and comes back');
}


sub killed_restore {
    my $half = 0;

    for my $after (map { $_ * 0.04 } 0 .. 14) {
        my $target = target($t);
        my $pid = $t->spawn(
            stdout => "$t->{dir}/killed.log",
            command => [ $t->objs() . '/cargoctl', 'restore', $backups ],
            env => $target->{env});

        $t->wait_for(sub { state($target) ne 'none' })
            or die "no restore was begun\n";
        Time::HiRes::sleep($after);
        kill 'KILL', $pid;
        $t->reap($pid, 10);

        my $state = state($target);

        if ($state eq 'half') {
            $half++;

            is($t->sql("select coalesce(bool_or(has_schema_privilege("
                . "'cargo_web', oid, 'usage')), false) from pg_namespace"
                . " where nspname ~ '^cargo'", database => $target->{name}),
               'f', "killed after $after s: nginx is not let in");

            my ($rc, $out, $err) = $t->cargoctl('migrate',
                                                { env => $target->{env} });
            like($err, qr/was interrupted: run `cargoctl restore` again/,
                 'nor by a migrate');
        }

        my ($rc, $out, $err) = restore($t, $target);

        is($rc, $state eq 'done' ? 1 : 0, "in state $state, it is done again")
            or diag($out, $err);
        is(($t->cargoctl('check', { env => $target->{env} }))[0], 0,
           'and all is there');
    }

    cmp_ok($half, '>', 0, "$half of these restores were half done");
}


sub state {
    my ($target) = @_;

    return $t->sql("select case"
        . " when to_regnamespace('cargo_restore') is not null then 'half'"
        . " when to_regnamespace('cargo') is not null then 'done'"
        . " else 'none' end", database => $target->{name});
}
