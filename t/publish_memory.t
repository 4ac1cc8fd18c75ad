#!/usr/bin/perl

# What uploads cost a worker: neither a large crate, nor a bomb, nor texts
# made to blow up in a parser may be seen in its memory.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Compress::Raw::Zlib ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';
my $MIB = 1024 * 1024;
my $THREADS = 4;

my $t = Test::Cargo->new();

plan(skip_all => 'the memory of a build with a sanitizer is the sanitizer\'s')
    if $t->objs() =~ /asan/;

$t->postgres();
$t->nginx(main => "thread_pool  default threads=$THREADS;",
          server => <<'CONF');
listen  127.0.0.1:%%port:h2%% http2;

cargo_max_crate_size  64m;

location /large/api/v1/ { cargo_api; }
CONF

my $token = $t->account('alice');
my ($worker) = $t->workers();

# every thread has run, every connection to the database is there
$t->publish($token, { name => "warm$_" }) for 1 .. 4 * $THREADS;

large_crates();
bombs();
parsers();

is_deeply([ $t->workers() ], [$worker], 'the worker still runs');

$t->done();


# kB by which the most the worker ever had has grown

sub growth {
    my ($code) = @_;

    my $before = status_of($worker, 'VmHWM');

    $code->();

    return status_of($worker, 'VmHWM') - $before;
}


sub curl {
    my ($file, $port, @options) = @_;

    my ($rc, $out) = $t->run(merge => 1, command => [
        'curl', '-sS', '-T', $file, '-H', "Authorization: $token", '-w',
        ' %{http_code}', @options,
        'http://127.0.0.1:' . $t->port($port) . "/large$URI" ]);

    return $out;
}


sub large_crate {
    my ($name) = @_;

    open my $urandom, '<:raw', '/dev/urandom' or die "urandom: $!\n";
    read $urandom, my $bytes, 50 * $MIB;

    my $crate = Test::Cargo::Crate::gzip(Test::Cargo::Crate::tar(
        { name => "$name-1.0.0/Cargo.toml",
          data => Test::Cargo::Crate::manifest(name => $name) },
        { name => "$name-1.0.0/data", data => $bytes }), 0);

    return $t->write_file("$name.body", $t->publish_body(
        $t->metadata(name => $name), $crate));
}


sub large_crates {
    my $file = large_crate('large');

    cmp_ok(-s $file, '>', 50 * $MIB, 'a body of more than 50 MiB');

    # the same upload each time, so each is 200
    my $grown = growth(sub {
        like(curl($file, 'http'), qr/ 200$/, 'with Content-Length');
        like(curl($file, 'http', '-H', 'Transfer-Encoding: chunked'),
             qr/ 200$/, 'chunked');
        like(curl($file, 'h2', '--http2-prior-knowledge'), qr/ 200$/,
             'over HTTP/2');
    });

    cmp_ok($grown, '<', 8 * 1024, 'three uploads of 50 MiB cost less than'
           . " 8 MiB ($grown kB)");
    unlink $file;

    is($t->sql('select size > 50 * 1024 * 1024 from cargo_store.versions v'
               . " join cargo_store.crates c on c.id = crate_id"
               . " where name = 'large'"), 't', 'and were what they seemed');
}


# Six files of 100 MiB of zeros: each fits, all of them do not.

sub bomb {
    my ($deflate) = Compress::Raw::Zlib::Deflate->new(
        -WindowBits => Compress::Raw::Zlib::WANT_GZIP(), -Level => 1,
        -AppendOutput => 1);

    my ($out, $zeros) = ('', "\0" x $MIB);

    for my $n (1 .. 6) {
        $deflate->deflate(Test::Cargo::Crate::tar_header(
            name => "foo-1.0.0/$n", size => 100 * $MIB), $out);
        $deflate->deflate($zeros, $out) for 1 .. 100;
    }

    $deflate->flush($out);

    return $out;
}


sub bombs {
    my $bomb = bomb();
    my $r;

    my $grown = growth(sub {
        for (1 .. 2) {
            $r = $t->publish($token, {}, crate => $bomb, timeout => 30);
        }
    });

    is($r->detail(), 'uploaded tarball is malformed or too large when '
       . 'decompressed: it unpacks to more than 536870912 bytes',
       'a bomb of 600 MiB is refused');
    cmp_ok($grown, '<', 2 * 1024, "and costs less than 2 MiB ($grown kB)");
}


# 1 MiB of each of what costs a parser most for each byte.

sub json_texts {
    my $open = '{"name":"foo","vers":"1.0.0","x":[';
    my @texts;

    for my $part ('[],', '{},', '0,', '"",', '{"":0},', '[' x 2000 . ']' x 2000
                  . ',', '{"a":' x 1000 . '0' . '}' x 1000 . ',')
    {
        # as many as there is room for, and as are let through
        my $count = () = $part =~ /[\[{,]/g;

        for my $n ($MIB / length $part, 32_700 / $count) {
            my $text = $open . $part x ($n * 0.97) . '0]';

            push @texts, $text . ' ' x ($MIB - 1 - length $text) . '}';
        }
    }

    return @texts;
}


sub parsers {
    my @texts = json_texts();
    my %said;

    my $grown = growth(sub {
        for my $n (1 .. 200) {
            my $r = $t->put($URI, $t->publish_body($texts[$n % @texts], 'x'),
                            Authorization => $token);

            $said{ "$r->{status} " . ($r->detail() // '') =~ s/:.*//r }++;
        }
    });

    is(join(' ', map { s/ .*//r } sort keys %said), '400 400',
       '200 hostile metadata of 1 MiB are refused') or diag(explain(\%said));

    # in each thread 32768 values of 300 bytes, the text, and room to work
    my $bound = $THREADS * 12;

    cmp_ok($grown, '<', $bound * 1024,
           "and cost less than $bound MiB ($grown kB)");

    my @manifests = map { "x = [" . $_ x ($MIB / length($_) - 3) . ']' }
                        '[],', '{},', '0,', '{a.a.a.a.a.a=1},';

    my $r;

    $grown = growth(sub {
        for my $n (1 .. 40) {
            $r = $t->publish($token, {}, manifest => $manifests[$n % 4]);
        }
    });

    is($r->detail(), "failed to parse `Cargo.toml` manifest file\n\nit has "
       . 'more than 32768 values', '40 hostile manifests are refused');
    cmp_ok($grown, '<', 8 * 1024, "and cost less than 8 MiB ($grown kB)");
}
