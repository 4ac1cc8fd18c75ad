#!/usr/bin/perl

# cargoctl: teams, scopes of tokens, reserved names, crates, owners, and the
# audit log that tells of all that.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP qw(decode_json encode_json);
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();
my $cargoctl = $ENV{CARGOCTL} // $t->objs() . '/cargoctl';

plan skip_all => "there is no $cargoctl" if !-x $cargoctl;

my $NOTHING = qr/^$/;
my @MAIN = ('--registry', 'main');

my %env = map { $_ => undef } qw(CARGO_DATABASE CARGO_SQL CARGO_BLOBS);

$t->postgres();

ctl('registry', 'create', 'vault', 'auth-required=on');
ctl('account', 'create', $_, @MAIN, '--role', 'publisher') for 'alice', 'bob';

my ($rc, $token) = ctl('token', 'create', 'alice', '--name', 'laptop');
chomp $token;

teams();
scopes();
names();
settings();
publish('acme-core', '1.0.0');
publish('acme-core', '1.1.0');
publish('acme-cli', '0.1.0', 'acme-core');
crates();
readers();
owners();
without_owner();
yanks();
deletions();
audit();
audit_pages();
audit_closed();

$t->done();


sub ctl {
    my (@args) = @_;

    my $options = ref $args[-1] ? pop @args : {};

    return $t->run(
        command => [ @{ $options->{before} // [] }, $cargoctl, @args ],
        env => { $t->postgres_env(), %env },
    );
}


# exit code and what is said; a pattern for each of the outputs

sub said {
    my ($args, $code, $out, $err, $name) = @_;

    my ($got, $stdout, $stderr) = ctl(@$args);

    is($got, $code, "$name: exit code") or diag("$stdout$stderr");
    like($stdout, $out, "$name: output");
    like($stderr, $err, "$name: errors");

    return $stdout;
}


sub json {
    my (@args) = @_;

    my ($code, $out) = ctl(@args, '--json');

    return $code == 0 ? eval { decode_json($out) } : undef;
}


# as nginx would, with the token of alice

sub publish {
    my ($name, $version, @dependencies) = @_;

    my %release = (
        name => $name, vers => $version, description => 'A crate',
        license => 'MIT', features => {}, keywords => [], categories => [],
        authors => [], edition => '2021', sort_key => $version,
        deps => [ map { {
            name => $_, version_req => '^1', features => [],
            optional => JSON::PP::false, default_features => JSON::PP::true,
            kind => 'normal', map { $_ => undef }
                qw(explicit_name_in_toml target registry)
        } } @dependencies ],
        map { $_ => undef } qw(links rust_version homepage documentation
            repository readme_file license_file readme),
    );

    my $json = encode_json(\%release);
    my $hash = sha256_hex($token);

    my $answer = $t->sql(<<"SQL");
select status, body
  from cargo.publish('main', row('\\x$hash', null, '192.0.2.1')::cargo.caller,
                     '$json', '{"vers":"$version","yanked":', '}',
                     sha256('$name'), 1, now())
SQL

    die "publish $name $version: $answer\n" if $answer !~ /^200/;
}


sub teams {
    said(['team', 'list'], 0, $NOTHING, qr/no teams yet.*team create/,
         'no team');
    said(['team', 'create', 'core', '--description', 'Those who know'], 0,
         qr/^team `core` created; .*grant team:core/, $NOTHING, 'team create');
    said(['team', 'create', 'CORE'], 1, $NOTHING, qr/exists already/,
         'team create again');
    said(['team', 'create', 'no blanks'], 1, $NOTHING, qr/cannot be the name/,
         'a bad name');

    said(['team', 'add', 'core', 'bob'], 0,
         qr/^account `bob` is a member of team `core`$/, $NOTHING, 'team add');
    said(['team', 'add', 'team:core', 'bob'], 0,
         qr/^account `bob` is a member of team `core`$/, $NOTHING,
         'as it is written elsewhere');
    said(['team', 'add', 'core', 'nobody'], 1, $NOTHING,
         qr/`nobody` does not exist/, 'team add nobody');
    said(['team', 'add', 'none', 'bob'], 1, $NOTHING,
         qr/team `none` does not exist/, 'team add to none');
    said(['team', 'add', 'core'], 2, $NOTHING,
         qr/missing; usage: cargoctl team add TEAM LOGIN/, 'team add whom?');

    said(['account', 'grant', 'team:core', @MAIN, '--role', 'maintainer'], 0,
         qr/^`team:core` is now maintainer in registry `main`$/, $NOTHING,
         'a role for a team');
    said(['account', 'grant', 'team:none', @MAIN, '--role', 'reader'], 1,
         $NOTHING, qr/`none` does not exist/, 'a role for no team');

    said(['team', 'list'], 0,
         qr/^NAME +ROLES +MEMBERS +DESCRIPTION\ncore +main:maintainer +bob +Th/,
         $NOTHING, 'team list');
    is_deeply([ map { [ @$_{qw(name members roles)} ] }
                @{ json('team', 'list') } ],
              [[ 'core', ['bob'], { main => 'maintainer' } ]], '... --json');

    ctl('team', 'create', 'gone');
    said(['team', 'remove', 'core', 'alice'], 1, $NOTHING, qr/not a member/,
         'team remove who is none');
    said(['team', 'delete', 'gone'], 0, qr/^team `gone` is deleted/, $NOTHING,
         'team delete');
    said(['team', 'delete', 'gone'], 1, $NOTHING, qr/does not exist/,
         'team delete again');

    ctl('account', 'grant', 'bob', @MAIN, '--role', 'none');
    said(['account', 'list'], 0, qr/bob/, $NOTHING, 'an account by its team');
    is((ctl('token', 'create', 'bob', '--name', 'x'))[0], 0,
       '... may have a token');
}


sub scopes {
    my @create = ('token', 'create', 'alice', '--name', 'ci');

    my $made = json(@create, '--scope', 'read,publish-update', '--scope',
                    'yank', '--crate', 'acme-*,serde', '--crate', 'tokio');
    is_deeply($made->{endpoint_scopes}, ['read', 'publish-update', 'yank'],
              'scopes, one by one or with commas');
    is_deeply($made->{crate_scopes}, ['acme-*', 'serde', 'tokio'],
              'patterns as well');

    said([@create, '--scope', 'read', '--crate', 'acme-*'], 0, qr/^ngxcargo_/,
         qr/good for read with crates acme-\*, never expires/, 'is told');
    said([@create, '--scope', 'publish-update'], 0, qr/^ngxcargo_/,
         qr/^note: without the scope read.*private registry/m,
         'a token that cannot read');

    unlike((ctl(@create))[2], qr/note/, 'one without limits is no problem');

    said([@create, '--scope', 'fly'], 1, $NOTHING, qr/`fly` is no scope/,
         'no such scope');
    said([@create, '--crate', 'a*b'], 1, $NOTHING, qr/`a\*b` is no pattern/,
         'no pattern');
    said([@create, '--crate', q{x","y}], 1, $NOTHING, qr/is no pattern/,
         'quotes stay in the pattern');
    said([@create, '--scope', ','], 1, $NOTHING, qr/`` is no scope/,
         'nothing but a comma');

    my ($code, $list) = ctl('token', 'list', 'alice');
    like($list, qr/^ID +LOGIN +NAME +REGISTRY +SCOPES +CRATES +CREATED/,
         'token list has columns for them');
    like($list, qr/ci +all +read publish-update yank +acme-\* serde tokio  /,
         '... shows them');
    like($list, qr/laptop +all +all +all  /, '... or that there is no limit');
}


sub names {
    my $standard = @{ json('name', 'list') };

    said(['name', 'list'], 0, qr/^std +all +-$/m, $NOTHING,
         'the names of the standard library are reserved');
    said(['name', 'reserve', 'core-*', '--team', 'core'], 0,
         qr/^`core-\*` is reserved in every registry: only members of team core/,
         $NOTHING, 'name reserve');
    said(['name', 'reserve', 'secret', @MAIN], 0,
         qr/reserved in registry `main`: nobody may create/, $NOTHING,
         '... for nobody');
    said(['name', 'reserve', '*core'], 1, $NOTHING, qr/no name to reserve/,
         'no pattern');
    said(['name', 'reserve', 'x', '--team', 'none'], 1, $NOTHING,
         qr/`none` does not exist/, 'for no team');
    said(['name', 'reserve', 'x', '--registry', 'none'], 1, $NOTHING,
         qr/`none` does not exist/, 'in no registry');

    said(['name', 'list'], 0, qr/^core_\* +all +core$/m, $NOTHING,
         'name list');

    my @names = grep { $_->{team} || $_->{registry} }
                @{ json('name', 'list', @MAIN) };

    is_deeply([ map { [ @$_{qw(pattern registry team)} ] } @names ],
              [['core_*', undef, 'core'], ['secret', 'main', undef]],
              '... of a registry');
    is(@{ json('name', 'list', '--registry', 'vault') }, $standard + 1,
       '... and not of another');

    like((ctl('team', 'delete', 'core'))[2], qr/it has reserved/,
         'the team cannot go meanwhile');

    said(['name', 'release', 'secret'], 1, $NOTHING,
         qr/no reservation of `secret` for all registries/, 'released where it is not');
    said(['name', 'release', 'secret', @MAIN], 0,
         qr/^the reservation of `secret` in registry `main` is taken back$/,
         $NOTHING, 'name release');
    ctl('name', 'release', 'core_*');
}


sub settings {
    said(['registry', 'set', 'main', 'new-crates=maintainer',
          'quarantine-days=7'], 0, qr/changed/, $NOTHING,
         'a setting that is a role');
    like((ctl('registry', 'list'))[1], qr/^  new-crates=maintainer$/m,
         '... is listed');
    said(['registry', 'set', 'main', 'new-crates=king'], 1, $NOTHING,
         qr/new-crates/, 'no such role');
    ctl('registry', 'set', 'main', 'new-crates=publisher');
}


sub crates {
    said(['crate', 'list', '--registry', 'vault'], 0, $NOTHING,
         qr/no crates in this registry/, 'no crate');
    said(['crate', 'list'], 2, $NOTHING, qr/--registry is missing/,
         'crate list of what?');
    said(['crate', 'list', '--registry', 'none'], 1, $NOTHING,
         qr/`none` does not exist/, 'no such registry');
    said(['crate', 'list', @MAIN], 0, qr/^acme-core +1\.1\.0 +2 +no +alice +-$/m,
         $NOTHING, 'crate list');
    said(['crate', 'show', 'ACME_core', @MAIN], 0,
         qr/^NAME +acme-core\nNEWEST +1\.1\.0\nVERSIONS +2\nRESTRICTED +no\n/,
         $NOTHING, 'crate show');
    is(json('crate', 'show', 'acme-core', @MAIN)->{versions}, 2, '... --json');
    said(['crate', 'show', 'none', @MAIN], 1, $NOTHING, qr/does not exist/,
         'no such crate');
}


sub readers {
    my @core = ('acme-core', @MAIN);

    said(['crate', 'allow', 'acme-core', 'bob', @MAIN], 0,
         qr/once it is restricted; now all readers may/, $NOTHING,
         'crate allow before');
    said(['crate', 'restrict', @core], 0,
         qr/^crate `acme-core` is restricted: only its owners/,
         qr/^note: registry `main` is public, .*auth-required=on` makes it/,
         'crate restrict in a public registry');
    said(['crate', 'restrict', @core, '--quiet'], 0, $NOTHING, $NOTHING,
         '... quietly');
    said(['crate', 'allow', 'acme-core', 'team:core', @MAIN], 0,
         qr/^`team:core` may read crate `acme-core` in registry `main`$/,
         $NOTHING, 'crate allow');
    said(['crate', 'allow', 'acme-core', 'team:none', @MAIN], 1, $NOTHING,
         qr/does not exist/, 'crate allow no team');
    like((ctl('crate', 'list', @MAIN))[1],
         qr/^acme-core .* yes +alice +bob team:core$/m, '... are listed');

    said(['crate', 'deny', 'acme-core', 'bob', @MAIN], 0,
         qr/^`bob` is not among those allowed/, $NOTHING, 'crate deny');
    said(['crate', 'deny', 'acme-core', 'bob', @MAIN], 1, $NOTHING,
         qr/not a reader/, 'crate deny again');
    said(['crate', 'open', @core], 0, qr/^crate `acme-core` is open to all/,
         $NOTHING, 'crate open');

    ctl('registry', 'set', 'main', 'auth-required=on');
    said(['crate', 'restrict', @core], 0, qr/restricted/, $NOTHING,
         'crate restrict in a private one');
    ctl('crate', 'open', @core);
}


sub owners {
    my @core = ('acme-core', @MAIN);

    said(['owner', 'list', @core], 0, qr/^alice\n\z/, $NOTHING, 'owner list');
    said(['owner', 'add', 'acme-core', 'bob', 'team:core', @MAIN], 0,
         qr/^added; the owners of `acme-core` in registry `main` are now: /,
         $NOTHING, 'owner add');
    is_deeply(json('owner', 'list', @core), ['alice', 'bob', 'team:core'],
              '... --json');
    said(['owner', 'add', 'acme-core', 'nobody', @MAIN], 1, $NOTHING,
         qr/nobody/, 'owner add nobody');
    said(['owner', 'remove', 'acme-core', 'alice', 'bob', @MAIN], 1, $NOTHING,
         qr/owner/, 'the last one stays');
    said(['owner', 'remove', 'acme-core', 'bob', 'team:core', @MAIN], 0,
         qr/^removed; .*: alice$/, $NOTHING, 'owner remove');
    said(['owner', 'add', @core], 2, $NOTHING, qr/missing; usage/,
         'owner add whom?');
}


sub without_owner {
    said(['account', 'disable', 'alice'], 0, qr/^account `alice` is disabled/,
         qr{2 of its crates have no .* main/acme-cli, main/acme-core; add one},
         'what is left without an owner');
    said(['account', 'disable', 'bob'], 0, qr/^account `bob` is disabled/,
         $NOTHING, 'nothing is');
    ctl('account', 'enable', $_) for 'alice', 'bob';
}


sub yanks {
    my @core = ('acme-core', '1.1.0', @MAIN);

    said(['crate', 'yank', @core, '--message', 'it eats data'], 0,
         qr/^version 1\.1\.0 of crate `acme-core` in registry `main` is yank/,
         $NOTHING, 'crate yank');
    is($t->sql('select yanked, yank_message from cargo_store.versions'
               . " where num = '1.1.0'"), 't|it eats data', '... is');
    like((ctl('crate', 'list', @MAIN))[1], qr/^acme-core +1\.0\.0 +2 /m,
         '... is not the newest');

    said(['crate', 'yank', @core, '--undo', '--message', 'x'], 2, $NOTHING,
         qr/--message.*--undo/, 'undone with a message');
    said(['crate', 'yank', @core, '--undo'], 0, qr/is not yanked any more$/,
         $NOTHING, 'undone');
    said(['crate', 'yank', 'acme-core', '9.9.9', @MAIN], 1, $NOTHING,
         qr/9\.9\.9/, 'no such version');
    said(['crate', 'yank', 'acme-core', @MAIN], 2, $NOTHING, qr/missing/,
         'which version?');
}


sub deletions {
    my @core = ('acme-core', @MAIN, '--reason', 'a mistake');

    said(['crate', 'deletions', @MAIN], 0, $NOTHING, qr/nothing was ever/,
         'nothing deleted');
    said(['crate', 'delete', 'acme-core', @MAIN], 2, $NOTHING,
         qr/--reason is missing/, 'crate delete why?');
    said(['crate', 'delete', 'acme-core', '--version', '1.0.0', @MAIN], 2,
         $NOTHING, qr/--version shows the version of cargoctl/,
         'a version in the wrong way');

    said(['crate', 'delete', @core], 1, $NOTHING,
         qr/depend on it: `acme-cli`.*\n.*--force/, 'others depend on it');
    said(['crate', 'delete', @core, '--force', 'x'], 2, $NOTHING,
         qr/--force is for a crate/, 'a version does not ask');
    said(['crate', 'delete', 'acme-core', '1.0.0', @core[1 .. $#core]], 0,
         qr/^version\ 1\.0\.0\ of\ crate\ `acme-core`\ is\ deleted\ from\ registry
            \ `main`,\ and\ nobody.*until\ 20\d\d-\d\d-\d\d\ \d\d:\d\d\ UTC/x,
         $NOTHING, 'a version');
    said(['crate', 'delete', @core, '--force'], 0,
         qr/^crate `acme-core` is deleted .* with all its versions, and/,
         $NOTHING, 'the crate');

    like((ctl('crate', 'deletions', @MAIN))[1],
         qr/^DELETED.*REASON\n.*acme-core\ +1\.0\.0\ .*\ a\ mistake
            \n.*acme-core\ +all\ .*\ a\ mistake$/x, 'crate deletions');

    said(['crate', 'release', 'acme-core', @MAIN], 0,
         qr/^`acme-core` may be published in registry `main` again$/,
         $NOTHING, 'crate release');
    said(['crate', 'release', 'acme-core', @MAIN], 1, $NOTHING,
         qr/not in quarantine/, 'crate release again');
    publish('acme-core', '2.0.0');

    ctl('registry', 'set', 'main', 'quarantine-days=0');
    unlike((ctl('crate', 'delete', @core, '--force'))[1], qr/until/,
           'without a quarantine nobody waits');
}


sub audit {
    my $log = said(['audit'], 0, qr/^TIME +WHO +FROM +ACTION +WHAT +RESULT$/m,
                   $NOTHING, 'audit');

    like($log, qr/^20\S+\ \d\d:\d\d:\d\d\ \ alice\ \(laptop\)\ +192\.0\.2\.1
                  \ +publish\ +main\/acme-core\ 1\.0\.0\ +done$/mx,
         '... a publish');
    like($log, qr/cargoctl:cargo +- +create_team +core +done$/m,
         '... what cargoctl did');
    like($log, qr/add_team_member .* refused \(404\): .*nobody.*exist/,
         '... what it was refused');
    like($log, qr/delete_crate +main\/acme-core +refused \(422\)/,
         '... by name');
    like($log, qr/create_token +alice +done$/m, '... whose token');
    like($log, qr/create_registry +vault +done$/m, '... and names no one twice');
    unlike($log, qr/ngxcargo_|\\\\x/, '... and no tokens');

    my @entries = map { decode_json($_) } split /\n/,
                  (ctl('audit', '--json'))[1];
    is(@entries, ($log =~ tr/\n//) - 1, '--json: a line each');

    my @refused = entries('--refused');
    ok(@refused && !grep({ $_->{status} < 400 } @refused), '--refused');
    ok(!grep({ $_->{account} ne 'alice' } entries('--account', 'alice')),
       '--account');
    is(entries('--crate', 'ACME_cli', '--action', 'publish', @MAIN), 1,
       '--crate, --action, --registry');
    is(entries('--since', '1h'), @entries, '--since');
    is(entries('--until', '1h'), 0, '--until');
    is(entries('--since', '2026-01-01', '--until', '2199-02-28'), @entries,
       'days');

    said(['audit', '--until', '1d'], 0, $NOTHING, qr/nothing of that kind/,
         'nothing');
    like($log, qr/add_owners +main\/acme-\w+ +done: \+\w+/, 'who was added');
    like($log, qr/remove_owners .* done: -\w+/, 'who was removed');
    like($log, qr/grant_role .* done: role - -> maintainer$/m, 'which role');
    like($log, qr/add_team_member .* done: members \+bob$/m, 'which member');
    like($log, qr/set_registry +main +done: quarantine_days 7 -> 0$/m,
         'which setting');
    like($log, qr/yank .* done: .*yanked false -> true/, 'which way');

    actions();

    said(['audit', '--since', $_], 2, $NOTHING, qr/not a time/, "no time: $_")
        for '7', 'd', '-1d', '1w', '2026-02-30', 'yesterday', '99999d';
}


# the list of cargoctl and those who write the log

sub actions {
    my (undef, undef, $said) = ctl('audit', '--action', 'paint');
    my ($list) = $said =~ /no action "paint"; there are: (.*)/;

    my %writes = map { $_ => 1 } split /\n/, $t->sql(<<'SQL');
select p.proname
  from pg_proc p join pg_namespace n on n.oid = p.pronamespace
 where n.nspname = 'cargo_admin' and p.prosrc ~ 'audit_admin'
SQL

    my $routes = $t->read_file($t->root()
                     . '/ngx_cargo_module/http/ngx_http_cargo_api.c');

    $writes{$_} = 1 for 'unyank', 'enable_account',
        $routes =~ /NGX_HTTP_(?:PUT|DELETE|PATCH), "(\w+)"/g;

    # cargoctl's restore does the rest, and this function ends it
    $writes{restore} = delete $writes{finish_restore};

    is(join(' ', sort split / /, $list // ''), join(' ', sort keys %writes),
       'the actions that there are');
    ok(!grep({ !$writes{$_->{action}} } entries()), 'and no other');
}


sub entries {
    my (@filter) = @_;

    my ($code, $out, $err) = ctl('audit', '--json', @filter);

    die "audit @filter: $err" if $code != 0;

    return map { decode_json($_) } split /\n/, $out;
}


sub audit_pages {
    $t->sql(<<'SQL');
insert into cargo_store.audit (registry, action, crate, status)
select 'main', 'unfollow', 'crate' || n, 200 from generate_series(1, 1234) n
SQL

    my @pages = entries('--action', 'unfollow');

    is(@pages, 1234, 'a long log is whole');
    is_deeply([ map { $_->{crate} } @pages ], [ map { "crate$_" } 1 .. 1234 ],
              '... and in order');

    my ($code, $table) = ctl('audit', '--action', 'unfollow');
    is($table =~ tr/\n//, 1235, '... with titles once');

    $t->sql(q{delete from cargo_store.audit where crate = 'crate1000'
              and action = 'unfollow'});
    $t->sql("delete from cargo_store.audit where action = 'unfollow' and id >
             (select id from cargo_store.audit where crate = 'crate1001'
              and action = 'unfollow')");
    is(entries('--action', 'unfollow'), 1000, 'full pages and none more');
}


# whoever reads has seen enough

sub audit_closed {
    for my $pipe ("trap '' PIPE; ", '') {
        my ($code, $out, $err) = $t->run(
            command => [ 'bash', '-c', "set -o pipefail; $pipe"
                         . '"$@" | head -n 1', 'bash', $cargoctl, 'audit',
                         '--json' ],
            env => { $t->postgres_env(), %env },
        );

        is($code, 0, 'a pipe that ends early');
        is($err, '', '... is no error');
        is($out =~ tr/\n//, 1, '... and had what it wanted');
    }

    my ($code, $out, $err) = $t->run(
        command => [ 'bash', '-c', '"$@" | true; echo "${PIPESTATUS[0]}"',
                     'bash', $cargoctl, 'token', 'create', 'alice', '--name',
                     'unread' ],
        env => { $t->postgres_env(), %env },
    );

    is($out, "1\n", 'but a token that nobody read');
    like($err, qr/revoke it with `cargoctl token revoke \d+`/, '... is one');

    ($code, $out, $err) = $t->run(
        command => [ 'bash', '-c', '"$@" > /dev/full', 'bash', $cargoctl,
                     'audit', '--json' ],
        env => { $t->postgres_env(), %env },
    );

    is($code, 1, 'and so is a full disk');
    like($err, qr/did not take the result: .*space left/, '... by name');
}
