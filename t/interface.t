#!/usr/bin/perl

# nginx and its database are not of one version: as long as the one knows the
# interface of the other nobody notices, and then everybody is told.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Database;

my $ROOT = "$FindBin::Bin/..";
my $UPGRADING = 'the registry is being upgraded: its nginx and its database '
                . 'are not of one version yet; nothing was changed; try again '
                . "later, and tell the registry's administrator if it lasts";

my $NOT_READY = "the registry's database is not ready: it is being restored, or "
                . 'was not set up; nothing was changed; try again later, and '
                . "tell the registry's administrator if it lasts";

my $t = Test::Cargo->new();

$t->postgres();

kept_promises();

$t->nginx();

my $token = $t->account('alice');

older_database();
older_module();
no_registry();
no_rights();

$t->done();


# What the functions take and give; more columns at the end hurt nobody.

sub functions {
    my ($name) = @_;

    my %functions;

    for (split /\n/, $t->sql(<<'SQL')) {
select p.proname || '(' || oidvectortypes(p.proargtypes) || ') -> '
       || (select string_agg(a.name || ' ' || format_type(a.type, null), ', '
                             order by a.i)
             from unnest(p.proargnames, p.proallargtypes, p.proargmodes)
                      with ordinality a(name, type, mode, i)
            where a.mode = 'o')
  from pg_proc p
 where p.pronamespace = 'cargo'::regnamespace
union all
select 'caller(' || string_agg(attname || ' ' || format_type(atttypid, null),
                               ', ' order by attnum) || ') -> '
  from pg_attribute
 where attrelid = 'cargo.caller'::regclass and attnum > 0
SQL
        my ($takes, $gives) = split / -> /;
        $functions{$takes} = $gives // '';
    }

    return \%functions;
}


sub kept_promises {
    my ($oldest, $newest) = split /\|/, $t->sql(
        'select oldest, newest from cargo_store.interface()');
    my $there = functions();
    my %listed;

    for my $interface ($oldest .. $newest) {
        my $list = $t->read_file("$ROOT/t/interfaces/$interface") // '';
        my @broken;

        %listed = ();

        for my $line (split /\n/, $list) {
            my ($takes, $gives) = split / -> ?/, $line, 2;
            my ($name) = $takes =~ /^(\w+)/;

            $listed{$name} = 1;
            push @broken, $line if !defined $there->{$takes}
                || index("$there->{$takes},", $gives eq '' ? '' : "$gives,")
                   != 0;
        }

        ok(scalar keys %listed, "interface $interface is written down");
        is(join("\n", @broken), '', 'and served: see sql/functions/'
           . 'interface.sql on how to change what the module calls')
            or diag("what there is:\n", map { "$_ -> $there->{$_}\n" }
                    sort keys %$there);
    }

    my $header = $t->read_file(
        "$ROOT/ngx_cargo_module/http/ngx_http_cargo.h");

    like($header, qr/^#define NGX_HTTP_CARGO_INTERFACE  $newest$/m,
         'the module has the newest one');

    my $calls = $t->read_file(
        "$ROOT/ngx_cargo_module/http/ngx_http_cargo_query.c");
    my %called = map { $_ => 1 } $calls =~ /from cargo\.(\w+)\(/g;

    is(join(' ', sort grep { $_ ne 'caller' } keys %listed),
       join(' ', sort keys %called), 'whose list is what it calls');
}


# The functions as another version may have them.

sub migrate_to {
    my ($name, %changes) = @_;

    my $dir = $t->path($name);

    system('cp', '-r', "$ROOT/sql", $dir) == 0 or die "cp: $?\n";

    for my $file (keys %changes) {
        my $path = "$dir/functions/$file.sql";
        my $text = $t->read_file($path);

        $changes{$file}->() for $text;
        $t->write_file($path, $text);
    }

    return migrate('--sql', $dir);
}


sub migrate {
    my ($rc, $out, $err) = $t->cargoctl('migrate', @_);

    is($rc, 0, 'cargoctl migrate') or diag($out . $err);
}


sub told {
    my ($pattern, $what) = @_;

    ok($t->wait_for(sub { log_lines($t, $pattern) }, 5), $what);
}


sub refused {
    my ($r, $what, $why) = @_;

    is($r->{status}, 503, "$what: 503");
    is($r->detail(), $why // $UPGRADING, "$what: and why");
    like($r->header('Retry-After') // '', qr/^\d+$/, "$what: try again");
}


sub fits_again {
    my $lines = log_lines($t, qr/fits this module again/);

    migrate();
    ok($t->wait_for(sub {
        log_lines($t, qr/fits this module again/) > $lines
    }, 5), 'after cargoctl migrate all is well, and nginx says so');
}


sub publish { return $t->publish($token, { name => shift }) }


sub older_database {
    is(publish('before')->{status}, 200, 'a publish');
    is($t->get($t->index_path('before'))->{status}, 200, 'and a read');

    # from before there were interfaces
    migrate_to('older',
        interface => sub { $_ = '' },
        changes => sub { s/,\s+'interface'.*?interface\(\) i\)\)/)/s },
        publish => sub { s/function cargo\.publish\(/function cargo.publish_0(/g }
    );

    told(qr/\[error\].*the database is older .*run "cargoctl migrate"/,
         'an older database: nginx says so');
    refused(publish('older'), 'a publish to it');
    is($t->get($t->index_path('before'))->{status}, 200, 'reads go on');

    fits_again();
    is(publish('older')->{status}, 200, 'the publish');
}


sub older_module {
    my $yank = '/api/v1/crates/before/1.0.0/yank';

    migrate_to('newer',
        interface => sub { s/select 1, 1;/select 9, 9;/ },
        yank => sub { s/function cargo\.yank\(/function cargo.yank_9(/g });

    told(qr/\[error\].*cargo: this module is too old for the database/,
         'a newer database: nginx says so');
    refused($t->delete($yank, Authorization => $token), 'a yank in it');
    is(publish('newer')->{status}, 200, 'what is as it was goes on');

    # a database that serves both has nothing to complain of
    my $lines = log_lines($t, qr/cargo: this module is too old/);

    migrate_to('both', interface => sub { s/select 1, 1;/select 1, 9;/ });
    told(qr/fits this module again/, 'one that serves the old one too');
    is($t->delete($yank, Authorization => $token)->{status}, 200, 'the yank');
    is(scalar log_lines($t, qr/cargo: this module is too old/), $lines,
       'and nothing more to say');

    migrate();
}


# Nobody has ever run cargoctl migrate.

sub no_registry {
    my $conninfo = $t->conninfo() =~ s/dbname=\S+/dbname=postgres/r;

    $t->stop_nginx();
    $t->write_file('error.log', '');
    $t->write_config(conninfo => $conninfo);
    $t->start_nginx() or die "nginx does not start\n";

    refused(publish('never'), 'a publish without a registry', $NOT_READY);
    is($t->get($t->index_path('before'))->{status}, 503, 'a read: 503');
    told(qr/cargo: the database is older than this module or was never set up/,
         'a database that was never set up: nginx says so');
}


# As it is until the last transaction of a restore: all there, without rights.

sub no_rights {
    $t->stop_nginx();
    $t->write_file('error.log', '');
    $t->write_config(conninfo => $t->conninfo());
    $t->sql('revoke usage on schema cargo from cargo_web');
    $t->start_nginx() or die "nginx does not start\n";

    refused(publish('restored'), 'a publish during a restore', $NOT_READY);
    is($t->get($t->index_path('before'))->{status}, 503, 'a read: 503');
    told(qr/failed: 42501 /, 'no right to it');
    told(qr/unless it is being restored at this moment/,
         'a database that is being restored: nginx says so');

    $t->sql('grant usage on schema cargo to cargo_web');
    told(qr/fits this module again/, 'and when it is done');
    is(publish('restored')->{status}, 200, 'the publish');
}
