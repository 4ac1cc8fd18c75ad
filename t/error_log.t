#!/usr/bin/perl

# What ties a person's error message to a line of the log: the id of the
# request, and in the line crate, version and account, never a token.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Store;

my $ID = qr/[0-9a-f]{32}/;

my $t = Test::Cargo->new();
my $conf = $t->root() . '/conf';

$t->postgres();
$t->nginx(http => <<"HTTP", server => <<'SERVER');
include  $conf/cargo_log.conf;
HTTP
access_log  %%dir%%/json.log  cargo_json;
location ~ ^/t/(?<secret>[^/]+)/index/ { cargo_token $secret; cargo_index; }
SERVER

my $alice = $t->account('alice');
my $bob = $t->account('bob');

is($t->publish($alice, { name => 'foo' })->{status}, 200, 'published');

fault_of_a_publish();
fault_of_a_read();
lost_file();
refused();
outage();
lines_of_nginx();
no_tokens();

$t->done();


# the line of the error log with this id; $id: of the header
sub line_of {
    my ($r, $pattern) = @_;

    my $id = $r->header('X-Request-Id') // 'none';

    like($id, qr/^$ID$/, 'the client is told the id');

    my ($line) = $t->wait_for(sub {
        (log_lines($t, qr/$pattern.*request_id: "\Q$id\E"/))[0]
    });

    ok($line, 'which is in the error log')
        or diag(join "\n", log_lines($t, qr/cargo/));
    ok($t->wait_for(sub {
        ($t->read_file('json.log') // '') =~ /"request_id":"\Q$id\E"/
    }), 'and in the access log');

    return $line;
}


# A fault of a kind that no upgrade explains.

sub broken {
    my ($function, $code) = @_;

    my $whole = $t->sql("select pg_get_functiondef(oid) from pg_proc where"
        . " proname = '$function' and pronamespace = 'cargo'::regnamespace");

    $t->sql($whole =~ s/(AS \$function\$).*(\$function\$)/
                        $1 begin perform 1 \/ 0; end $2/sr);

    my $r = $code->();

    $t->sql($whole);

    return $r;
}


sub fault_of_a_publish {
    my $r = broken('publish', sub {
        $t->publish($alice, { name => 'bar-baz', vers => '1.2.3' })
    });

    is($r->{status}, 500, 'a publish that the database cannot do');
    like($r->detail(), qr/ \(request @{[ $r->header('X-Request-Id') ]}\)\z/,
         'the sentence has the id: cargo shows no headers');

    my $line = line_of($r, qr/\[error\].*cargo: answered 500: .*database/);

    like($line, qr/crate: "bar-baz", version: "1\.2\.3", account: "alice"/,
         'and names what it is about');
}


sub fault_of_a_read {
    my $r = broken('search_crates', sub { $t->get('/api/v1/crates') });

    is($r->{status}, 500, 'a search that the database cannot do');
    line_of($r, qr/\[error\].*cargo: answered 500/);
    ok(log_lines($t, qr/cargo pg: cargo_search_crates failed: 22012/),
       'why is in the log, too');

    $r = broken('index_documents', sub { $t->get('/index/3/n/new') });

    is($r->{status}, 500, 'a document that the database cannot make');
    like(line_of($r, qr/\[error\]/), qr/, crate: "new", request_id/,
         'its crate');
    like($r->{body}, qr/ \(request $ID\)\n\z/, 'a line of text has the id');
}


sub lost_file {
    my $sum = $t->sql("select encode(checksum, 'hex') from"
                      . ' cargo_store.versions');
    my $file = $t->dir() . '/blobs/' . blob_of($sum);

    unlink $file or die "unlink $file: $!\n";

    my $r = $t->get('/api/v1/crates/foo/1.0.0/download');

    is($r->{status}, 500, 'a file that is gone');
    like(line_of($r, qr/\[error\].*cargo: the file of crate foo 1\.0\.0/),
         qr/crate: "foo", version: "1\.0\.0"/, 'is named');
}


sub refused {
    my $r = $t->publish($bob, { name => 'foo', vers => '2.0.0' });

    is($r->{status}, 403, 'a publish that is refused');
    is($r->header('X-Request-Id'), undef, 'is not the server\'s fault');

    my ($line) = log_lines($t, qr/cargo: answered 403/);

    like($line, qr/\[notice\].*crate:\ "foo",\ version:\ "2\.0\.0",
                   \ account:\ "bob",\ request_id:\ "$ID"/x,
         'the log can tell');

    $r = $t->put('/api/v1/crates/new', 'x', Authorization => $alice);
    like((log_lines($t, qr/cargo: answered $r->{status}: invalid/))[0],
         qr/\[notice\].*account: "alice"/, 'one that is no upload, too');

    # a line's end in what a client sends makes no line of the log
    $t->get("/api/v1/crates/a%0A2026%20[error]%20forged");
    is(scalar(log_lines($t, qr/^2026 \[error\] forged/)), 0, 'no forgeries');
}


sub outage {
    $t->stop_postgres();

    my $errors = log_lines($t, qr/\[error\]/);
    my $r;

    $t->wait_for(sub {
        $r = $t->get('/api/v1/summary');
        return $r->{status} == 503;
    });

    line_of($r, qr/\[info\].*cargo: answered 503/);
    unlike($r->detail(), qr/request $ID/, 'of an outage no id is shown');

    $t->start_postgres();
    $t->wait_for(sub { $t->get('/api/v1/summary')->{status} == 200 });
}


sub lines_of_nginx {
    # longer than allowed, said by nginx itself
    my $c = $t->connect();

    $c->send("PUT /api/v1/crates/foo/owners HTTP/1.1\r\nHost: localhost\r\n"
             . "Authorization: $alice\r\nContent-Length: 999999999\r\n\r\n");
    is($c->receive()->{status}, 413, 'nginx refuses');
    $c->close();

    ok(log_lines($t, qr/client intended to send too large body/),
       'in its own words');
}


sub no_tokens {
    $t->get("/t/$alice/index/3/f/foo");
    $t->get("/t/$alice/index/x%00");
    broken('index_documents', sub { $t->get("/t/$alice/index/3/b/bad") });

    my @lines = split /\n/, $t->read_file('error.log')
                            . $t->read_file('json.log');

    ok(scalar(grep { /ngxcargo_\*\*\*/ } @lines), 'tokens are masked');

    # what nginx cannot read is logged by it before anybody could mask it
    is(join("\n", grep { /ngxcargo_\w/ && !/client sent invalid request/ }
            @lines), '', 'and in no line of any log');
}
