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

# reads that are not remembered
my $README = '/api/v1/crates/foo/1.0.0/readme';
my $SUMMARY = '/api/v1/summary';
my $YANK = '/api/v1/crates/foo/1.0.0/yank';

my $t = Test::Cargo->new();

$t->postgres();

my $proxy = Test::Cargo::Proxy->start($t);
my $token = $t->account('alice');

$t->nginx(conninfo => $proxy->conninfo(), http => conf('timeout 3s'));

is($t->publish($token, { name => 'foo', readme => 'Read me',
                         readme_file => 'README.md' })->{status}, 200,
   'published');

my $expected = $t->get($README)->{body};

connections_have_a_limit();
idle_connections_survive();
slow_for_one();
prepared_anew_after_reconnect();
prepared_statements_disappear();
result_type_changes();
replaced_under_load();
prepare_off();
a_server_that_dies_at_once();
too_many_connections();

$t->done();


# The listener has no part in this.

sub conf {
    return join '', 'cargo_postgres_listen "' . $t->conninfo() . '";',
                    map { "cargo_postgres_$_;" } @_;
}


# Those of requests, without the one that listens.

sub sessions { return backends($t, "query !~ 'changes'") }


sub all_answered {
    my ($name) = @_;

    my @uris = ($SUMMARY, $README, '/api/v1/crates/foo');

    is(join(' ', map { $t->get($_)->{status} } @uris), '200 200 200', $name);
}


sub connections_have_a_limit {
    my @requests = map {
        (start_request($t, 'GET', $SUMMARY),
         start_request($t, 'GET', $README),
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
    is(sessions(), $accepted, 'PostgreSQL sees the same');
}


sub idle_connections_survive {
    $t->write_config(http => conf('timeout 200ms',
                                   'connect_timeout 200ms'));
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 && sessions() == 0 });

    all_answered('three reads');

    my $accepted = $proxy->accepted();

    # longer than every timer of the configuration
    $t->wait_for(sub { sessions() == 0 }, 1);

    all_answered('and three more after a pause');
    is($proxy->accepted(), $accepted, 'on the connections that were there');

    $t->write_config(http => conf('timeout 3s'));
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 && sessions() == 0 });
}


# Of the index, and of a table that the other one has to wait for.

sub slow_for_one {
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 && sessions() == 0 });

    my $held = hold($t, 'lock cargo_store.crates');
    my $slow = start_request($t, 'GET', '/api/v1/crates/foo');

    ok($t->wait_for(sub { backends($t, "wait_event_type = 'Lock'") == 1 }),
       'a read waits for another transaction');
    is($t->get('/index/3/f/foo')->{status}, 200, 'but no other read for it');
    is(sessions(), 2, 'it has a connection of its own');

    release($t, $held);
    is($slow->receive()->{status}, 200, 'then that one is answered');
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
    my $original = definition('cargo.show_registry');

    replace('cargo.show_registry', <<'SQL');
create or replace function cargo.show_registry(
    registry text, caller cargo.caller, base_url text, part text, name text,
    query jsonb,
    out status integer, out body text, out account text, out token_name text)
language plpgsql security definer as $$
begin
    execute 'deallocate all';
    status := 200;
    body := '{}';
end $$
SQL

    # both connections for reads learn it
    for my $try (1 .. 3) {
        my @forgetful = map { start_request($t, 'GET', $SUMMARY) }
            1 .. 4;

        is(join(' ', map { $_->receive()->{status} } @forgetful),
           '200 200 200 200', "the sessions forget their statements ($try)");
        is($t->get($README)->{body}, $expected,
           "a read is prepared again and answered ($try)");
    }

    replace('cargo.show_registry', $original);

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
    my $original = definition('cargo.readme');
    my $longer = <<'SQL';
create function cargo.readme(
    registry text, caller cargo.caller, crate text, version text,
    out status integer, out body text, out account text, out token_name text,
    out extra int)
language sql security definer as $$
    select 200, 'from the new function', null::text, null::text, 7
$$
SQL

    for my $try (1 .. 3) {
        replace('cargo.readme', $longer, 1);

        my @new = map { start_request($t, 'GET', $README) } 1 .. 6;

        is(join(' ', map { $_->receive()->{body} } @new),
           join(' ', ('from the new function') x 6),
           "reads go on when the result type changes ($try)");

        replace('cargo.readme', $original, 1);

        is($t->get($README)->{body}, $expected,
           "and when it changes back ($try)");
    }

    is(log_lines($t, qr/cached plan/), 0, 'the log has nothing of it');
}


sub replaced_under_load {
    my $original = definition('cargo.readme');

    my $reader = in_background($t, sub {
        my %seen;
        my $end = Time::HiRes::time() + 2;

        while (Time::HiRes::time() < $end) {
            my $r = $t->get($README);
            $seen{ $r->{body} eq $expected ? 'right' : $r->{status} }++;
        }

        return join ' ', sort keys %seen;
    });

    my $replaced = 0;

    while ($replaced < 15) {
        replace('cargo.readme', $original);
        $replaced++;
    }

    is($reader->(), 'right', 'a function is replaced under load, and every'
                             . ' answer is right');
}


sub prepare_off {
    my $original = definition('cargo.readme');

    replace('cargo.readme', <<'SQL');
create or replace function cargo.readme(
    registry text, caller cargo.caller, crate text, version text,
    out status integer, out body text, out account text, out token_name text)
language sql security definer as $$
    select 200, (select coalesce(string_agg(name, ' '), 'none')
                 from pg_prepared_statements), null::text, null::text
$$
SQL

    like($t->get($README)->{body}, qr/\bcargo_readme\b/,
         'a session has prepared what it is asked');

    $t->write_config(http => conf('prepare off'));
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 });

    my @bodies = map { $t->get($README)->{body} } 1 .. 4;

    is("@bodies", 'none none none none',
       'with cargo_postgres_prepare off it prepares nothing');

    replace('cargo.readme', $original);

    is($t->get($README)->{body}, $expected, 'and a document is right');
    is($t->delete($YANK, Authorization => $token)->{status}, 200,
       'and a write works');
    is($t->put('/api/v1/crates/foo/1.0.0/unyank', '',
               Authorization => $token)->{status}, 200, 'and another');
    is($t->publish($token, { name => 'unprepared' })->{status}, 200,
       'and a publish');
    is($t->get($README . 'x')->{status}, 404, 'and a 404 is one');

    $t->write_config(http => conf('timeout 1s'));
    $t->reload_nginx();
    $t->wait_for(sub { $t->workers() == 1 });
}


# Each session dies when it is asked something: no hot loop.

sub a_server_that_dies_at_once {
    my $original = definition('cargo.show_registry');

    replace('cargo.show_registry', <<'SQL');
create or replace function cargo.show_registry(
    registry text, caller cargo.caller, base_url text, part text, name text,
    query jsonb,
    out status integer, out body text, out account text, out token_name text)
language plpgsql security definer as $$
begin
    perform pg_terminate_backend(pg_backend_pid());
end $$
SQL
    $t->sql('alter function cargo.show_registry owner to postgres');

    my $accepted = $proxy->accepted();

    my @requests = map { start_request($t, 'GET', $SUMMARY) }
        1 .. 20;
    my %seen;
    $seen{ $_->receive()->{status} }++ for @requests;

    is(join(' ', %seen), '503 20', 'a question that kills every session');
    cmp_ok($proxy->accepted() - $accepted, '<', 15,
           'is not asked for ever, nor in a hot loop');

    replace('cargo.show_registry', $original);
    $t->sql('alter function cargo.show_registry owner to cargo');

    is($t->get($SUMMARY)->{status}, 200, 'and is forgotten');
}


sub too_many_connections {
    $t->stop_postgres();
    $t->configure_postgres(max_connections => 8,
                           superuser_reserved_connections => 3);
    $t->start_postgres();

    my @held = map { hold($t, 'select 1') } 1 .. 5;

    my ($r, $seconds) = timed(sub { $t->get($README) });

    is($r->{status}, 503, 'PostgreSQL has no connection to spare: 503');
    like($r->{body}, qr/database/, 'with a reason');
    cmp_ok($seconds, '<', 2, 'in time');

    my @refused = grep { /\(reads\)/ }
                  log_lines($t, qr/connection slots|too many clients/);

    is(scalar @refused, 1, "the log has PostgreSQL's words, once");

    release($t, $_) for @held;

    ok($t->wait_for(sub { $t->get($README)->{status} == 200 }, 3),
       'and all is well when there are some again');
}
