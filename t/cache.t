#!/usr/bin/perl

# What one server remembers: warm reads ask nothing, whoever asks gets what is
# for him, and what this server changes it knows at once.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

sub http {
    my ($zone) = @_;

    return join '', "cargo_zone $zone;", map { server($_) } qw(vault other);
}

sub server {
    my ($name) = @_;

    return <<"CONF";
server {
    listen  127.0.0.1:%%port:$name%%;
    cargo_registry  $name;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF
}

$t->registry('other');
$t->nginx(main => 'worker_processes 2;', http => http('cargo:32m'));

my $token = $t->account('alice');
my $vera = $t->account('vera', registry => 'vault');
my $olga = $t->account('olga', registry => 'other');

publish('foo', '1.0.0');
publish('long', '1.0.0', features => { map { ("feature-$_" => []) } 1 .. 60 });

ok(listening($t), 'the server listens');

warm_reads();
validators();
forms();
negative();
large_document();
writes();
tokens();
hidden();
registries_apart();
expires();
config_touches();
reload();
worker_killed();
small_zone();

$t->done();


sub publish {
    my ($name, $vers, %more) = @_;

    my $by = delete $more{by} // $token;
    my %headers = exists $more{port} ? (port => delete $more{port}) : ();
    my $features = $more{features};
    my $manifest = $features ? Test::Cargo::Crate::manifest(
        name => $name, version => $vers, extra => "\n[features]\n"
        . join '', map { "$_ = []\n" } sort keys %$features) : undef;

    my $r = $t->publish($by, { name => $name, vers => $vers, %more },
                        manifest => $manifest, %headers);

    die "publish $name $vers: $r->{status} $r->{body}" if $r->{status} != 200;
}


sub doc { return $t->index_path(shift) }


# The answer and how many questions it took.

sub get {
    my ($uri, %headers) = @_;

    my $before = asked($t);
    my $r = delete $headers{head} ? $t->head($uri, %headers)
                                  : $t->get($uri, %headers);

    return ($r, asked($t) - $before);
}


# A change of ours comes back from the log a moment later, and ends once more
# what was remembered.

sub is_warm {
    my ($name, $status, $uri, %headers) = @_;

    my ($r, $n);

    $t->wait_for(sub { ($r, $n) = get($uri, %headers); $n == 0 }, 1);

    is("$r->{status} $n", "$status 0", $name);

    return $r;
}


sub is_cold {
    my ($name, $status, $uri, %headers) = @_;

    my ($r, $n) = get($uri, %headers);

    is("$r->{status} $n", "$status 1", $name);

    return $r;
}


sub dl {
    my ($name, $vers) = @_;

    my ($line) = grep { /"vers":"\Q$vers\E"/ }
                 split /\n/, $t->get(doc($name))->{body};
    my ($sum) = ($line // '') =~ /"cksum":"(\w+)"/;

    return "/dl/$name/" . ($sum // '0' x 64) . "/$name-$vers.crate";
}


sub warm_reads {
    my $cold = $t->get(doc('foo'));
    my $warm = is_warm('a document the second time', 200, doc('foo'));

    is($warm->{body}, $cold->{body}, 'is the same');
    is($warm->header($_) // '-', $cold->header($_) // '-', "in its $_")
        for qw(ETag Last-Modified Cache-Control Content-Type Content-Length);

    my $head = is_warm('HEAD', 200, doc('foo'), head => 1);

    is($head->header('Content-Length'), length $warm->{body}, 'of its length');

    my $uri = dl('foo', '1.0.0');

    $t->get($uri);
    is_warm('a download', 200, $uri);
    is_warm('a part of one', 206, $uri, Range => 'bytes=0-9');
    is_warm('not with another checksum', 404, $uri =~ s{/\w{64}/}{'/' . 'a' x 64
            . '/'}er);
    is_warm('by the API', 200, '/api/v1/crates/foo/1.0.0/download');
    is_cold('by another spelling', 200, '/api/v1/crates/FOO/1.0.0/download');
    is_warm('config.json', 200, '/index/config.json');
}


sub validators {
    my $r = $t->get(doc('foo'));
    my ($tag, $date) = map { $r->header($_) } qw(ETag Last-Modified);
    my $inner = substr $tag, 1, -1;

    for my $value ($tag, "W/$tag", "\"x\", $tag", "$tag,\"y\"", '*',
                   "\"$inner-gzip\"", "  W/\"a,b\" , $tag") {
        my $r = is_warm("304: $value", 304, doc('foo'),
                        'If-None-Match' => $value);

        is($r->{body}, '', 'without a body');
        is_deeply([ map { $r->header($_) } qw(ETag Last-Modified) ],
                  [ $value =~ /gzip/ ? "\"$inner-gzip\"" : $tag, undef ],
                  'with its tag, and no more of the document');
    }

    is_warm("200: $_", 200, doc('foo'), 'If-None-Match' => $_)
        for '"x"', $inner, "\"$inner", "\"${inner}0\"", "\"$inner-gz\"", '',
            "\"" . substr($inner, 1) . '"';

    is_warm('304 by date', 304, doc('foo'), 'If-Modified-Since' => $date);
    is_warm('200 by another', 200, doc('foo'),
            'If-Modified-Since' => 'Mon, 01 Jan 2001 00:00:00 GMT');
    is_warm('the tag decides', 200, doc('foo'), 'If-Modified-Since' => $date,
            'If-None-Match' => '"x"');
    is_warm('HEAD too', 304, doc('foo'), head => 1, 'If-None-Match' => $tag);
    is_warm('If-Match', 412, doc('foo'), 'If-Match' => '"x"');
}


# Compress::Zlib takes what it reads away.

sub gunzip {
    my ($r) = @_;

    my $bytes = $r->{body};

    return Compress::Zlib::memGunzip($bytes);
}


sub forms {
    my @gzip = ('Accept-Encoding' => 'gzip');
    my $plain = $t->get(doc('long'));
    my $packed = is_warm('the gzip form', 200, doc('long'), @gzip);

    is($packed->header('Content-Encoding'), 'gzip', 'is one');
    is(gunzip($packed), $plain->{body},
       'of the same document');
    is($packed->header('Content-Length'), length $packed->{body}, 'its length');
    cmp_ok(length $packed->{body}, '<', length $plain->{body}, 'is smaller');
    is($packed->header('ETag'), $plain->header('ETag') =~ s/"$/-gzip"/r,
       'its tag is another');
    is($_->header('Vary'), 'Accept-Encoding', 'both vary') for $plain, $packed;

    my $r = is_warm('304 for it', 304, doc('long'), @gzip,
                    'If-None-Match' => $packed->header('ETag'));

    is($r->header('ETag'), $packed->header('ETag'), 'with its tag');
    is($r->header('Content-Encoding'), undef, 'and nothing encoded');

    my $head = is_warm('HEAD of it', 200, doc('long'), @gzip, head => 1);

    is($head->header('Content-Length'), length $packed->{body}, 'its length');

    $r = is_warm('a short one', 200, doc('foo'), @gzip);
    is($r->header('Content-Encoding') // $r->header('Vary'), undef,
       'has only one form');
}


sub negative {
    my $cold = $t->get(doc('nothing'));
    my $warm = is_warm('what is not there', 404, doc('nothing'));

    is($warm->{body}, $cold->{body}, 'in the same words');
    is_warm('HEAD', 404, doc('nothing'), head => 1);

    $t->get('/index/no/such/path.json');
    is_warm('no path', 404, '/index/no/such/path.json');
    $t->get('/api/v1/crates/foo/7.0.0/download');
    is_warm('no version', 404, '/api/v1/crates/foo/7.0.0/download');

    publish('nothing', '1.0.0');
    is_cold('it is there now', 200, doc('nothing'));
}


sub large_document {
    publish('large', '1.0.0');

    # as changed from outside, which the log of changes tells of
    $t->sql(<<'SQL');
begin;
insert into cargo_store.versions
      (crate_id, num, sort_key, checksum, size, index_head, index_tail,
       features, keywords, categories, authors, published_by, created_at)
select c.id, '2.0.' || i, '', sha256(''), 1, i || repeat('x', 1000), '', '{}',
       '{}', '{}', '{}', a.id, now()
  from cargo_store.crates c, cargo_store.accounts a,
       generate_series(1, 2000) i
 where c.name = 'large' and a.login = 'alice';
select cargo_store.index_changed(id, 'publish') from cargo_store.crates
 where name = 'large';
commit;
SQL

    my $r;

    ok($t->wait_for(sub {
        ($r, my $n) = get(doc('large'));
        return length $r->{body} > 2_000_000 && $n == 0;
    }), 'a document of 2 MB is remembered');

    like($r->{body}, qr/\n2000x+false\n\z/, 'whole');

    my $packed;

    ok($t->wait_for(sub {
        ($packed, my $n) = get(doc('large'), 'Accept-Encoding' => 'gzip');
        return $packed->header('Content-Encoding') && $n == 0;
    }), 'and its gzip form a moment later');

    is(gunzip($packed), $r->{body}, 'as well');
}


sub writes {
    my $uri = doc('foo');

    for my $case (
        [ publish => sub { publish('foo', '1.1.0') }, qr/"vers":"1.1.0"/ ],
        [ yank => sub { yank('DELETE', 'yank') }, qr/"yanked":true/ ],
        [ unyank => sub { yank('PUT', 'unyank') },
          qr/\A(?!.*"yanked":true)/s ],
    ) {
        my ($name, $code, $pattern) = @$case;

        $t->get($uri) for 1, 2;
        $code->();

        # both workers
        like($t->get($uri)->{body}, $pattern, "$name: at once") for 1 .. 4;
        is_warm("$name: and it is remembered", 200, $uri);
    }

    publish('gone', '1.0.0');

    my $dl = dl('gone', '1.0.0');

    is($t->get($_)->{status}, 200, 'there') for (doc('gone'), $dl) x 2;

    my $admin = $t->account('ada', role => 'admin');

    is($t->delete('/api/v1/crates/gone?message=x', Authorization => $admin)->{status},
       204, 'deleted');
    is($t->get($_)->{status}, 404, 'gone at once') for (doc('gone'), $dl) x 2;
}


sub yank {
    my ($method, $word) = @_;

    my $r = $t->request($method, "/api/v1/crates/foo/1.1.0/$word",
                        Authorization => $token, $method eq 'PUT'
                        ? ('Content-Length' => 0) : ());

    is($r->{status}, 200, $word);
}


sub vault { return (port => $t->port('vault')) }


sub tokens {
    my $path = doc('secret');
    my @with = (vault(), Authorization => $vera);

    publish('secret', '1.0.0', by => $vera, vault());

    $t->get($path, @with);

    my $r = is_warm('private: a good token', 200, $path, @with);

    like($r->header('Cache-Control'), qr/^private/, 'for it alone');
    is($r->header('Vary'), 'Authorization', 'and says so');

    $t->get($path, vault());
    is_warm('private: nobody', 401, $path, vault());
    like($t->get($path, vault())->header('WWW-Authenticate'), qr/^Cargo /,
         'is told where to log in');

    my @wrong = (vault(), Authorization => 'ngxcargo_' . 'x' x 38);

    $t->get($path, @wrong);
    is_warm('private: no token of ours', 401, $path, @wrong);
    is_warm('still the good one', 200, $path, @with);
    is_warm('by Bearer', 200, $path, vault(), Authorization => "Bearer $vera");

    my $own = $t->token('vera', name => 'own');

    is($t->get($path, vault(), Authorization => $own)->{status}, 200,
       'another token') for 1, 2;
    is($t->delete('/api/v1/tokens/current', vault(),
                  Authorization => $own)->{status}, 204, 'gives itself up');
    is($t->get($path, vault(), Authorization => $own)->{status}, 401,
       'and is refused at once') for 1 .. 4;
    is($t->get($path, @with)->{status}, 200, 'which the first is not');
}


# Whoever asks first must not decide what others get.

sub hidden {
    publish('gem', '1.0.0');
    $t->account('rita', role => 'reader');

    my ($rc, undef, $err) = $t->cargoctl('crate', 'restrict', 'gem',
                                         '--registry', 'main');

    is($rc, 0, 'restricted') or diag($err);

    my $dl = '/api/v1/crates/gem/1.0.0/download';
    my %may = (alice => 200, rita => 404, nobody => 404);
    my %auth = (alice => [ Authorization => $token ], nobody => [],
                rita => [ Authorization => $t->token('rita', name => 'b') ]);
    my @orders = ([ qw(alice rita nobody alice) ], [ qw(nobody rita alice) ],
                  [ qw(rita alice nobody rita) ], [ qw(nobody alice rita) ]);

    ok($t->wait_for(sub { $t->get(doc('gem'))->{status} == 404 }),
       'it is gone for all');

    for my $order (@orders) {
        # forgets the crate, as any change of it does
        $t->sql("select cargo_store.index_changed(id, 'x')"
                . " from cargo_store.crates where name = 'gem'");
        $t->wait_for(sub { (get(doc('gem')))[1] });

        for my $who (@$order, @$order) {
            for my $uri (doc('gem'), $dl, '/api/v1/crates/gem/2.0.0/download') {
                my $r = $t->get($uri, @{ $auth{$who} });
                my $want = $uri =~ /2\.0\.0/ ? 404 : $may{$who};

                is($r->{status}, $want, "@$order: $who, $uri");

                like($r->{body}, qr/crate `gem` does not exist/,
                     'like one that is not there') if $may{$who} == 404;
            }
        }

        is_warm("@$order: then warm for $_", $may{$_}, doc('gem'),
                @{ $auth{$_} }) for @$order;
    }

    $t->cargoctl('crate', 'allow', 'gem', 'rita', '--registry', 'main');

    ok($t->wait_for(sub {
        $t->get(doc('gem'), @{ $auth{rita} })->{status} == 200
    }, 2), 'a reader is let in');
}


sub registries_apart {
    my @other = (port => $t->port('other'));

    publish('foo', '9.0.0', by => $olga, @other);

    for (1 .. 3) {
        like($t->get(doc('foo'), @other)->{body}, qr/"9.0.0"/, 'of one');
        unlike($t->get(doc('foo'))->{body}, qr/"9.0.0"/, 'of the other');
        is($t->get(doc('long'), @other)->{status}, 404, 'not in one');
        is($t->get(doc('long'))->{status}, 200, 'in the other');
    }
}


sub expires {
    my $short = $t->token('vera', name => 'short');
    my @with = (vault(), Authorization => $short);

    $t->sql("update cargo_store.tokens set expires_at = now() + interval '2 s'"
            . " where name = 'short'");

    is($t->get(doc('secret'), @with)->{status}, 200, 'a token that ends soon')
        for 1, 2;
    ok($t->wait_for(sub { $t->get(doc('secret'), @with)->{status} == 401 }, 5),
       'is refused when it has ended, though nothing else has changed');
    is_warm('which is remembered', 401, doc('secret'), @with);
}


sub config_touches {
    my @with = (vault(), Authorization => $vera);
    my $used = "select last_used_at is not null from cargo_store.tokens k"
               . " join cargo_store.accounts a on a.id = k.account_id"
               . " where a.login = 'vera' and k.name = 'a test'";

    # known by a document, which is no use
    $t->sql('update cargo_store.tokens set last_used_at = null;'
            . "insert into cargo_store.changes (kind) values ('token')");
    $t->wait_for(sub { (get(doc('secret'), @with))[1] });

    is($t->sql($used), 'f', 'documents note no use of the token');

    my $r = $t->get('/index/config.json', @with);

    is($r->{status}, 200, 'config.json');
    ok($t->wait_for(sub { $t->sql($used) eq 't' }), 'does, behind our back');
    is_warm('once', 200, '/index/config.json', @with);
}


sub reload {
    $t->get(doc('foo'));
    ok($t->reload_nginx(), 'reloaded');
    is_warm('it is remembered', 200, doc('foo'));

    $t->write_config(http => http('cargo:1m'));
    ok($t->reload_nginx(), 'reloaded with another size');
    $t->wait_for(sub { $t->workers() == 2 });
    isnt(asked($t) - do { $t->get(doc('foo')); 0 }, 0, 'served');
    ok(listening($t), 'and remembered again');
}


sub worker_killed {
    $t->allow_errors(qr/worker process \d+ exited on signal 9/);
    $t->get(doc('foo')) for 1 .. 4;

    kill 'KILL', $_ for $t->workers();

    ok($t->wait_for(sub {
        my $r = eval { $t->get(doc('foo')) };
        return $r && $r->{status} == 200;
    }), 'workers are killed and replaced');
    is_warm('what was remembered is', 200, doc('foo'));
}


sub small_zone {
    $t->write_config(http => http('cargo:256k'));
    ok($t->reload_nginx(), 'the smallest zone');
    $t->wait_for(sub { $t->workers() == 2 });

    is(length $t->get(doc('large'))->{body} > 2_000_000, 1,
       'what does not fit is sent all the same') for 1 .. 3;

    for my $round (1, 2) {
        is(join(' ', map { $t->get(doc("none-$_"))->{status} } 1 .. 400),
           join(' ', (404) x 400), 'more than it holds: in vain');
    }

    is($t->get(doc('foo'))->{status}, 200, 'all is well');
}
