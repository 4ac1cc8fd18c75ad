#!/usr/bin/perl

# Publishes that race: several clients, several workers, one winner.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';

my $t = Test::Cargo->new();

$t->postgres();

# reuseport: the kernel deals connections out to both workers
$t->nginx(main => 'worker_processes 2;', server => <<'CONF');
listen  127.0.0.1:%%port:shared%% reuseport;

add_header  X-Worker $pid always;
CONF

my @tokens = map { $t->account("user$_") } 1 .. 4;

is(scalar $t->workers(), 2, 'two workers');

same_version();
same_upload();
spellings();
spellings_of_many_accounts();
different_crates();

is($t->sql('select count(*) from cargo_store.versions v where not exists'
           . ' (select from cargo_store.crates c where c.id = crate_id)'), 0,
   'no version without a crate');
is_deeply([ blob_files($t, 'tmp') ], [], 'nothing is left in tmp/');

my ($rc, $out, $err) = $t->cargoctl('check');

is($rc, 0, 'cargoctl check is content') or diag($out . $err);

$t->done();


# Sends every body but for its last byte, then all last bytes at once: the
# threads of both workers start together.

sub race {
    my (@uploads) = @_;

    my @connections;

    for my $upload (@uploads) {
        my ($token, $body) = @$upload;
        my $connection = $t->connect(port => $t->port('shared'),
                                     timeout => 20);

        $connection->send("PUT $URI HTTP/1.1\r\nHost: " . host() . "\r\n"
                          . "Connection: close\r\nAuthorization: $token\r\n"
                          . 'Content-Length: ' . length($body) . "\r\n\r\n"
                          . substr $body, 0, -1);

        push @connections, $connection;
    }

    $connections[$_]->send(substr $uploads[$_][1], -1) for 0 .. $#uploads;

    return map { $_->receive(method => 'PUT') } @connections;
}


sub host { return '127.0.0.1:' . $t->port() }


sub body {
    my ($name, $version, $mark) = @_;

    return $t->publish_body($t->metadata(name => $name, vers => $version),
        $t->crate(name => $name, version => $version,
                  files => { mark => $mark // '' }));
}


# The winners and a sorted list of what the others were told.

sub outcome {
    my (@responses) = @_;

    my @won = grep { $responses[$_]{status} == 200 } 0 .. $#responses;
    my %told = map { ("$_->{status} " . ($_->detail() // '') => 1) }
               grep { $_->{status} != 200 } @responses;

    my %workers = map { ($_->header('X-Worker') => 1) } @responses;

    return (\@won, [ sort keys %told ], scalar keys %workers);
}


sub same_version {
    my $workers = 0;

    for my $round (1 .. 5) {
        my $name = "version$round";
        my @bodies = map { body($name, '1.0.0', $_) } 1 .. 16;

        my ($won, $told, $n) = outcome(race(map { [ $tokens[0], $_ ] }
                                            @bodies));

        $workers = $n if $n > $workers;

        is(scalar @$won, 1, "16 archives of one version, round $round: one is"
           . ' published');
        is_deeply($told, ['400 crate version `1.0.0` is already uploaded'],
                  'all others hear that it is uploaded already');

        my @lines = split /\n/, $t->get($t->index_path($name))->{body};
        my $crate = substr $bodies[ $won->[0] ],
                           8 + unpack 'V', $bodies[ $won->[0] ];

        is(scalar @lines, 1, 'the index has one line');
        like($lines[0], qr/"cksum":"@{[ $t->checksum($crate) ]}"/,
             'and it is that of the upload which was told 200');
    }

    is($workers, 2, 'both workers took part');
}


# cargo tries again when an answer is lost: none of these is a mistake.

sub same_upload {
    my $body = body('again', '1.0.0');

    my ($won, $told) = outcome(race(map { [ $tokens[0], $body ] } 1 .. 16));

    is(scalar @$won, 16, 'one upload 16 times by one account: all are 200')
        or diag(@$told);
    is(scalar(() = $t->get('/index/ag/ai/again')->{body} =~ /\n/g), 1,
       'the index has one line');
    is($t->sql("select count(*) from cargo_store.changes"
               . " where crate = 'again'"), 1, 'and it changed once');
}


sub spellings {
    for my $round ('', 2, 3) {
        my @names = map { "$_$round" }
                    qw(Foo-Bar foo-bar foo_bar FOO_BAR Foo_Bar fOO-bAR fOO_bar
                       FOO-bar);

        my ($won, $told) = outcome(race(map {
            [ $tokens[0], body($names[$_], "1.0.$_") ]
        } 0 .. 7));

        is(scalar @$won, 1, '8 spellings of a new name: one is published');
        is_deeply($told, [ '400 crate was previously named'
                           . " `$names[$won->[0]]`" ],
                  'the others hear how it is spelled');
        is($t->sql("select string_agg(name, ' ') from cargo_store.crates"
                   . " where canonical_name = 'foo_bar$round'"),
           $names[$won->[0]], 'there is one crate');
    }
}


sub spellings_of_many_accounts {
    my @names = qw(Own-Er own_er OWN-ER own-er);

    my ($won, $told) = outcome(race(map {
        [ $tokens[$_], body($names[$_], '1.0.0') ]
    } 0 .. 3));

    is(scalar @$won, 1, 'a new name by four accounts: one gets it');
    is(@$told == 1 && $told->[0] =~ /^403 this crate exists but you don't/, 1,
       'the others are no owners') or diag(@$told);
    is($t->sql('select login from cargo_store.owners'
               . ' join cargo_store.accounts a on a.id = account_id'
               . ' join cargo_store.crates c on c.id = crate_id'
               . " where canonical_name = 'own_er'"),
       'user' . ($won->[0] + 1), 'and who published it owns it');
}


sub different_crates {
    my @names = map { "crate$_" } 1 .. 32;

    my @responses = race(map { [ $tokens[$_ % 4], body($names[$_], '1.0.0') ] }
                         0 .. 31);

    is(join(' ', map { $_->{status} } @responses), join(' ', (200) x 32),
       '32 crates at once are all published');

    my %asked;

    # until every name was asked of every worker
    $t->wait_for(sub {
        for my $name (@names) {
            my $r = $t->get($t->index_path($name), port => $t->port('shared'));

            my $asked = \$asked{ $name . ' ' . $r->header('X-Worker') };

            $$asked = ($$asked // 1) && $r->{status} == 200
                      && $r->{body} =~ /"vers":"1\.0\.0"/;
        }

        return keys %asked == 64;
    }, 20);

    is(scalar(grep { $_ } values %asked), 64,
       'every worker has all 32 in the index');

    # one by one: the index right after the answer, on another connection
    for my $version (1 .. 20) {
        my $r = $t->put($URI, body('crate1', "2.0.$version"),
                        Authorization => $tokens[0],
                        port => $t->port('shared'));

        my @seen = map {
            my $got = $t->get('/index/cr/at/crate1',
                              port => $t->port('shared'));
            $got->{body} =~ /"vers":"2\.0\.$version"/ ? () : 1
        } 1 .. 4;

        push @{ $asked{late} }, $version if $r->{status} != 200 || @seen;
    }

    is_deeply($asked{late} // [], [],
              'a version is in the index when its 200 arrives');
}
