#!/usr/bin/perl

# The SQL alone: applied to a private cluster by psql as cargoctl would, tried
# with pgTAP (t/sql/*.sql, one subtest each), and raced.  pgTAP is only in the
# database of its tests.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use IPC::Open3;
use TAP::Parser;
use Test::More;
use Test::Cargo;
use Test::Cargo::Postgres;

my $OWNER = 'cargo';

my $t = Test::Cargo->new();

start_cluster();

subtest 'an owner who may not create roles' => \&owner_without_createrole;
subtest 'two databases migrated at once' => \&migrate_together;

prepare('pgtap');
$t->sql('create schema tap; grant usage on schema tap to public;'
        . 'create extension pgtap schema tap', database => 'pgtap');

pgtap($_) for sort glob "$FindBin::Bin/sql/*.sql";

prepare('races');
$t->sql(<<'SQL', database => 'races', user => $OWNER);
select cargo_admin.create_registry('main', null);
select cargo_admin.create_account(login, null, null, 'person', 'main', role),
       cargo_admin.create_token(login, 'laptop', sha256(login::bytea), null,
                                null)
  from (values ('alice', 'publisher'), ('bob', 'publisher'),
               ('ada', 'admin')) v(login, role);
SQL

subtest 'the same new version twice' => \&race_for_version;
subtest 'two spellings of a new name' => \&race_for_name;
subtest 'two versions of one crate' => \&race_for_order;
subtest 'the winner rolls back' => \&race_lost_by_winner;
subtest 'yanked by two' => \&race_to_yank;
subtest 'owners come and go' => \&race_for_owners;
subtest 'one token, many jobs' => \&race_to_touch;
subtest 'counted by two' => \&race_to_count;
subtest 'everybody at once' => \&crowd;

$t->done();


sub owner_without_createrole {
    $t->sql('create role plain login', database => 'postgres');
    $t->sql('create database plain owner plain', database => 'postgres');
    make_store('plain', 'plain');

    my ($rc, undef, $err) = psql('plain', 'plain', migrations(1));

    isnt($rc, 0, 'the first migration is refused');
    like($err, qr/role "plain" may not create the role cargo_web/,
         'and says why');

    my ($hint) = $err =~ /^HINT:\s+As a superuser run: (.*;) Then run/m;

    like($hint // '', qr/^create role cargo_web login; alter role /,
         'and what to do');

    $t->sql($hint // '', database => 'postgres');

    is(apply('plain', 'plain'), '', 'after that all files apply');

    $t->sql($_, database => 'postgres')
        for 'drop database plain', 'drop role cargo_web', 'drop role plain';
}


sub migrate_together {
    my @names = map { "together$_" } 1 .. 4;

    make_database($_) for @names;

    my @pids = map {
        my $name = $_;
        $t->spawn(
            name => "psql $name", stdout => $t->path("out/$name"),
            env => { $t->postgres_env($OWNER), PGDATABASE => $name },
            command => [ psql_command(), '-1', map { ('-f', $_) }
                         migrations(), functions() ],
        )
    } @names;

    for my $i (0 .. $#names) {
        is($t->reap($pids[$i], 30), 0, "$names[$i] is migrated");
        is($t->read_file("out/$names[$i]"), '', 'without a word');
    }

    is($t->sql(<<'SQL', database => 'postgres'), 4, 'timeouts are set in each');
select count(*)
  from pg_db_role_setting d join pg_database b on b.oid = d.setdatabase
 where d.setrole = 'cargo_web'::regrole and cardinality(d.setconfig) = 3
SQL

    is(apply_functions($names[0], $OWNER), '', 'functions apply again');

    $t->sql("drop database $_", database => 'postgres') for @names;
}


sub race_for_version {
    my ($first, $second) = (Session->new($t), Session->new($t));

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
    my ($first, $second, $third) = map { Session->new($t) } 1 .. 3;

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
    my ($first, $second) = (Session->new($t), Session->new($t));
    my $brake = Session->new($t, $OWNER);

    $first->ask(publish('alice', 'ordered', '1.0.0', 'a'));

    # halfway through the first publish, once its version is numbered
    $brake->ask("begin; select from cargo_store.accounts where login = 'alice'"
                . ' for update');

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
    my ($first, $second) = (Session->new($t), Session->new($t));

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
    my ($first, $second) = (Session->new($t), Session->new($t));

    $first->ask(publish('alice', 'yanked', '1.0.0', 'a'));

    my $yank = "select * from cargo.yank('main', sha256('alice'), 'yanked',"
               . " '1.0.0', true)";

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
    my ($first, $second) = (Session->new($t), Session->new($t));
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


sub race_to_touch {
    my ($first, $second) = (Session->new($t), Session->new($t));

    $t->sql('update cargo_store.tokens set last_used_at = null',
            database => 'races');

    my $ask = "select * from cargo.authenticate('main', sha256('bob'),"
              . " 'publish')";

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
    my @sessions = map { Session->new($t) } 1 .. 4;

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
    my @sessions = map { Session->new($t) } 1 .. 4;

    for my $i (0 .. $#sessions) {
        $sessions[$i]->send(join ';', map { (
            publish('alice', 'crowd', "1.0.$_", "$_ by $i"),
            "select 'yank', status from cargo.yank('main', sha256('alice'),"
            . " 'crowd', '1.0.$_', @{[ $i % 2 ? 'true' : 'false' ]})"
        ) } 1 .. 40);
    }

    my $answers = join "\n", map { $_->answer() } @sessions;

    unlike($answers, qr/ERROR/, 'no session sees an error');
    is(scalar(() = $answers =~ /^200\|/mg), 40, 'each version got in once');
    is(scalar(() = $answers =~ /^400\|crate version `1\.0\.\d+` is already/mg),
       120, 'and was refused three times');
    is(scalar(() = $answers =~ /^yank\|200$/mg), 160, 'every yank was done');

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


sub publish {
    my ($login, $name, $version, $content) = @_;

    return <<"SQL";
select * from cargo.publish('main', sha256('$login'), '{"name": "$name",
    "vers": "$version", "deps": [], "features": {}, "keywords": [],
    "categories": [], "authors": [], "description": "A crate",
    "license": "MIT", "sort_key": "$version"}',
    '{"vers":"$version","yanked":', '}', sha256('$content'), 10, now())
SQL
}


sub owners {
    my ($verb, $login, $other) = @_;

    return "select * from cargo.${verb}_owners('main', sha256('$login'),"
           . qq{ 'shared', '{"users":["$other"]}')};
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


sub start_cluster {
    my @ids = $> == 0 ? (getpwnam 'postgres')[2, 3] : ($>, $) + 0);

    for my $dir (map { $t->dir() . "/$_" } 'pgdata', 'pg') {
        mkdir $dir, 0700 or die "mkdir $dir: $!\n";
        chown @ids, $dir or die "chown $dir: $!\n";
    }

    $t->run_ok(command => [
        $t->as_user('postgres', 'TERM',
                    Test::Cargo::Postgres::postgres_bin('initdb'),
                    '-D', $t->dir() . '/pgdata', '-U', 'postgres',
                    '-A', 'trust', '-N', '-E', 'UTF8',
                    '--locale', 'C.UTF-8') ]);

    $t->configure_postgres(
        listen_addresses => '', unix_socket_directories => '../pg',
        fsync => 'off', shared_buffers => '16MB',
    );

    $t->start_postgres();

    $t->sql("create role $OWNER login createrole", database => 'postgres');
}


sub prepare {
    my ($name) = @_;

    make_database($name);

    my $err = apply($name, $OWNER);
    die $err if $err ne '';
}


sub make_database {
    my ($name) = @_;

    $t->sql("create database $name owner $OWNER", database => 'postgres');
    make_store($name, $OWNER);
}


sub make_store {
    my ($name, $owner) = @_;

    $t->sql(<<'SQL', database => $name, user => $owner);
create schema cargo_store;
create table cargo_store.migrations (
    number     integer primary key,
    name       text not null,
    sha256     text not null,
    applied_at timestamptz not null default now()
);
SQL
}


# What psql said on the way: nothing, when all is well.

sub apply {
    my ($name, $owner) = @_;

    my $said = '';

    for my $file (migrations()) {
        my ($rc, $out, $err) = psql($name, $owner, $file);
        $said .= $out . $err;
    }

    return $said . apply_functions($name, $owner);
}


sub apply_functions {
    my ($name, $owner) = @_;

    my ($rc, $out, $err) = psql($name, $owner, functions());

    return $out . $err;
}


sub psql {
    my ($name, $owner, @files) = @_;

    return $t->run(
        env => { $t->postgres_env($owner), PGDATABASE => $name },
        command => [ psql_command(), '-1', map { ('-f', $_) } @files ],
    );
}


sub psql_command {
    return (Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq',
            '-v', 'ON_ERROR_STOP=1');
}


sub migrations {
    my ($count) = @_;

    my @files = sort glob "$FindBin::Bin/../sql/migrations/*.sql";

    return @files[0 .. ($count // @files) - 1];
}


sub functions {
    return sort glob "$FindBin::Bin/../sql/functions/*.sql";
}


sub pgtap {
    my ($file) = @_;

    my ($rc, $out, $err) = $t->run(
        env => { $t->postgres_env('postgres'), PGDATABASE => 'pgtap' },
        command => [ psql_command(), '-f', $file ],
    );

    subtest 'sql/' . ($file =~ s{.*/}{}r) => sub {
        my $parser = TAP::Parser->new({ tap => $out });

        while (my $line = $parser->next()) {
            if ($line->is_test()) {
                ok($line->is_ok(), $line->description() =~ s/^- //r);
            } elsif ($line->is_comment() && $line->as_string() =~ /^#  /) {
                diag($line->comment());
            }
        }

        ok($parser->is_good_plan(), 'ran to its end');
        is($err, '', 'psql had nothing to say');
    };
}


package Session;

# A session of psql, as cargo_web unless told otherwise, that can be left
# waiting for a lock.

sub new {
    my ($class, $t, $user) = @_;

    my $self = bless { t => $t }, $class;

    local @ENV{qw(PGHOST PGDATABASE PGUSER)}
        = ({ $t->postgres_env() }->{PGHOST}, 'races', $user // 'cargo_web');

    # no handle for standard error: it goes where the answers go
    $self->{pid} = IPC::Open3::open3(
        my $in, my $out, undef,
        Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq');

    $in->autoflush(1);
    @$self{qw(in out)} = ($in, $out);
    $self->{backend} = $self->ask('select pg_backend_pid()');

    return $self;
}


sub send {
    my ($self, $sql) = @_;

    print { $self->{in} } "$sql;\n\\echo --end--\n";
}


sub answer {
    my ($self) = @_;

    my $text = '';

    while (defined(my $line = readline $self->{out})) {
        last if $line eq "--end--\n";
        $text .= $line;
    }

    chomp $text;

    return $text;
}


sub ask {
    my ($self, $sql) = @_;

    $self->send($sql);

    return $self->answer();
}


sub waits {
    my ($self, $seconds) = @_;

    return $self->{t}->wait_for(sub {
        return $self->{t}->sql(
            'select count(*) from pg_stat_activity'
            . " where wait_event_type = 'Lock' and pid = $self->{backend}",
            database => 'races');
    }, $seconds // 10);
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);

    close $self->{in};
    close $self->{out};
    waitpid $self->{pid}, 0;
}
