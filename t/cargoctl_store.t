#!/usr/bin/perl

# cargoctl and the store of .crate files: sweep and check.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();
my $cargoctl = $ENV{CARGOCTL} // $t->objs() . '/cargoctl';

plan skip_all => "there is no $cargoctl" if !-x $cargoctl;

my $OLD = 7200;
my @NOBODY = qw(setpriv --reuid=65534 --regid=65534 --clear-groups);
my $blobs = "$t->{dir}/blobs";
my $serial = 0;

$t->postgres();

make_path("$blobs/tmp");
chmod 0755, $blobs;

$t->sql(<<'EOS');
insert into cargo_store.accounts (login, kind) values ('store', 'person');
insert into cargo_store.registries (name) values ('store');
insert into cargo_store.crates (registry_id, name)
select id, 'Foo' from cargo_store.registries where name = 'store';
EOS

wrong_database();
sweep();
sweep_leftovers();
sweep_races();
sweep_under_publishes();
sweep_database_dies();
sweep_rights();
sweep_alone();
check();
check_rights();

$t->done();


sub ctl {
    my (@args) = @_;

    my $options = ref $args[-1] ? pop @args : {};

    return $t->run(
        command => [ @{ $options->{as} // [] }, $cargoctl, @args ],
        env => { $t->postgres_env(), CARGO_DATABASE => undef,
                 CARGO_SQL => undef, CARGO_BLOBS => $blobs },
    );
}


sub path {
    my ($checksum) = @_;

    return sprintf '%s/%s/%s/%s.crate', $blobs, substr($checksum, 0, 2),
                   substr($checksum, 2, 2), $checksum;
}


sub trash { return "$blobs/trash/$_[0].crate" }


# a file in the store; returns its checksum

sub blob {
    my ($age, $content) = @_;

    $content //= 'blob ' . ++$serial;

    my $checksum = sha256_hex($content);

    $t->write_file(path($checksum), $content);
    age(path($checksum), $age);

    return $checksum;
}


sub age {
    my ($path, $seconds) = @_;

    utime time - $seconds, time - $seconds, $path or die "utime $path: $!\n";
}


# a version that refers to it; returns its number

sub version {
    my ($checksum, $size) = @_;

    my $num = '1.0.' . ++$serial;

    $t->sql(<<"EOS");
insert into cargo_store.versions
       (crate_id, num, sort_key, checksum, size, index_head, index_tail,
        features, keywords, categories, authors, published_by, created_at)
select c.id, '$num', '$num', '\\x$checksum', $size, '{', '}', '{}', '{}', '{}',
       '{}', a.id, now()
  from cargo_store.crates c, cargo_store.accounts a
 where c.name = 'Foo' and a.login = 'store';
EOS

    return $num;
}


sub published {
    my ($age) = @_;

    my $content = 'published ' . ++$serial;
    my $checksum = blob($age, $content);

    return ($checksum, version($checksum, length $content));
}


# referenced_blobs() that runs $before each time it is asked, as the owner

sub instrument {
    my ($before) = @_;

    $t->sql(<<"EOS", user => 'cargo');
alter function cargo_admin.referenced_blobs(text[]) rename to original;
create table cargo_store.asked (n bigint generated always as identity);
create function cargo_admin.referenced_blobs(checksums text[])
returns setof text language plpgsql volatile as \$\$
declare
    asked bigint;
begin
    insert into cargo_store.asked default values returning n into asked;
    $before
    return query select * from cargo_admin.original(checksums);
end \$\$;
EOS
}


sub uninstrument {
    $t->sql(<<'EOS', user => 'cargo');
drop function cargo_admin.referenced_blobs(text[]);
drop table cargo_store.asked;
alter function cargo_admin.original(text[]) rename to referenced_blobs;
EOS
}


# SQL cargo_store.touch(): makes a file fresh, as a publish would

sub toucher {
    my ($path, $blob) = @_;

    chmod 0777, "$blobs/trash";
    chmod 0666, $blob;

    $t->sql(<<"EOS");
create or replace function cargo_store.touch() returns void language plpgsql
security definer as \$\$
begin
    copy (select 1) to program 'cat >/dev/null; touch -c $path';
end \$\$;
EOS
}


sub in_trash {
    opendir my $dir, "$blobs/trash" or return undef;

    return [grep { !/^\.\.?$/ } readdir $dir];
}


sub wrong_database {
    my $orphan = blob($OLD);
    my ($rc, $out, $err) = ctl('sweep');

    is($rc, 1, 'a database without any version');
    like($err, qr/"cargo" knows of no published version/, '... is suspect');
    ok(-e path($orphan), '... and nothing is removed');

    unlink path($orphan);
    rmdir "$blobs/trash";
}


sub sweep {
    my ($kept) = published($OLD);
    my $orphan = blob($OLD);
    my $fresh = blob(60);

    $t->write_file("$blobs/tmp/old", 'x');
    $t->write_file("$blobs/tmp/new", 'x');
    age("$blobs/tmp/old", $OLD);

    my $elsewhere = blob($OLD);
    make_path("$blobs/00/00");
    rename path($elsewhere), "$blobs/00/00/$elsewhere.crate";
    $t->write_file("$blobs/README", 'x');
    age("$blobs/README", $OLD);

    my $outside = $t->write_file('outside/x', 'x');
    age($outside, $OLD);
    my $linked = sha256_hex('linked');
    make_path(path($linked) =~ s{/[^/]+$}{}r);
    symlink $outside, path($linked);
    symlink "$t->{dir}/outside", "$blobs/zz";

    my ($rc, $out, $err) = ctl('sweep', '--dry-run');

    is($rc, 0, 'sweep --dry-run');
    like($out, qr/would remove \S+\Q$orphan.crate\E/, '... names the orphan');
    like($out, qr{would remove tmp/old}, '... and the upload');
    ok(-e path($orphan) && -e "$blobs/tmp/old", '... which stay');
    ok(!-e "$blobs/trash", '... and makes no trash/');

    ($rc, $out, $err) = ctl('sweep', '--grace', '3h');
    is($rc, 0, 'sweep --grace 3h');
    ok(-e path($orphan), '... spares what is younger');
    like($out, qr/: removed none, spared 5 younger than 3h \(--grace\)$/m,
         '... and says so');

    ($rc, $out, $err) = ctl('sweep');
    is($rc, 0, 'sweep') or diag($err);
    like($out, qr/^removed \S+\Q$orphan.crate\E \(\d+ bytes\)$/m,
         '... names what it removes');
    like($out, qr/removed 1 that no.*, removed 1 abandoned upload, spared 2 y/,
         '... and counts');
    like($err, qr/left alone: 4 entries/, '... and what it does not know');
    ok(!-e path($orphan), '... the orphan is gone');
    ok(-e path($kept), '... the published one is not');
    ok(-e path($fresh), '... nor the fresh one');
    ok(!-e "$blobs/tmp/old" && -e "$blobs/tmp/new", '... the old upload is');
    ok(-e "$blobs/00/00/$elsewhere.crate" && -e "$blobs/README",
       '... what is in a wrong place stays');
    ok(-l path($linked) && -e $outside, '... symbolic links too');
    is_deeply(in_trash(), [], '... trash/ is empty');
    is((stat "$blobs/trash")[2] & 07777, 0755, '... and has the right mode');

    my $second = blob($OLD);
    ($rc, $out, $err) = ctl('sweep', '--json');
    my $json = decode_json($out);
    is_deeply($json->{removed}, [$second], 'sweep --json');
    is($json->{dry_run}, JSON::PP::false, '... for real');
    is($json->{spared}, 2, '... spared');

    for my $grace (qw(1 1m 299s -1h 1w h 1hh 100000d)) {
        ($rc, $out, $err) = ctl('sweep', '--grace', $grace);
        is($rc, 2, "--grace $grace");
    }
}


# what a sweep that was killed has left in trash/

sub sweep_leftovers {
    my ($used) = published($OLD);
    my $fresh = blob(60);
    my $orphan = blob($OLD);
    my $twice = blob($OLD);

    rename path($_), trash($_) for $used, $fresh, $orphan, $twice;
    blob(60, $t->read_file(trash($twice)));

    my ($rc, $out, $err) = ctl('sweep');

    is($rc, 0, 'a sweep after one that was killed') or diag($err);
    ok(-e path($used), '... a blob that a version refers to is back');
    ok(-e path($fresh), '... and a fresh one');
    ok(!-e path($orphan), '... the orphan is gone');
    ok(-e path($twice), '... what came meanwhile has stayed');
    is_deeply(in_trash(), [], '... and trash/ is empty');
    like($out, qr/put 2 back/, '... counted');
}


# A publish that comes between the two looks.  The database itself plays it,
# as it is asked once before the blobs are moved to trash/ and once after.

sub sweep_races {
    my $committed = blob($OLD);
    my $renamed = blob($OLD);
    my $orphan = blob($OLD);

    toucher(trash($renamed), path($renamed));
    instrument(<<"EOS");
    if asked = 2 then
        update cargo_store.versions set checksum = '\\x$committed'
         where id = (select max(id) from cargo_store.versions);
        perform cargo_store.touch();
    end if;
EOS

    my ($rc, $out, $err) = ctl('sweep');

    is($rc, 0, 'a publish between the two looks') or diag($err);
    ok(-e path($committed), '... has committed: its blob is put back');
    ok(-e path($renamed), '... has renamed: its blob is put back');
    ok(!-e path($orphan), '... the orphan goes');
    like($out, qr/put back \S+\Q$committed\E.*, which somebody is using/,
         '... and it is said');
    is_deeply(in_trash(), [], '... trash/ is empty');

    uninstrument();

    my $early = blob($OLD);

    toucher(path($early), path($early));
    instrument('perform cargo_store.touch();');

    ($rc, $out, $err) = ctl('sweep');

    is($rc, 0, 'a publish before the move') or diag($err);
    ok(-e path($early), '... keeps its blob');
    unlike($out, qr/put \d+ back/, '... which is not even moved');

    uninstrument();
}


# Sweeps without a pause, while blobs that have become orphans are published
# again: the temporary file is renamed over the final name, then the row comes.

sub sweep_under_publishes {
    my $log = $t->path('sweeps');

    my $pid = $t->spawn(
        command => [ '/bin/sh', '-c', 'while "$0" sweep; do :; done',
                     $cargoctl ],
        env => { $t->postgres_env(), CARGO_BLOBS => $blobs },
        stdout => $log,
    );

    for (1 .. 40) {
        my $content = 'again ' . ++$serial;
        my $checksum = blob($OLD, $content);

        Time::HiRes::sleep(rand 0.05);

        my $tmp = $t->write_file("$blobs/tmp/$serial", $content);
        rename $tmp, path($checksum) or die "rename $tmp: $!\n";
        version($checksum, length $content);
        age($_, $OLD) for grep { -e } path($checksum);
    }

    ok($t->running($pid), 'sweeps while blobs are published') or
        diag($t->read_file($log));
    $t->terminate($pid, 'TERM');

    # the last sweep was the shell's child and may still be at work
    $t->wait_for(sub {
        return $t->sql('select count(*) from pg_locks'
                       . " where locktype = 'advisory'") eq '0';
    });

    my $removed = () = $t->read_file($log) =~ /^removed \w\w\//mg;
    my $back = () = $t->read_file($log) =~ /^put back /mg;
    note("$removed removed before they were published again, $back put back");

    my $missing = grep { !-e path($_) } split /\n/,
        $t->sql("select encode(checksum, 'hex') from cargo_store.versions"
                . ' where size > 0');
    is($missing, 0, '... take none of them away');
}


sub sweep_database_dies {
    my $orphan = blob($OLD);

    instrument(<<'EOS');
    if asked = 2 then
        perform pg_terminate_backend(pg_backend_pid());
    end if;
EOS

    my ($rc, $out, $err) = ctl('sweep');

    is($rc, 3, 'the database dies between the two looks');
    like($err, qr/^cargoctl: the database failed: /m, '... is said');
    ok(-e path($orphan), '... everything is put back');
    is_deeply(in_trash(), [], '... trash/ is empty');

    uninstrument();
    unlink path($orphan);
}


sub sweep_rights {
    SKIP: {
        skip 'only root can be somebody else', 3 if $> != 0;

        my $orphan = blob($OLD);
        chmod 0755, "$blobs/trash";
        my ($rc, $out, $err) = ctl('sweep',
                                   { as => \@NOBODY });

        is($rc, 1, 'sweep without rights');
        like($err, qr/trash: Permission denied; run cargoctl as the owner of /,
             '... says whose rights are needed');
        ok(-e path($orphan), '... and does nothing');
    }

    my ($rc, $out, $err) = ctl('sweep', '--blobs', "$t->{dir}/nowhere");
    is($rc, 1, 'sweep of no store');
    like($err, qr{cannot open \S+/nowhere: No such file.*cargo_blobs},
         '... says what --blobs is');
}


sub sweep_alone {
    my $orphan = blob($OLD);

    instrument('perform pg_sleep(1);');

    my $pid = $t->spawn(
        command => [ $cargoctl, 'sweep' ], stdout => $t->path('first'),
        env => { $t->postgres_env(), CARGO_BLOBS => $blobs },
    );

    $t->wait_for(sub {
        return $t->sql('select count(*) from pg_locks'
                       . " where locktype = 'advisory'") eq '1';
    });

    my ($rc, $out, $err) = ctl('sweep');

    is($rc, 1, 'a second sweep at the same time');
    like($err, qr/another sweep or a backup is at work/, '... is refused');
    is($t->reap($pid, 20), 0, '... the first one ends well');
    ok(!-e path($orphan), '... and has swept');

    uninstrument();
}


sub check {
    $t->sql('delete from cargo_store.versions');

    my ($good, $num) = published(0);
    my ($rc, $out, $err) = ctl('check');

    is($rc, 0, 'check') or diag($err);
    like($out, qr/^1 version has its blob in \Q$blobs\E \(size and SHA/,
         '... all is well');
    is($err, '', '... without progress where there is no terminal');

    my ($missing, $num_missing) = published(0);
    my ($short, $num_short) = published(0);
    my ($corrupt, $num_corrupt) = published(0);
    my ($linked, $num_linked) = published(0);
    my ($nowhere, $num_nowhere) = ('ff' x 32);

    unlink path($missing);
    truncate path($short), 3;
    my $size = -s path($corrupt);
    $t->write_file(path($corrupt), 'x' x $size);
    unlink path($linked);
    symlink path($good), path($linked);
    $num_nowhere = version($nowhere, 10);

    my @wrong = (
        [$num_missing, qr/is missing/],
        [$num_short, qr/has 3 bytes, published were \d+/],
        [$num_corrupt, qr/is corrupt: its SHA-256 is [0-9a-f]{64}/],
        [$num_linked, qr/is a symbolic link/],
        [$num_nowhere, qr/is missing/],
    );

    ($rc, $out, $err) = ctl('check');

    is($rc, 1, 'check that finds something');
    like($out, qr{^store: Foo \Q$_->[0]\E: \w\w/\w\w/\w{64}\.crate $_->[1]$}m,
         "... $_->[0]") for @wrong;
    is(() = $out =~ /\n/g, 5, '... and nothing else');
    like($err, qr/^cargoctl: 5 of 6 versions cannot be served/, '... counted');

    ($rc, $out, $err) = ctl('check', '--json');
    my $json = decode_json($out);

    is($rc, 1, 'check --json');
    is($json->{checked}, 6, '... checked');
    is_deeply([map { $_->{version} } @{ $json->{wrong} }],
              [map { $_->[0] } @wrong], '... what is wrong');
    is($json->{wrong}[2]{blob}, path($corrupt) =~ s{^\Q$blobs\E/}{}r,
       '... where');

    ($rc, $out, $err) = ctl('check', '--blobs', "$t->{dir}/outside");
    is($rc, 1, 'check of another directory');
    like($err, qr/not one of 6 versions.* the directory that cargo_blobs names/,
         '... asks whether it is the right one');

    ($rc, $out, $err) = ctl('check', '--quick');
    is($rc, 1, 'check --quick');
    unlike($out, qr/corrupt/, '... does not read the files');
    like($out, qr/has 3 bytes/, '... but compares sizes');

    $t->sql("delete from cargo_store.versions where num <> '$num'");

    # more than a page
    version($good, -s path($good)) for 1 .. 3;
    $t->sql(<<"EOS");
insert into cargo_store.versions
       (crate_id, num, sort_key, checksum, size, index_head, index_tail,
        features, keywords, categories, authors, published_by, created_at)
select crate_id, '2.0.' || i, '', checksum, size, '{', '}', '{}', '{}', '{}',
       '{}', published_by, now()
  from cargo_store.versions, generate_series(1, 1100) i where num = '$num';
EOS

    ($rc, $out) = ctl('check');
    like($out, qr/^all 1104 versions/, 'check of more than a page');

    SKIP: {
        skip 'there is no script(1)', 1 if system('script -V >/dev/null 2>&1');

        ($rc, $out) = $t->run(
            command => [ 'script', '-qec', "$cargoctl check", '/dev/null' ],
            env => { $t->postgres_env(), CARGO_BLOBS => $blobs },
        );

        like($out, qr/\r\e\[K\d+ versions checked, 0 wrong\r\e\[Kall 1104/,
             '... tells a terminal how far it is');
    }
}


sub check_rights {
    SKIP: {
        skip 'only root can be somebody else', 2 if $> != 0;

        $t->sql("delete from cargo_store.versions where num like '2.%'");

        my ($secret, $num) = published(0);
        chmod 0600, path($secret);

        my ($rc, $out, $err) = ctl('check',
                                   { as => \@NOBODY });

        is($rc, 1, 'check without rights');
        like($err, qr/Permission denied; run cargoctl as the owner/,
             '... says whose rights are needed');
    }
}
