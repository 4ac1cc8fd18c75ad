#!/usr/bin/perl

# How the body of a publish may arrive, how large it may be, and when the
# answer comes.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IO::Select;
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $URI = '/api/v1/crates/new';
my $MIB = 1024 * 1024;
my $CRATE_MAX = 2 * $MIB;
my $ENTRIES_MAX = 40;
my $UNPACKED_MAX = 4 * $MIB;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(server => <<"CONF");
listen  127.0.0.1:%%port:h2%% http2;

cargo_max_crate_size       $CRATE_MAX;
cargo_max_unpacked_size    4m;
cargo_max_archive_entries  $ENTRIES_MAX;

client_body_timeout  2s;

location /default/api/v1/ { cargo_api; }
location /slow/api/v1/    { cargo_api; client_body_timeout 200ms; }
CONF

my $token = $t->account('alice');

in_pieces();
in_chunks();
over_http2();
expect_accepted();
expect_refused();
largest_crate();
largest_body();
stalled();
archive_limits();
directives();

$t->done();


sub refused {
    my ($r, $status, $detail, $rule) = @_;

    is("$r->{status} " . ($r->detail() // $r->{body}), "$status $detail",
       $rule);
}


sub document { return $t->get($t->index_path($_[0]))->{body} }


sub body {
    my ($name, $crate) = @_;

    return $t->publish_body($t->metadata(name => $name),
                            $crate // $t->crate(name => $name));
}


sub in_pieces {
    my $body = body('pieces');

    my $r = $t->put($URI, $body, Authorization => $token, piece => 3,
                    pause => 0.0005, timeout => 20);

    is($r->{status}, 200, 'a body in pieces of 3 bytes') or diag($r->{body});
    like(document('pieces'), qr/"vers":"1\.0\.0"/, 'is published');

    # A boundary in each part of the frame; all names are equally long.
    my ($json) = unpack 'V', body('cut0');
    my $number = 0;

    for my $at (1, 4, 5, 4 + $json - 1, 4 + $json, 4 + $json + 3,
                4 + $json + 4, -1)
    {
        my $name = 'cut' . $number++;
        my $whole = body($name);
        my $head = "PUT $URI HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                   . "Authorization: $token\r\n"
                   . 'Content-Length: ' . length($whole) . "\r\n\r\n";

        $r = $t->http([ $head . substr($whole, 0, $at), \0.02,
                        substr $whole, $at ]);

        is($r->{status}, 200, "a pause at byte $at") or diag($r->{body});
    }
}


sub in_chunks {
    for my $size (1, 7, 65536) {
        my $name = "chunks$size";
        my $r = $t->put($URI, body($name), Authorization => $token,
                        chunked => $size);

        is($r->{status}, 200, "a chunked body, $size bytes each");
        like(document($name), qr/"vers":"1\.0\.0"/, 'is published');
    }
}


sub curl {
    my ($file, $authorization, @more) = @_;

    my ($rc, $out) = $t->run(command => [
        'curl', '-sS', '--http2-prior-knowledge', '-T', $file, '-H',
        "Authorization: $authorization", '-w', "\n%{http_version} %{http_code}",
        @more, 'http://127.0.0.1:' . $t->port('h2') . $URI ], merge => 1);

    return $out;
}


sub over_http2 {
    like(curl($t->write_file('h2.body', body('h2')), $token),
         qr/^\{"warnings":.*\n2 200$/s, 'an upload over HTTP/2');
    like(document('h2'), qr/"vers":"1\.0\.0"/, 'is published');

    my $crate = random_crate('h2-big', $CRATE_MAX);

    like(curl($t->write_file('h2.body', body('h2-big', $crate)),
              $token),
         qr/\n2 200$/, 'a large one too');
    is($t->get('/api/v1/crates/h2-big/1.0.0/download')->{body}, $crate,
       'byte by byte');

    like(curl($t->write_file('h2.body', body('h2-bad', 'no gzip')),
              $token),
         qr/"detail":"uploaded tarball is malformed.*\n2 400$/s,
         'a refusal over HTTP/2');
    my ($data, $reset) = early_http2("\0" x 60_000);

    like($data, qr/"detail":"this action requires authentication/,
         'without a token the answer comes before the body');
    is($reset, 0, 'and the rest of it is called off with NO_ERROR (RFC 9113)');

    # not even a Content-Length: what a pipe gives
    like(curl('-', $token), qr/"detail":".*\n2 400$/s,
         'an empty body of unknown length');
}


# What comes back on the stream of an upload that is never finished: the
# body and the code of RST_STREAM.  Frame by frame, since what curl makes of
# an answer before the end of the upload depends on its version.

sub early_http2 {
    my ($part) = @_;

    my %pseudo = (':method' => 'PUT', ':path' => $URI, ':scheme' => 'http',
                  ':authority' => 'localhost', 'content-length' => 5 * $MIB);

    # literals without indexing (RFC 7541); pseudo headers come first
    my $headers = join '', map { pack 'x C/a* C/a*', $_, $pseudo{$_} }
                           sort keys %pseudo;

    my $connection = $t->connect(port => $t->port('h2'));

    $connection->send("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" . frame(4, 0, 0, '')
                      . frame(1, 4, 1, $headers)
                      . join '', map { frame(0, 0, 1, $_) }
                                 unpack '(a16384)*', $part);

    my ($data, $reset, $buffer) = ('', undef, '');
    my $select = IO::Select->new($connection->socket());

    while (!defined $reset && $select->can_read(10)) {
        sysread $connection->socket(), $buffer, 65536, length $buffer or last;

        while (length $buffer >= 9) {
            my ($length, $type) = unpack 'N C', "\0" . substr $buffer, 0, 4;

            last if length $buffer < 9 + $length;

            my $payload = substr substr($buffer, 0, 9 + $length, ''), 9;

            $data .= $payload if $type == 0;
            $reset = unpack 'N', $payload if $type == 3;
        }
    }

    return ($data, $reset);
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    return substr(pack('N', length $payload), 1)
           . pack('C C N', $type, $flags, $stream) . $payload;
}


# All bytes up to the end of a head; a client that waits does the same.

sub head_of {
    my ($connection) = @_;

    my $select = IO::Select->new($connection->socket());
    my $head = '';

    while ($head !~ /\r\n\r\n\z/ && $select->can_read(10)) {
        sysread $connection->socket(), $head, 1, length $head or last;
    }

    return $head;
}


sub expect {
    my ($token, $length, $uri) = @_;

    my $connection = $t->connect();

    $connection->send('PUT ' . ($uri // $URI) . " HTTP/1.1\r\nHost: x\r\n"
                      . ($token ? "Authorization: $token\r\n" : '')
                      . "Content-Length: $length\r\n"
                      . "Expect: 100-continue\r\n\r\n");

    return $connection;
}


sub expect_accepted {
    my $body = body('expected');
    my $connection = expect($token, length $body);

    is(head_of($connection), "HTTP/1.1 100 Continue\r\n\r\n",
       'an upload that may come is asked for');

    $connection->send($body);

    my $r = $connection->receive();

    is($r->{status}, 200, 'and then answered');
    is_deeply($r->{informational}, undef, 'without another 100');

    $connection->send("GET /index/config.json HTTP/1.1\r\nHost: x\r\n\r\n");
    is($connection->receive()->{status}, 200, 'the connection goes on');
}


sub expect_refused {
    my $revoked = $t->token('alice', name => 'old');
    my $reader = $t->account('rita', role => 'reader');

    $t->sql("update cargo_store.tokens set revoked_at = now()"
            . " where name = 'old'");

    for my $row (
        ['no token', '', 403, qr/^this action requires authentication; /],
        ['a text that is no token', 'x', 403, qr/^authentication failed: /],
        ['a revoked token', $revoked, 403,
         qr/^authentication failed: the token has been revoked; /],
        ['a reader', $reader, 403, qr/^this action needs the role publisher/],
        ['a body over client_max_body_size', $token, 413,
         qr/^max upload size is: $CRATE_MAX$/, 33 * $MIB],
        ['another path', $token, 404, qr/^Not Found/, 5, '/api/v1/nothing'],
    ) {
        my ($case, $sent, $status, $detail, $length, $uri) = @$row;

        # of 5 MiB none is sent: only a server that does not wait answers
        my $r = expect($sent, $length // 5 * $MIB, $uri)->receive();

        is($r->{status}, $status, "$case: the answer comes before the body");
        like($r->detail(), $detail, "$case: in words");
        is_deeply($r->{informational}, undef, "$case: without a 100");
    }

    # A client that sends all the same has to get the answer too.
    my $r = $t->put($URI, "\0" x (6 * $MIB), timeout => 20);

    is($r->{status}, 403, 'a large body that nobody asked for: answered');
    like($r->detail(), qr/^this action requires auth/, 'and not cut off');
}


# A .crate of exactly so many bytes, which do not compress.

sub random_crate {
    my ($name, $size) = @_;

    open my $urandom, '<:raw', '/dev/urandom' or die "urandom: $!\n";

    # The trailer and the blocks cost a little; a remainder below 512 goes
    # into the name of the gzip member.
    my $data = ($size - 8192) & ~511;
    my ($bytes, $crate);

    read $urandom, $bytes, $size;

    while (1) {
        $crate = Test::Cargo::Crate::gzip(Test::Cargo::Crate::tar(
            { name => "$name-1.0.0/Cargo.toml",
              data => Test::Cargo::Crate::manifest(name => $name) },
            { name => "$name-1.0.0/data", data => substr $bytes, 0, $data }),
            0);

        my $missing = $size - length $crate;

        last if $missing >= 2 && $missing < 1024;
        $data += $missing > 0 ? 512 : -512;
    }

    # FNAME (RFC 1952): a flag, and the name after the header of 10 bytes
    substr($crate, 3, 1) = "\x08";
    substr($crate, 10, 0) = 'n' x ($size - length($crate) - 1) . "\0";

    return $crate;
}


sub largest_crate {
    my $crate = random_crate('largest', $CRATE_MAX);

    is(length $crate, $CRATE_MAX, 'a crate of cargo_max_crate_size');

    my $r = $t->put($URI, body('largest', $crate), Authorization => $token,
                    timeout => 30);

    is($r->{status}, 200, 'is accepted') or diag($r->{body});

    $crate = random_crate('larger', $CRATE_MAX + 1);

    refused($t->put($URI, body('larger', $crate), Authorization => $token),
            413, "max upload size is: $CRATE_MAX", 'one byte more is not');
}


# nginx's default of client_max_body_size would be less than one crate.

sub largest_body {
    my $limit = $CRATE_MAX + $MIB + 8;
    my $uri = "/default$URI";

    is(head_of(expect($token, $limit, $uri)), "HTTP/1.1 100 Continue\r\n\r\n",
       'the default limit of a body lets crate, metadata and frame in');
    refused(expect($token, $limit + 1, $uri)->receive(), 413,
            "max upload size is: $CRATE_MAX", 'and nothing beyond');

    my $r = $t->put($uri, "\0" x ($limit + 1), Authorization => $token,
                    chunked => 65536);

    refused($r, 413, "max upload size is: $CRATE_MAX",
            'nor a chunked body that grows over it');
}


sub stalled {
    my $connection = $t->connect();

    $connection->send("PUT /slow$URI HTTP/1.1\r\nHost: x\r\n"
                      . "Authorization: $token\r\n"
                      . "Content-Length: 1000\r\n\r\nabc");

    my $r = $connection->receive();

    is($r->{status}, 408, 'an upload that stalls is answered with 408');
    like($r->detail(), qr/^the upload came too slowly/, 'in words');
    ok($connection->closed(), 'and the connection is closed');
}


sub files {
    my ($n) = @_;

    return { map { ("f$_" => '') } 1 .. $n };
}


sub archive_limits {
    # with Cargo.toml, src and src/lib.rs
    my $r = $t->publish($token, { name => 'entries' },
                        files => files($ENTRIES_MAX - 3));

    is($r->{status}, 200, 'cargo_max_archive_entries files and directories')
        or diag($r->{body});

    refused($t->publish($token, { name => 'entries', vers => '1.0.1' },
                        files => files($ENTRIES_MAX - 2)), 400,
            "uploaded tarball contains more than $ENTRIES_MAX files and "
            . 'directories', 'one more');

    # three headers, two blocks of contents, two of zeros at the end
    my $most = $UNPACKED_MAX - 7 * 512;

    $r = $t->publish($token, { name => 'unpacked' },
                     files => { data => "\0" x $most });

    is($r->{status}, 200, 'a tar of cargo_max_unpacked_size')
        or diag($r->{body});

    refused($t->publish($token, { name => 'unpacked', vers => '1.0.1' },
                        files => { data => "\0" x ($most + 1) }), 400,
            'uploaded tarball is malformed or too large when decompressed: '
            . "it unpacks to more than $UNPACKED_MAX bytes",
            'and one block more');
}


sub directives {
    for my $row (
        ['cargo_max_archive_entries 0;', qr/must be between 1 and/],
        ['cargo_max_archive_entries 1000001;', qr/must be between 1 and/],
        ['cargo_max_archive_entries x;', qr/invalid number/],
        ['cargo_max_crate_size x;', qr/invalid value/],
        ['cargo_max_crate_size -1;', qr/invalid value/],
        ['cargo_max_unpacked_size 1y;', qr/invalid value/],
        ['cargo_max_crate_size 1m; cargo_max_crate_size 2m;',
         qr/is duplicate/],
    ) {
        my ($text, $expected) = @$row;

        $t->write_config(server => $text);

        my ($rc, $out) = $t->test_config();

        isnt($rc, 0, "$text is refused by nginx -t");
        like($out, $expected, "$text: and why");
    }
}
