#!/usr/bin/perl

# The gzip form of a document: made for a client that takes it and finds the
# document without one, a long one in a thread; never of what has changed
# meanwhile, and as old as what it was made of.

use strict;
use warnings;

use Compress::Zlib ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Proxy;

my $LEASE = 2;
my $STALE = 6;

my @gzip = ('Accept-Encoding' => 'gzip');

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);

my $proxy = Test::Cargo::Proxy->start($t);

# a thread, and room for one task more: a third is refused
$t->nginx(main => 'thread_pool one threads=1 max_queue=1;',
          conninfo => $proxy->conninfo(), http => conf());

my $token = $t->account('alice');

my $r = $t->publish($token, { name => 'model' });

is($r->{status}, 200, 'published') or diag($r->{body});

insert_crates($t, 'alice', names => [ 'small', 'plain', 'aged' ],
              lines => 10);
insert_crates($t, 'alice', lines => 1_000, width => 10,
              names => [ 'model', map { "long-$_" } 1 .. 6 ]);
insert_crates($t, 'alice', lines => 12_000, width => 10,
              names => [ map { "huge-$_" } 1 .. 4 ]);
ok(listening($t), 'the server listens');

made_when_found();
not_made_for_others();
one_task_each();
more_than_threads();
changed_meanwhile();
as_old();

$t->done();


sub conf { return <<"CONF" }
cargo_zone cargo:96m lease=${LEASE}s stale=${STALE}s stale_access=60s;
cargo_thread_pool one;
cargo_postgres_timeout 1s;
cargo_postgres_connect_timeout 1s;
CONF


sub doc { return $t->index_path(shift) }


sub yank {
    my ($method, $word) = @_;

    my $r = $t->request($method, "/api/v1/crates/model/1.0.0/$word",
                        Authorization => $token, 'Content-Length' => 0);

    is($r->{status}, 200, $word) or diag($r->{body});
}


# Compress::Zlib takes what it reads away.

sub content {
    my ($r) = @_;

    my $bytes = $r->{body};

    return is_gzip($r) ? Compress::Zlib::memGunzip($bytes) : $bytes;
}


sub is_gzip { return ($_[0]->header('Content-Encoding') // '') eq 'gzip' }


# A HEAD is told of what there is, and makes nothing.

sub has_form {
    my ($name) = @_;

    return is_gzip($t->head(doc($name), @gzip));
}


sub gets_form {
    my ($name) = @_;

    return $t->wait_for(sub { has_form($name) }, 20);
}


sub made_when_found {
    my $uri = doc('small');
    my $first = $t->get($uri, @gzip);
    my $before = asked($t);

    is($first->{status}, 200, 'a document is missed');
    ok(!is_gzip($first), 'and sent as it is');
    is($first->header('Vary'), 'Accept-Encoding', 'though it varies');
    unlike($first->header('ETag'), qr/gzip/, 'nor does its tag say so');

    my ($second, $third) = map { $t->get($uri, @gzip) } 1, 2;

    ok(is_gzip($second), 'the second time it is compressed');
    is(content($second), $first->{body}, 'the same');
    is($second->header('ETag'), $first->header('ETag') =~ s/"$/-gzip"/r,
       'under another tag');
    is($third->{body}, $second->{body}, 'and the third');
    ok(has_form('small'), 'it is kept');
    is($t->get($uri, 'If-None-Match' => $_->header('ETag'), @gzip)->{status},
       304, 'who has one of them has it') for $first, $second;
    is($t->get($uri)->{body}, $first->{body}, 'who takes no gzip gets none');
    is(asked($t), $before, 'the database has no part in it');
}


sub not_made_for_others {
    my $tag = $t->get(doc('plain'))->header('ETag');

    $t->get(doc('plain'));
    $t->get(doc('plain'), 'Accept-Encoding' => 'br, gzip;q=0');
    $t->get(doc('plain'), 'If-None-Match' => $tag, @gzip);
    ok(!has_form('plain'), 'nobody has wanted it: there is no gzip form');

    $t->get(doc('plain'), 'If-None-Match' => '"x"', @gzip);
    ok(has_form('plain'), 'who has another document wants it');
}


sub together {
    my ($n, @names) = @_;

    my @connections = map { $t->connect() } 1 .. $n * @names;

    # nginx has accepted them
    $t->get('/index/config.json', connection => $_) for @connections;

    in_one_turn($t, sub {
        for my $i (0 .. $#connections) {
            $connections[$i]->send('GET ' . doc($names[$i % @names])
                . " HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
        }
    });

    return map { $_->receive() } @connections;
}


sub overflows {
    my @lines = $t->read_file('error.log') =~ /queue overflow/g;

    return scalar @lines;
}


sub one_task_each {
    my $plain = $t->get(doc('long-1'));

    cmp_ok(length $plain->{body}, '>', 65536, 'a long one');

    my @answers = together(8, 'long-1');

    is(scalar(grep { content($_) eq $plain->{body} } @answers), 8,
       'asked for by many at once: all get it');
    ok(!is_gzip($answers[0]), 'nobody waits for its compression');
    is(overflows(), 0, 'which is one task');
    ok(gets_form('long-1'), 'and done a moment later');

    my $r = $t->get(doc('long-1'), @gzip);

    ok(is_gzip($r), 'from then on it is compressed');
    is(content($r), $plain->{body}, 'the same');
}


sub more_than_threads {
    my @names = ('huge-4', map { "long-$_" } 2 .. 6);
    my %plain = map { $_ => $t->get(doc($_))->{body} } @names;
    my @answers = together(2, @names);
    my @same = grep { content($answers[$_]) eq $plain{ $names[$_ % @names] } }
               0 .. $#answers;

    is(@same, 12, 'more documents than threads can take: all are sent');
    cmp_ok(overflows(), '>', 0, 'some are not compressed now');

    ok($t->wait_for(sub {
        $t->get(doc($_), @gzip) for @names;
        return !grep { !has_form($_) } @names;
    }, 20), 'but later');
    is(content($t->get(doc($_), @gzip)), $plain{$_}, "right: $_") for @names;
}


# The thread is busy with a huge one when a long one that waits for it changes.

sub changed_meanwhile {
    my $tried;
    my ($method, $word, $before, $after) = qw(DELETE yank false true);

    for my $huge (map { "huge-$_" } 1 .. 3) {
        ok($t->wait_for(sub {
            my $n = asked($t);
            $t->get(doc($_)) for $huge, 'model';
            return asked($t) == $n;
        }), 'a huge document and a long one');

        like($t->get(doc('model'))->{body}, qr/"yanked":$before/, 'as it was');
        $t->get(doc($_), @gzip) for $huge, 'model';
        yank($method, $word);
        like($t->get(doc('model'))->{body}, qr/"yanked":$after/,
             'the long one changes');

        $tried = !has_form($huge);

        ok($t->wait_for(sub {
            $t->get(doc('model'), @gzip);
            return has_form('model');
        }, 20), 'and is compressed later');
        like(content($t->get(doc('model'), @$_)), qr/"yanked":$after/,
             'as it is now') for [], [ @gzip ];

        last if $tried;

        ($method, $word) = $method eq 'PUT' ? qw(DELETE yank) : qw(PUT unyank);
        ($before, $after) = ($after, $before);
    }

    ok($tried, 'it changed while another was being compressed');
}


# It is found and compressed while the database is away, by somebody who is
# known for longer than documents are.

sub as_old {
    my $uri = doc('aged');
    my @with = (Authorization => $token);

    is($t->get($uri, @with)->{status}, 200, 'a document');
    ok(!has_form('aged'), 'without a gzip form');

    my $start = Time::HiRes::time();

    $proxy->stall();

    my $made = $t->wait_for(sub {
        Time::HiRes::time() > $start + $LEASE + 2
    }) && $t->get($uri, @gzip, @with);

    ok(is_gzip($made), 'the database is away: it is made all the same');

    my $end;

    $t->wait_for(sub {
        $t->get($uri, @gzip, @with)->{status} == 503
            and $end = Time::HiRes::time() - $start;
    }, $STALE + 10);

    cmp_ok($end // 100, '>', $STALE - 1.5, 'it is served as long as the'
           . ' document');
    cmp_ok($end // 100, '<', $STALE + 3, 'and not longer');
    $proxy->pass();
    ok($t->wait_for(sub { $t->get($uri)->{status} == 200 }), 'and again');
}
