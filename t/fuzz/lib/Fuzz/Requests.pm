package Fuzz::Requests;

# Requests as clients send them, then a little wrong: a grammar of every call
# the registry has, whose parts are replaced by odd ones, and whose bytes are
# changed in the end.  What is made depends on rand() alone.

use strict;
use warnings;

use Compress::Zlib ();

my @NAMES = ('crt', 'crt', 'crt', 'CRT', 'new', 'owners', 'nobody', 'c', 'a-b',
             '', '.', '..', '%2e%2e', 'crt%2F1.0.0', 'crt%00', 'cr%fc',
             "cr\xff\xfe", '%C3%BC', '%', '%2', '%zz', 'c' x 64, 'c' x 65,
             'c' x 3000, "'", '%22', '{crate}', '*', '+', '3', '1.0.0');

my @VERSIONS = ('1.0.0', '1.0.0', '1.0.0', '1.1.0', '9.9.9', '1.0', '01.0.0',
                '1.0.0-rc.1', '1.0.0+b', '1.0.0%2Bb', '99999999999999999999.0.0',
                '1.0.0-' . 'a' x 200, 'x', '');

my @ARGUMENTS = qw(page per_page q sort letter keyword category user_id team_id
                   seek ids[] include following message before_date x);

my @VALUES = ('', '1', '0', '-1', '100', '101', '2147483648', '1e9', 'crt',
              'name', 'newest', 'downloads', 'versions,keywords', '%00', '%ff',
              '%ed%a0%80', "'", '%25', '%5C', '(((', 'a%20%26%20!b', 'a+b', 'MQ==',
              '9' x 40, 'x' x 2000, '%C3%A4', '&', '=', '#', '%');

my @JSON = ('null', 'true', '1', '-1', '1.5', '1e400', '""', '"x"', '[]', '{}',
            '["x"]', '[null]', '"\u0000"', '"\ud800"', "\"\xff\"", '{"a":1}',
            '"' . 'x' x 3000 . '"', '[' x 500 . ']' x 500, '"2030-01-01"',
            '["alice"]', '["team:x"]', '["read"]', '["crt*"]');

my %HEADERS = (
    'Accept-Encoding' => [ 'gzip', 'gzip;q=0', 'identity', '*', 'br, gzip',
                           'gzip;q=x', '', ',' x 100, 'deflate' ],
    'If-None-Match' => [ '*', '"x"', 'W/"x"', '"', 'W/', '{etag}',
                         'W/{etag}', '"x", {etag}', '{etag}' x 50, ',,,', '' ],
    'If-Modified-Since' => [ 'Sat, 01 Jan 2000 00:00:00 GMT', 'x', '',
                             'Fri, 31 Dec 9999 23:59:59 GMT', '0',
                             'Thu, 01 Jan 1970 00:00:00 GMT' ],
    'If-Match' => [ '*', '"x"', '{etag}' ],
    'If-Unmodified-Since' => [ 'Sat, 01 Jan 2000 00:00:00 GMT', 'x' ],
    'If-Range' => [ '{etag}', '"x"', 'x' ],
    Range => [ 'bytes=0-', 'bytes=0-0', 'bytes=-1', 'bytes=5-2', 'bytes=x',
               'bytes=0-0,2-3,5-', 'bytes=' . '0-,' x 300, 'lines=1-2',
               'bytes=99999999999999999999-' ],
    'Content-Type' => [ 'application/json', 'text/plain; charset=x', '',
                        'application/octet-stream', 'multipart/form-data' ],
    Expect => [ '100-continue' ],
    Connection => [ 'close', 'keep-alive', 'upgrade', 'x, close' ],
    Upgrade => [ 'h2c', 'websocket' ],
    'HTTP2-Settings' => [ 'AAMAAABkAAQCAAAAAAIAAAAA' ],
    Cookie => [ 'a=b', '=' x 500 ],
    Accept => [ 'text/html', 'application/json', '*/*', "\xff" ],
    'X-Forwarded-For' => [ '10.0.0.1', 'x' x 500 ],
    'X-Forwarded-Proto' => [ 'https', "x\ty" ],
    'X-Request-Id' => [ 'r' x 200, "\x80", '' ],
    'User-Agent' => [ "cargo/1.85\x7f", '', 'x' x 2000 ],
    'Content-Encoding' => [ 'gzip', 'x' ],
);

# nginx refuses most of these
my %ODD = (
    Host => [ '', 'x', '[::1]', '[', 'a b', 'x:99999', "\xff", 'a' x 300,
              'evil/..', '127.0.0.1.' ],
    'Transfer-Encoding' => [ 'chunked', 'gzip, chunked', 'x', 'chunked,' ],
    'X Y' => [ 'z' ], '' => [ 'z' ], "X\xff" => [ 'z' ], X_Y => [ 'z' ],
);


sub new {
    my ($class, %options) = @_;

    open my $table, '<', $options{table} or die "open $options{table}: $!\n";

    my %calls = map { $_ => 1 }
                grep { m{^(?:GET|HEAD|PUT|PATCH|DELETE) /} && !/\@/ }
                map { chomp; $_ } <$table>;

    return bless {
        calls => [ sort(keys %calls), ('PUT /api/v1/crates/new') x 12,
                   ('GET /index/{prefix}/{crate}') x 6,
                   ('GET /dl/{crate}/{sum}/{crate}-1.0.0.crate') x 3 ],
        %options,
    }, $class;
}


sub one { return $_[ rand @_ ] }


sub maybe { return rand() < $_[0] }


# What goes over one connection, one or more requests, some of them changed:
# the text, and whether there is anything in it that is no request any more or
# is for a path that is not ours.

sub connection {
    my ($self) = @_;

    $self->{odd} = 0;
    $self->{lines} = [];

    my @requests = map { $self->request() } 1 .. one(1, 1, 1, 2, 3, 6);

    for my $request (@requests) {
        $request = $self->odd(changed($request)) if maybe(0.2);
    }

    return { text => join('', @requests), odd => $self->{odd},
             lines => $self->{lines} };
}


sub odd {
    my ($self, @values) = @_;

    $self->{odd} = 1;

    return one(@values);
}


sub request {
    my ($self) = @_;

    my $call = one(@{ $self->{calls} });
    my ($method, $target, $body) = $call =~ /^(\S+) (\S+)(?: (.*))?/;

    $target = $self->target($target);
    $body = $target =~ m{crates/new} && $method eq 'PUT' ? $self->frame()
            : defined $body ? json($body) : undef;
    $method = one(qw(GET HEAD PUT POST PATCH DELETE OPTIONS TRACE FOO))
        if maybe(0.05);
    $method = $self->odd('get', 'CONNECT', 'G' x 300, '') if maybe(0.01);
    $body = one('{}', 'x', "\0" x 100, 'x' x 70_000, $self->frame())
        if maybe(0.05);

    $self->odd(1) if $target !~ m{^/(?:api/v1|index|dl)/}
                     || $target =~ m{/\.|%2e|%00|%(?![0-9a-f]{2})|\#}i;

    my $version = maybe(0.03) ? $self->odd('', 'HTTP/1.0', 'HTTP/0.9', 'XTTP',
                                           'HTTP/2.0', 'HTTP/1.10', 'HTTP/9.9')
                              : 'HTTP/1.1';
    my @headers = $self->headers();

    if (defined $body) {
        my ($framing, $sent) = $self->framed($body);

        push @headers, @$framing;
        $body = $sent;
    }

    my $end = maybe(0.02) ? $self->odd("\n") : "\r\n";

    push @{ $self->{lines} }, "$method $target";

    return join($end, "$method $target" . ($version && " $version"), @headers)
           . "$end$end" . ($body // '');
}


sub target {
    my ($self, $target) = @_;

    my $name = maybe(0.7) ? 'crt' : one(@NAMES);
    my %value = (
        crate => $name, prefix => maybe(0.9) ? '3/c' : one('1', 'cr/t', '..'),
        sum => maybe(0.8) ? $self->{sum} : one('0' x 64, 'x', '', uc
                                               $self->{sum}),
        keyword => one(qw(cli x %00)), boss => one(1, 2, 'x', '9' x 30),
        token => one(1 .. 5, 'x'), theirs => one(1 .. 5, '9' x 25),
    );

    $target =~ s/\{(\w+)\}/$value{$1} \/\/ $1/ge;
    $target =~ s/\b1\.0\.0\b/one(@VERSIONS)/ge if maybe(0.4);

    if (maybe(0.3)) {
        $target .= $target =~ /\?/ ? '&' : '?';
        $target .= join '&', map { one(@ARGUMENTS) . '=' . one(@VALUES) }
                             1 .. one(1, 2, 5, 60);
    }

    my @segments = split m{/}, $target, -1;
    my $at = maybe(0.1) ? rand @segments
             : @segments > 3 ? 3 + rand @segments - 3 : $#segments;

    splice @segments, $at, 1, one(@NAMES) if maybe(0.1);
    splice @segments, $at, 0, one(@NAMES, '.', '') if maybe(0.03);
    splice @segments, $at, 1 if maybe(0.03);

    $target = join '/', @segments;
    $target = "http://127.0.0.1$target" if maybe(0.02);

    return $target;
}


sub headers {
    my ($self) = @_;

    my @headers;

    push @headers, maybe(0.97) ? 'Host: 127.0.0.1' : $self->odd('Hos: x');
    push @headers, 'Authorization: ' . one(
        ($self->{tokens}[0]) x 6, @{ $self->{tokens} },
        "Bearer $self->{tokens}[0]", 'Basic OnRva2Vu', 'Basic x', 'Bearer',
        '', "\x80", 'Digest a=b', 'x' x 3000, "$self->{tokens}[0] x",
        'ngxcargo_' . '0' x 38) if maybe(0.7);

    for (1 .. one(0, 0, 0, 1, 1, 2, 4, maybe(0.2) ? 30 : 0)) {
        my $name = maybe(0.05) ? $self->odd(sort keys %ODD)
                               : one(sort keys %HEADERS);
        my $value = one(@{ $HEADERS{$name} // $ODD{$name} });

        $value =~ s/\{etag\}/$self->{etag}/g;
        push @headers, "$name:" . one(' ', '', '  ', "\t") . $value;
    }

    return @headers;
}


# What a body is sent with: its length, or in chunks, or a lie.

sub framed {
    my ($self, $body) = @_;

    my $length = length $body;

    return ([ "Content-Length: $length" ], $body) if maybe(0.7);

    if (maybe(0.6)) {
        my $end = one("0\r\n\r\n", "0\r\n\r\n", "000\r\nX: y\r\n\r\n");

        $end = $self->odd("\r\n\r\n", "-1\r\n\r\n", "x\r\n\r\n", "0\n",
                          "0\r\n") if maybe(0.2);

        return ([ one('Transfer-Encoding: chunked',
                      'transfer-encoding:Chunked') ],
                $self->chunks($body) . $end);
    }

    return ($self->odd([], [ 'Content-Length: ' . one(
                           $length + 1, $length - 1, 0, -1, '9' x 19, '9' x 30,
                           'x', '', "+$length", "$length, $length",
                           33 * 1024 * 1024) ],
                       [ ("Content-Length: $length") x 2 ],
                       [ "Content-Length: $length",
                         'Transfer-Encoding: chunked' ]),
            $body);
}


sub chunks {
    my ($self, $body) = @_;

    my $text = '';

    while (length $body) {
        my $chunk = substr $body, 0, 1 + rand one(3, 100, 5000), '';
        my $size = sprintf one('%x', '%x', '%x', '%X', '%04x'), length $chunk;

        $size = $self->odd('fffffffffffffffff', '-1', 'x', '7fffffffffffffff')
            if maybe(0.01);

        $text .= $size . one('', '', ';a=b', ' ', ';' . 'x' x 300) . "\r\n"
                 . $chunk . "\r\n";
    }

    return $text;
}


# A publish: metadata, its length, the .crate and its length.

sub frame {
    my ($self) = @_;

    my ($json, $crate) = @{ one(@{ $self->{publishes} }) };

    $json = changed($json) if maybe(0.2);
    $json =~ s/(?<=:)(?:null|\[\]|\{\}|"[^"]*")/maybe(0.2) ? one(@JSON) : $&/ge
        if maybe(0.2);
    $crate = maybe(0.5) ? changed($crate) : recompressed($crate)
        if maybe(0.3);

    my @lengths = map { maybe(0.9) ? length : one(0, 1, length() + 1, 2 ** 20,
                                                  2 ** 20 + 1, 2 ** 31,
                                                  2 ** 32 - 1) }
                  $json, $crate;

    my $frame = pack('V', $lengths[0]) . $json . pack('V', $lengths[1])
                . $crate;

    return maybe(0.9) ? $frame : one('', substr($frame, 0, rand length $frame),
                                     "$frame\0", $frame x 2);
}


# Changed below gzip's checksum, as no change of its own bytes could.

sub recompressed {
    my ($crate) = @_;

    my $tar = changed(Compress::Zlib::memGunzip($crate));

    for (my $at = 0; $at + 512 <= length $tar; $at += 512) {
        next if substr($tar, $at + 257, 5) ne 'ustar' || maybe(0.1);

        substr($tar, $at + 148, 8) = ' ' x 8;
        substr($tar, $at + 148, 8)
            = sprintf "%06o\0 ", unpack '%32C*', substr $tar, $at, 512;
    }

    return Compress::Zlib::memGzip($tar);
}


sub json {
    my ($body) = @_;

    $body =~ s/"[^"]*"(?=[,\]\}])|true/maybe(0.4) ? one(@JSON) : $&/ge;

    return maybe(0.9) ? $body : changed($body);
}


# A few bytes of it other ones, doubled or gone.

sub changed {
    my ($text) = @_;

    for (1 .. one(1, 1, 2, 5)) {
        last if !length $text;

        my $at = int rand length $text;
        my $len = int rand one(2, 8, 64);

        $len = length($text) - $at if $len > length($text) - $at;

        my $way = int rand 5;

        if ($way == 0) {
            substr($text, $at, 1) = chr rand 256;

        } elsif ($way == 1) {
            substr($text, $at, $len) = '';

        } elsif ($way == 2) {
            substr($text, $at, 0) = substr $text, $at, $len;

        } elsif ($way == 3) {
            substr($text, $at, 0)
                = one("\r", "\n", "\r\n", "\r\n\r\n", "\0", ' ', "\t", ':',
                      '/', '%', '?', "\xff", '"', chr rand 256);

        } else {
            substr($text, $at, 1) = chr(ord(substr $text, $at, 1)
                                        ^ 1 << rand 8);
        }
    }

    return $text;
}


1;
