#!/usr/bin/perl

# Who may read: private registries, the forms of a token, several registries
# in one server, and that tokens stay out of the logs.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Cargo;

my $UNKNOWN = 'token rejected: this registry does not know the token; run '
              . "`cargo login` with a token of this registry\n";

my $t = Test::Cargo->new();

# to see what nginx says of a token when it says all it can
$ENV{TEST_NGINX_LOGLEVEL} = 'debug';

$t->postgres(settings => { log_statement => 'all' });
$t->registry('private', 'auth-required' => 'true');
$t->registry('second', 'auth-required' => 'true');

$t->nginx(http => <<'CONF');
server {
    listen  127.0.0.1:%%port:private%%;
    cargo_registry  private;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
    location = /me    { cargo_me; }
}
server {
    listen  127.0.0.1:%%port:many%%;
    cargo_registry  $registry;
    cargo_base_url  $scheme://$http_host/r/$registry;
    cargo_blobs     %%dir%%/blobs;
    location ~ ^/r/(?<registry>[^/]+)/index/  { cargo_index; }
    location ~ ^/r/(?<registry>[^/]+)/api/v1/ { cargo_api; }
    location ~ ^/r/(?<registry>[^/]+)/dl/     { cargo_download; }
    location ~ ^/r/(?<registry>[^/]+)/me$     { cargo_me; }
}
CONF

my %private = (port => $t->port('private'));
my %many = (port => $t->port('many'));

my $main = $t->account('alice');
my $good = $t->account('paul', registry => 'private');
my $second = $t->account('rita', registry => 'second');

my $secret = $t->crate(name => 'secret');
my $sum = $t->checksum($secret);

my %path = (
    'config.json' => '/index/config.json',
    'a document' => '/index/se/cr/secret',
    'a download' => "/dl/secret/$sum/secret-1.0.0.crate",
    'a download by the API' => '/api/v1/crates/secret/1.0.0/download',
);

publish_everywhere();
my %bad = bad_tokens();

refused();
refused_writes();
nothing_else_is_told();
forms_of_a_token();
roles();
public_ignores_it();
registries_apart();
same_file_in_two();
tokens_apart();
unknown_registries();
nothing_in_the_logs();

$t->done();


sub publish_everywhere {
    my $r = $t->publish($good, { name => 'secret', vers => '1.0.0' },
                        crate => $secret, %private);
    die $r->{body} if $r->{status} != 200;

    $r = $t->publish($main, { name => 'open', vers => '1.0.0' });
    die $r->{body} if $r->{status} != 200;
}


sub account_without {
    my ($login, $sql) = @_;

    my $token = $t->account($login, registry => 'private');

    $t->sql("update cargo_store.$sql login = '$login'");

    return $token;
}


# case => [value of the header, what the 401 says]; a value of undef: none

sub bad_tokens {
    $t->run_ok(command => [ $t->objs() . '/cargoctl', 'account', 'create',
                            'both', '--registry', $_, '--role', 'publisher' ],
               env => { CARGO_DATABASE => $t->conninfo('cargo') })
        for 'private';

    $t->sql("insert into cargo_store.members select r.id, a.id, 'admin' from"
            . " cargo_store.registries r, cargo_store.accounts a"
            . " where r.name = 'main' and login = 'both'");

    my $of = 'from cargo_store.accounts a where a.id = account_id and';
    my $forgotten = $t->token('both', name => 'forgotten');

    $t->sql("delete from cargo_store.tokens where name = 'forgotten'");

    # a token of its own: the user is what nginx writes into its access log
    my $as_user = $t->token('paul', name => 'as user');

    my $wrong = substr($good, 0, -1) . (substr($good, -1) eq 'x' ? 'y' : 'x');

    return (
        'none' => [undef, qr/^a token is needed: run `cargo login`/],
        'an empty one' => ['', qr/token/],
        'no token at all' => ['s3cret', $UNKNOWN],
        'a wrong checksum' => [$wrong, $UNKNOWN],
        'a cut one' => [substr($good, 0, -1), $UNKNOWN],
        'a longer one' => ["${good}x", $UNKNOWN],
        'in another case' => [uc $good, $UNKNOWN],
        'a very long one' => ['x' x 4000, $UNKNOWN],
        'two words' => ["$good $good", qr/^token rejected/],
        'another scheme' => ["Digest $good", qr/^token rejected/],
        'a scheme alone' => ['Bearer', qr/^token rejected/],
        'bytes' => ["\xff\x80$good", qr/^token rejected/],
        'no base64' => ['Basic !!!!', qr/^token rejected/],
        'no password' => ['Basic ' . encode_base64('paul', ''),
                          qr/^token rejected/],
        'the token as user' => ['Basic ' . encode_base64("$as_user:", ''),
                                qr/^token rejected/],
        'an unknown one' => [$forgotten, $UNKNOWN],
        'of another registry' => [$main, $UNKNOWN],
        'pinned to another registry' =>
            [$t->token('both', registry => 'main'), $UNKNOWN],
        'a revoked one' => [account_without('rev', "tokens set revoked_at ="
            . " now() $of"), qr/^token rejected: the token has been revoked; /],
        'an expired one' => [account_without('exp', "tokens set expires_at ="
            . " now() - interval '1 s' $of"),
            qr/^token\ rejected:\ the\ token\ expired\ on\ 20[\d-]{8}
               \ [\d:]{5}\ UTC;\ /x],
        'of a disabled account' => [account_without('dis', 'accounts set'
            . ' disabled_at = now() where'),
            qr/^token rejected: the account of the token is disabled; /],
    );
}


sub refused {
    my $challenge = "Cargo login_url=\"http://127.0.0.1:$private{port}/me\"";

    for my $case (sort keys %bad) {
        my ($value, $says) = @{ $bad{$case} };

        for my $what (sort keys %path) {
            my $r = $t->get($path{$what}, %private, Authorization => $value);

            is($r->{status}, 401, "$case: 401 for $what");
            is($r->header('WWW-Authenticate'), $challenge,
               'with the URL that cargo prints');

            my $text = $what =~ /API/ ? ($r->detail() // '') . "\n"
                                      : $r->{body};

            like($text, ref $says ? $says : qr/\A\Q$says\E\z/,
                 'and what to do about it');
            is($r->header('Cache-Control'), 'no-store', 'which is not kept');
        }
    }

    is($t->head('/index/config.json', %private)->header('WWW-Authenticate'),
       $challenge, 'HEAD gets the challenge too');
    is($t->get('/index/config.json', %private, Host => 'a"b\\c')
         ->header('WWW-Authenticate'), 'Cargo login_url="http://abc/me"',
       'quotes of an odd Host do not break it');
    is($t->get('/r/private/index/config.json', %many)
         ->header('WWW-Authenticate'),
       "Cargo login_url=\"http://127.0.0.1:$many{port}/r/private/me\"",
       'its URL is the base URL\'s');
}


sub refused_writes {
    for my $case (sort keys %bad) {
        my $r = $t->delete('/api/v1/crates/secret/1.0.0/yank', %private,
                           Authorization => $bad{$case}[0]);

        # what is no form of a token at all, as at crates.io
        my $status = $case =~ /^(?:an\ empty\ one|two\ words|another\ scheme
                               |a\ scheme\ alone|bytes|no\ base64|no\ password
                               |the\ token\ as\ user)$/x ? 401 : 403;

        is($r->{status}, $status, "$case: a write is refused");
        like($r->detail(), qr/requires\ authentication
             |^authentication\ failed|^Invalid\ `Authorization`/x,
             'in a sentence');
        unlike($r->{body}, qr/\Q$good\E/, 'that does not repeat the token');
    }

    is($t->sql('select count(*) from cargo_store.versions where yanked'), '0',
       'and nothing was done');
}


# What a stranger could find out beside the status.

sub nothing_else_is_told {
    my $tag = $t->get($path{'a document'}, %private, Authorization => $good)
                ->header('ETag');

    is($t->get($path{'a document'}, %private, 'If-None-Match' => $tag)
         ->{status}, 401, 'a right tag does not replace a token');
    is($t->get($path{'a download'}, %private, 'If-None-Match' => "\"$sum\"")
         ->{status}, 401, 'nor for a download');
    is($t->get($path{'a download'}, %private, Range => 'bytes=0-0')->{status},
       401, 'nor does a range');

    for my $what (sort keys %path) {
        my $there = $t->get($path{$what}, %private);
        my $not = $t->get($path{$what} =~ s/secret/nosuch/gr
                                       =~ s{se/cr}{no/su}r, %private);

        is($not->{body}, $there->{body},
           "what is not there looks as what is: $what");
        is($not->{status}, $there->{status}, 'in the status too');
    }
}


sub forms_of_a_token {
    my %form = (
        'bare' => $good, 'Bearer' => "Bearer $good",
        'bearer' => "bearer $good", 'BEARER' => "BEARER $good",
        'Bearer with blanks' => "Bearer \t  $good  ",
        'bare with blanks' => "  $good \t",
        'Basic' => 'Basic ' . encode_base64("paul:$good", ''),
        'Basic without a user' => 'Basic ' . encode_base64(":$good", ''),
        'Basic, some user' => 'bAsIc  ' . encode_base64("x y:$good", ''),
    );

    for my $case (sort keys %form) {
        for my $what (sort keys %path) {
            is($t->get($path{$what}, %private,
                       Authorization => $form{$case})->{status},
               200, "$case: good for $what");
        }

        is($t->put('/api/v1/crates/secret/1.0.0/unyank', '', %private,
                   Authorization => $form{$case})->{status},
           200, "$case: and for a write");
    }

    is($t->get('/index/config.json', %private, authorization => $good)
         ->{status}, 200, 'the header in lower case, as of cargo 1.97');

    # a token of its own, since nginx writes both values into its log
    my $twice = $t->token('paul', name => 'twice');

    is($t->get('/index/config.json', %private, Authorization => $twice)
         ->{status}, 200, 'one header');
    is($t->get('/index/config.json', %private,
               Authorization => [ $twice, 's3cret' ])->{status},
       400, 'two of them are a bad request');
}


sub roles {
    for my $role (qw(reader publisher maintainer admin)) {
        my $token = $t->account("a-$role", registry => 'private',
                                role => $role);

        for my $what (sort keys %path) {
            is($t->get($path{$what}, %private, Authorization => $token)
                 ->{status}, 200, "the role $role reads $what");
        }
    }

    my $pinned = $t->token('both', registry => 'private');

    is($t->get('/index/config.json', %private, Authorization => $pinned)
         ->{status}, 200, 'a token pinned to this registry');
}


sub public_ignores_it {
    my $document = $t->get('/index/op/en/open')->{body};
    my $checksum = $t->checksum($t->crate(name => 'open'));

    for my $case (sort keys %bad) {
        my @header = (Authorization => $bad{$case}[0]);

        is_deeply([ map { $t->get($_, @header)->{status} }
                    '/index/config.json', '/index/op/en/open',
                    "/dl/open/$checksum/open-1.0.0.crate",
                    '/api/v1/crates/open/1.0.0/download' ],
                  [ 200, 200, 200, 200 ],
                  "a public registry does not care about the token: $case");
    }

    my $r = $t->get('/index/op/en/open', Authorization => 'x');

    is($r->{body}, $document, 'the same document');
    is($r->header('Cache-Control'), 'public, no-cache', 'as public as ever');
    is($t->get('/index/no/su/nosuch', Authorization => 'x')->{status}, 404,
       'and 404 is 404');
}


sub registries_apart {
    my %with = (%many, Authorization => $good);
    my $config = $t->get('/r/private/index/config.json', %with)->json();

    is($config->{api}, "http://127.0.0.1:$many{port}/r/private",
       'cargo_base_url with a variable');
    ok($config->{'auth-required'}, 'this one is private');
    is($t->get('/r/main/index/config.json', %many)->json()->{'auth-required'},
       undef, 'that one is not');

    for my $what (grep { !/config/ } sort keys %path) {
        is($t->get("/r/private$path{$what}", %with)->{status}, 200,
           "$what in its registry");
        is($t->get("/r/main$path{$what}", %with)->{status}, 404,
           'is not in the public one, even with its token');
        is($t->get("/r/second$path{$what}", %many,
                   Authorization => $second)->{status}, 404,
           'nor in another private one');
    }

    is($t->get('/r/private/index/op/en/open', %with)->{status}, 404,
       'nor is the public one in the private one');
    is($t->get("/r/main/index/r/private$path{'a document'}", %with)
         ->{status}, 404, 'one path inside another changes nothing');
}


# The same file is one blob; who may have it is a matter of the registry.

sub same_file_in_two {
    my $r = $t->put('/r/second/api/v1/crates/new',
                 $t->publish_body($t->metadata(name => 'Secret'),
                                  $t->crate(name => 'Secret')),
                 %many, Authorization => $second);
    is($r->{status}, 200, 'a crate of the same name in another registry')
        or diag($r->{body});

    my %its = (%many, Authorization => $second);

    like($t->get('/r/second/index/se/cr/secret', %its)->{body},
         qr/^\{"name":"Secret"/, 'each has its own');
    is($t->get("/r/second$path{'a download'}", %its)->{status}, 404,
       'the checksum of the other\'s file is not found');
    is($t->get("/r/main$path{'a download'}", %many)->{status}, 404,
       'nor in the public registry, where it could be had without a token');

    $r = $t->put('/r/main/api/v1/crates/new',
                 $t->publish_body($t->metadata(name => 'secret'), $secret),
                 %many, Authorization => $main);
    is($r->{status}, 200, 'the very same file, published in public');
    is($t->get("/r/main$path{'a download'}", %many)->{body}, $secret,
       'can be had there');
    is($t->get("/r/private$path{'a download'}", %many)->{status}, 401,
       'but still not where a token is needed');
}


sub tokens_apart {
    for my $row ([private => $second], [private => $main], [second => $good],
                 [second => $main])
    {
        my ($registry, $token) = @$row;
        my %with = (%many, Authorization => $token);

        is($t->get("/r/$registry/index/config.json", %with)->{status}, 401,
           "a token of another registry does not open $registry");
        is($t->delete("/r/$registry/api/v1/crates/secret/1.0.0/yank", %with)
             ->{status}, 403, 'nor does it write there');
    }

    is($t->delete('/r/main/api/v1/crates/open/1.0.0/yank', %many,
                  Authorization => $good)->{status}, 403,
       'nor where reading is free');
    is($t->sql('select count(*) from cargo_store.versions where yanked'), '0',
       'nothing was yanked anywhere');

    is($t->delete('/r/second/api/v1/crates/secret/1.0.0/yank', %many,
                  Authorization => $second)->{status}, 200, 'its own does');
    is($t->sql('select string_agg(r.name, \',\') from cargo_store.versions v'
               . ' join cargo_store.crates c on c.id = crate_id'
               . ' join cargo_store.registries r on r.id = registry_id'
               . ' where yanked'), 'second', 'there and only there');
}


sub unknown_registries {
    for my $name ('nosuch', 'MAIN', 'main%20', 'main%27--', '%ff', 'x' x 500,
                  'main%5C', '%24registry')
    {
        for my $what (sort keys %path) {
            my $r = $t->get("/r/$name$path{$what}", %many,
                            Authorization => $main);

            is($r->{status}, 404, 'no such registry: 404 for ' . $what
                                  . ' of ' . substr $name, 0, 20);
        }
    }

    like($t->get('/r/nosuch/index/config.json', %many)->{body},
         qr/^registry `nosuch` does not exist; look at the index URL/,
         'says what to look at');
    is($t->put('/r/nosuch/api/v1/crates/new', 'x' x 100, %many,
               Authorization => $main)->{status}, 404, 'a publish too');
}


# nginx's own debug log prints every header; all other lines are for us to
# keep clean, and PostgreSQL must not even see a token.

sub nothing_in_the_logs {
    delete $bad{'a very long one'};

    my @secrets = grep { length > 30 }
                  ($good, $main, $second, map { $_->[0] // () } values %bad);

    push @secrets, map { encode_base64("$_->[0]:$_->[1]", '') }
                   ['paul', $good], ['', $good], ['x y', $good];

    # a part of base64 would do as well
    my $any = join '|', map { quotemeta substr $_, -24 } @secrets;
    my $own = 0;

    for my $log (qw(error.log access.log postgres.log nginx.log)) {
        my @lines = grep { /$any/ } split /\n/, $t->read_file($log) // '';
        my @others = grep {
            !/ \[debug\] \S+ \*\d+ http header: "authorization: /i
        } @lines;

        $own += @lines - @others;
        is(join("\n", map { substr $_, 0, 300 } @others), '',
           "no token in $log");
    }

    cmp_ok($own, '>', 100, 'nginx was at its most talkative');
    like($t->read_file('postgres.log'), qr/cargo\.index_document/,
         'and so was PostgreSQL');
}
