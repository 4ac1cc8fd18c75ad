#!/usr/bin/perl

# cargoctl: command line, migrate, registries, accounts, tokens.  What it does
# with the store is in cargoctl_store.t.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use File::Copy qw(copy);
use File::Path qw(make_path);
use JSON::PP qw(decode_json);
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();
my $cargoctl = $ENV{CARGOCTL} // $t->objs() . '/cargoctl';

plan skip_all => "there is no $cargoctl" if !-x $cargoctl;

# registries, accounts and tokens: a database that holds none
my $ADMIN = 'admin';

my %env = map { $_ => undef } qw(CARGO_DATABASE CARGO_SQL CARGO_BLOBS);

$t->postgres();

command_line();
database_errors();
migrate();
migrate_together();
migrate_refusals();
migrate_failures();
registries();
accounts();
tokens();
terminal();

$t->done();


sub ctl {
    my (@args) = @_;

    my $options = ref $args[-1] ? pop @args : {};

    return $t->run(
        command => [ $cargoctl, @args ], merge => $options->{merge},
        env => { $t->postgres_env(), %env,
                 CARGO_SQL => $t->root() . '/sql',
                 %{ $options->{env} // {} } },
    );
}


# exit code and what is said; a pattern for each of the outputs

sub said {
    my ($args, $rc, $out, $err, $name) = @_;

    my ($got, $stdout, $stderr) = ctl(@$args);

    is($got, $rc, "$name: exit code") or diag("$stdout$stderr");
    like($stdout, $out, "$name: output");
    like($stderr, $err, "$name: errors");

    return $stdout;
}


sub json {
    my (@args) = @_;

    my ($rc, $out, $err) = ctl(@args, '--json');

    return $rc == 0 ? eval { decode_json($out) } : undef;
}


sub database {
    my ($name) = @_;

    $t->sql("create database $name owner cargo", database => 'postgres');

    return "dbname=$name";
}


sub copy_sql {
    my ($name) = @_;

    for my $dir (qw(migrations functions)) {
        make_path("$t->{dir}/$name/$dir");

        for my $file (glob($t->root() . "/sql/$dir/*.sql")) {
            copy($file, "$t->{dir}/$name/$dir/") or die "copy $file: $!\n";
        }
    }

    return "$t->{dir}/$name";
}


sub append {
    my ($path, $text) = @_;

    open my $file, '>>', $path or die "open $path: $!\n";
    print {$file} $text;
    close $file or die "close $path: $!\n";
}


sub command_line {
    my $nothing = qr/^$/;

    my $help = said(['help'], 0, qr/Commands:/, $nothing, 'help');

    like($help, qr/^  \Q$_\E/m, "help names $_")
        for 'migrate', 'registry create', 'registry list', 'registry set',
            'account create', 'account list', 'account grant',
            'account disable', 'account enable',
            'team create', 'team list', 'team add', 'team remove',
            'team delete', 'token create', 'token list', 'token revoke',
            'name reserve', 'name release', 'name list',
            (map { "crate $_" } qw(list show restrict open allow deny yank
                                   delete deletions release)),
            'owner list', 'owner add', 'owner remove', 'audit', 'import',
            'export', 'sweep', 'check', 'completion', 'man', 'help',
            'version';

    is((sort { $b <=> $a } map { length } split /\n/, $help)[0] < 80, 1,
       '... in 80 columns');

    like($help, qr/^  $_  \w/m, "help explains exit code $_") for 0 .. 3;

    said(['--help'], 0, qr/Commands:/, $nothing, '--help');
    said(['help', 'sweep'], 0, qr/--grace/, $nothing, 'help of a command');
    said(['sweep', '-h'], 0, qr/--dry-run/, $nothing, 'the same by -h');
    said([$_], 0, qr/^cargoctl \d+\.\d+\.\d+ /, $nothing, $_)
        for 'version', '--version';

    for my $group (['registry', 'list'], ['account', 'grant'],
                   ['token', 'revoke'])
    {
        my ($word, $one) = @$group;
        my $all = said(['help', $word], 0, qr/^  $word $one/m, $nothing,
                       "help $word");

        unlike($all, qr/^  (?!$word )\w/m, '... and no other commands');
        said([$word], 2, $nothing, qr/^cargoctl: say what.*^  $word $one/ms,
             "bare $word");
        is((ctl($word, '--help'))[1], $all, "$word --help");
    }

    my %usage = (
        'token create' => 'LOGIN --name TEXT [--registry NAME]'
                          . ' [--scope SCOPE] [--crate PATTERN]'
                          . ' [--expires WHEN]',
        'account grant' => 'LOGIN|team:NAME --registry NAME --role ROLE',
        'sweep' => '--blobs DIR [--grace TIME] [--dry-run]',
        'migrate' => '[--sql DIR]',
    );

    for my $command (sort keys %usage) {
        my $of = said(['help', split / /, $command], 0, qr/^Options:/m,
                      $nothing, "help $command");
        my ($usage) = $of =~ /\Ausage: cargoctl (.*?)\n\n/s;

        is($usage =~ s/\s+/ /gr, "$command $usage{$command}", '... usage');
        unlike($of, $command =~ /token/ ? qr/person|role/ : qr/token/,
               '... speaks of nothing else');
    }

    like((ctl('help', 'sweep'))[1], qr/at least 5m/, '--grace has a minimum');

    said([], 2, $nothing, qr/help/, 'no command');
    said(['frob'], 2, $nothing, qr/no command "frob"/, 'unknown command');
    said(['token', 'frob'], 2, $nothing, qr/"token frob"/, 'half a command');
    said(['help', 'frob'], 2, $nothing, qr/"frob"/, 'help of no command');
    said(['migrate', '--frob'], 2, $nothing, qr/--frob/, 'unknown option');
    said(['migrate', '--quick'], 2, $nothing, qr/--quick.*usage: cargoctl m/,
         'an option of another command');
    said(['migrate', 'x'], 2, $nothing, qr/"x" is too much/, 'an operand');
    said(['registry', 'create'], 2, $nothing, qr/missing/, 'no operand');
    said(['sweep'], 2, $nothing, qr/CARGO_BLOBS/, 'no store');
    said(['sweep', '--blobs'], 2, $nothing, qr/wants a value/, 'no value');
    said(['migrate', '--json=1'], 2, $nothing, qr/takes no value/, 'a value');
}


sub database_errors {
    my $secret = 'sEsAmE';

    for my $conninfo (
        "host=$t->{dir}/none dbname=x password=$secret",
        "dbname=x password=a $secret",
        "dbname=x password=a $secret=1",
        "postgresql://u:a\@$secret\@localhost/x",
        "postgresql://u:$secret/a\@localhost/x",
        "postgresql://u:1/$secret\@localhost/x",
        "postgresql://u:$secret\@localhost:x/y",
        "postgresql://u:%$secret\@localhost/x",
    ) {
        my ($rc, $out, $err) = ctl('registry', 'list',
                                   '--database', $conninfo);

        is($rc, 3, "unreachable: $conninfo");
        like($err, qr/^cargoctl: .{30}/, '... said');
        unlike("$out$err", qr/$secret|sesame/, '... without the password');
    }

    # pg_hba.conf of the tests lets everybody in under any name that exists
    said(['registry', 'list', '--database', 'dbname=cargo user=nobody_here'],
         3, qr/^$/,
         qr/let nobody in as "nobody_here": role .*; see pg_hba\.conf and pg_id/,
         'a user who is not let in');
    said(['registry', 'list', '--database', 'dbname=nowhere'], 3, qr/^$/,
         qr/cannot be reached: .*"nowhere" does not exist/, 'no database');

    my $empty = database('empty');

    said(['registry', 'list', '--database', $empty], 3, qr/^$/,
         qr/has not been set up: run `cargoctl migrate`/, 'not set up');

    my ($rc, $out) = ctl('registry', 'list', { env => {
        CARGO_DATABASE => 'dbname=cargo' }});
    is($rc, 0, 'CARGO_DATABASE');

    ($rc, $out) = ctl('registry', 'list', { merge => 1, env => {
        PGUSER => 'cargo_web' }});
    is($rc, 3, 'the role of the web server');
    like($out, qr/permission denied.*connect as the role that owns/, '... no');
}


sub migrate {
    my $db = database('fresh');
    my @files = map { s{.*/}{}r } sort(glob($t->root() . '/sql/migrations/*'));

    my $out = said(['migrate', '--database', $db], 0, qr/is at \Q$files[-1]\E/,
                   qr/^$/, 'migrate');

    like($out, qr/^applied \Q$_\E$/m, "... applied $_") for @files;
    like($out, qr/replaced all functions/, '... and made the functions');

    is($t->sql('select string_agg(name, \' \' order by number)'
               . ' from cargo_store.migrations', database => 'fresh'),
       "@files", '... and recorded the migrations');

    said(['migrate', '--database', $db], 0, qr/^nothing to do: .*"fresh"/,
         qr/^$/, 'migrate again');
    said(['migrate', '--database', $db, '--quiet'], 0, qr/^$/, qr/^$/,
         'migrate quietly');

    is_deeply(json('migrate', '--database', $db),
              { applied => [], functions_replaced => JSON::PP::false,
                migration => scalar @files }, 'migrate --json');

    my $sql = copy_sql('changed');
    append("$sql/functions/index.sql", "\n-- changed\n");

    $out = said(['migrate', '--database', $db, '--sql', $sql], 0,
                qr/replaced all functions/, qr/^$/, 'a changed function file');
    unlike($out, qr/applied/, '... and no migration');
    said(['migrate', '--database', $db, '--sql', $sql], 0, qr/nothing to do/,
         qr/^$/, '... once');

    my $next = sprintf '%04d_more.sql', @files + 1;
    append("$sql/migrations/$next", 'create table cargo_store.more (id int);');

    $out = said(['migrate', '--database', $db, '--sql', $sql], 0,
                qr/applied \Q$next\E\nreplaced/, qr/^$/, 'a new migration');
    unlike($out, qr/applied 0001/, '... only that');

    said(['migrate', '--database', $db], 1, qr/^$/,
         qr/newer than this cargoctl.*\Q$next\E/, 'an older cargoctl');
}


sub migrate_together {
    my $db = database('together');
    my (@pids, @rc);

    for my $n (1 .. 4) {
        push @pids, $t->spawn(
            command => [ $cargoctl, 'migrate', '--database', $db ],
            env => { $t->postgres_env(), %env,
                     CARGO_SQL => $t->root() . '/sql' },
            stdout => $t->path("together-$n"),
        );
    }

    push @rc, $t->reap($_, 30) for @pids;

    my $out = join '', map { $t->read_file("together-$_") } 1 .. 4;

    is_deeply(\@rc, [0, 0, 0, 0], 'four migrates at once all succeed')
        or diag($out);
    is(() = $out =~ /^applied 0001/mg, 1, '... one of them applied');
    is(() = $out =~ /^nothing to do/mg, 3, '... three had nothing to do');
}


sub migrate_refusals {
    my $db = database('refusals');
    my $sql = copy_sql('refusals-sql');

    is((ctl('migrate', '--database', $db))[0], 0, 'a database to refuse');

    append("$sql/migrations/0001_roles_and_schemas.sql", "-- tampered\n");
    said(['migrate', '--database', $db, '--sql', $sql], 1, qr/^$/,
         qr/0001_roles\S* is not the file that was applied/,
         'a migration that has changed');

    $sql = copy_sql('gap-sql');
    unlink "$sql/migrations/0002_accounts.sql";
    said(['migrate', '--database', $db, '--sql', $sql], 1, qr/^$/,
         qr/where 0002 was expected there is 0003/, 'a missing migration');

    $sql = copy_sql('name-sql');
    append("$sql/migrations/extra.sql", 'select 1;');
    said(['migrate', '--database', $db, '--sql', $sql], 1, qr/^$/,
         qr/extra\.sql is not the name of a migration/, 'a bad name');

    $sql = copy_sql('nul-sql');
    append("$sql/functions/nul.sql", "select 1;\0");
    said(['migrate', '--database', $db, '--sql', $sql], 1, qr/^$/,
         qr/nul\.sql: it is not a text file/, 'not a text file');

    said(['migrate', '--database', $db, '--sql', "$t->{dir}/nowhere"], 1,
         qr/^$/, qr{cannot read the directory \S*/nowhere}, 'no SQL files');

    $t->sql("create database latin1 owner cargo encoding latin1 locale 'C'"
            . ' template template0', database => 'postgres');
    said(['migrate', '--database', 'dbname=latin1'], 1, qr/^$/,
         qr/encoding is not UTF8/, 'another encoding');

    $t->sql('delete from cargo_store.migrations where number = 1',
            database => 'refusals');
    said(['migrate', '--database', $db], 1, qr/^$/,
         qr/nothing of 0001.*changed by hand/, 'a record with a hole');
}


sub migrate_failures {
    my $db = database('failures');
    my $sql = copy_sql('failures-sql');
    my $count = () = glob("$sql/migrations/*");
    my $file = sprintf '%04d_wrong.sql', $count + 1;

    append("$sql/migrations/$file",
           "create table cargo_store.half ();\n-- \x{c3}\x{a4}\x{c3}\x{b6}\n\n"
           . "create table cargo_store.half ( oops );\n");

    said(['migrate', '--database', $db, '--sql', $sql], 3, qr/applied 0001/,
         qr/\Q$file\E failed at line 4 and nothing of it was kept: syntax/,
         'a migration that fails');

    is($t->sql("select to_regclass('cargo_store.half') is null",
               database => 'failures'), 't', '... leaves nothing');
    is($t->sql('select max(number) from cargo_store.migrations',
               database => 'failures'), $count, '... but those before it');

    unlink "$sql/migrations/$file";
    append("$sql/migrations/$file", 'commit; begin;');
    unlink "$sql/functions/zz_grants.sql";
    append("$sql/functions/zz_grants.sql", 'select 1; commit;');

    said(['migrate', '--database', $db, '--sql', $sql], 3, qr/applied/,
         qr/function file zz_grants.sql ended the transaction/,
         'a file that commits');

    my $other = database('owned');
    $t->sql('create role other login; grant all on database owned to other',
            database => 'owned');

    my ($rc, $out) = ctl('migrate', '--database', "$other user=other",
                         { merge => 1 });
    is($rc, 3, 'a role without CREATEROLE');
    like($out, qr/permission denied|may not create the role.*\n.*superuser/,
         '... is told what to do') or diag($out);
    unlike($out, qr/\.;|connect as the role/, '... and nothing else');
}


sub registries {
    database($ADMIN);
    $env{PGDATABASE} = $ADMIN;
    is((ctl('migrate'))[0], 0, 'a new database');

    said(['registry', 'list'], 0, qr/^$/, qr/there are no registries yet/,
         'no registry');
    said(['registry', 'create', 'main'], 0, qr/^registry `main` created/,
         qr/^$/, 'registry create');
    said(['registry', 'create', 'main'], 1, qr/^$/, qr/exists already/,
         'registry create again');
    said(['registry', 'create', 'Main'], 1, qr/^$/, qr/cannot be the name/,
         'registry create with a bad name');
    said(['registry', 'create', 'inner', 'auth-required=on',
          'max_keywords=7'], 0, qr/created/, qr/^$/, '... with settings');

    my $out = said(['registry', 'list'], 0, qr/^inner\n(?:  .*\n)+main\n/,
                   qr/^$/, 'registry list');
    like($out, qr/^  auth-required=on$/m, '... a flag');
    like($out, qr/^  max-keywords=7$/m, '... a number');

    my ($defaults) = $out =~ /^main\n((?:  .*\n)+)/m;
    my @settings = sort split /\n/, $defaults;

    for my $command ('create', 'set') {
        my ($rc, $help) = ctl('help', 'registry', $command);

        is_deeply([ sort $help =~ /^(  [a-z-]+=.*)/mg ], \@settings,
                  "help registry $command has all settings, with defaults");
    }

    said(['registry', 'set', 'inner', 'auth_required=off'], 0, qr/changed/,
         qr/^$/, 'registry set');

    my ($inner) = grep { $_->{name} eq 'inner' } @{ json('registry', 'list') };
    is($inner->{auth_required}, JSON::PP::false, '... changed');
    is($inner->{max_keywords}, 7, '... and the rest stayed');

    said(['registry', 'set', 'none', 'max_keywords=1'], 1, qr/^$/,
         qr/does not exist/, 'no such registry');
    said(['registry', 'set', 'inner', 'frob=1'], 1, qr/^$/,
         qr/no setting `frob`/, 'no such setting');
    said(['registry', 'set', 'inner', 'max_keywords=on'], 1, qr/^$/,
         qr/whole number/, 'a wrong type');
    said(['registry', 'set', 'inner', $_], 2, qr/^$/, qr/not a setting/,
         "not a setting: $_")
        for 'frob', '=on', 'frob=', 'frob=-1', 'frob=1x', 'frob=9999999999';

    is(json('registry', 'create', 'third')->{name}, 'third', '... --json');
}


sub accounts {
    said(['account', 'list'], 0, qr/^$/, qr/no accounts yet/, 'no account');
    said(['account', 'create', 'alice', '--name', "\x{c3}\x{84}lice", '--email',
          'a@example.org', '--registry', 'main', '--role', 'publisher'], 0,
         qr/^account `alice` created, publisher in registry `main`/, qr/^$/,
         'account create');
    said(['account', 'create', 'ALICE'], 1, qr/^$/, qr/exists already/,
         'account create again');
    said(['account', 'create', 'bot', '--service'], 0,
         qr/may do nothing yet/, qr/^$/, 'a service');
    said(['account', 'create', 'carol', '--role', 'reader'], 2, qr/^$/,
         qr/go together/, 'a role in no registry');
    said(['account', 'create', 'carol', '--role', 'king', '--registry',
          'main'], 1, qr/^$/, qr/no role/, 'no such role');

    said(['account', 'grant', 'bot', '--registry', 'inner', '--role',
          'admin'], 0, qr/^`bot` is now admin in registry `inner`/,
         qr/^$/, 'account grant');
    said(['account', 'grant', 'bot'], 2, qr/^$/, qr/--registry.*--role/,
         'account grant what?');
    said(['account', 'grant', 'dave', '--registry', 'inner', '--role',
          'admin'], 1, qr/^$/, qr/`dave` does not exist/, 'no such account');

    my $out = said(['account', 'list'], 0, qr/^ID +LOGIN +KIND/, qr/^$/,
                   'account list');
    like($out, qr/ bot +service +- +- +inner:admin +-$/m, '... the service');

    my @at = map { index $_, 'a@example' } grep { /alice/ } split /\n/,
             do { utf8::decode($out); $out };
    is($at[0], index((split /\n/, $out)[0], 'EMAIL'), '... is aligned');

    my ($alice) = @{ json('account', 'list') };
    is_deeply([@$alice{qw(login kind roles)}],
              ['alice', 'person', { main => 'publisher' }], '... --json');

    said(['account', 'grant', 'bot', '--registry', 'main', '--role', 'none'],
         0, qr/has no role in registry `main` any more/, qr/^$/, 'none');

    said(['account', 'disable', 'bot'], 0, qr/^account `bot` is disabled/,
         qr/^$/, 'account disable');
    like(said(['account', 'list'], 0, qr/LOGIN/, qr/^$/, 'list again'),
         qr/ bot .* \d{4}-\d\d-\d\d/, '... shows since when');
    said(['account', 'enable', 'bot'], 0, qr/^account `bot` is enabled/,
         qr/^$/, 'account enable');
    said(['account', 'disable', 'dave'], 1, qr/^$/, qr/`dave` does not exist/,
         'disable nobody');
}


sub tokens {
    my @create = ('token', 'create', 'alice', '--name', 'laptop');
    my $token = said(\@create, 0, qr/^ngxcargo_[0-9A-Za-z]{38}\n\z/,
                     qr/never expires.*shown only now/, 'token create');
    chomp $token;

    is($t->sql("select encode(hash, 'hex') from cargo_store.tokens",
               database => $ADMIN),
       sha256_hex($token), '... and only its hash is stored');

    my $quiet = said([@create, '--quiet', '--expires', '90d'], 0,
                     qr/^ngxcargo_\w{38}\n\z/, qr/^$/, 'quietly');
    isnt($quiet, "$token\n", '... another token');

    like($t->sql('select expires_at - now() from cargo_store.tokens'
                 . ' where expires_at is not null', database => $ADMIN),
         qr/^(?:89 days 23:59|90 days)/, '... for 90 days');

    my $json = json(@create, '--expires', '2199-02-28', '--registry', 'main');
    like($json->{token}, qr/^ngxcargo_/, '... --json');
    like($json->{expires_at}, qr/^2199-03-01T00:00:00/, '... through that day');
    is($json->{registry}, 'main', '... for one registry');

    said([@create, '--expires', $_], 2, qr/^$/, qr/not an expiry/,
         "not an expiry: $_")
        for '90', 'd', '0d', '-1d', '99999d', '2199-02-29', '2199-2-1',
            '2199-01-01x', 'tomorrow';
    said([@create, '--expires', '2001-01-01'], 2, qr/^$/, qr/is past/, 'past');
    said([@create, '--expires', '9999-12-31'], 2, qr/^$/, qr/too far away/,
         'the year 10000');
    said(['token', 'create', 'alice'], 2, qr/^$/, qr/--name/, 'no name');
    said(['token', 'create', 'dave', '--name', 'x'], 1, qr/^$/,
         qr/`dave` does not exist/, 'a token for nobody');

    my ($rc, $out, $err) = ctl('token', 'list');
    like($out, qr/^ID +LOGIN +NAME .*\n1 +alice +laptop +all .* 2\S+ \d\d:\d\d  /,
         'token list');
    unlike($out, qr/ngxcargo_|[0-9a-f]{64}/, '... without their texts');

    said(['token', 'list', 'bot'], 0, qr/^$/, qr/no tokens/, '... of bot');
    is(@{ json('token', 'list', 'alice') }, 3, '... of alice');

    said(['token', 'revoke', '1'], 0, qr/^token 1 is revoked/, qr/^$/,
         'token revoke');
    ok(json('token', 'list')->[0]{revoked_at}, '... revoked');
    said(['token', 'revoke', '99'], 1, qr/^$/, qr/99 does not exist/,
         'no such token');
    said(['token', 'revoke', $_], 2, qr/^$/, qr/not the ID/, "no ID: $_")
        for 'laptop', '1x', '', '1' x 19;

    ($rc, $out, $err) = $t->run(
        command => [ '/bin/sh', '-c', 'exec "$@" >/dev/full', 'sh', $cargoctl,
                     @create ],
        env => { $t->postgres_env(), %env },
    );
    is($rc, 1, 'a token that nobody could read');
    like($err, qr/revoke it with `cargoctl token revoke 4`/, '... is said');
}


sub terminal {
    SKIP: {
        skip 'there is no script(1)', 2 if system('script -V >/dev/null 2>&1');

        my ($rc, $out) = $t->run(
            command => [ 'script', '-qec',
                         "$cargoctl token create alice --name tty",
                         '/dev/null' ],
            env => { $t->postgres_env(), %env },
        );

        my $tokens = () = $out =~ /ngxcargo_/g;

        is($tokens, 1, 'on a terminal the token is printed once');
        like($out, qr/shown only now/, '... with an explanation');
    }
}
