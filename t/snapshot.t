#!/usr/bin/perl

# nginx is started while the database is away: what it knew when it ended is
# served on, as old as it is, and nothing of it once the database is back.

use strict;
use warnings;

use File::Path qw(remove_tree);
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Story;

plan(skip_all => 'THERE IS NO CARGO: install one or set CARGO')
    if !Test::Cargo->cargo_binary();

my $t = Test::Cargo->new();
my $dir = "$t->{dir}/state";
my $file = "$dir/snapshot";

mkdir $dir or die "mkdir $dir: $!\n";

if ($> == 0) {
    chown((getpwnam 'nobody')[2, 3], $dir) or die "chown $dir: $!\n";
}

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');
$t->registry('spare');

sub conf {
    my ($zone, %more) = @_;

    return (main => 'worker_processes 2;', %more,
            http => "cargo_zone $zone;" . <<'CONF');
cargo_postgres_timeout 700ms;
cargo_postgres_connect_timeout 700ms;
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF
}

$t->nginx(conf("cargo:8m snapshot=$file"));

my $token = $t->account('alice');
my $vera = $t->account('vera', registry => 'vault');
my @vault = (port => $t->port('vault'), Authorization => $vera);

publish($token, { name => 'foo' });
publish($token, { name => 'gem' });
publish($token, { name => 'long', features => {
    map { ("feature-$_" => []) } 1 .. 290 } },
    manifest => Test::Cargo::Crate::manifest(
        name => 'long', version => '1.0.0', extra => "\n[features]\n"
        . join '', map { "feature-$_ = []\n" } sort 1 .. 290));
publish($vera, { name => 'bar' }, @vault[0, 1]);
$t->cargoctl('crate', 'restrict', 'gem', '--registry', 'main');

my $app = $t->new_crate('app', Test::Cargo::Story::package(
    'app', '0.1.0', <<'TOML'), { 'src/main.rs' => 'fn main() {}' });

[dependencies]
foo = { version = "1", registry = "main" }
TOML

unlink "$app/src/lib.rs";

my $foo = '/index/3/f/foo';
my @gzip = ('Accept-Encoding' => 'gzip');

# [status when the database is there, URI, headers]
my @public = (
    [ 200, '/index/config.json' ], [ 200, $foo ], [ 200, $foo, @gzip ],
    [ 304, $foo, 'If-None-Match' => '*' ],
    [ 200, '/index/lo/ng/long' ], [ 200, '/index/lo/ng/long', @gzip ],
    [ 404, '/index/3/n/non' ], [ 404, '/index/3/g/gem' ],
    [ 200, '/api/v1/crates/foo/1.0.0/download' ],
    [ 401, '/index/config.json', @vault[0, 1] ],
);

my @private = (
    [ 200, '/index/config.json', @vault ], [ 200, '/index/3/b/bar', @vault ],
    [ 200, '/api/v1/crates/bar/1.0.0/download', @vault ],
    [ 200, '/index/3/g/gem', Authorization => $token ],
);

my @all = (@public, @private);

configurations();
quits();
told_at_start();
comes_back();
killed();
revoked();
killed_while_it_writes();
reloaded();
bounds();
without_verdicts();
useless_files();
unwritable();

$t->done();


sub publish {
    my ($by, $metadata, %more) = @_;

    my $r = $t->publish($by, { vers => '1.0.0', %$metadata }, %more);

    die "publish: $r->{status} $r->{body}" if $r->{status} != 200;
}


sub answer {
    my ($case) = @_;

    my (undef, $uri, @headers) = @$case;
    my $r = $t->get($uri, @headers);

    return join ' ', $r->{status}, map { $r->header($_) // '-' }
           qw(ETag Last-Modified Content-Encoding Cache-Control);
}


sub whole { return map { $t->get(@$_[1 .. $#$_])->{body} } @all }


sub statuses { return join ' ', map { (answer($_) =~ /^(\d+)/)[0] } @_ }


sub expected { return join ' ', map { $_->[0] } @_ }


sub warm_up {
    ok($t->wait_for(sub {
        my $before = asked($t);

        return statuses(@all) eq expected(@all) && asked($t) == $before;
    }), 'all is warm') or diag(statuses(@all));
}


sub written { return (Time::HiRes::stat($file))[9] // 0 }


# A change of permissions is not left in the file for long; that it is one in
# a registry of its own leaves all else warm.

sub permissions_change {
    $t->sql("insert into cargo_store.changes (registry_id, kind)"
            . " select id, 'role' from cargo_store.registries"
            . " where name = 'spare'");
}


sub saved {
    my $before = written();

    permissions_change();

    return $t->wait_for(sub { written() != $before }, 15);
}


sub starts { ok($t->start_nginx(), $_[0]) }


# The second question comes after the first answer has been heeded.

sub back {
    $t->start_postgres() if !$t->{postgres};

    my $before = asked($t, qr/cargo_changes/);

    ok($t->wait_for(sub { asked($t, qr/cargo_changes/) > $before + 1 }),
       'the database is back');
}


sub log_has {
    my ($pattern) = @_;

    return scalar grep { $_ =~ $pattern }
           split /\n/, $t->read_file('error.log') // '';
}


sub fetches {
    my ($name) = @_;

    remove_tree("$t->{dir}/cargo-home/registry");
    unlink "$app/Cargo.lock";

    ok_cargo($t, $name, 'fetch', { dir => $app });
}


sub configurations {
    for my $case (
        [ "cargo:8m snapshot=$t->{dir}/none/file",
          qr/there is no directory "\S+none" for the snapshot; make it/ ],
        [ "cargo:8m snapshot=$t->{dir}", qr/is something else than a file/ ],
        [ "cargo:8m snapshot=", qr/takes the path of a file/ ],
        [ "cargo:8m snapshot=$dir/", qr/takes the path of a file/ ],
        [ "cargo:8m snapshot=$file snapshot=$file",
          qr/takes one snapshot=PATH/ ],
        [ "cargo:8m snapshot=$file; cargo_zone other:8m snapshot=$file",
          qr/"cargo_zone" directive is duplicate/ ],
        [ "cargo:8m lease=5s stale=1h stale_access=5m snapshot=$file snap=x",
          qr/invalid number of arguments/ ],
        [ "cargo:8m snap=$file", qr/takes name:size, .*snapshot=PATH/ ])
    {
        my ($zone, $message) = @$case;

        $t->write_config(conf($zone));

        my ($rc, $out) = $t->test_config();

        is($rc, 1, "refused: $zone");
        like($out, $message, 'and says why');
    }

    $t->write_config(conf('cargo:8m lease=5s stale=1h stale_access=5m'
                          . " snapshot=$file"));
    is(($t->test_config())[0], 0, 'with all there is');
    $t->write_config(conf("cargo:8m snapshot=$file"));
}


sub quits {
    ok(listening($t), 'the server listens');
    warm_up();
    fetches('cargo fetch');

    my @answers = map { answer($_) } @all;
    my @bodies = whole();

    ok(!-e $file, 'nothing is written in the first minute');
    $t->stop_postgres();
    ok($t->stop_nginx(), 'nginx quits');
    ok(-s $file, 'there is a snapshot');
    ok(!-e "$file.tmp", 'and nothing else');

    my @stat = stat $file;

    is(sprintf('%o', $stat[2] & 07777), '600', 'it is nobody else\'s to read');
    is($stat[4], (stat $dir)[4], 'it belongs to the user of the workers');
    unlike($t->read_file($file), qr/\Q$vera\E|\Q$token\E/,
           'there is no token in it');

    starts('nginx starts without a database');
    is(log_has(qr/\[notice\].*entries loaded from the snapshot "\Q$file\E"/),
       1, 'and says what it has');

    is_deeply([ map { answer($_) } @all ], \@answers, 'answers are the same');
    is_deeply([ whole() ], \@bodies, 'every byte of them');
    fetches('cargo fetch without a database');

    for my $case ([ '/index/co/ld/cold' ], [ '/index/3/b/baz', @vault ],
                  [ $foo, Authorization => 'ngxcargo_' . 'x' x 38 ])
    {
        my ($uri, @headers) = @$case;
        my $r = $t->get($uri, @headers);

        is($r->{status}, 503, "not known: $uri");
        ok($r->header('Retry-After'), 'with Retry-After');
    }

    ok($t->stop_nginx(), 'once more');
    starts('and again');
    is_deeply([ map { answer($_) } @all ], \@answers, 'as before');
}


# How old it is goes on from one file to the next.

sub told_at_start {
    my @ages = ($t->read_file('error.log') // '')
               =~ /in step with the database (\d+) s ago/g;

    is(scalar @ages, 2, 'both said how old it is');
    cmp_ok($ages[1], '>=', $ages[0], 'and the second not less');
}


sub comes_back {
    ok($t->stop_nginx(), 'nginx is down');
    $t->start_postgres();
    is(($t->cargoctl('crate', 'yank', 'foo', '1.0.0', '--registry',
                     'main'))[0], 0, 'a version is yanked');
    starts('nginx starts with a database');
    like($t->get($foo)->{body}, qr/"yanked":true/, 'which is asked first');
    ok(listening($t), 'it listens');
    like($t->get($foo)->{body}, qr/"yanked":true/, 'and shows it');

    warm_up();
    ok($t->stop_nginx(), 'down again');
    $t->stop_postgres();
    starts('without a database');
    like($t->get($foo)->{body}, qr/"yanked":true/, 'it is still yanked');
    $t->start_postgres();
    $t->cargoctl('crate', 'yank', '--undo', 'foo', '1.0.0', '--registry',
                 'main');
    ok($t->wait_for(sub { $t->get($foo)->{body} =~ /"yanked":false/ }, 3),
       'a change of these days is seen within 3 s');
    back();
    warm_up();
}


sub killed {
    ok(saved(), 'it is saved now and then');
    ok($t->kill_nginx(), 'kill -9');
    $t->stop_postgres();
    starts('without a database');
    is(statuses(@all), expected(@all), 'what was saved is served');
    back();
}


sub revoked {
    warm_up();
    ok(saved(), 'saved');

    my ($id) = $t->sql("select k.id from cargo_store.tokens k join"
        . " cargo_store.accounts a on a.id = k.account_id"
        . " where a.login = 'vera'");
    my $before = written();

    is(($t->cargoctl('token', 'revoke', $id))[0], 0, 'a token is revoked');
    ok($t->wait_for(sub { written() != $before }, 15), 'which is saved soon');
    ok($t->kill_nginx(), 'kill -9');
    $t->stop_postgres();
    starts('without a database');

    isnt((answer($_) =~ /^(\d+)/)[0], 200, "it reads no more: $_->[1]")
        for @private[0 .. 2];

    back();

    $vera = $t->token('vera', name => 'new');

    for my $case (@private[0 .. 2]) {
        $case->[-1] = $vera;
    }

    $vault[-1] = $vera;
}


sub killed_while_it_writes {
    warm_up();
    ok(saved(), 'there is a snapshot');
    permissions_change();

    my $end = Time::HiRes::time() + 15;
    my $before = written();

    while (!-e "$file.tmp" && written() == $before
           && Time::HiRes::time() < $end)
    {
        # as soon as there is anything
    }

    ok($t->kill_nginx(), 'kill -9 as it is written');
    $t->write_file("$file.tmp", 'half of' x 100000);
    $t->stop_postgres();

    my $loaded = log_has(qr/entries loaded/);

    starts('without a database');
    is(log_has(qr/entries loaded/), $loaded + 1, 'there is one, and whole');
    is(log_has(qr/is ignored/), 0, 'which is not ignored');

    chown((stat $file)[4, 5], "$file.tmp");
    ok($t->stop_nginx(), 'nginx quits');
    cmp_ok(-s $file, '<', 500000, 'what was left behind is written over');
    ok(!-e "$file.tmp", 'and gone');
    starts('and again');
    is($t->get('/index/lo/ng/long')->{status}, 200, 'it is served');
    back();
}


sub reloaded {
    warm_up();

    my $loaded = log_has(qr/entries loaded/);

    $t->stop_postgres();
    ok($t->reload_nginx(), 'reloaded');
    $t->wait_for(sub { $t->workers() == 2 });
    is(statuses(@all), expected(@all), 'memory is kept');
    is(log_has(qr/entries loaded/), $loaded, 'and no snapshot read');

    $t->write_config(conf("cargo:512k snapshot=$file"));
    ok($t->stop_nginx(), 'nginx quits');
    starts('with a smaller zone');
    is(log_has(qr/entries loaded/), $loaded + 1, 'the snapshot is read');
    is($t->get($foo)->{status}, 200, 'and served');

    $t->write_config(conf("cargo:8m snapshot=$file"));
    ok($t->reload_nginx(), 'reloaded with a larger one');
    $t->wait_for(sub { $t->workers() == 2 });
    is(log_has(qr/entries loaded/), $loaded + 2, 'which begins with it, too');
    is($t->get($foo)->{status}, 200, 'and serves');
    back();
}


# Nothing becomes younger by a restart.

sub bounds {
    $t->write_config(conf("cargo:8m stale=9s stale_access=5s snapshot=$file"));
    ok($t->reload_nginx(), 'with bounds');
    $t->wait_for(sub { $t->workers() == 2 });
    ok(listening($t), 'the server listens');
    warm_up();

    my $start = Time::HiRes::time();
    my ($access, $document);

    $t->stop_postgres();

    my $restart = $start;

    while (!$document && Time::HiRes::time() < $start + 20) {
        my $now = Time::HiRes::time() - $start;

        if ($now + $start > $restart) {
            $t->stop_nginx();
            starts('restarted');
            $restart = Time::HiRes::time() + 2;
        }

        $access //= $now if $t->get('/index/3/b/bar', @vault)->{status} == 503;
        $document //= $now if $t->get($foo)->{status} == 503;
    }

    # each restart may make it a second older

    cmp_ok($access // 100, '>', 1.5, 'who may read is believed for a while');
    cmp_ok($access // 100, '<', 8, 'as stale_access says');
    cmp_ok($document // 100, '>', 4.5, 'what there is for a longer one');
    cmp_ok($document // 100, '<', 12, 'as stale says');

    back();
}


sub without_verdicts {
    $t->write_config(conf("cargo:8m stale_access=0 snapshot=$file"));
    ok($t->reload_nginx(), 'no verdict is to be old');
    $t->wait_for(sub { $t->workers() == 2 });
    ok(listening($t), 'the server listens');
    warm_up();
    $t->stop_nginx();
    unlike($t->read_file($file), qr/vera/, 'and none is in the file');
    like($t->read_file($file), qr/"name":"bar"/, 'but documents are');
    $t->stop_postgres();
    starts('without a database');
    is(statuses(@public), expected(@public), 'what is public is served');
    is(statuses(@private[0 .. 2]), '503 503 503', 'and nothing else');
    $t->write_config(conf("cargo:8m snapshot=$file"));
}


# The database is away: what would be served comes from the file.

sub useless_files {
    my $good = $t->read_file($file);
    my @stat = stat $file;

    $t->stop_nginx();

    my $try = sub {
        my ($name, $pattern, %conf) = @_;

        my $before = log_has(qr/the snapshot "\Q$file\E"/);

        starts("nginx starts: $name");
        is(log_has(qr/the snapshot "\Q$file\E"/), $before + 1, 'one line');
        is(log_has($pattern), 1, 'says why the snapshot is not read');
        is($t->get($foo)->{status}, 503, 'nothing of it is served');
        $t->kill_nginx();
    };

    my $write = sub {
        my ($content) = @_;

        $t->write_file($file, $content);
        chmod 0600, $file;
        chown @stat[4, 5], $file;
    };

    my $damaged = $good;

    substr($damaged, length($good) - 100, 1) ^= 'x';

    $write->($damaged);
    $try->('damaged', qr/is ignored: it is damaged/);
    $write->(substr $good, 0, 5000);
    $try->('cut off', qr/is ignored: it was cut off/);
    $write->('hello' x 1000);
    $try->('something else', qr/is ignored: it is something else/);
    $write->(substr($good, 0, 8) . "\x7f" . substr($good, 9));
    $try->('another version', qr/is ignored: it is of another version/);

    $write->($good);
    chmod 0662, $file;
    $try->('open to others', qr/is ignored: others may write it/);

    if ($> == 0) {
        chmod 0600, $file;
        chown((getpwnam 'daemon')[2, 3], $file);
        $try->('of another', qr/is ignored: it does not belong to the user/);
    }

    unlink $file;
    symlink '/etc/passwd', $file;
    $try->('a link', qr/"\Q$file\E" cannot be read.*: nginx starts without/);
    unlink $file;

    $write->($good);

    my $conninfo = $t->conninfo();

    $t->write_config(conf("cargo:8m snapshot=$file",
                          conninfo => "$conninfo port=1"));
    $try->('of another database',
           qr/is ignored: it is of another database/);

    $t->write_config(conf("cargo:8m snapshot=$file", conninfo => $conninfo));
    $write->($good);
    starts('with the good one again');
    is($t->get($foo)->{status}, 200, 'it is served');
    back();
}


sub unwritable {
    $t->stop_nginx();

    # root's own workers could write anywhere
    chmod 0555, $dir;
    chown 0, 0, $dir if $> == 0;

    starts('in a directory that is not to be written to');
    ok(saved_line(), 'says so at once');
    ok(listening($t), 'but serves');
    warm_up();
    ok($t->stop_nginx(), 'and quits');
    is(log_has(qr/\[error\].*the snapshot .* cannot be written.*may the user/),
       1, 'it was one line');
}


sub saved_line {
    return $t->wait_for(sub { log_has(qr/the snapshot .* cannot be written/) });
}
