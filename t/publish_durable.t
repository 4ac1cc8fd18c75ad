#!/usr/bin/perl

# All or nothing: the order in which a crate gets to the disk and into the
# database, and what is left when a client, the store or a worker fails.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';

# Content on disk, the directories, the name, the name on disk; only then the
# database hears, and only when it has that on disk does anybody else.

my @BLOB = (
    ['the crate is written in tmp/', qr/write\(\d+<STORE\/tmp\/upload-\w+>/],
    ['a directory is made', qr/mkdir\w*\(.*"STORE\/[0-9a-f]{2}"/],
    ['another is made in it', qr/mkdir\w*\(.*"STORE\/..\/[0-9a-f]{2}"/],
    ['the file is synced', qr/fsync\(\d+<STORE\/tmp\/upload-\w+>/],
    ['the store is synced', qr/fsync\(\d+<STORE>/],
    ['the directory is synced', qr/fsync\(\d+<STORE\/[0-9a-f]{2}>/],
    ['the file gets its name', qr/rename\w*\(.*"STORE\/tmp\/upload-\w+"
                                  .*"STORE\/..\/..\/[0-9a-f]{64}\.crate"/x],
    ['the directory in it is synced',
     qr/fsync\(\d+<STORE\/[0-9a-f]{2}\/[0-9a-f]{2}>/],
);

my $CALLS = 'trace=write,writev,fsync,fdatasync,mkdir,mkdirat,rename,'
            . 'renameat,renameat2,sendto';

my $t = Test::Cargo->new();

$t->allow_errors(
    qr/cargo: creating a file in tmp\/ failed in the store/,    # chmod
    qr/cargo: making a directory failed in the store/,
    qr/cargo: .* failed in the store .*No space left on device/,
    qr/worker process \d+ exited on signal 9/,                  # kill -9
);

$t->postgres(fsync => 1);
$t->nginx();

my $token = $t->account('alice');

order_on_disk();
client_goes_away();
unwritable_store();
full_store();
killed_worker();

$t->done();


sub publish {
    my ($name) = @_;

    return $t->publish($token, { name => $name });
}


sub body {
    my ($name, %files) = @_;

    return $t->publish_body($t->metadata(name => $name),
                            $t->crate(name => $name, files => \%files));
}


sub crits { return scalar(() = $t->read_file('error.log') =~ /\[crit\]/g) }


sub check {
    my ($rule) = @_;

    my ($rc, $out, $err) = $t->cargoctl('check');

    is($rc, 0, "$rule: cargoctl check is content") or diag($out . $err);
}


sub strace {
    my ($path) = grep { -x } map { "$_/strace" } split /:/, $ENV{PATH};

    # LeakSanitizer cannot trace what is traced
    my $asan = $ENV{ASAN_OPTIONS};
    my @env = $asan ? ('-E', "ASAN_OPTIONS=$asan:detect_leaks=0") : ();

    return $path && ($path, '-f', '-y', '-s', '300', @env, '-e', $CALLS);
}


sub in_order {
    my ($what, $trace, @steps) = @_;

    my $text = $t->read_file($trace);
    my $store = quotemeta($t->dir() . '/blobs');
    my $last = -1;
    my @wrong;

    # a call that another thread interrupts is told in two lines
    for my $step (@steps) {
        my ($name, $call) = @$step;

        $call =~ s/STORE/$store/g;

        my $at = $text =~ $call ? $-[0] : -1;

        push @wrong, $name if $at <= $last;
        $last = $at if $at > $last;
    }

    is(join(', ', @wrong), '', "$what: "
       . join(', then ', map { $_->[0] } @steps)) or diag($text);
}


sub order_on_disk {
    my @strace = strace();

    SKIP: {
        skip('NO STRACE: the order of fsync, rename and query is not shown', 4)
            if !@strace;

        store_of_its_own(@strace);
        order_of_import(@strace);

        my @pids = ($t->workers(), $t->workers($t->{postgres}));
        my $trace = $t->path('strace.out');

        publish('warm');
        @pids = ($t->workers(), $t->workers($t->{postgres}));

        my $pid = $t->spawn(stdout => $t->path('strace.err'), command => [
            @strace, '-o', $trace, map { ('-p', $_) } @pids ]);

        # every thread is attached
        my $attached = $t->wait_for(sub {
            my @tasks = map { glob("/proc/$_/task/*") } @pids;
            my @traced = grep {
                $t->read_file("$_/status") =~ /^TracerPid:\s+[1-9]/m
            } @tasks;
            return @traced == @tasks;
        });

        skip('STRACE MAY NOT ATTACH: '
             . $t->read_file('strace.err'), 2) if !$attached;

        my $r = $t->put($URI, new_directory('traced', $t->dir() . '/blobs'),
                        Authorization => $token);

        is($r->{status}, 200, 'a publish under strace');

        $t->terminate($pid, 'INT');

        in_order('a publish', 'strace.out', @BLOB,
            ['the database is asked', qr/sendto\(.*cargo_publish/],
            ['its log is synced', qr/f(?:data)?sync\(\d+<\S*\/pg_wal\//],
            ['the client is told', qr/(?:writev?|sendto)\(.*HTTP\/1\.1 200/]);
    }
}


# A store that is made is made to stay.

sub store_of_its_own {
    my (@strace) = @_;

    my $store = $t->path('another/blobs');
    my $conf = $t->read_file('nginx.conf');

    $conf =~ s{cargo_blobs\s+\S+;}{cargo_blobs $store;};
    $t->write_file('another.conf', $conf);

    my ($rc, $out) = $t->run(merge => 1, command => [
        @strace, '-o', $t->path('store.out'), $t->nginx_binary(), '-t',
        '-p', $t->dir() . '/', '-c', $t->path('another.conf'),
        '-e', $t->path('another.log') ]);

    my $parent = quotemeta($t->dir() . '/another');

    in_order('a new store', 'store.out',
             ['it is made', qr/mkdir\w*\(.*"$parent\/blobs"/],
             ['its parent is synced', qr/fsync\(\d+<$parent>/]);
}


sub order_of_import {
    my (@strace) = @_;

    my $body = new_directory('imported', $t->dir() . '/blobs');
    my ($json, $crate) = unpack 'V/a* V/a*', $body;

    $t->write_file('crates/imported-1.0.0.crate', $crate);

    my ($rc, $out) = $t->run(merge => 1, command => [
        @strace, '-o', $t->path('import.out'), $t->objs() . '/cargoctl',
        'import', $t->path('crates'), '--registry', 'main', '--owner',
        'alice', '--blobs', $t->dir() . '/blobs', '--database',
        $t->conninfo('cargo') ]);

    is($rc, 0, 'an import under strace') or diag($out);

    in_order('an import', 'import.out', @BLOB,
             ['the database is asked', qr/sendto\(.*import_/]);
}


sub client_goes_away {
    my ($worker) = $t->workers();
    my $number = 0;

    # bytes of the body that are sent; seconds until the client goes
    for my $row ([0, 0], [2, 0.02], [100, 0], [-1, 0.02], [undef, 0],
                 [undef, 0.001], [undef, 0.003], [undef, 0.006], [undef, 0.01])
    {
        my ($bytes, $pause) = @$row;
        my $sent = defined $bytes ? $bytes : 'all';

        for my $way ('reset', 'close') {
            my $name = 'gone' . $number++;
            my $body = body($name);
            my $connection = $t->connect();

            $connection->send("PUT $URI HTTP/1.1\r\nHost: x\r\n"
                              . "Authorization: $token\r\nContent-Length: "
                              . length($body) . "\r\n\r\n"
                              . (defined $bytes ? substr $body, 0, $bytes
                                                : $body));
            Time::HiRes::sleep($pause);
            $connection->$way();

            next if !defined $bytes;

            is($t->get($t->index_path($name))->{status}, 404,
               "$way after $sent bytes: nothing is published");
        }
    }

    # the last thread may still be at it
    ok($t->wait_for(sub { !blob_files($t, 'tmp') }), 'tmp/ is empty again');
    is(publish('after-gone')->{status}, 200, 'the next publish is 200');
    is_deeply([ $t->workers() ], [$worker], 'the worker lives');

    is($t->sql('select count(*) from cargo_store.crates c where not exists'
               . ' (select from cargo_store.versions where crate_id = c.id)'),
       0, 'no crate is without its version');
    check('clients that went away');
}


sub not_stored {
    my ($rule, $name, $r, $status, $detail, $crits) = @_;

    is($r->{status}, $status, "$rule: $status");
    is(($r->detail() // $r->{body}) =~ s/ \(request \w+\)\z//r, $detail,
       "$rule: in words, as JSON");
    is(crits() - $crits, 1, "$rule: one [crit] in the log");
    is($t->get($t->index_path($name))->{status}, 404,
       "$rule: nothing is published");
}


sub unwritable_store {
    my $blobs = $t->dir() . '/blobs';
    my $detail = 'the registry could not store the crate (Permission denied); '
                 . 'nothing was published; tell its administrator, the error '
                 . 'log of nginx says more';

    for my $row (['tmp/ may not be written to', "$blobs/tmp"],
                 ['the store may not be written to', $blobs])
    {
        my ($rule, $dir) = @$row;
        my ($crits, $mode) = (crits(), (stat $dir)[2] & 07777);
        my $name = $dir eq $blobs ? 'denied-store' : 'denied-tmp';

        my $body = new_directory($name, $blobs);
        my @known = blob_files($t);

        chmod 0555, $dir or die "chmod $dir: $!\n";
        my $r = $t->put($URI, $body, Authorization => $token);
        chmod $mode, $dir or die "chmod $dir: $!\n";

        not_stored($rule, $name, $r, 500, $detail, $crits);
        is_deeply([ blob_files($t) ], \@known, "$rule: no file is left");
    }

    is(publish('allowed')->{status}, 200, 'a store that is writable again');
}


# An upload whose checksum begins with two digits that no other had.

sub new_directory {
    my ($name, $blobs) = @_;

    for my $nonce (1 .. 1000) {
        my $crate = $t->crate(name => $name, files => { nonce => $nonce });

        return $t->publish_body($t->metadata(name => $name), $crate)
            if !-e "$blobs/" . substr $t->checksum($crate), 0, 2;
    }

    die "all 256 directories are there\n";
}


sub full_store {
    my $tmp = $t->dir() . '/blobs/tmp';

    SKIP: {
        skip('NOT ROOT: the full disk is not shown', 6) if $> != 0;

        my ($uid, $gid) = (stat $tmp)[4, 5];

        skip('NO MOUNT: the full disk is not shown', 6)
            if system('mount', '-t', 'tmpfs', '-o',
                      "size=64k,mode=0700,uid=$uid,gid=$gid", 'tmpfs', $tmp);

        my $crits = crits();
        my $noise = join '', map { chr rand 256 } 1 .. 200_000;

        my $r = $t->put($URI, body('full', noise => $noise),
                        Authorization => $token);

        my @left = blob_files($t, 'tmp');

        system('umount', $tmp) == 0 or die "umount $tmp failed\n";

        not_stored('a full disk', 'full', $r, 503,
                   'the registry has no room for the crate now (No space left '
                   . 'on device); nothing was published; tell its '
                   . 'administrator, then try again', $crits);
        like($r->header('Retry-After') // '', qr/^\d+$/,
             'a full disk: when to come back');
        is_deeply(\@left, [], 'a full disk: no file is left on it');
    }
}


sub killed_worker {
    for my $round (1 .. 3) {
        my ($worker) = $t->workers();
        my @connections;

        for my $n (1 .. 8) {
            my $connection = $t->connect();
            my $body = body("killed$round-$n",
                            data => join '', map { rand } 1 .. 3000);

            $connection->send("PUT $URI HTTP/1.1\r\nHost: x\r\n"
                              . "Authorization: $token\r\nContent-Length: "
                              . length($body) . "\r\n\r\n$body");
            push @connections, $connection;
        }

        Time::HiRes::sleep(0.004 * $round);
        kill 'KILL', $worker;

        my %told = map { $_ => $connections[$_]->receive()->{status} } 0 .. 7;

        ok($t->wait_for(sub {
            my @workers = $t->workers();
            return @workers == 1 && $workers[0] != $worker;
        }), "round $round: the master starts another worker");

        my @lost = grep {
            $told{$_} == 200 && $t->get($t->index_path(
                "killed$round-" . ($_ + 1)))->{status} != 200
        } 0 .. 7;

        is_deeply(\@lost, [], "round $round: what was told 200 is there");
        check("round $round");
    }

    is($t->sql('select count(*) from cargo_store.crates c where not exists'
               . ' (select from cargo_store.versions where crate_id = c.id)'),
       0, 'nothing is half done');
    is(publish('after-kill')->{status}, 200, 'the next publish is 200');
}
