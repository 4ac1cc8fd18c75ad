package Fuzz::HTTP2;

# Requests over HTTP/2, by frames of our own: header blocks of literals
# without Huffman's code, and whatever else may come or must not.

use strict;
use warnings;

use Exporter qw(import);

our @EXPORT_OK = qw(http2_connection);

my $PREFACE = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";


# requests: made by Fuzz::Requests, and put into frames as far as they go

sub http2_connection {
    my (@requests) = @_;

    my $text = $PREFACE . frame(4, 0, 0, one('', pack('nN', 4, 65535),
                                             pack('nN', 1, 0),
                                             pack('nN', 4, 1)));
    my $stream = 1;

    for my $request (@requests) {
        $text .= maybe(0.1) ? oddity($stream) : '';
        $text .= request($stream, $request);
        $stream += maybe(0.97) ? 2 : one(0, 1, -2, 1000);
        $stream = 1 if $stream < 1;
    }

    return maybe(0.3) ? Fuzz::Requests::changed($text) : $text;
}


sub request {
    my ($stream, $request) = @_;

    my ($head, $body) = split /\r\n\r\n/, $request, 2;
    my ($line, @lines) = split /\r\n/, $head // '';
    my ($method, $target) = split / /, $line // '';

    my @block = map { literal(@$_) } (
        [ ':method', $method // '' ], [ ':scheme', 'http' ],
        [ ':path', $target // '' ], [ ':authority', '127.0.0.1' ],
    );

    for my $header (@lines) {
        my ($name, $value) = $header =~ /^([^:]*):\s*(.*)/s or next;

        next if lc $name =~ /^(?:transfer-encoding|connection)$/
                && !maybe(0.05);

        push @block, literal(lc $name, $value);
    }

    @block = reverse @block if maybe(0.02);
    push @block, one("\x82", "\xff\xff\xff\xff\x7f", "\x00", "\x3f\xe1\x7f",
                     "\x40\x00", literal(':path', '/'), "\x80")
        if maybe(0.05);

    my $block = join '', @block;
    my $end = length($body // '') ? 0 : 1;

    return frame(1, 4 | $end, $stream, $block) . data($stream, $body)
        if length $block < 16000 && maybe(0.9);

    my $first = substr $block, 0, 1 + rand 16000, '';
    my $text = frame(1, $end, $stream, $first);

    while (length $block > 16000) {
        $text .= frame(9, 0, $stream, substr $block, 0, 16000, '');
    }

    return $text . frame(9, 4, $stream, $block) . data($stream, $body);
}


sub data {
    my ($stream, $body) = @_;

    my $text = '';

    $body //= '';

    while (length $body) {
        my $part = substr $body, 0, 1 + rand one(10, 1000, 16384), '';
        my $end = length $body || maybe(0.02) ? 0 : 1;

        $text .= maybe(0.1)
                 ? frame(0, 8 | $end, $stream,
                         chr(3) . $part . "\0" x one(3, 3, 2, 0))
                 : frame(0, $end, $stream, $part);
    }

    return $text;
}


# Frames between the requests, some of which end the connection.

sub oddity {
    my ($stream) = @_;

    return one(
        frame(6, 0, 0, '12345678'), frame(6, 0, 0, '1'),
        frame(3, 0, $stream, pack 'N', 8), frame(3, 0, 0, 'abcd'),
        frame(8, 0, 0, pack 'N', 1 + rand 2 ** 31), frame(8, 0, 0, "\0" x 4),
        frame(8, 0, $stream, pack 'N', 100), frame(2, 0, $stream, "\0" x 5),
        frame(2, 0, $stream, pack('N', $stream) . "\0"),
        frame(7, 0, 0, pack 'NN', 0, 0), frame(4, 1, 0, ''),
        frame(4, 0, 0, pack 'nN', 5, 1), frame(4, 0, 0, 'abc'),
        frame(9, 4, $stream, ''), frame(99, 255, $stream, 'x' x 100),
        frame(0, 0, 0, 'x'), frame(5, 4, $stream, "\0\0\0\2"),
    );
}


sub frame {
    my ($type, $flags, $stream, $payload) = @_;

    my $length = length $payload;

    $length = one(0, $length + 1, 2 ** 24 - 1) if maybe(0.005);

    return pack('CnCCN', $length >> 16 & 255, $length & 65535, $type, $flags,
                $stream) . $payload;
}


sub literal {
    my ($name, $value) = @_;

    return "\0" . string($name) . string($value);
}


# seven bits of the length first, then seven in each byte

sub string {
    my ($text) = @_;

    my $length = length $text;

    return chr($length) . $text if $length < 127;

    my $bytes = "\x7f";

    for ($length -= 127; $length >= 128; $length >>= 7) {
        $bytes .= chr($length & 127 | 128);
    }

    return $bytes . chr($length) . $text;
}


sub one { return $_[ rand @_ ] }


sub maybe { return rand() < $_[0] }


1;
