#!/usr/bin/perl

# Connections to PostgreSQL come and go, and what a session knew goes with it:
# reads are asked again, and their clients notice nothing.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;
use Test::Cargo::Proxy;

my $DOCUMENT = '/index/3/f/foo';
my $YANK = '/api/v1/crates/foo/1.0.0/yank';

my $t = Test::Cargo->new();

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);
my $token = $t->account('alice');

$t->nginx(conninfo => $proxy->conninfo(), http => 'cargo_postgres_timeout 3s;');

is($t->publish($token, { name => 'foo' })->{status}, 200, 'published');

my $expected = $t->get($DOCUMENT)->{body};

connections_have_a_limit();
idle_connections_survive();
prepared_anew_after_reconnect();
prepared_statements_disappear();
result_type_changes();
replaced_under_load();
prepare_off();
a_server_that_dies_at_once();
too_many_connections();

$t->done();


sub all_answered {
    my ($name) = @_;

    my @uris = ('/index/config.json', $DOCUMENT,
                '/api/v1/crates/foo/1.0.0/download');

    is(join(' ', map { $t->get($_)->{status} } @uris), '200 200 200', $name);
}


sub connections_have_a_limit {
    my @requests = map {
        (start_request($t, 'GET', '/index/config.json'),
         start_request($t, 'GET', $DOCUMENT),
         start_request($t, 'DELETE', $YANK, Authorization => $token))
    } 1 .. 40;

    my %seen;
    $seen{ $_->receive()->{status} }++ for @requests;

    is(join(' ', %seen), '200 120', '120 requests at a time are answered');
    is($t->put('/api/v1/crates/foo/1.0.0/unyank', '',
               Authorization => $token)->{status}, 200, 'unyanked');

    my $accepted = $proxy->accepted();

    cmp_ok($accepted, '<=', 4, 'over no more than two connections for reads'
                               . ' and two for writes');
    cmp_ok($accepted, '>=', 2, 'reads and writes do not share one');
    is(backends($t), $accepted, 'PostgreSQL sees the same');
}


sub idle_connections_survive {
    $t->write_config(http => 'cargo_postgres_timeout 200ms;'
                             . ' cargo_postgres_connect_timeout 200ms;');
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 && backends($t) == 0 });

    all_answered('three reads');

    my $accepted = $proxy->accepted();

    # longer than every timer of the configuration
    $t->wait_for(sub { backends($t) == 0 }, 1);

    all_answered('and three more after a pause');
    is($proxy->accepted(), $accepted, 'on the connections that were there');

    $t->write_config(http => 'cargo_postgres_timeout 3s;');
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 && backends($t) == 0 });
}


sub prepared_anew_after_reconnect {
    all_answered('all kinds of reads work');

    for my $try (1 .. 5) {
        cmp_ok(terminate_backends($t), '>=', 1, 'the sessions are ended');
        all_answered("and reads work, on new sessions ($try)");
        is($t->delete($YANK, Authorization => $token)->{status}, 200,
           "and a write ($try)");
    }

    $t->put('/api/v1/crates/foo/1.0.0/unyank', '', Authorization => $token);

    is(log_lines($t, qr/\[error\]/), 0,
       'the end of an idle session is no error');
}


# What DISCARD ALL does to a session, or a pooler that gives us another one.

sub prepared_statements_disappear {
    my $original = definition('cargo.index_config');

    replace('cargo.index_config', <<'SQL');
create or replace function cargo.index_config(
    registry text, caller cargo.caller, out status int, out body text,
    out account text, out token_name text, out auth_required boolean)
language plpgsql security definer as $$
begin
    execute 'deallocate all';
    status := 200;
    body := '';
    auth_required := false;
end $$
SQL

    # both connections for reads learn it
    for my $try (1 .. 3) {
        my @forgetful = map { start_request($t, 'GET', '/index/config.json') }
            1 .. 4;

        is(join(' ', map { $_->receive()->{status} } @forgetful),
           '200 200 200 200', "the sessions forget their statements ($try)");
        is($t->get($DOCUMENT)->{body}, $expected,
           "a read is prepared again and answered ($try)");
    }

    replace('cargo.index_config', $original);

    is(log_lines($t, qr/26000/), 0, 'which nobody needs to know');
}


sub definition {
    my ($name) = @_;

    return $t->sql("select pg_get_functiondef('$name'::regproc)");
}


sub replace {
    my ($name, $definition, $drop) = @_;

    $t->sql(join ";\n", 'begin', $drop ? "drop function $name" : (),
            $definition, "grant execute on function $name to cargo_web",
            'commit');
}


# A migration while nginx runs: the function has a column more, then not.

sub result_type_changes {
    my $original = definition('cargo.index_document');
    my $longer = <<'SQL';
create function cargo.index_document(
    registry text, caller cargo.caller, crate text, out status int,
    out body text, out account text, out token_name text, out modified bigint,
    out auth_required boolean, out extra int)
language sql security definer as $$
    select 200, 'from the new function', '', '', 1, false, 7
$$
SQL

    for my $try (1 .. 3) {
        replace('cargo.index_document', $longer, 1);

        my @new = map { start_request($t, 'GET', $DOCUMENT) } 1 .. 6;

        is(join(' ', map { $_->receive()->{body} } @new),
           join(' ', ('from the new function') x 6),
           "reads go on when the result type changes ($try)");

        replace('cargo.index_document', $original, 1);

        is($t->get($DOCUMENT)->{body}, $expected,
           "and when it changes back ($try)");
    }

    is(log_lines($t, qr/cached plan/), 0, 'the log has nothing of it');
}


sub replaced_under_load {
    my $original = definition('cargo.index_document');

    my $reader = in_background($t, sub {
        my %seen;
        my $end = Time::HiRes::time() + 2;

        while (Time::HiRes::time() < $end) {
            my $r = $t->get($DOCUMENT);
            $seen{ $r->{body} eq $expected ? 'right' : $r->{status} }++;
        }

        return join ' ', sort keys %seen;
    });

    my $replaced = 0;

    while ($replaced < 15) {
        replace('cargo.index_document', $original);
        $replaced++;
    }

    is($reader->(), 'right', 'a function is replaced under load, and every'
                             . ' answer is right');
}


sub prepare_off {
    my $original = definition('cargo.index_document');

    replace('cargo.index_document', <<'SQL');
create or replace function cargo.index_document(
    registry text, caller cargo.caller, crate text, out status int,
    out body text, out account text, out token_name text, out modified bigint,
    out auth_required boolean)
language sql security definer as $$
    select 200, (select coalesce(string_agg(name, ' '), 'none')
                 from pg_prepared_statements), '', '', 1, false
$$
SQL

    like($t->get($DOCUMENT)->{body}, qr/\bcargo_index_document\b/,
         'a session has prepared what it is asked');

    $t->write_config(http => 'cargo_postgres_prepare off;');
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 });

    my @bodies = map { $t->get($DOCUMENT)->{body} } 1 .. 4;

    is("@bodies", 'none none none none',
       'with cargo_postgres_prepare off it prepares nothing');

    replace('cargo.index_document', $original);

    is($t->get($DOCUMENT)->{body}, $expected, 'and a document is right');
    is($t->delete($YANK, Authorization => $token)->{status}, 200,
       'and a write works');
    is($t->put('/api/v1/crates/foo/1.0.0/unyank', '',
               Authorization => $token)->{status}, 200, 'and another');
    is($t->publish($token, { name => 'unprepared' })->{status}, 200,
       'and a publish');
    is($t->get($DOCUMENT . 'x')->{status}, 404, 'and a 404 is one');

    $t->write_config(http => 'cargo_postgres_timeout 1s;');
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 });
}


# Each session dies when it is asked something: no hot loop.

sub a_server_that_dies_at_once {
    my $original = definition('cargo.index_config');

    replace('cargo.index_config', <<'SQL');
create or replace function cargo.index_config(
    registry text, caller cargo.caller, out status int, out body text,
    out account text, out token_name text, out auth_required boolean)
language plpgsql security definer as $$
begin
    perform pg_terminate_backend(pg_backend_pid());
end $$
SQL
    $t->sql('alter function cargo.index_config owner to postgres');

    my $accepted = $proxy->accepted();

    my @requests = map { start_request($t, 'GET', '/index/config.json') }
        1 .. 20;
    my %seen;
    $seen{ $_->receive()->{status} }++ for @requests;

    is(join(' ', %seen), '503 20', 'a question that kills every session');
    cmp_ok($proxy->accepted() - $accepted, '<', 15,
           'is not asked for ever, nor in a hot loop');

    replace('cargo.index_config', $original);
    $t->sql('alter function cargo.index_config owner to cargo');

    is($t->get('/index/config.json')->{status}, 200, 'and is forgotten');
}


sub too_many_connections {
    $t->stop_postgres();
    $t->configure_postgres(max_connections => 8,
                           superuser_reserved_connections => 3);
    $t->start_postgres();

    my @held = map { hold($t, 'select 1') } 1 .. 5;

    my ($r, $seconds) = timed(sub { $t->get($DOCUMENT) });

    is($r->{status}, 503, 'PostgreSQL has no connection to spare: 503');
    like($r->{body}, qr/database/, 'with a reason');
    cmp_ok($seconds, '<', 2, 'in time');

    my @refused = log_lines($t, qr/connection slots|too many clients/);

    is(scalar @refused, 1, "the log has PostgreSQL's words, once");

    release($t, $_) for @held;

    ok($t->wait_for(sub { $t->get($DOCUMENT)->{status} == 200 }, 3),
       'and all is well when there are some again');
}
