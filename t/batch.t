#!/usr/bin/perl

# What is missed at the same time is asked for in one question, and each client
# hears what is for him: whoever else waits with him, or does not wait any more.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

my $QUEUE = 40;
my $READS = "query !~ 'changes'";

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->registry('vault', 'auth-required' => 'true');

# the listener has no part in what happens on the way
my $proxy = Test::Cargo::Proxy->start($t);

$t->nginx(conninfo => $proxy->conninfo(), http => conf());

$t->account('alice');

my $vera = $t->account('vera', registry => 'vault');
my $rita = $t->account('rita', registry => 'vault', role => 'reader');
my @vault = (port => $t->port('vault'));
my $pattern = qr/cargo_index_documents\b/;

# connections that nginx has accepted, by port
my %idle;

make_crates();
ok(listening($t), 'the server listens');

many_names();
many_callers();
one_name();
some_leave();
all_leave();
leave_a_question();
grows_meanwhile();
change_meanwhile();
queue_full();
broken_function();
no_answer();

$t->done();


sub conf { return <<"CONF" . <<'CONF' }
cargo_zone cargo:32m;
cargo_postgres_listen "@{[ $t->conninfo() ]}";
cargo_postgres_connections read=1 write=1;
cargo_postgres_queue $QUEUE;
cargo_postgres_timeout 4s;
cargo_postgres_connect_timeout 4s;
CONF
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; }
    location /dl/     { cargo_download; }
}
CONF


sub make_crates {
    insert_crates($t, 'alice', names => [ map({ "doc-$_" } 1 .. 70),
                                          map({ "gem-$_" } 1 .. 3) ]);
    insert_crates($t, 'alice', names => [ 'large' ], lines => 2000,
                  width => 32);
    insert_crates($t, 'vera', registry => 'vault',
                  names => [ map({ "box-$_" } 1 .. 12), 'hoard' ]);

    for my $crate (map({ [ main => "gem-$_" ] } 1 .. 3), [ vault => 'hoard' ])
    {
        my ($rc, undef, $err) = $t->cargoctl('crate', 'restrict', $crate->[1],
                                             '--registry', $crate->[0]);
        is($rc, 0, "$crate->[1] is restricted") or diag($err);
    }
}


sub doc { return $t->index_path(shift) }


# Sends all requests in one turn, each on a connection of its own.

sub send_all {
    my (@requests) = @_;

    my @used;

    for my $request (@requests) {
        my ($method, undef, %headers) = @$request;
        my $port = $headers{port} // $t->port();

        push @used, { connection => shift @{ $idle{$port} } // opened($port),
                      method => $method, port => $port };
    }

    in_one_turn($t, sub {
        $used[$_]{connection}->send(text(@{ $requests[$_] }))
            for 0 .. $#requests;
    });

    return @used;
}


sub opened {
    my ($port) = @_;

    my $connection = $t->connect(port => $port);

    $t->get('/index/config.json', port => $port, connection => $connection);

    return $connection;
}


sub answer {
    my ($sent) = @_;

    my $r = $sent->{connection}->receive(method => $sent->{method});

    push @{ $idle{ $sent->{port} } }, $sent->{connection}
        if ($r->header('Connection') // 'close') ne 'close';

    return $r;
}


sub text {
    my ($method, $uri, %headers) = @_;

    delete $headers{port};

    return "$method $uri HTTP/1.1\r\nHost: x\r\n"
           . join('', map { "$_: $headers{$_}\r\n" } sort keys %headers)
           . "\r\n";
}


sub leave { $_[0]{connection}->close() }


# What was sent before has been looked at when this is answered, which needs no
# database.

sub looked_at { $t->get('/index/config.json') }


# The answers, and how many questions they took.

sub ask_all {
    my (@requests) = @_;

    my $before = asked($t);
    my @answers = map { answer($_) } send_all(@requests);

    return (asked($t) - $before, @answers);
}


# status, and the crate that the body is of

sub said {
    my ($r) = @_;

    my ($crate) = $r->{body} =~ /"name":"([^"]+)"|crate `([^`]*)`/
                  ? $1 // $2 : '-';

    return "$r->{status} $crate";
}


sub many_names {
    my @wanted = ('large', (map { ("doc-$_", "none-$_") } 1 .. 25),
                  map { "gem-$_" } 1 .. 3);
    my @requests = map { [ GET => doc($_) ] } reverse(@wanted), @wanted;
    my ($n, @answers) = ask_all(@requests);
    my @expected = map { (/none|gem/ ? 404 : 200) . " $_" } reverse(@wanted),
                   @wanted;

    is_deeply([ map { said($_) } @answers ], \@expected,
              'many at once: each hears of its own');
    is($n, 2, 'two questions are enough for 54 names, each asked for twice');

    my ($large) = grep { length $_->{body} > 2_000_000 } @answers;

    like($large->{body}, qr/"vers":"2000\.1\.0",[^\n]+"yanked":false\}\n\z/,
         'a large one among them is whole');

    ($n, my @again) = ask_all(@requests);
    is_deeply([ map { $_->{body} } @again ], [ map { $_->{body} } @answers ],
              'and all is remembered');
    is($n, 0, 'each under its own name');
}


sub many_callers {
    my %who = (vera => [ Authorization => $vera ], nobody => [],
               rita => [ Authorization => $rita ],
               nonsense => [ Authorization => 'ngxcargo_' . 'x' x 38 ]);
    my (@requests, @expected);

    for my $name ('box-1', 'hoard', 'none', 'box-2') {
        for my $who (sort keys %who) {
            my $status = $who =~ /^no/ ? 401 : $name =~ /^box/ ? 200
                       : "$who $name" eq 'vera hoard' ? 200 : 404;

            push @requests, [ GET => doc($name), @vault, @{ $who{$who} } ];
            push @expected, $status == 401 ? '401 -' : "$status $name";
        }
    }

    # of another registry, by the caller before them
    for my $name ('doc-60', 'box-1') {
        splice @requests, 3, 0, [ GET => doc($name), Authorization => $rita ];
        splice @expected, 3, 0, ($name eq 'box-1' ? 404 : 200) . " $name";
    }

    for my $time ('cold', 'warm') {
        my ($n, @answers) = ask_all(@requests);

        is_deeply([ map { said($_) } @answers ], \@expected,
                  "many callers at once: each hears what is for him: $time");
        is($n, 0, 'nothing is asked then') if $time eq 'warm';
    }

    # not one after the other, but in two blocks
    my @blocks = map {
        my $by = $_;
        map { [ GET => doc("box-$_"), @vault, Authorization => $by ] } 3 .. 12
    } $vera, $rita;
    my ($n, @answers) = ask_all(@blocks);

    is_deeply([ map { said($_) } @answers ],
              [ (map { "200 box-$_" } 3 .. 12) x 2 ], 'two callers, ten names');
    is($n, 2, 'a question for each caller');
}


sub one_name {
    my $uri = doc('doc-30');
    my ($n, $get, $head, $other, $same) = ask_all(
        [ GET => $uri ], [ HEAD => $uri ], [ GET => doc('doc-31') ],
        [ GET => $uri, 'If-None-Match' => '*' ]);

    is($n, 1, 'one name asked for in several ways: one question');
    is(said($get), '200 doc-30', 'GET');
    is_deeply([ $head->{status}, $head->header('Content-Length'),
                $head->header('ETag') ],
              [ 200, length $get->{body}, $get->header('ETag') ], 'HEAD');
    is($same->{status}, 304, 'what the client has');
    is(said($other), '200 doc-31', 'another name among them');
}


# From now on no question gets out until pass().

sub no_connection {
    terminate_backends($t, $READS);
    $t->wait_for(sub { $proxy->open_now() == 0 })
        or die "connections remain\n";
    looked_at();
    $proxy->stall();
}


sub some_leave {
    no_connection();

    my $before = asked($t);
    my @c = send_all(map { [ GET => doc("doc-$_") ] } 32, 32, 33, 34, 34);

    looked_at();
    leave($c[0]);
    leave($c[2]);
    looked_at();

    # the question has not been sent: there is room in it
    my ($late) = send_all([ GET => doc('doc-33') ]);
    my ($more) = send_all([ GET => doc('doc-35') ]);

    looked_at();
    $proxy->pass();

    is(join(', ', map { said(answer($_)) } $c[1], @c[3, 4], $late, $more),
       '200 doc-32, 200 doc-34, 200 doc-34, 200 doc-33, 200 doc-35',
       'some leave before the question is sent: the others are answered');
    is(asked($t) - $before, 1, 'by one question');
}


sub all_leave {
    no_connection();

    my $before = asked($t);
    my @c = send_all(map { [ GET => doc("doc-$_") ] } 36, 36, 37);

    looked_at();
    leave($_) for @c;
    looked_at();

    my ($next) = send_all([ GET => doc('doc-38') ]);

    looked_at();
    $proxy->pass();
    is(said(answer($next)), '200 doc-38', 'all leave: the next is answered');
    is(asked($t) - $before, 1, 'by one question');

    my ($n, @answers) = ask_all(map { [ GET => doc("doc-$_") ] } 36, 37);

    is(join(', ', $n, map { said($_) } @answers), '1, 200 doc-36, 200 doc-37',
       'what nobody waited for has not been asked');
}


# What was sent cannot be taken back.

sub leave_a_question {
    $t->get(doc('none-100'));
    $proxy->stall_after(1);

    my $before = asked($t);
    my @c = send_all(map { [ GET => doc("doc-$_") ] } 39, 40);

    ok($t->wait_for(sub { asked($t) == $before + 1 }), 'a question is sent');

    my ($same, $other) = send_all(map { [ GET => doc("doc-$_") ] } 39, 41);

    looked_at();
    leave($c[0]);
    looked_at();
    $proxy->pass();

    is(join(', ', map { said(answer($_)) } $same, $c[1], $other),
       '200 doc-39, 200 doc-40, 200 doc-41',
       'who comes later waits with those before');
    is(asked($t) - $before, 2, 'or asks for what they do not');

    $proxy->stall_after(1);
    $before = asked($t);
    @c = send_all(map { [ GET => doc("doc-$_") ] } 42, 43);
    ok($t->wait_for(sub { asked($t) == $before + 1 }), 'a question is sent');
    leave($_) for @c;
    looked_at();

    my ($next) = send_all([ GET => doc('doc-42') ]);

    looked_at();
    $proxy->pass();
    is(said(answer($next)), '200 doc-42',
       'all leave: who comes then asks himself');
    is(asked($t) - $before, 2, 'and is no part of what was given up');
    is(said($t->get(doc('doc-43'))), '200 doc-43', 'all is well');
}


# The only connection is busy.

sub grows_meanwhile {
    $t->get(doc('none-103'));
    $proxy->stall_after(1);

    my $before = asked($t);
    my @c = send_all([ GET => doc('doc-56') ]);

    ok($t->wait_for(sub { asked($t) == $before + 1 }), 'a question is sent');

    for my $n (57 .. 59) {
        push @c, send_all([ GET => doc("doc-$n") ]);
        looked_at();
    }

    $proxy->pass();

    is(join(', ', map { said(answer($_)) } @c),
       join(', ', map { "200 doc-$_" } 56 .. 59),
       'who comes one after the other until it is answered');
    is(asked($t) - $before, 2, 'is in one question');
}


sub change_meanwhile {
    my $listens = qr/cargo_changes/;

    $t->get(doc('none-101'));
    $proxy->stall_after(1);

    my $before = asked($t);
    my @old = send_all(map { [ GET => doc("doc-$_") ] } 44, 45, 55);

    ok($t->wait_for(sub { asked($t) == $before + 1 }), 'a question is sent');

    $t->sql(<<'SQL');
begin;
update cargo_store.versions set yanked = true
 where crate_id in (select id from cargo_store.crates
                     where name in ('doc-44', 'doc-55'));
select cargo_store.index_changed(id, 'yank') from cargo_store.crates
 where name in ('doc-44', 'doc-55');
commit;
SQL

    # the second of them is asked when the first has been answered
    my $heard = asked($t, $listens);

    ok($t->wait_for(sub { asked($t, $listens) >= $heard + 2 }),
       'the change is heard of');

    my @new = send_all(map { [ GET => doc("doc-$_") ] } 44, 45);

    looked_at();
    $proxy->pass();

    my @r = map { answer($_) } @old, @new;

    is(join(', ', map { said($_) } @r), join(', ', map { "200 doc-$_" }
       44, 45, 55, 44, 45), 'all are answered');
    like($r[3]{body}, qr/"yanked":true/,
         'who comes after a change does not wait with those before');
    is(asked($t) - $before, 2, 'for what has changed');

    my ($n, @again) = ask_all(map { [ GET => doc("doc-$_") ] } 44, 45);

    is($n, 0, 'what was asked later is remembered');
    like($again[0]{body}, qr/"yanked":true/, 'and not what was asked before');
    like($t->get(doc('doc-55'))->{body}, qr/"yanked":true/,
         'nor where nobody has asked since');
}


sub queue_full {
    no_connection();

    my @waiting = send_all(map({ [ GET => "/api/v1/crates/first/$_.0.0"
                                          . '/download' ] } 2 .. $QUEUE),
                           map { [ GET => doc("doc-$_") ] } 46, 47);
    looked_at();

    my ($refused) = send_all([ GET => doc('box-x'), @vault,
                               Authorization => $vera ]);
    my $r = answer($refused);

    is($r->{status}, 503, 'no room for one more question');
    ok($r->header('Retry-After'), 'with Retry-After');

    my ($joins) = send_all([ GET => doc('doc-48') ]);

    looked_at();
    $proxy->pass();

    my @answers = map { answer($_) } @waiting, $joins;

    is(join(', ', map { said($_) } @answers[-3 .. -1]),
       '200 doc-46, 200 doc-47, 200 doc-48',
       'but for a name more in one that waits');
    is(scalar(grep { $_->{status} == 404 } @answers), $QUEUE - 1,
       'all others are answered');
}


sub broken_function {
    my $function = 'cargo.index_documents(text, cargo.caller, text[])';

    $t->sql("revoke execute on function $function from cargo_web");

    my @requests = map { [ GET => doc("doc-$_") ] } 49, 50, 50, 51, 1;
    my (undef, @answers) = ask_all(@requests);

    $t->sql("grant execute on function $function to cargo_web");

    is(join(' ', map { $_->{status} } @answers), '503 503 503 503 200',
       'a question that fails: all who waited hear it, and nobody else');
    ok($_->header('Retry-After'), 'with Retry-After') for @answers[0 .. 3];

    (my $n, @answers) = ask_all(@requests);
    is(join(' ', $n, map { $_->{status} } @answers), '1 200 200 200 200 200',
       'which is not remembered');
}


sub no_answer {
    $t->get(doc('none-102'));
    $proxy->stall();

    my @c = send_all(map { [ GET => doc("doc-$_") ] } 52, 53, 54, 2);

    looked_at();
    leave($c[1]);

    is(join(' ', map { answer($_)->{status} } @c[0, 2, 3]), '503 503 200',
       'no answer: all who waited hear it');
    $proxy->pass();

    ok($t->wait_for(sub { said($t->get(doc('doc-52'))) eq '200 doc-52' }),
       'later there is one');
    is(said($t->get(doc('doc-53'))), '200 doc-53', 'for all');
}
