#!/usr/bin/perl

# What no client sends: every answer is a sentence, nothing is stored, nothing
# fails, and the next request is served.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Encode ();
use JSON::PP ();
use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Cargo;
use Test::Cargo::Pipeline;

my $t = Test::Cargo->new();

$t->postgres();

# With large buffers nginx lets through what it would refuse itself; the
# other server has its defaults.
$t->nginx(http => <<'CONF', server => 'keepalive_requests 1000000;');
large_client_header_buffers  4 64k;
log_not_found                off;

server {
    listen  127.0.0.1:%%port:default%%;
    cargo_registry  main;
    cargo_blobs     %%dir%%/blobs;
    large_client_header_buffers  4 8k;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF

my $token = $t->account('alice', role => 'admin');
my $r = $t->publish($token, { name => 'crt', vers => '1.0.0' });

$r->{status} == 200 or die "$r->{status} $r->{body}";

my $sum = $t->checksum($t->crate(name => 'crt'));
my $crate = $t->get('/api/v1/crates/crt')->{body};

# segments of a path that are no name of anything, as they go over the wire
my %SEGMENT = (
    'a slash' => 'crt%2F1.0.0', 'a slash in lower case' => 'crt%2f..',
    'a dot segment' => '%2e%2e%2fcrt', 'dots' => '...',
    'a backslash' => '..%5C..%5Ccrt', 'NUL' => 'crt%00',
    'NUL in front' => '%00crt', 'overlong UTF-8' => '%c0%aecrt',
    'an overlong slash' => '%c0%af', 'a surrogate' => '%ed%a0%80',
    'beyond Unicode' => '%f4%90%80%80', 'half a character' => 'crt%c3',
    'Latin 1' => 'cr%fc', 'raw bytes' => "crt\xff\xfe", 'UTF-8' => 'cr%C3%BC',
    'a sign' => '%F0%9F%A6%80', 'a very long one' => 'c' x 5000,
    'a long one' => 'c' x 65, 'a quote' => "crt'--", 'a double quote' => 'c%22',
    'a statement' => "crt';drop%20table%20crates;--", 'percent' => 'c%25',
    'underscores' => '___', 'a format' => '%25s%25n',
    'a line' => 'crt%0d%0aX:y',
    'an escape' => 'crt%1b%5b0m', 'one of 8 bits' => 'crt%c2%9b0m',
    'a tab' => 'crt%09', 'DEL' => 'crt%7f', 'a blank' => 'crt%20',
    'a star' => '*', 'braces' => '%7Bcrate%7D', 'a number' => '9' x 30,
    'minus one' => '-1', 'a dollar' => '$1', 'a plus' => '+', 'a colon' => ':',
    'a semicolon' => 'crt;x=y', 'double encoding' => 'crt%252e',
);

# where they are put; crt is there, crt 1.0.0 too
my @PATHS = (
    map({ "GET $_" } '/index/cr/t/*', '/index/*/t/crt', '/index/*', '/dl/*',
        "/dl/*/$sum/crt-1.0.0.crate", '/dl/crt/*/crt-1.0.0.crate',
        "/dl/crt/$sum/*",
        map { "/api/v1/$_" } '*', 'crates/*', 'crates/*/1.0.0', 'crates/crt/*',
        'crates/crt/*/dependencies', 'crates/crt/*/download',
        'crates/crt/*/readme', 'crates/*/versions', 'crates/*/owners',
        'crates/*/reverse_dependencies', 'crates/*/following',
        'crates/crt/1.0.0/*', 'crates/crt/1.0.0/dependencies/*', 'keywords/*',
        'categories/*', 'users/*', 'users/*/stats', 'teams/*', 'me/*',
        'me/tokens/*'),
    map({ "DELETE /api/v1/$_" } 'crates/*/1.0.0/yank', 'crates/crt/*/yank',
        'crates/*', 'crates/crt/*', 'crates/*/follow', 'me/tokens/*',
        'tokens/*'),
    map({ "PUT /api/v1/$_" } 'crates/*/1.0.0/unyank', 'crates/crt/*/unyank',
        'crates/*/follow', 'crates/*', 'crates/new/*'),
    'PUT /api/v1/crates/*/owners {"users":["alice"]}',
    'PATCH /api/v1/crates/*/1.0.0 {"version":{"yanked":true}}',
    'PATCH /api/v1/crates/crt/* {"version":{"yanked":true}}',
);

my @LISTS = (
    map({ "/api/v1/$_" } 'crates', 'crates/crt/versions', 'keywords',
        'crates/crt/reverse_dependencies', 'categories', 'me/updates'),
);

# what takes no pages
my @OTHERS = map { "/api/v1/$_" }
             'crates/crt', 'crates/crt/1.0.0', 'crates/crt/downloads',
             'crates/crt/1.0.0/downloads', 'crates/crt/1.0.0/dependencies',
             'crates/crt/owners', 'crates/crt/following', 'summary',
             'category_slugs', 'site_metadata', 'me', 'me/tokens',
             'me/crate_owner_invitations', 'users/alice';

my @bad_numbers = ('0', '-1', '101', '1e9', '9' x 20, 'abc', '', '%20', '1.5',
                   '0x10', '%D9%A1', '1%00', '%ff', '+1', "1'", '2147483648',
                   '9223372036854775808', '9' x 2000);

my @BODIES = bodies();
my %before = rows();

paths();
dots();
numbers();
arguments();
queries();
json_bodies();
headers();
forwarded();
methods();

is_deeply({ rows() }, \%before, 'nothing is in the tables that was not there');
cmp_ok($t->sql('select max(length(a::text)) from cargo_store.audit a'), '<',
       2000, 'the audit log keeps a little of each refused write');
cmp_ok($t->sql('select count(*) from cargo_store.audit where status >= 400'),
       '>', 900, 'and it has them');
is(join("\n", grep { / ERROR: | FATAL: | PANIC: / }
              split /\n/, $t->read_file('postgres.log')), '',
   'no statement failed in the database');
is(join("\n", grep { /\[error\]/ } split /\n/, $t->read_file('error.log')),
   '', 'no errors in the log of nginx: a client can\'t make any');

$t->done();


# Number of rows in each table but the audit log, and what they hold of it.

sub rows {
    my $tables = $t->sql(<<'SQL');
select string_agg(format('select %L, count(*) from cargo_store.%I', relname,
                         relname), ' union all ')
  from pg_stat_user_tables
 where schemaname = 'cargo_store' and relname <> 'audit';
SQL

    return map { split /\|/ } split /\n/, $t->sql($tables);
}


sub raw {
    my ($line, $body, %headers) = @_;

    my %all = (Host => '127.0.0.1', Authorization => $token, %headers);

    $body //= $line =~ s/^(\S+ \S+) (.*)/$1/s ? $2 : '';
    $all{'Content-Length'} //= length $body if length $body
                                               || $line !~ /^GET/;

    return "$line HTTP/1.1\r\n"
           . join('', map { "$_: $all{$_}\r\n" }
                      grep { defined $all{$_} } sort keys %all)
           . "\r\n$body";
}


# Sends all requests, [label, raw request, expected statuses], and then one
# that is well.

sub all_are {
    my ($what, @cases) = @_;

    my @answers = pipeline([ map { $_->[1] } @cases ], port => $t->port());
    my @wrong;

    for my $case (@cases) {
        my ($label, $request, $statuses) = @$case;
        my $answer = shift @answers;

        my $problem = $answer->{status} !~ /^(?:$statuses)$/
                      ? "$answer->{status}, not $statuses: $answer->{body}"
                      : problem($request, $answer);

        push @wrong, "$label: " . substr $problem, 0, 300 if $problem;
    }

    is(join("\n", splice @wrong, 0, 20), '', "$what, " . @cases . ' requests');
    is($t->get('/api/v1/crates/crt')->{body}, $crate, 'the next one is fine');
    is($t->put('/api/v1/crates/crt/1.0.0/unyank', '',
               Authorization => $token)->{status}, 200, 'and so is a write');
}


# The right envelope around one sentence for a person; undef if it is.

sub problem {
    my ($request, $answer) = @_;

    my ($head, $body) = @$answer{qw(head body)};
    my $text = eval { Encode::decode('UTF-8', $body, Encode::FB_CROAK) };

    return "the body is not UTF-8: $body" if !defined $text;
    return "an odd header: $head" if $head =~ /[^\r\n\t\x20-\x7e]/
                                     || $head =~ /^X:/m;

    my ($type) = $head =~ /^Content-Type: (.*)\r$/m;
    my $json = eval { JSON::PP->new->utf8->decode($answer->{body}) };

    if ($answer->{status} < 400) {
        return $type eq 'application/json' && !$json ? "no JSON: $text" : undef;
    }

    if ($request =~ m{^\S+ /api/v1/}) {
        return "not the envelope: $head$text"
            if $type ne 'application/json' || ref $json ne 'HASH'
               || join(',', %$json) !~ /^errors,ARRAY\([^,]+$/
               || @{ $json->{errors} } != 1
               || join(',', keys %{ $json->{errors}[0] }) ne 'detail';

        $text = $json->{errors}[0]{detail};

    } else {
        return "not text: $head" if $type ne 'text/plain';

        chomp $text;
    }

    return "no sentence: $text"
        if $text !~ /\w+.*\w+/s || $text =~ /[\x00-\x08\x0b-\x1f\x7f-\x9f]/
           || $text =~ /(?:SQLSTATE|plpgsql|syntax error|<html)/;

    return undef;
}


sub paths {
    my @cases;

    for my $path (@PATHS) {
        for my $name (sort keys %SEGMENT) {
            my $line = $path =~ s/\*/$SEGMENT{$name}/r;

            push @cases, [ "$name in $path", raw($line), '40[0345]|414|422' ];
        }
    }

    all_are('odd segments', @cases);
}


# What nginx resolves before it looks for a location is the path that it
# becomes, or none.

sub dots {
    my @same = ('/api/v1/./crates/crt', '/api/v1//crates//crt',
                '/api/v1/crates/../crates/crt', '/api/v1/x/%2e%2e/crates/crt',
                '/api/../api/v1/crates/crt', '/%61pi/v1/crates/%63rt',
                '/api/v1/crates/crt#fragment', '/api/v1/crates/crt?');
    my @not = ('/api/v1/crates/crt/', '/api/v1/crates/crt/..',
               '/api/v1/crates/crt/.', '/api/v1/crates/', '/api/v1/',
               '/api/v1/crates/crt/1.0.0/', '/index/', '/dl/', '/index/cr/t/',
               '/index/3/c/crt/', '/index/3//c/crt/x', '/index/3/c/CRT/',
               '/api/v1/../../etc/passwd', '/index/../../../etc/passwd',
               '/dl/..%2f..%2fetc/passwd', '/dl/../nginx.conf',
               "/dl/crt/$sum/../../../nginx.conf");

    for my $path (@same) {
        is($t->get($path)->{body}, $crate, "$path is the crate");
    }

    for my $path (@not) {
        my $answer = $t->get($path);

        like($answer->{status}, qr/^40[04]$/, "$path is nothing")
            or diag($answer->{body});
    }
}


sub numbers {
    my @cases;

    for my $list (@LISTS) {
        for my $value (@bad_numbers) {
            my $shown = substr $value, 0, 20;

            push @cases, [ "$list?per_page=$shown",
                           raw("GET $list?per_page=$value"), 400 ]
                if $value ne '';
            push @cases, [ "$list?page=$shown",
                           raw("GET $list?page=$value"), 400 ]
                if $value !~ /^(?:101|)$/;
        }
    }

    all_are('numbers of pages', @cases);
}


sub arguments {
    my @names = qw(seek sort include ids[] nums[] nums user_id team_id q
                   keyword category letter all_keywords following
                   include_yanked before_date page[] q[] per_page[] %00 %ff =
                   & message);
    my @values = (@bad_numbers, 'null', '{}', '[]', "'%20or%20''='", '%25', '_',
                  '%5C', '!*:%26%7C', "a'%3A*%20%26%20!b", '%2a', '%28%28%28',
                  '%C3%A4', '%ed%a0%80', 'true', '1,2', '0001-01-01',
                  '9999-99-99', '-infinity', 'eyJ9', 'MQ==',
                  '99999999999999999999,1');
    my @cases;

    for my $list (@LISTS, @OTHERS) {
        for my $name (@names) {
            for my $value (@values) {
                push @cases, [ "$list?$name=" . substr($value, 0, 20),
                               raw("GET $list?$name=$value"), '200|400' ];
            }
        }
    }

    push @cases, map {
        [ "$_, a thousand arguments", raw("GET $_?" . 'a=b&' x 1000), 400 ],
        [ "$_, ids[]", raw("GET $_?" . 'ids[]=9999999999999999999&' x 100),
          '200|400' ],
        [ "$_, twice", raw("GET $_?per_page=1&per_page=x&q=a&q=b"), '200|400' ]
    } @LISTS;

    all_are('arguments', @cases);
}


sub queries {
    my @texts = ('c' x 10_000, 'crt%20' x 1600, '%27' x 3000, '%25' x 3000,
                 '_' x 10_000, '%5C' x 3000, 'a%26' x 2500, '(' x 10_000,
                 '%F0%9F%A6%80' x 2500, '%28a%7C' x 1200, '!' x 10_000,
                 ':*' x 5000, 'a:' x 5000, '%e2%80%8b' x 1000, "'" x 9999,
                 '-' x 10_000,
                 join('+', map { "w$_" } 1 .. 2000), '%00' x 10, '%ff' x 10,
                 'A' x 63 . '%CC%80' x 500);
    my @cases;

    for my $text (@texts) {
        my $expected = $text =~ /%00|%ff/ ? 400 : '200';

        push @cases, map { [ "$_=" . substr($text, 0, 20) . '…',
                             raw("GET /api/v1/crates?$_=$text"),
                             $_ eq 'q' ? $expected : '200|400' ] }
                     qw(q keyword all_keywords category letter);
    }

    all_are('long queries', @cases);

    my $answer = $t->get('/api/v1/crates?q=' . 'c' x 10_000,
                         port => $t->port('default'));

    is($answer->{status}, 414, 'nginx\'s own limit');
    is($answer->detail(), 'the URL is too long', 'says so as the API does');
}


sub bodies {
    my $deep = 30_000;

    return (
        'nothing' => '', 'a blank' => ' ', 'a brace' => '{', 'null' => 'null',
        'an array' => '[]', 'a string' => '"users"', 'a number' => '1',
        'true' => 'true', 'an empty object' => '{}', 'NUL' => "\0",
        'deep arrays' => '[' x $deep . ']' x $deep,
        'deep objects' => '{"a":' x ($deep / 5) . '1' . '}' x ($deep / 5),
        'only openings' => '[' x 60_000, 'no JSON' => 'users=alice',
        'two of them' => '{}{}', 'a comment' => '/**/{}',
        'single quotes' => "{'users':['alice']}", 'a BOM' => "\xef\xbb\xbf{}",
        'UTF-16' => Encode::encode('UTF-16LE', '{"users":["alice"]}'),
        'bytes' => "\xff\xfe{}", 'a comma too many' => '{"users":["x"],}',
        'XML' => '<users/>',
    );
}


# Members of the bodies of each call that takes one, in every wrong way.

sub json_bodies {
    my @values = (
        'null', 'true', '1', '-1', '1.5', '1e400', '-1e400',
        '1180591620717411303424', '[]', '{}', '""', '"\u0000"', '"a\u0000b"',
        '"\ud800"', '"\udc00\ud800"', "\"\xff\"", "\"\xc0\xaf\"",
        "\"\xed\xa0\x80\"", "\"a\nb\"", '"\u001b[0m"', '[null]', '[1]', '[[]]',
        '[{}]', '["\u0000"]', '["\ud800"]', "[\"\xff\"]", '[1e400]', '[true]',
        '{"a":1}', '[' x 2000 . ']' x 2000, '"' . 'x' x 60_000 . '"',
        '[' . join(',', ('"x"') x 10_000) . ']', 'NaN', 'Infinity', '01', '+1',
        "'x'", '"\\x41"', '"\u12"', '"unterminated', '["a","b"',
    );
    my %shape = (
        'PUT /api/v1/crates/crt/owners' => [ '{"users":*}', '{"owners":*}' ],
        'DELETE /api/v1/crates/crt/owners' => [ '{"users":*}' ],
        'PATCH /api/v1/crates/crt/1.0.0' => [
            '{"version":*}', '{"version":{"yanked":*}}',
            '{"version":{"yanked":true,"yank_message":*}}',
        ],
        'PUT /api/v1/me/tokens' => [
            '{"api_token":*}', '{"api_token":{"name":*}}',
            '{"api_token":{"name":"x","endpoint_scopes":*}}',
            '{"api_token":{"name":"x","crate_scopes":*}}',
            '{"api_token":{"name":"x","expired_at":*}}',
        ],
    );
    my %fine = map { $_ => 1 } fine();
    my @cases;

    for my $line (sort keys %shape) {
        for my $template (@{ $shape{$line} }) {
            for my $value (@values) {
                my $body = $template =~ s/\*/$value/r;

                next if $fine{"$line $body"};

                push @cases, [ "$line " . shown($body), raw($line, $body),
                               '400|403|413|422' ];
            }
        }

        my %bodies = (@BODIES, special($line));

        push @cases, map { [ "$line, $_", raw($line, $bodies{$_}), '400' ] }
                     sort keys %bodies;
        push @cases, [ "$line, too much", raw($line, ' ' x 70_000 . '{}'),
                       413 ];
    }

    all_are('bodies', @cases);
}


sub shown { return substr($_[0], 0, 70) =~ s/[^\x20-\x7e]/?/gr }


# What of these combinations is no mistake: null is the same as not given.

sub fine {
    my $version = 'PATCH /api/v1/crates/crt/1.0.0 {"version":';

    return map({ "PUT /api/v1/me/tokens {\"api_token\":{\"name\":\"x\",$_}}" }
               '"endpoint_scopes":null', '"crate_scopes":null',
               '"crate_scopes":[]', '"expired_at":null'),
           "$version\{}}", map { "$version\{\"yanked\":$_}}" }
           'true', map { "true,\"yank_message\":$_" } 'null', '""',
                   '"\\u001b[0m"';
}


sub special {
    my ($line) = @_;

    my %of = (
        owners => {
            'twice the member' => '{"users":["a"],"users":["alice"]}',
            'eleven' => '{"users":[' . join(',', map { "\"u$_\"" } 1 .. 11)
                        . ']}',
            'a statement' => '{"users":["x\'; drop table owners; --"]}',
            'any' => '{"users":["%"]}', 'one' => '{"users":["al_ce"]}',
            'a team of nothing' => '{"users":["team:"]}',
            'a strange team' => '{"users":["team:team:x"]}',
            'of elsewhere' => '{"users":["github:a:b"]}',
            'blanks' => '{"users":[" alice "]}',
        },
        '1.0.0' => {
            'twice the member' => '{"version":{"yanked":true},'
                                  . '"version":{"yanked":false}}',
            'words' => '{"version":{"yanked":"true"}}',
            'a number' => '{"version":{"yanked":1}}',
            'at the top' => '{"yanked":true}',
            'a long reason' => '{"version":{"yanked":true,"yank_message":"'
                               . 'x' x 20_000 . '"}}',
        },
        tokens => {
            'twice the member' => '{"api_token":{"name":"a","name":"b"}}',
            'no name' => '{"api_token":{}}',
            'a name of blanks' => '{"api_token":{"name":"   "}}',
            'a long name' => '{"api_token":{"name":"' . 'n' x 1000 . '"}}',
            map({ ("expires $_" => '{"api_token":{"name":"x","expired_at":"'
                                   . $_ . '"}}') }
                'tomorrow', 'infinity', '2000-01-01T00:00:00Z', '2030-13-45',
                '9' x 100, '2030-01-01T00:00:00Z; drop', 'now()'),
            map({ ("scope $_" => '{"api_token":{"name":"x",'
                                 . '"endpoint_scopes":["' . $_ . '"]}}') }
                'root', 'READ', '*', 'read,yank', ' read', 'read\u0000'),
            map({ ("pattern $_" => '{"api_token":{"name":"x",'
                                   . '"crate_scopes":["' . $_ . '"]}}') }
                '**', 'a*b', '*a', '', ' ', "a'", '%', 'a\u0000', 'ä',
                'x' x 300),
        },
    );

    my ($what) = $line =~ m{([^/]+)$};

    return %{ $of{$what} };
}


sub headers {
    my @values = (
        'x' x 8192, 'Bearer ' . 'x' x 8192, 'Basic ' . 'QUJD' x 2000,
        'Basic ' . encode_base64("\0\xff:" . "\x80" x 300, ''), "\xff\xfe\x80",
        "Bearer \xc3\x28", "ngxcargo_\x01\x02", "'; drop table tokens; --",
        'ngxcargo_' . '0' x 38, 'Bearer', 'Basic', 'Basic =', ' ', '',
        "$token\t$token", "\\x00", '%00', "${token}'", 'Negotiate abc',
    );
    my @cases;

    for my $value (@values) {
        my $shown = shown(substr $value, 0, 30);

        push @cases,
            [ "GET crate, $shown", raw('GET /api/v1/crates/crt', '',
                                       Authorization => $value), 200 ],
            map { [ "$_, $shown", raw($_, undef, Authorization => $value),
                    '401|403' ] }
            'GET /api/v1/me', 'GET /api/v1/me/tokens',
            'PUT /api/v1/crates/new x', 'PUT /api/v1/me/tokens {}',
            'DELETE /api/v1/crates/crt/1.0.0/yank',
            'DELETE /api/v1/crates/crt', 'DELETE /api/v1/crates/crt/1.0.0',
            'DELETE /api/v1/tokens/current', 'PUT /api/v1/crates/crt/follow',
            'PUT /api/v1/crates/crt/owners {"users":["bob"]}',
            'PATCH /api/v1/crates/crt/1.0.0 {"version":{"yanked":true}}';
    }

    push @cases, map { [ "$_, twice", raw($_, undef,
        Authorization => "$token\r\nAuthorization: $token"), 400 ] }
        'GET /api/v1/me', 'DELETE /api/v1/crates/crt/1.0.0/yank';

    all_are('headers', @cases);
}


# These are for a proxy that is asked to look at them, not for everybody.

sub forwarded {
    my %noise = (
        'X-Forwarded-For' => '10.0.0.1', 'X-Forwarded-Proto' => 'gopher',
        'X-Forwarded-Host' => 'evil.example"<', 'X-Real-IP' => '::1',
        'X-Forwarded-User' => 'alice', 'X-Remote-User' => 'alice',
        'REMOTE_USER' => 'alice', Forwarded => 'for=unknown;host="x"',
        'X-Original-URL' => '/api/v1/me', 'X-HTTP-Method-Override' => 'DELETE',
        'X-Rewrite-URL' => '/api/v1/me', 'User-Agent' => "\xff\xfe\x80",
        Cookie => 'a=b; ' . "\xff" x 100, Accept => "\xff",
    );

    for my $path ('/index/config.json', '/api/v1/crates/crt',
                  '/index/3/c/crt', '/api/v1/crates/crt/owners')
    {
        my $plain = $t->get($path);
        my $noisy = $t->get($path, %noise);

        is($noisy->{body}, $plain->{body}, "$path is the same with noise");
        is($noisy->{status}, 200, 'and fine');
    }

    is($t->get('/api/v1/me', %noise, Authorization => undef)->{status}, 403,
       'nobody becomes alice by a header');
    is($t->delete('/api/v1/crates/crt/1.0.0/yank', %noise)->{status}, 403,
       'nor does he yank');

    my $address = $t->sql('select address from cargo_store.audit'
                          . ' order by id desc limit 1');

    is($address, '127.0.0.1', 'and the log has the address that was');
}


sub methods {
    my @cases;

    for my $path (@LISTS, @OTHERS, '/index/config.json', '/index/3/c/crt',
                  "/dl/crt/$sum/crt-1.0.0.crate", '/api/v1/crates/crt/owners',
                  '/api/v1/crates/crt/1.0.0/yank', '/api/v1/crates/new')
    {
        push @cases, map { [ "$_ $path", raw("$_ $path", '{}'), '405' ] }
                     qw(POST OPTIONS PROPFIND LOCK TRACE FOO);
    }

    all_are('methods', @cases);
}
