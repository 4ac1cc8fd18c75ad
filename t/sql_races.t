#!/usr/bin/perl

# Two sessions that meet, in the SQL alone: who waits, and what both hear.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Schema;
use Test::Cargo::Session;

my $OWNER = 'cargo';

my $t = Test::Cargo->new();

start_cluster($t);
prepare($t, 'races');

$t->sql(<<'SQL', database => 'races', user => $OWNER);
select cargo_admin.create_registry('main', null);
select cargo_admin.create_account(login, null, null, 'person', 'main', role),
       cargo_admin.create_token(login, 'laptop', sha256(login::bytea), null,
                                null, null, null)
  from (values ('alice', 'publisher'), ('bob', 'publisher'),
               ('ada', 'admin')) v(login, role);
SQL

subtest 'the same new version twice' => \&race_for_version;
subtest 'two spellings of a new name' => \&race_for_name;
subtest 'two versions of one crate' => \&race_for_order;
subtest 'the winner rolls back' => \&race_lost_by_winner;
subtest 'yanked by two' => \&race_to_yank;
subtest 'owners come and go' => \&race_for_owners;
subtest 'published by an owner who goes' => \&race_to_leave;
subtest 'deleted and published' => \&race_to_delete;
subtest 'deleted and depended on' => \&race_to_depend;
subtest 'deleted and counted' => \&race_to_count_deleted;
subtest 'deleted and followed' => \&race_to_follow;
subtest 'reserved and published' => \&race_to_reserve;
subtest 'the last token that there may be' => \&race_for_token;
subtest 'one token, many jobs' => \&race_to_touch;
subtest 'counted by two' => \&race_to_count;
subtest 'who listens' => \&bell;
subtest 'everybody at once' => \&crowd;

$t->done();


sub race_for_version {
    my ($first, $second) = (session(), session());

    is($first->ask('begin;' . publish('alice', 'twice', '1.0.0', 'a')),
       published(), 'one publishes');

    $second->send(publish('alice', 'twice', '1.0.0+b', 'b'));
    ok($second->waits(), 'the other waits');

    $first->ask('commit');

    is($second->answer(), '400|crate version `1.0.0` is already uploaded',
       'and hears that the version is taken');

    is($first->ask('begin;' . publish('alice', 'twice', '1.1.0', 'a')),
       published(), 'the same upload, sent again');
    $second->send(publish('alice', 'twice', '1.1.0', 'a'));
    ok($second->waits(), 'while the first one runs');
    $first->ask('commit');
    is($second->answer(), published(), 'is answered like the first');
    is(scalar(() = document('twice') =~ /1\.1\.0/g), 1, 'and is there once');
}


sub race_for_name {
    my ($first, $second, $third) = map { session() } 1 .. 3;

    is($first->ask('begin;' . publish('alice', 'two-ways', '1.0.0', 'a')),
       published(), 'one publishes two-ways');

    $second->send(publish('bob', 'two_ways', '1.0.0', 'b'));
    ok($second->waits(), 'another two_ways');
    $third->send(publish('ada', 'two_ways', '1.0.0', 'c'));
    ok($third->waits(), 'an admin two_ways as well');

    $first->ask('commit');

    like($second->answer(), qr/^403\|this crate exists .* its owners: alice$/,
         'the other does not own it');
    is($third->answer(), '400|crate was previously named `two-ways`',
       'the admin has the spelling wrong');

    is($t->sql(<<'SQL', database => 'races'), 'alice', 'there is one owner');
select string_agg(a.login, ',')
  from cargo_store.owners o
       join cargo_store.accounts a on a.id = o.account_id
       join cargo_store.crates c on c.id = o.crate_id
 where c.canonical_name = 'two_ways'
SQL
}


# A version's number in the document is taken long before its commit.

sub race_for_order {
    my ($first, $second) = (session(), session());
    my $brake = session($OWNER);

    $first->ask(publish('alice', 'ordered', '1.0.0', 'a'));

    # halfway through the first publish, once its version is numbered
    $brake->ask('begin; lock table cargo_store.changes in share mode');

    $first->send(publish('alice', 'ordered', '1.1.0', 'a'));
    ok($first->waits(), 'one publishes, slowly');
    $second->send(publish('ada', 'ordered', '1.2.0', 'a'));
    ok($second->waits(), 'the other waits for it');

    $brake->ask('rollback');

    is($first->answer(), published(), 'the first is done');
    is($second->answer(), published(), 'then the second');
    like(document('ordered'), qr/1\.0\.0.*1\.1\.0.*1\.2\.0/s,
         'in this order');
}


sub race_lost_by_winner {
    my ($first, $second) = (session(), session());

    $first->ask('begin;' . publish('alice', 'undone', '1.0.0', 'a'));
    $second->send(publish('bob', 'un-Done', '1.0.0', 'b'));
    ok(!$second->waits(0.3), 'another name does not wait');
    $second->answer();

    $second->send(publish('bob', 'Undone', '1.0.0', 'b'));
    ok($second->waits(), 'the same name does');

    $first->ask('rollback');

    is($second->answer(), published(), 'and is free when the other gives up');
    like(document('undone'), qr/\A\{[^\n]*\}\n\z/, 'one version, of one crate');
}


sub race_to_yank {
    my ($first, $second) = (session(), session());

    $first->ask(publish('alice', 'yanked', '1.0.0', 'a'));

    my $yank = yank('yanked', '1.0.0', 'true');

    is($first->ask("begin; $yank"), '200|{"ok":true}', 'one yanks');
    $second->send($yank);
    ok($second->waits(), 'the other waits');
    $first->ask('commit');
    is($second->answer(), '200|{"ok":true}', 'and is content');

    is($t->sql(<<'SQL', database => 'races'), 1, 'it is one change');
select count(*) from cargo_store.changes
 where crate = 'yanked' and kind = 'yank'
SQL
}


sub race_for_owners {
    my ($first, $second) = (session(), session());
    my $done = qr/^200\|\{"ok"/;

    $first->ask(publish('alice', 'shared', '1.0.0', 'a'));

    like($first->ask('begin;' . owners('add', 'alice', 'bob')), $done,
         'one adds');
    $second->send(owners('add', 'ada', 'bob'));
    ok($second->waits(), 'the other waits');
    $first->ask('commit');
    is($second->answer(), '400|`bob` is already an owner', 'and is told');

    like($first->ask('begin;' . owners('remove', 'alice', 'alice')), $done,
         'one goes');
    $second->send(owners('remove', 'bob', 'bob'));
    ok($second->waits(), 'the other waits');
    $first->ask('commit');
    like($second->answer(), qr/^400\|cannot remove all individual owners/,
         'and has to stay');
}


sub race_to_leave {
    my ($first, $second) = (session(), session());

    $first->ask(publish('alice', 'left', '1.0.0', 'a'));
    $first->ask(owners('add', 'alice', 'bob', 'left'));

    like($first->ask('begin;' . owners('remove', 'alice', 'bob', 'left')),
         qr/^200/, 'an owner is removed');
    $second->send(publish('bob', 'left', '1.1.0', 'b'));
    ok($second->waits(), 'who publishes meanwhile');
    $first->ask('commit');
    like($second->answer(), qr/^403\|this crate exists .* owners: alice$/,
         'and is no owner any more');

    like($first->ask('begin;' . owners('add', 'alice', 'bob', 'left')),
         qr/^200/, 'one is added');
    $second->send(publish('bob', 'left', '1.1.0', 'b'));
    ok($second->waits(), 'who is early');
    $first->ask('commit');
    is($second->answer(), published(), 'and in time');
}


sub race_to_delete {
    my ($first, $second) = (session(), session());
    my $gone = qr/^400\|the crate `gone` was deleted on/;

    $first->ask(publish('alice', 'gone', "1.$_.0", 'a')) for 0 .. 3;

    is($first->ask('begin;' . delete_version('gone', '1.3.0')), '204|',
       'a version is deleted');
    $second->send(publish('alice', 'gone', '1.3.0', 'a'));
    ok($second->waits(), 'and published once more');
    $first->ask('commit');
    like($second->answer(), qr/^400\|version `1\.3\.0` of crate `gone` was/,
         'too late');

    is($second->ask('begin;' . publish('alice', 'gone', '1.4.0', 'a')),
       published(), 'a version is published');
    $first->send(delete_crate('gone'));
    ok($first->waits(), 'the crate deleted');
    $second->ask('commit');
    is($first->answer(), '204|', 'with that version');
    like($second->ask(publish('alice', 'gone', '1.5.0', 'a')), $gone,
         'there are no more');

    $first->ask(publish('alice', 'gone2', '1.0.0', 'a'));
    is($first->ask('begin;' . delete_crate('gone2')), '204|',
       'another crate is deleted');
    $second->send(publish('bob', 'GONE2', '1.0.0', 'a'));
    ok($second->waits(), 'while its name is taken');
    $first->ask('commit');
    like($second->answer(), qr/^400\|the crate `gone2` was deleted on/,
         'too early');

    $first->ask(publish('alice', 'gone3', '1.0.0', 'a'));
    is($first->ask('begin;' . delete_crate('gone3')), '204|', 'another one');
    $second->send(delete_crate('gone3'));
    ok($second->waits(), 'by two');
    $first->ask('commit');
    is($second->answer(), '404|crate `gone3` does not exist', 'but once');
}


sub race_to_depend {
    my ($first, $second) = (session(), session());

    $first->ask(publish('alice', 'needed', '1.0.0', 'a'));

    is($first->ask('begin;' . publish('bob', 'needs', '1.0.0', 'a', 'needed')),
       published(), 'one depends on it');
    $second->send(delete_crate('needed'));
    ok($second->waits(), 'the other deletes it');
    $first->ask('commit');
    like($second->answer(), qr/^422\|.* depend on it: `needs`/, 'and may not');

    $first->ask(delete_crate('needs'));
    is($first->ask('begin;' . delete_crate('needed')), '204|', 'one deletes');
    $second->send(publish('bob', 'needs2', '1.0.0', 'a', 'needed'));
    ok($second->waits(), 'the other depends on it');
    $first->ask('commit');
    is($second->answer(), '400|no known crate named `needed`',
       'which is gone');
}


sub race_to_count_deleted {
    my ($first, $second) = (session(), session());

    $first->ask(publish('alice', 'counted', "1.$_.0", 'a')) for 0 .. 9;
    my $count = count("c.name = 'counted'");

    is($first->ask("begin; $count"), '200|{"counted":10}', 'one counts');
    $second->send(delete_version('counted', '1.3.0'));
    ok($second->waits(), 'the other deletes');
    $first->ask('commit');
    is($second->answer(), '204|', 'when that is done');
    is(counted(), '9|9|9', 'what is left is counted');

    is($first->ask('begin;' . delete_version('counted', '1.4.0')), '204|',
       'one deletes');
    $second->send($count);
    ok($second->waits(), 'the other counts');
    $first->ask('commit');
    is($second->answer(), '200|{"counted":8}', 'what is there');
    is(counted(), '16|16|8', 'and no more');

    my @counters = (session(), session());

    $counters[$_]->send(join ';', ($count) x 30) for 0, 1;
    $first->send(join ';', map { delete_version('counted', "1.$_.0") } 5 .. 8);
    $second->send(delete_crate('counted'));

    unlike($_->answer(), qr/ERROR/, 'many at once')
        for @counters, $first, $second;
}


sub counted {
    return $t->sql(<<'SQL', database => 'races');
select d.downloads, (select sum(n.downloads)
                       from cargo_store.version_downloads n
                            join cargo_store.versions v on v.id = n.version_id
                      where v.crate_id = c.id), c.num_versions
  from cargo_store.crates c
       join cargo_store.crate_downloads d on d.crate_id = c.id
 where c.name = 'counted'
SQL
}


sub race_to_follow {
    my ($first, $second) = (session(), session());
    my $follow = call('follow_crate', 'bob', "'liked', true");

    $first->ask(publish('alice', 'liked', '1.0.0', 'a'));

    is($first->ask('begin;' . delete_crate('liked')), '204|', 'one deletes');
    $second->send($follow);
    ok($second->waits(), 'the other follows');
    $first->ask('commit');
    is($second->answer(), '404|crate `liked` does not exist', 'nothing');

    $first->ask(publish('alice', 'liked2', '1.0.0', 'a'));
    is($first->ask('begin;' . ($follow =~ s/liked/liked2/r)),
       '200|{"ok":true}', 'one follows');
    $second->send(delete_crate('liked2'));
    ok($second->waits(), 'the other deletes');
    $first->ask('commit');
    is($second->answer(), '204|', 'with who follows it');
}


# A name that is reserved later stays with its crate, so that either order is
# as good as the other.

sub race_to_reserve {
    my ($first, $second) = (session($OWNER), session());

    $first->ask('begin; select cargo_admin.reserve_name(null,'
                . " 'kept-*', null)");
    is($second->ask(publish('alice', 'kept-one', '1.0.0', 'a')), published(),
       'who publishes meanwhile does not wait');
    $first->ask('commit');
    is($second->ask(publish('alice', 'kept-two', '1.0.0', 'a')),
       '400|cannot upload a crate with a reserved name; ask an administrator'
       . ' of the registry', 'the next one hears');
    is($second->ask(publish('alice', 'kept-one', '1.1.0', 'a')), published(),
       'what is there stays');
}


sub race_for_token {
    my ($first, $second) = (session(), session());
    my $number = 0;
    my $create = sub {
        $number++;
        return call('create_token', 'bob', "sha256('bob $number'),"
                    . qq{ '{"api_token": {"name": "x"}}'})
               =~ s/status, body/status/r;
    };

    $t->sql('insert into cargo_store.tokens (account_id, name, hash) select'
            . " a.id, 'x', sha256(n::text::bytea) from cargo_store.accounts a,"
            . " generate_series(1, 498) n where a.login = 'bob'",
            database => 'races');

    is($first->ask('begin;' . $create->()), 200, 'one makes the last one');
    $second->send($create->());
    ok($second->waits(), 'the other one more');
    $first->ask('commit');
    is($second->answer(), 400, 'which is too many');
}


sub race_to_touch {
    my ($first, $second) = (session(), session());

    $t->sql('update cargo_store.tokens set last_used_at = null',
            database => 'races');

    my $ask = call('authenticate', 'bob', "'publish'");

    is($first->ask("begin; $ask"), '200|', 'the token is used');
    is($second->ask($ask), '200|', 'by two, and neither waits');
    $first->ask('commit');
}


sub race_to_count {
    my $ids = $t->sql(<<'SQL', database => 'races');
select array_agg(id order by id) from cargo_store.versions
SQL
    my $backwards = $t->sql(<<'SQL', database => 'races');
select array_agg(id order by id desc) from cargo_store.versions
SQL
    my @sessions = map { session() } 1 .. 4;

    for my $i (0 .. $#sessions) {
        my $list = $i % 2 ? $backwards : $ids;
        $sessions[$i]->send(join ';', ("select * from cargo.count_downloads("
            . "'$list', array_fill(1::bigint, array[cardinality('$list'"
            . "::bigint[])]))") x 50);
    }

    unlike($_->answer(), qr/ERROR/, 'counted') for @sessions;

    is($t->sql(<<'SQL', database => 'races'), '200,200', 'nothing is lost');
select min(downloads) || ',' || max(downloads)
  from cargo_store.version_downloads
SQL

    is($t->sql(<<'SQL', database => 'races'), '', 'nor of a crate');
select crate_id
  from cargo_store.crate_downloads d
 where downloads <> recent
    or downloads <> 200 * (select count(*) from cargo_store.versions v
                            where v.crate_id = d.crate_id)
SQL
}


# Four sessions publish the same 40 versions with different contents, and
# yank and unyank what is there.

sub crowd {
    my @sessions = map { session() } 1 .. 4;

    for my $i (0 .. $#sessions) {
        $sessions[$i]->send(join ';', map { (
            publish('alice', 'crowd', "1.0.$_", "$_ by $i"),
            yank('crowd', "1.0.$_", $i % 2 ? 'true' : 'false')
        ) } 1 .. 40);
    }

    my $answers = join "\n", map { $_->answer() } @sessions;

    unlike($answers, qr/ERROR/, 'no session sees an error');
    is(scalar(() = $answers =~ /^200\|\{"warnings"/mg), 40,
       'each version got in once');
    is(scalar(() = $answers =~ /^400\|crate version `1\.0\.\d+` is already/mg),
       120, 'and was refused three times');
    is(scalar(() = $answers =~ /^200\|\{"ok":true\}$/mg), 160,
       'every yank was done');

    my $wrong = $t->sql(<<'SQL', database => 'races');
select id from (select id, split_part(num, '.', 3)::int as number,
                       row_number() over (order by id)
                  from cargo_store.versions
                 where num like '1.0.%' and crate_id
                       = (select id from cargo_store.crates
                           where name = 'crowd')) v
 where number <> row_number
SQL
    is($wrong, '', 'versions are numbered in the order of their commits');

    is($t->sql(<<'SQL', database => 'races'), 't', 'the date rose every time');
select extract(epoch from c.index_modified - min(g.created_at)) + 1
       >= count(*) - 1
  from cargo_store.crates c
       join cargo_store.changes g on g.crate = c.name
 where c.name = 'crowd'
 group by c.index_modified
SQL
}


# psql tells of what it has been told with the answer to the next statement.

sub bell {
    my ($listener, $writer) = (session(), session());
    my $heard = '';
    my $hears = sub {
        my ($payload) = @_;

        return $t->wait_for(sub {
            return ($heard .= $listener->ask('select'))
                   =~ /notification "cargo_changes" $payload/;
        });
    };

    $listener->ask('listen cargo_changes');
    is($writer->ask(publish('alice', 'loud', '1.0.0', 'a')), published(),
       'a publish');
    ok($hears->('received'), 'is heard of');
    $heard = '';

    is($writer->ask(publish('alice', 'quiet', '1.0.0', 'a')
                    =~ s/now\(\)/now(), false/r), published(),
       'one that does not ring itself');
    $writer->ask("notify cargo_changes, 'afterwards'");
    ok($hears->('with payload "afterwards"'), 'is not heard of');
    unlike($heard, qr/"cargo_changes" received/, 'by itself');
    is($writer->ask('select status from cargo.ring()'), '200', 'the bell');
    ok($hears->('received'), 'is');
    is($writer->ask('show synchronous_commit'), 'on',
       'and no other transaction is less durable for it');
}


sub publish {
    my ($login, $name, $version, $content, @deps) = @_;

    my $deps = join ',', map { <<"JSON" } @deps;
{"name": "$_", "version_req": "^1", "kind": "normal", "optional": false,
 "default_features": true, "features": []}
JSON

    return call('publish', $login, <<"SQL");
'{"name": "$name", "vers": "$version", "deps": [$deps], "features": {},
  "keywords": [], "categories": [], "authors": [],
  "description": "A crate", "license": "MIT", "sort_key": "$version"}',
'{"vers":"$version","yanked":', '}', sha256('$content'), 10, now()
SQL
}


sub yank {
    my ($crate, $version, $yanked) = @_;

    return call('yank', 'alice', "'$crate', '$version', $yanked");
}


sub owners {
    my ($verb, $login, $other, $crate) = @_;

    $crate //= 'shared';

    return call("${verb}_owners", $login,
                qq{'$crate', '{"users":["$other"]}'});
}


sub delete_crate {
    my ($crate) = @_;

    return call('delete_crate', 'ada', qq{'$crate', '{"message":"m"}'});
}


sub delete_version {
    my ($crate, $version) = @_;

    return call('delete_version', 'ada',
                qq{'$crate', '$version', '{"message":"m"}'});
}


sub count {
    my ($where) = @_;

    my $ids = $t->sql('select array_agg(v.id) from cargo_store.versions v'
                      . ' join cargo_store.crates c on c.id = v.crate_id'
                      . " where $where", database => 'races');

    return "select * from cargo.count_downloads('$ids', array_fill(1::bigint,"
           . " array[cardinality('$ids'::bigint[])]))";
}


# The two columns that people see.

sub call {
    my ($function, $login, $arguments) = @_;

    return "select status, body from cargo.$function('main',"
           . " row(sha256('$login'), null, '192.0.2.1'), $arguments)";
}


sub session {
    return Test::Cargo::Session->new($t, 'races', @_);
}


sub published {
    return '200|{"warnings":{"invalid_categories":[],"invalid_badges":[],'
           . '"other":[]}}';
}


sub document {
    my ($crate) = @_;

    return $t->sql("select body from cargo.index_document('main', null,"
                   . " '$crate')", database => 'races');
}
