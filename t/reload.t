#!/usr/bin/perl

# Fifty reloads under load: no request fails, no worker stays, the master does
# not grow, and what is remembered stays.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use List::Util ();
use Test::More;
use Time::HiRes ();

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Load;
use Test::Cargo::Store;

my $RELOADS = 50;
my $WARM_UP = 10;
my $URI = '/api/v1/crates/new';

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->nginx(main => 'worker_processes 2;');

my $token = $t->account('alice');

is($t->publish($token, { name => 'keep' })->{status}, 200, 'published');
ok(listening($t), 'the server listens');
is($t->get($t->index_path('keep'))->{status}, 200, 'and remembered');

my $load = Test::Cargo::Load->start($t, token => $token, strict => 1,
                                    clients => 3, large => 3_000_000);

$load->go();
reloads();

my $known = $load->pause();
my $done = $known->{done};

is(join("\n", @{ $known->{wrong} }), '', 'no request failed');
cmp_ok($done->{$_} // 0, '>', $RELOADS / 5, "there was load: $_")
    for qw(publish yank unyank index download);
cmp_ok($done->{crossed} // 0, '<=', $RELOADS,
       'hardly a kept connection ends in the moment when it is used');
ok($load->stop(), 'the clients lived');

is_deeply([ log_lines($t, qr/\[error\]/) ], [], 'nothing to complain of');
remembered();

$t->done();


sub reloads {
    my ($late, %memory, @files) = (0);

    for my $n (1 .. $RELOADS) {
        my %old = map { $_ => 1 } $t->workers();
        my $upload = $n % 5 ? undef : begin_upload("upload-$n");

        $t->reload_nginx() or return fail("reload $n");

        if ($upload) {
            Time::HiRes::sleep(0.05);
            end_upload($upload, $n);
        }

        # some reloads come while others are not done
        next if $n % 10 == 3;

        $late++ if !$t->wait_for(sub { !grep { $old{$_} } $t->workers() }, 5);

        $memory{$n} = status_of($t->{nginx}, 'VmRSS');
        push @files, files_of_master() if $n <= $WARM_UP;
    }

    is($late, 0, 'old workers exit within seconds');

    # it closes what it had of a worker some time after that has exited
    my $least = List::Util::min(@files);

    ok($t->wait_for(sub { files_of_master() <= $least }),
       'no file stays open in the master')
        or diag(files_of_master() . ", first: @files");

    # a sanitizer keeps what was freed for a while
    cmp_ok($memory{$RELOADS} - $memory{$WARM_UP}, '<',
           $t->objs() =~ /asan/ ? 64 * 1024 : 1024, 'the master does not grow')
        or diag(join ' ', map { "$_: $memory{$_} kB" }
                          sort { $a <=> $b } keys %memory);
}


sub files_of_master {
    my $count = () = glob("/proc/$t->{nginx}/fd/*");

    return $count;
}


# More than fits into the buffers between client and server.

sub begin_upload {
    my ($name) = @_;

    my $body = $t->publish_body($t->metadata(name => $name),
        $t->crate(name => $name, files => {
            noise => join '', map { pack 'N', rand 2**32 } 1 .. 200_000 }));
    my $connection = $t->connect(timeout => 30);

    $connection->send("PUT $URI HTTP/1.1\r\nHost: x\r\nAuthorization: $token"
                      . "\r\nContent-Length: " . length($body) . "\r\n\r\n"
                      . substr $body, 0, 300_000);

    return [$connection, substr $body, 300_000];
}


sub end_upload {
    my ($upload, $n) = @_;

    my ($connection, $rest) = @$upload;

    $connection->send($rest);

    is($connection->receive()->{status}, 200,
       "an upload that reload $n came into the middle of");
    $connection->close();
}


sub remembered {
    my $before = asked($t);

    is($t->get($t->index_path('keep'))->{status}, 200, 'still there');
    is(asked($t), $before, 'and still remembered');
}
