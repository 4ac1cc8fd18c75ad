#!/usr/bin/perl

# The audit log as nginx fills it: one row for every write that it was asked
# for, done or refused, wherever that was decided, and none for a read.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();

$t->postgres();
$t->registry('vault', 'auth-required' => 'true');
$t->nginx(http => <<'CONF');
    server {
        listen  127.0.0.1:%%port:proxied%%;

        set_real_ip_from  127.0.0.1;
        real_ip_header    X-Real-IP;

        cargo_registry   main;
        cargo_user       $http_x_user;
        cargo_user_from  127.0.0.1;
        cargo_blobs      %%dir%%/blobs;

        location /api/v1/ { cargo_api; }
    }

    server {
        listen  127.0.0.1:%%port:vault%%;

        cargo_registry  vault;
        cargo_blobs     %%dir%%/blobs;

        location /api/v1/ { cargo_api; }
    }
CONF

my $alice = $t->account('alice');
my $bob = $t->account('bob');
my $ada = $t->account('ada', role => 'admin');
my $seen = newest();

done();
refused();
refused_by_server();
addresses();
reads();
down();
exported();

$t->done();


sub newest {
    return $t->sql('select coalesce(max(id), 0) from cargo_store.audit');
}


# What the log has of the last request.

sub row {
    my $rows = $t->sql("select concat_ws(' ', registry, action, crate,"
                       . " version, coalesce(account, '-'), status)"
                       . " from cargo_store.audit where id > $seen"
                       . ' order by id');
    $seen = newest();

    return $rows;
}


sub noted {
    my ($r, $status, $row, $name) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    my $noted = row();

    is("$r->{status}: $noted", "$status: $row $status", $name // $row)
        || diag($r->{body});
}


sub json { return JSON::PP->new->utf8->encode($_[0]) }


sub by { return (Authorization => $_[0]) }


sub done {
    my $api = '/api/v1/crates/foo';
    my $patch = json({ version => { yanked => JSON::PP::true,
                                    yank_message => 'bad' } });

    noted($t->publish($alice, { name => 'foo' }), 200,
          'main publish foo 1.0.0 alice', 'publish');
    noted($t->publish($alice, { name => 'foo', vers => '1.1.0' }), 200,
          'main publish foo 1.1.0 alice', 'publish another one');
    noted($t->delete("$api/1.0.0/yank", by($alice)), 200,
          'main yank foo 1.0.0 alice', 'yank');
    noted($t->put("$api/1.0.0/unyank", '', by($alice)), 200,
          'main unyank foo 1.0.0 alice', 'unyank');
    noted($t->request('PATCH', "$api/1.0.0", body => $patch, by($alice)), 200,
          'main change_version foo 1.0.0 alice', 'patch');
    noted($t->put("$api/owners", json({ users => [ 'bob' ] }), by($alice)),
          200, 'main add_owners foo alice', 'add an owner');
    noted($t->delete("$api/owners", body => json({ users => [ 'bob' ] }),
                     by($alice)),
          200, 'main remove_owners foo alice', 'remove one');
    noted($t->put("$api/follow", '', by($bob)), 200, 'main follow foo bob',
          'follow');
    noted($t->delete("$api/follow", by($bob)), 200, 'main unfollow foo bob',
          'unfollow');

    my $r = $t->put('/api/v1/me/tokens', json({ api_token => { name => 'x' } }),
                    by($bob));
    my $token = $r->json()->{api_token};

    noted($r, 200, 'main create_token bob', 'a new token');
    noted($t->delete("/api/v1/me/tokens/$token->{id}", by($bob)), 200,
          'main revoke_token bob', 'revoked');
    noted($t->delete("$api/1.1.0?message=m", by($ada)), 204,
          'main delete_version foo 1.1.0 ada', 'delete a version');
    noted($t->delete("$api?message=m", by($ada)), 204,
          'main delete_crate foo ada', 'delete a crate');

    is($t->sql("select count(*) from cargo_store.audit where audit::text"
               . " like '%$token->{token}%'"), 0, 'no text of a token in it');
}


# By a rule: nobody without a token, then somebody who may not.

sub refused {
    noted($t->publish($alice, { name => 'bar' }), 200,
          'main publish bar 1.0.0 alice', 'a crate');

    my $api = '/api/v1/crates/bar';
    my $users = json({ users => [ 'bob' ] });
    my @writes = (
        [ yank => 'DELETE', "$api/1.0.0/yank", '', 'bar 1.0.0' ],
        [ unyank => 'PUT', "$api/1.0.0/unyank", '', 'bar 1.0.0' ],
        [ change_version => 'PATCH', "$api/1.0.0", '{"version":{}}',
          'bar 1.0.0' ],
        [ add_owners => 'PUT', "$api/owners", $users, 'bar' ],
        [ remove_owners => 'DELETE', "$api/owners", $users, 'bar' ],
        [ delete_crate => 'DELETE', "$api?message=m", '', 'bar' ],
        [ delete_version => 'DELETE', "$api/1.0.0?message=m", '',
          'bar 1.0.0' ],
    );

    for my $write (@writes) {
        my ($action, $method, $uri, $body, $of) = @$write;

        noted($t->request($method, $uri, body => $body), 403,
              "main $action $of -", "$action by nobody");
        noted($t->request($method, $uri, body => $body, by($bob)), 403,
              "main $action $of bob", "$action by bob");
    }

    noted($t->request('PUT', '/api/v1/me/tokens', body => '{}'), 403,
          'main create_token -', 'a token for nobody');
    noted($t->delete('/api/v1/me/tokens/0', by($bob)), 404,
          'main revoke_token bob', 'no such token');
    noted($t->delete('/api/v1/tokens/current'), 403,
          'main revoke_current_token -', 'none to revoke');
    noted($t->put("$api-none/follow", '', by($bob)), 404,
          'main follow bar-none bob', 'nothing to follow');
    noted($t->publish($bob, { name => 'bar', vers => '2.0.0' }), 403,
          'main publish bar 2.0.0 bob', 'somebody else\'s crate');
    noted($t->publish(undef, { name => 'bar', vers => '2.0.0' }), 403,
          'main publish -', 'publish by nobody, whose upload is not read');
}


# Before any rule: what is no token, no name, no JSON, no crate.

sub refused_by_server {
    my $api = '/api/v1/crates/bar';

    noted($t->delete("$api/1.0.0/yank", by('no token')), 401,
          'main yank bar 1.0.0 -', 'a header that cannot be understood');
    noted($t->delete("$api/1.0.0/yank", by('token')), 403,
          'main yank bar 1.0.0 -', 'what cannot be a token');
    noted($t->delete("$api/1.0.0/yank", by("ngxcargo_" . 'x' x 38)), 403,
          'main yank bar 1.0.0 -', 'a token with a wrong checksum');
    noted($t->put("$api/owners", '{', by($alice)), 400,
          'main add_owners bar alice', 'no JSON');
    noted($t->put("$api/owners", '{"users":["' . 'x' x 300_000 . '"]}',
                  by($alice)), 413,
          'main add_owners bar alice', 'too much JSON');
    noted($t->put('/api/v1/crates/new', pack('V', 2) . '{', by($alice)), 400,
          'main publish alice', 'no frame');
    noted($t->put('/api/v1/crates/new', 'x' x 100, by($alice)), 413,
          'main publish alice', 'a frame that says too much');
    noted($t->publish($alice, { name => 'bar', vers => '2.0.0' },
                      crate => 'no gzip'), 400,
          'main publish bar 2.0.0 alice', 'no archive');
    noted($t->publish($alice, { name => 'b:r' }), 400,
          'main publish alice', 'no name');
    noted($t->publish($alice, { name => 'bar', vers => '2.0.0' },
                      port => $t->port('vault')), 403,
          'vault publish -', 'a token of another registry');
    noted($t->delete("$api%FF/1.0.0/yank", by($alice)), 404,
          'main yank alice', 'a path that is no text');
}


sub addresses {
    my %proxied = (port => $t->port('proxied'));
    my $last = sub {
        return $t->sql('select concat_ws(\' \', address, account, token_name)'
                       . ' from cargo_store.audit order by id desc limit 1');
    };

    $t->delete('/api/v1/crates/bar/1.0.0/yank', by($alice));
    is($last->(), '127.0.0.1 alice a test', 'who, from where, by which token');

    $t->delete('/api/v1/crates/bar/1.0.0/yank', by($alice), %proxied,
               'X-Real-IP' => '2001:db8::7');
    is($last->(), '2001:db8::7 alice a test', 'behind a proxy');

    $t->put('/api/v1/crates/bar/1.0.0/unyank', '', %proxied,
            'X-User' => 'ALICE', 'X-Real-IP' => '192.0.2.9');
    is($last->(), '192.0.2.9 alice', 'a login has no token');
    row();
}


sub reads {
    $t->get($_, by($alice)) for '/index/3/b/bar', '/index/config.json',
        '/api/v1/crates/bar', '/api/v1/crates?q=bar', '/api/v1/me',
        '/api/v1/crates/bar/owners', '/api/v1/me/tokens', '/api/v1/nothing',
        '/api/v1/crates/bar/1.0.0/download', '/api/v1/crates/none',
        '/dl/bar/1.0.0/' . '0' x 64, '/api/v1/crates/%FF';
    $t->get('/api/v1/me', by('bad'));
    $t->post('/api/v1/crates/bar', '{}', by($alice));

    is(row(), '', 'reads, and what is no call at all, are not in it');
}


# A database that cannot be reached refuses nothing, and notes nothing.

sub down {
    $t->stop_postgres('immediate');

    is($t->delete('/api/v1/crates/bar/1.0.0/yank', by($alice))->{status}, 503,
       'no database, no write');
    is($t->delete('/api/v1/crates/bar/1.0.0/yank', by('bad'))->{status}, 403,
       'what is refused without one is refused as ever');

    $t->start_postgres();
    ok($t->wait_for(sub {
        $t->delete('/api/v1/crates/bar/1.0.0/yank', by($alice))
          ->{status} == 200;
    }), 'it is back');
    like(row(), qr/^(?:main yank bar 1\.0\.0 alice 200\n?)+$/,
         'and what is done then is noted');
}


# What cargoctl makes of it, a line for each row.

sub exported {
    my ($rc, $out, $err) = $t->cargoctl('audit', '--registry', 'main',
                                        '--crate', 'FOO', '--json');

    is($rc, 0, 'cargoctl audit') || diag($err);

    my @rows = map { JSON::PP->new->utf8->decode($_) } split /\n/, $out;

    is($rows[0]{action}, 'publish', 'the oldest first');
    is($rows[-1]{action}, 'delete_crate', 'the newest last');
    is($rows[-1]{after}{reason}, 'm', 'with what became of it');
    is($rows[-1]{before}{versions}[0]{num}, '1.0.0', 'and what it was');
    is(scalar(grep { $_->{account} eq 'alice' } @rows), 7, 'by whom');

    # what somebody has sent does nothing to the terminal of who reads it
    $t->delete('/api/v1/crates/foo/1.0.0/yank', port => $t->port('proxied'),
               'X-User' => "e\e[1mv\xc2\x9b1me");
    ($rc, $out) = $t->cargoctl('audit', '--refused');
    like($out, qr/the user `e\?\[1mv\?\?1me` has no role/, 'it is shown');
    unlike($out, qr/[^\n -~\x80-\xff]|\xc2[\x80-\x9f]/,
           'without control characters');
}
