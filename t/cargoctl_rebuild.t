#!/usr/bin/perl

# cargoctl rebuild: the database is lost, and there is no backup of it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Store;
use Test::Cargo::Story;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my $token = $t->account('alice');
my $export = "$t->{dir}/export";

# neither by precedence nor by name
publish('foo', $_) for qw(1.0.0 0.9.0 2.0.0 1.1.0);
publish('bar', '1.0.0');
publish('Gone', '1.0.0');
publish('gone-too', '0.1.0');

admin('crate', 'yank', 'foo', '0.9.0', '--registry', 'main');
admin('crate', 'delete', 'Gone', '--registry', 'main', '--reason', 'test');

SKIP: {
    skip('THERE IS NO CARGO', 1) if !Test::Cargo->cargo_binary();

    Test::Cargo::Story::short_story($t, 'before', env => {
        CARGO_REGISTRIES_MAIN_TOKEN => $token });
}

admin('export', $export, '--registry', 'main');

# after the export
publish('late', '1.0.0');
admin('crate', 'delete', 'gone-too', '--registry', 'main', '--reason', 'test');

my $before = documents();

# the loser of a race, which no sweep has seen
my $twin = $t->crate(name => 'foo', version => '1.1.0',
                     files => { 'src/other.rs' => '' });

$t->write_file("$t->{dir}/blobs/" . blob_of($t->checksum($twin)), $twin);
$t->write_file("$t->{dir}/blobs/trash/x.crate", 'of a sweep');

misuse();
with_index();
without_index();
damaged();

$t->done();


sub publish {
    my ($name, $vers) = @_;

    my $r = $t->publish($token, { name => $name, vers => $vers });

    die "publish $name $vers: $r->{status} $r->{body}" if $r->{status} != 200;
}


sub admin {
    my ($rc, $out, $err) = $t->cargoctl(@_);

    die "cargoctl @_: $rc\n$out$err" if $rc != 0;

    return $out;
}


sub documents {
    return { map {
        my $r = $t->get($t->index_path($_));
        ($_ => "$r->{status} $r->{body}")
    } qw(foo bar late story gone gone-too) };
}


# the database as it is after a loss, and what an administrator does first

sub lose {
    $t->stop_nginx();
    $t->sql('drop database cargo with (force)', database => 'postgres');
    $t->sql('create database cargo owner cargo', database => 'postgres');

    admin('migrate');
    admin('registry', 'create', 'main');
    $token = $t->account('rescuer');
    $t->start_nginx() or die "nginx does not start\n";
}


sub rebuild {
    return $t->cargoctl('rebuild', @_, '--registry', 'main', '--owner',
                        'rescuer');
}


sub misuse {
    my ($rc, $out, $err) = $t->cargoctl('rebuild', '--registry', 'main');

    is($rc, 2, 'an owner has to be named');
    like($err, qr/--owner is missing/, 'which it says');

    lose();

    ($rc, $out, $err) = rebuild("$t->{dir}/nothing");
    is($rc, 1, 'no index there');
    like($err, qr/cannot open \S+nothing: No such file/, 'is refused');

    ($rc, $out, $err) = rebuild("$t->{dir}/pg");
    like($err, qr/there is no line of an index in/, 'and so is what is none');
}


sub with_index {
    my ($rc, $out, $err) = rebuild($export);

    # in the export, and swept or not: a blob is not asked what became of it
    is($rc, 0, 'from the blobs and an export') or diag($err);
    like($err, qr/^3 blobs that \S+ does not name were left alone/m,
         'a deleted crate, a late one and the loser of a race are left alone');
    like($err, qr/^not in the files, and lost: .*\(all are rescuer's now\)/m,
         'it says what is lost');

    my $after = documents();

    is($after->{$_}, $before->{$_}, "the document of $_, byte for byte")
        for qw(foo bar story);
    like($after->{'gone-too'}, qr/^200/, 'what was deleted after the export'
         . ' is back');
    is($t->get('/api/v1/crates/foo/2.0.0/download')->{status}, 200,
       'it can be downloaded');
    is(($t->cargoctl('check'))[0], 0, 'and all of it is there');

    ($rc, $out, $err) = rebuild($export);
    like($out, qr/^imported 0 versions .* 8 already there, 0 refused/,
         'a second time nothing is done');

    SKIP: {
        skip('THERE IS NO CARGO', 1) if !Test::Cargo->cargo_binary();

        my ($cargo, $said) = $t->cargo('build', '--locked', {
            dir => "$t->{dir}/story-app" });

        is($cargo, 0, 'cargo builds with the Cargo.lock of before')
            or diag($said);
    }

    # what is left comes with a second run
    ($rc, $out, $err) = rebuild();
    is($rc, 1, 'the rest, without the index');
    like($err, qr{1/\w\w/\w{64}\.crate|/\w{64}\.crate: it is not the only},
         'but not what is twice');
    ok($t->wait_for(sub { $t->get($t->index_path('late'))->{status} == 200 }),
       'the late one');
}


sub without_index {
    lose();

    my ($rc, $out, $err) = rebuild();

    is($rc, 1, 'from the blobs alone');
    is(scalar(() = $err =~ /is not the only blob of foo 1\.1\.0/g), 2,
       'but for a version that two blobs claim to be');
    like($err, qr/^no index was given, so: nothing is yanked/m,
         'it says what is guessed');

    my $foo = $t->get($t->index_path('foo'))->{body};

    is_deeply([ $foo =~ /"vers":"([^"]+)"/g ], [ qw(1.0.0 0.9.0 2.0.0) ],
              'versions in the order in which they were published');
    unlike($foo, qr/"yanked":true/, 'none of them yanked');

    my ($line) = $before->{late} =~ /^200 (.*)/s;

    is(without_time($t->get($t->index_path('late'))->{body}),
       without_time($line), 'a line is what it was, but for its time');

    $t->run_ok(command => [ 'mv', "$t->{dir}/blobs/"
                            . blob_of($t->checksum($twin)), $t->{dir} ]);
    ($rc, $out, $err) = rebuild();
    is($rc, 0, 'with one of them out of the way');
    like($out, qr/^imported 1 version /, 'the other is taken');
}


sub without_time {
    my ($text) = @_;

    ok($text =~ s/"pubtime":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ"//,
       'it has a time');

    return $text;
}


sub damaged {
    lose();

    my ($corrupt, $missing) = map {
        "$t->{dir}/blobs/" . blob_of($t->checksum($t->crate(
            name => 'foo', version => $_)))
    } qw(1.0.0 2.0.0);

    $t->write_file($corrupt, substr($t->read_file($corrupt), 0, -1) . 'x');
    unlink $missing or die "unlink $missing: $!\n";

    my ($rc, $out, $err) = rebuild($export);

    is($rc, 1, 'blobs are damaged');
    like($err, qr/\.crate: it is corrupt: its SHA-256 is/, 'one is corrupt');
    like($err, qr{index/3/f/foo:3: the \.crate file of this version is missing},
         'one is missing');
    like($out, qr/^imported 6 versions .* 2 refused/, 'all else is taken');
}
