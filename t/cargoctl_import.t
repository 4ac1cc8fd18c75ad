#!/usr/bin/perl

# cargoctl import: directories as mirrors lay them out, what is refused of
# them, whose dependencies they have, and an import that was killed.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA ();
use JSON::PP qw(decode_json);
use Test::More;

use Test::Cargo;
use Test::Cargo::Import;
use Test::Cargo::Store;

my $t = Test::Cargo->new();
my $dir = $t->dir();

$t->postgres();
$t->nginx();
$t->account('alice');
$t->registry('second');
$t->registry('wrong');
mkdir "$dir/second" or die "mkdir: $!\n";

for my $registry (qw(main second)) {
    $t->cargoctl('registry', 'set', $registry,
                 'allow_unknown_dependencies=true');
}

$t->cargoctl('account', 'grant', 'alice', '--registry', $_, '--role',
             'publisher') for qw(second wrong);

layouts();
refused();
own_and_foreign();
told_apart();
resumed();
wrong_usage();
wrong_owner();

$t->done();


# The same crates as mirrors lay them out.

sub layouts {
    my %crates = map { ($_ => $t->crate(name => "lay-$_")) } qw(a b c d);
    my $lines = '';

    for my $version ('1.0.0', '0.9.0', '1.0.0-alpha.2', '1.0.0-alpha.10') {
        my $crate = $t->crate(name => 'Lay-E', version => $version);
        my %line = (name => 'Lay-E', vers => $version, deps => [],
                    cksum => Digest::SHA::sha256_hex($crate), features => {},
                    yanked => $version eq '0.9.0' ? \1 : \0,
                    pubtime => '2020-02-0' . length($version)
                               . 'T00:00:00Z', v => 2);

        $t->write_file("layouts/crates/la/y-/Lay-E/$version/download", $crate);
        $lines .= JSON::PP->new->canonical->encode(\%line) . "\n";
    }

    $t->write_file('layouts/index/la/y-/lay-e', "$lines\n");
    $t->write_file('layouts/index/config.json', '{}');
    $t->write_file('layouts/lay-a/lay-a-1.0.0.crate', $crates{a});
    $t->write_file('layouts/crates/la/y-/lay-b/1.0.0/lay-b-1.0.0.crate',
                   $crates{b});
    $t->write_file('layouts/crates/lay-c/1.0.0/download', $crates{c});
    $t->write_file('layouts/any-name.crate', $crates{d});
    $t->write_file('layouts/.cache/x.crate', 'x');
    $t->write_file('layouts/README', 'nothing');
    $t->write_file('layouts/ab/cd/abcd', "{}\n");
    $t->write_file('layouts/other/download', 'no gzip');
    $t->write_file("layouts/lay-f/lay-f-$_.crate",
                   $t->crate(name => 'lay-f', version => $_))
        for '1.10.0', '1.9.0', '1.10.0-rc.1';
    symlink "$dir/layouts", "$dir/layouts/round" or die "symlink: $!\n";

    ok_import($t, 'any layout', 'main', 'layouts',
              { imported => 11, yanked => 1, refused => [],
                other_files => 4 });

    my $document = $t->get('/index/la/y-/lay-e')->{body};

    is(join(' ', $document =~ /"vers":"([^"]+)"/g),
       '1.0.0 0.9.0 1.0.0-alpha.2 1.0.0-alpha.10',
       'a document keeps the order of the lines');
    like($document, qr/"vers":"1\.0\.0",.*"pubtime":"2020-02-05T00:00:00Z"/,
         'and the times');
    like($document, qr/"vers":"0\.9\.0".*"yanked":true/, 'and yanks');
    unlike($document, qr/pubtime":"2020-02-01/, 'a broken time is dropped');

    is(join(' ', $t->get('/index/la/y-/lay-f')->{body}
                 =~ /"vers":"([^"]+)"/g), '1.9.0 1.10.0-rc.1 1.10.0',
       'without lines the order is that of the versions');
}


sub refused {
    my $good = $t->crate(name => 'good');
    my $sum = Digest::SHA::sha256_hex($good);

    $t->write_file('bad/good-1.0.0.crate', $good);
    $t->write_file('bad/copy/good-1.0.0.crate', $good);
    $t->write_file('bad/other/good-1.0.0.crate',
                   $t->crate(name => 'good', files => { 'x' => 'y' }));
    $t->write_file('bad/cut-1.0.0.crate',
                   substr $t->crate(name => 'cut'), 0, -20);
    $t->write_file('bad/not-a.crate', 'PK');
    $t->write_file('bad/empty.crate', '');
    $t->write_file('bad/noroot-1.0.0.crate', $t->crate(entries => [
        { name => 'noroot/Cargo.toml', data => '' } ]));
    $t->write_file('bad/escape-1.0.0.crate', $t->crate(
        name => 'escape', more => [ { name => 'other-1.0.0/x' } ]));
    $t->write_file('bad/liar-1.0.0.crate', $t->crate(
        name => 'liar', manifest => Test::Cargo::Crate::manifest(
            name => 'honest')));
    $t->write_file('bad/toml-1.0.0.crate', $t->crate(
        name => 'toml', manifest => '[package'));
    $t->write_file('bad/unknown-1.0.0.crate', $t->crate(
        name => 'unknown', manifest => Test::Cargo::Crate::manifest(
            name => 'unknown',
            extra => "[dependencies]\nnowhere = \"1\"\n")));
    $t->write_file('bad/huge-1.0.0.crate', "\x1f\x8b" . 'x' x 11_000_000);
    $t->write_file('bad/summed-1.0.0.crate', $t->crate(name => 'summed'));
    symlink '/nowhere', "$dir/bad/dangling.crate" or die "symlink: $!\n";

    my $line = '{"name":"%s","vers":"1.0.0","deps":[],"cksum":"%s",'
               . '"features":{},"yanked":false}' . "\n";

    $t->write_file('bad/su/mm/summed', sprintf $line, 'summed', $sum);
    $t->write_file('bad/go/ne/gone', sprintf($line, 'gone', $sum) . "x\n");

    my ($rc, $report, $err) = import_into($t, 'wrong', 'bad', '--dependencies',
                                          'own');
    my %why = map { ($_->{file} => $_->{reason}) } @{ $report->{refused} };

    is($rc, 1, 'something was refused');
    is_deeply([ @$report{qw(imported already_there)} ], [ 1, 1 ],
              'the good one is taken, a copy of it is known');

    my %expected = (
        'other/good-1.0.0.crate' => qr/other contents than copy\/good-/,
        'cut-1.0.0.crate' => qr/its gzip data is cut off/,
        'not-a.crate' => qr/not a crate: it does not begin with gzip/,
        'empty.crate' => qr/not a crate: it does not begin with gzip/,
        'noroot-1.0.0.crate' => qr/NAME-VERSION, but below `noroot`/,
        'escape-1.0.0.crate' => qr/other-1\.0\.0/,
        'liar-1.0.0.crate' => qr/Cargo\.toml is that of honest 1\.0\.0/,
        'toml-1.0.0.crate' => qr/failed to parse `Cargo\.toml`/,
        'unknown-1.0.0.crate' =>
            qr/`nowhere`; import it .*--dependencies.*unknown-dependencies=on/,
        'huge-1.0.0.crate' => qr/not a crate/,
        'summed-1.0.0.crate' => qr/its SHA-256 is \w+, but su\/mm\/summed:1/,
        'dangling.crate' => qr/not a regular file/,
        'go/ne/gone:1' => qr/the \.crate file of this version is missing/,
        'go/ne/gone:2' => qr/not a line of the crate's index/,
    );

    is_deeply([ sort keys %why ], [ sort keys %expected ], 'the bad ones')
        || diag(explain(\%why));

    for my $file (sort keys %expected) {
        like($why{$file} // '', $expected{$file}, "$file is refused");
        like($err, qr/^cargoctl: \Q$file\E: /m, 'and named');
    }

    is($t->sql('select string_agg(c.name, $$,$$) from cargo_store.crates c'
               . ' join cargo_store.registries r on r.id = c.registry_id'
               . ' where r.name = $$wrong$$'), 'good',
       'nothing of them is in the registry');
}


# Whose dependencies they are.

sub own_and_foreign {
    my $old = 'sparse+https://old.example/index/';
    my $third = 'sparse+https://third.example/index/';
    my $crates_io = 'https://github.com/rust-lang/crates.io-index';

    my $crate = $t->crate(name => 'deps', manifest =>
        Test::Cargo::Crate::manifest(name => 'deps', extra => <<"TOML"));
[dependencies.plain]
version = "1"
[dependencies.old]
version = "1"
registry-index = "$old"
[dependencies.third]
version = "1"
registry-index = "$third"
TOML

    my $registries = sub {
        my ($args, $line) = @_;

        $t->sql("select (cargo_admin.delete_crate('main', 'deps', 'test',"
                . ' true)).status');
        $t->sql("select (cargo_admin.lift_quarantine('main', 'deps',"
                . ' null)).status');

        $t->run_ok(command => [ 'rm', '-rf', "$dir/deps" ]);
        $t->write_file('deps/deps-1.0.0.crate', $crate);
        $t->write_file('deps/de/ps/deps', JSON::PP->new->encode({
            name => 'deps', vers => '1.0.0', features => {},
            cksum => Digest::SHA::sha256_hex($crate),
            deps => [ map { { name => $_, registry => $line->{$_} } }
                      keys %$line ] }) . "\n") if $line;

        my ($rc, $report, $err) = import_into($t, 'main', 'deps', @$args);

        is($rc, 0, "import @$args") || diag($err);

        my $document = decode_json($t->get('/index/de/ps/deps')->{body});

        return { map { ($_->{name} => $_->{registry}) }
                 @{ $document->{deps} } };
    };

    is_deeply($registries->([]), { plain => $crates_io, old => $old,
              third => $third }, 'as the Cargo.toml says');
    is_deeply($registries->([ '--dependencies', 'own' ]),
              { plain => undef, old => $old, third => $third },
              'those without a registry are own');
    is_deeply($registries->([ '--map', "$old=own", '--map',
                              "$third=crates-io" ]),
              { plain => $crates_io, old => undef, third => $crates_io },
              'others by --map');
    is_deeply($registries->([ '--map', "$old=sparse+https://new/" ]),
              { plain => $crates_io, old => 'sparse+https://new/',
                third => $third }, 'to another one');

    my $line = { plain => $crates_io, old => undef, third => $third };

    is_deeply($registries->([ '--dependencies', 'own' ], $line), $line,
              'a line of an index knows better');
    is_deeply($registries->([], { %$line, plain => undef }), $line,
              'but for what it calls its own');
}


# What is there with another line of the index stays as it is, and is named.

sub told_apart {
    my $crate = $t->crate(name => 'apart', manifest =>
        Test::Cargo::Crate::manifest(name => 'apart', extra => <<'TOML'));
[dependencies]
nowhere = "1"
TOML

    $t->write_file('apart/apart-1.0.0.crate', $crate);

    my $report = ok_import($t, 'as crates.io\'s', 'main', 'apart',
                           { imported => 1, differs => [], warnings => [] });
    my $document = $t->get('/index/ap/ar/apart')->{body};

    for my $more ('--dry-run', '--quiet') {
        ok_import($t, "as one of its own: $more", 'main', 'apart',
                  { imported => 0, already_there => 1, refused => [],
                    differs => ['apart 1.0.0'] }, '--dependencies', 'own',
                  $more);
    }

    is($t->get('/index/ap/ar/apart')->{body}, $document, 'changes nothing');

    my ($rc, undef, $err) = $t->cargoctl(
        'import', "$dir/apart", '--registry', 'main', '--owner', 'alice',
        '--dependencies', 'own');

    is($rc, 0, 'and fails not');
    like($err, qr/already there, with another index line: apart 1\.0\.0;/,
         'but is said');

    ok_import($t, 'an unknown dependency', 'second', 'apart',
              { imported => 1,
                warnings => ['apart 1.0.0: no known crate named `nowhere`'] },
              '--dependencies', 'own');
}


sub resumed {
    my $count = 150;

    $t->write_file("many/many-1.0.$_.crate",
                   $t->crate(name => 'many', version => "1.0.$_"))
        for 0 .. $count - 1;

    my $have = sub { $t->sql('select count(*) from cargo_store.versions v'
                             . ' join cargo_store.crates c'
                             . " on c.id = v.crate_id where c.name = 'many'") };

    my $pid = $t->spawn(
        name => 'cargoctl', stdout => "$dir/killed.log",
        command => [ $t->objs() . '/cargoctl', 'import', "$dir/many",
                     '--registry', 'main', '--owner', 'alice' ],
        env => { CARGO_DATABASE => $t->conninfo('cargo'),
                 CARGO_BLOBS => "$dir/blobs" },
    );

    $t->wait_for(sub { $have->() >= 10 });
    kill 'KILL', $pid;
    $t->reap($pid, 10);

    my $first = $have->();

    ok($first >= 10 && $first < $count, "killed after $first of $count");

    my ($rc, $out) = $t->cargoctl('check');
    is($rc, 0, 'every version that is there has its blob') || diag($out);

    ok_import($t, 'continued', 'main', 'many',
              { imported => $count - $first, already_there => $first,
                refused => [] });

    is(join(' ', $t->get('/index/ma/ny/many')->{body}
                 =~ /"vers":"1\.0\.(\d+)"/g), join(' ', 0 .. $count - 1),
       'the order is as if nothing had happened');

    # what the store has lost comes back
    my $lost = "$dir/blobs/" . blob_of(Digest::SHA::sha256_hex(
        $t->read_file('many/many-1.0.7.crate')));
    unlink $lost or die "unlink $lost: $!\n";

    ok_import($t, 'imported again', 'main', 'many',
              { imported => 0, already_there => $count, refused => [] });
    ok(-f $lost, 'a missing blob is back');
}


sub wrong_usage {
    my @import = ('import', "$dir/many", '--registry', 'main', '--owner',
                  'alice');

    $t->write_file('nothing/README', 'no crate');

    for my $case (
        [ 2, qr/--dependencies is own/, @import, '--dependencies', 'x' ],
        [ 2, qr/--map x=own cannot be understood/, @import, '--map',
          'x=own' ],
        [ 2, qr/--map http:\/\/x cannot be/, @import, '--map', 'http://x' ],
        [ 1, qr/cannot open .*nowhere: /, 'import', "$dir/nowhere",
          @import[2 .. 5] ],
        [ 1, qr/there is no \.crate file in/, 'import', "$dir/nothing",
          @import[2 .. 5] ],
        [ 1, qr/holds other things/, @import, '--blobs', "$dir/many" ],
    ) {
        my ($status, $pattern, @args) = @$case;
        my ($rc, $out, $err) = $t->cargoctl(@args);

        is($rc, $status, "cargoctl @args[2 .. $#args]");
        like($err, $pattern, 'says why');
    }
}


# Said before the first crate is read, and once.

sub wrong_owner {
    $t->write_file("one/one-1.0.$_.crate",
                   $t->crate(name => 'one', version => "1.0.$_")) for 0, 1;

    $t->account('rita', role => 'reader');
    $t->account('gone');
    $t->cargoctl('account', 'disable', 'gone');
    $t->cargoctl('team', 'create', 'core');
    $t->cargoctl('account', 'grant', 'team:core', '--registry', 'main',
                 '--role', 'publisher');

    for my $case ([ qr/`nobody-here`/, 'main', 'nobody-here' ],
                  [ qr/nowhere/, 'nowhere', 'alice' ],
                  [ qr/`rita` has the role reader/, 'main', 'rita' ],
                  [ qr/`gone` is disabled/, 'main', 'gone' ],
                  [ qr/is a team: import for an account/, 'main',
                    'team:core' ]) {
        my ($pattern, $registry, $owner) = @$case;

        for my $from ([ 'one' ], [ 'one', '--dry-run' ], [ 'many' ]) {
            my ($what, @more) = @$from;
            my ($rc, $out, $err) = $t->cargoctl('import', "$dir/$what",
                '--registry', $registry, '--owner', $owner, @more);

            is($rc, 1, "registry $registry, owner $owner, @$from");
            like($err, $pattern, 'says why not');
            is(() = $err =~ /^cargoctl: /mg, 1, 'and that once');
            is($out, '', 'and counts nothing');
        }
    }
}
