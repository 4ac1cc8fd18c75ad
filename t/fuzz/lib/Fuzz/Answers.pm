package Fuzz::Answers;

# Reads what a server sent over one connection, and says what is wrong with
# it: undef when it is a row of well-formed answers.

use strict;
use warnings;

use Encode ();
use Exporter qw(import);
use JSON::PP ();

our @EXPORT_OK = qw(problem_of problem_of_http2);

# What nginx says of methods and transfer codings that it does not know, and
# of versions of HTTP, is its own; else no request may end in a 5xx.
my $STATUS = qr/^(?:10[01]|20[0-9]|30[0-9]|4\d\d|501|505)$/;


# odd: something that nginx may answer by a page of its own, since it is no
# request or for none of our locations; statuses: a hash that counts them

sub problem_of {
    my ($sent, $odd, $text, $statuses) = @_;

    while (length $text) {

        # an answer to HTTP/0.9 has no head, and nothing comes after it
        return undef if $text !~ m{^HTTP/}
                        && $sent =~ m{^[A-Z]+\ +[^\r\n]*\ *\r?$}mx;

        $text =~ s{^HTTP/1\.1\ (\d\d\d)[^\r\n]*\r\n((?:[^\r\n]+\r\n)*)\r\n}{}x
            or return 'no answer of HTTP: ' . shown($text);

        my ($status, $head) = ($1, $2);
        my %header;

        $statuses->{$status}++;

        return "status $status" if $status !~ $STATUS;

        for my $line (split /\r\n/, $head) {
            $line =~ /^([!#\$%&'*+.^`|~\w-]+): ?([\t\x20-\x7e]*)$/
                or return 'an odd header: ' . shown($line);
            return "twice the header $1" if exists $header{lc $1};
            $header{lc $1} = $2;
        }

        next if $status < 200;

        my $problem = problem_of_body($sent, $odd, $status, \%header,
                                      \$text);

        return "$status: $problem" if $problem;
    }

    return undef;
}


# With HEAD among them, a body may not be there: it is not where the next
# answer or the end is.

sub problem_of_body {
    my ($sent, $odd, $status, $header, $text) = @_;

    my $length = $header->{'content-length'};

    return 'Transfer-Encoding' if $header->{'transfer-encoding'};
    return undef if $status == 204 || $status == 304;
    return 'no Content-Length' if !defined $length;
    return "Content-Length $length" if $length !~ /^(?:0|[1-9]\d*)$/;

    return undef if $sent =~ /HEAD/ && ($$text eq '' || $odd
                                        || $$text =~ m{^HTTP/1\.1 \d\d\d });
    return 'a body cut short' if $length > length $$text;

    my $body = substr $$text, 0, $length, '';
    my $type = $header->{'content-type'} // '';

    return "an error of type \"$type\": " . shown($body)
        if $status >= 400 && $type !~ m{^(?:application/json$|text/plain)}
           && ($type ne 'text/html' || !$odd || $body !~ m{^<html>.*<hr><center>nginx}s);

    return 'not UTF-8: ' . shown($body)
        if $type =~ m{^(?:application/json|text/)}
           && $status != 206
           && ($header->{'content-encoding'} // '') eq ''
           && !eval { Encode::decode('UTF-8', my $copy = $body,
                                     Encode::FB_CROAK); 1 };

    return problem_of_json($status, $body)
        if $type eq 'application/json' && $status != 206
           && !$header->{'content-encoding'};

    return 'words of a database: ' . shown($body)
        if $status >= 400 && $body =~ /SQLSTATE|plpgsql|syntax error at/;

    return undef;
}


sub problem_of_json {
    my ($status, $body) = @_;

    my $json = eval { JSON::PP->new->utf8->max_depth(4096)->decode($body) };

    return 'no JSON: ' . shown($body) if !defined $json;
    return undef if $status < 400;

    return 'not the envelope of errors: ' . shown($body)
        if ref $json ne 'HASH' || join(',', keys %$json) ne 'errors'
           || ref $json->{errors} ne 'ARRAY' || @{ $json->{errors} } != 1
           || join(',', keys %{ $json->{errors}[0] }) ne 'detail';

    my $detail = $json->{errors}[0]{detail};

    return 'no sentence: ' . shown($body)
        if $detail !~ /\w+.*\w+/s
           || $detail =~ /[\x00-\x08\x0b-\x1f\x7f-\x9f]/
           || $detail =~ /SQLSTATE|plpgsql|syntax error at/;

    return undef;
}


# Frames of HTTP/2; of their header blocks the status alone, which nginx
# writes first.

sub problem_of_http2 {
    my ($text, $statuses) = @_;

    my %known = (0x88 => 200, 0x89 => 204, 0x8a => 206, 0x8b => 304,
                 0x8c => 400, 0x8d => 404, 0x8e => 500);

    while (length $text >= 9) {
        my ($high, $low, $type, $flags, $stream) = unpack 'CnCCN', $text;
        my $length = $high << 16 | $low;

        return "a frame of type $type" if $type > 9;
        return "a frame of $length bytes" if $length > 16384;
        return undef if length $text < 9 + $length;

        substr($text, 0, 9) = '';
        my $payload = substr $text, 0, $length, '';

        next if $type != 1;

        # the size of the table may be set before it
        $payload =~ s/^[\x20-\x3e]|^\x3f[\x80-\xff]*[\x00-\x7f]//;

        my ($first) = unpack 'C', $payload;
        my $status = $known{ $first // 0 }
                     // ($payload =~ /^[\x08\x48]\x03(\d\d\d)/ ? $1 : undef);

        return 'a header block that does not begin with a status'
            if !defined $status;

        $statuses->{$status}++;

        return "status $status" if $status !~ $STATUS;
    }

    return undef;
}


sub shown { return substr($_[0], 0, 300) =~ s/[^\x20-\x7e]/?/gr }


1;
