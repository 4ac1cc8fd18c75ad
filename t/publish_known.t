#!/usr/bin/perl

# Who was let in to publish a moment ago is let in without another question;
# his rights are looked at all the same, by the publish itself.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util qw(sum);
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('other');
$t->nginx(server => <<'CONF');
location /other/api/v1/ { cargo_api; cargo_registry other; }
location /-/            { cargo_status; }
CONF

my $alice = $t->account('alice');
my $number = 0;

asked_once();
each_for_himself();
rights_lost();

$t->done();


# That the database was asked by reads, of which the first look at a writer is
# one; /-/metrics asks none.

sub questions {
    my $text = $t->get('/-/metrics')->{body};
    my @counts = $text
        =~ /^ngx_cargo_postgres_jobs_total\{pool="reads".* (\d+)$/mg
        or die "nothing of questions in /-/metrics\n";

    return sum(@counts);
}


sub publish {
    my ($token, $uri) = @_;

    my $name = 'known-' . $number++;
    my $body = $t->publish_body($t->metadata(name => $name),
                                $t->crate(name => $name));

    return $t->put(($uri // '') . '/api/v1/crates/new', $body,
                   Authorization => $token);
}


# The first few may be before the log of changes has been read.

sub known {
    my ($token) = @_;

    return $t->wait_for(sub {
        my $before = questions();
        my $r = publish($token);

        return $r->{status} == 200 && questions() == $before;
    });
}


sub asked_once {
    ok(known($alice), 'a second publish asks no question before');

    my $nonsense = pack 'V/a* V/a*', '{}', 'no crate';

    ok($t->wait_for(sub {
        my $before = questions();
        my $r = $t->put('/api/v1/crates/new', $nonsense,
                        Authorization => $alice);

        return $r->{status} == 400 && questions() == $before;
    }), 'nor does what is refused then');

    is($t->sql('select distinct account from cargo_store.audit'
               . ' where status = 400'),
       'alice', 'and the audit log says whose it was');
}


sub each_for_himself {
    my $bob = $t->account('bob', role => 'reader');
    my $before = questions();

    is(publish($bob)->{status}, 403, 'another is asked for');
    is(questions(), $before + 1, 'another: one question');

    is(publish($alice, '/other')->{status}, 403,
       'in another registry she is not known');
    is(publish('nonsense')->{status}, 403, 'nor is any other token');
    is(publish(undef)->{status}, 403, 'nor is none');
}


sub rights_lost {
    for my $row (['a lower role', [qw(account grant alice --registry main
                                      --role reader)]],
                 ['a revoked token', [qw(token revoke 1)]])
    {
        my ($rule, $command) = @$row;

        ok(known($alice), "$rule: known before");

        my ($rc, $out, $err) = $t->cargoctl(@$command);

        is($rc, 0, "$rule: done") or diag($out . $err);
        is(publish($alice)->{status}, 403, "$rule: 403 at once");

        ok($t->wait_for(sub {
            my $before = questions();
            return publish($alice)->{status} == 403 && questions() > $before;
        }), "$rule: then he is asked for again");

        my $kept = () = blob_files($t);

        publish($alice);
        is(scalar(() = blob_files($t)), $kept, "$rule: and nothing is stored");

        ($rc) = $t->cargoctl(qw(account grant alice --registry main
                                --role publisher));
        is($rc, 0, "$rule: publisher again");
    }
}
