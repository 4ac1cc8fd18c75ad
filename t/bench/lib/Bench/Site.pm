package Bench::Site;

# A PostgreSQL that is as durable as in production, a filled registry, and the
# yardsticks that live in the same cluster.

use strict;
use warnings;

use parent -norequire, 'Test::Cargo';

use Cwd qw(abs_path);
use Digest::SHA ();
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use JSON::PP ();
use Time::HiRes qw(time);

use Test::Cargo;

my $BENCH = dirname(dirname(dirname(abs_path(__FILE__))));

# From so many crates on, filling takes longer than keeping what was filled.
my $KEEP = 20_000;

my %SETTINGS = (shared_buffers => '1GB');


sub new {
    my ($class, %options) = @_;

    my $self = $class->SUPER::new(%options);

    $self->{names} = ['main'];

    $self->_nobody_elses_blobs();
    $self->postgres(fsync => 1, settings => { %SETTINGS });

    if ($options{crates} < $KEEP) {
        $self->{token} = $self->account('bench');
        $self->fill('main', $options{crates});
        return $self;
    }

    $self->_fill_or_copy();

    return $self;
}


# An earlier version's, where there is one.

sub root { return $_[0]{tree} // $_[0]->SUPER::root() }


sub objs {
    my ($self) = @_;

    return $self->{tree} ? "$self->{tree}/objs" : $self->SUPER::objs();
}


sub registries { return @{ $_[0]{names} } }


# A registry in which the account is a publisher.

sub add_registry {
    my ($self, $name, %settings) = @_;

    $self->registry($name);
    $self->_ctl('account', 'grant', 'bench', '--registry', $name,
                '--role', 'publisher');
    $self->_ctl('registry', 'set', $name,
                map { "$_=$settings{$_}" } keys %settings) if %settings;

    push @{ $self->{names} }, $name;

    return $self;
}


sub fill {
    my ($self, $registry, $crates) = @_;

    $self->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq',
                     '-v', "registry=$registry", '-v', "crates=$crates",
                     '-f', "$BENCH/fill.sql" ],
        env => { $self->postgres_env('cargo') }, merge => 1, timeout => 7200,
    );
}


sub import_crates {
    my ($self, $registry, $dir) = @_;

    my $report = $self->_ctl(
        'import', $dir, '--registry', $registry, '--owner', 'bench',
        '--dependencies', 'own', '--blobs', $self->dir() . '/blobs', '--json');

    return JSON::PP->new->utf8->decode($report)->{imported};
}


# How many went in, and the seconds.

sub timed_import {
    my ($self, $registry, $dir) = @_;

    my $start = time();
    my $imported = $self->import_crates($registry, $dir);

    return ($imported, time() - $start);
}


# Of an earlier version's database to this version; the seconds.

sub timed_migrate {
    my ($self) = @_;

    my $start = time();

    $self->run_ok(command => [
        Test::Cargo->objs() . '/cargoctl', 'migrate', '--database',
        $self->conninfo('cargo'), '--sql', Test::Cargo->root() . '/sql' ],
        merge => 1, timeout => 7200);

    return time() - $start;
}


sub export_crates {
    my ($self, $registry, $dir, $url) = @_;

    $self->_ctl('export', $dir, '--registry', $registry, '--url', $url,
                '--blobs', $self->dir() . '/blobs');
}


# Of a crate that was imported from "crates" of the directory.

sub download_path {
    my ($self, $name) = @_;

    my $checksum = $self->checksum(
        $self->read_file("crates/$name-1.0.0.crate"));

    return "/dl/$name/$checksum/$name-1.0.0.crate";
}


# The name of the crate whose index document has about this length.

sub crate_of_length {
    my ($self, $length) = @_;

    return $self->sql(<<"SQL");
select name
  from (select c.name, sum(length(v.index_head) + length(v.index_tail) + 5)
          from cargo_store.crates c
               join cargo_store.registries r on r.id = c.registry_id
               join cargo_store.versions v on v.crate_id = c.id
         where r.name = 'main'
           and not c.restricted
         group by c.id) d (name, length)
 order by abs(length - $length), name
 limit 1
SQL
}


# Names of so many crates that all see, drawn from all over the registry.  The
# very large ones are left out: there are more of them where there are more
# crates.

sub some_crates {
    my ($self, $number) = @_;

    return split /\n/, $self->sql(<<"SQL");
select c.name
  from cargo_store.crates c
       join cargo_store.registries r on r.id = c.registry_id
 where r.name = 'main'
   and c.name !~ '^bench-'
   and not c.restricted
   and (select count(*) from cargo_store.versions v
         where v.crate_id = c.id) <= 100
 order by hashint8(c.id), c.id
 limit $number
SQL
}


# Words of descriptions, most of them in few.

sub some_words {
    my ($self, $number) = @_;

    return split /\n/, $self->sql(<<"SQL");
select split_part(v.description, ' ', 7 + (c.id % 8)::integer)
  from cargo_store.crates c
       join cargo_store.registries r on r.id = c.registry_id
       join cargo_store.versions v on v.id = c.default_version_id
 where r.name = 'main'
   and v.description ~ ': '
 order by hashint8(c.id), c.id
 limit $number
SQL
}


# A database of pgbench's own tables, and one for inserts.

sub pgbench_tables {
    my ($self) = @_;

    return if $self->{pgbench}++;

    $self->sql('create database pgbench', database => 'postgres');

    $self->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin('pgbench'), '-i',
                     '-q', '-s', 10 ],
        env => { $self->postgres_env('postgres'), PGDATABASE => 'pgbench' },
        timeout => 300,
    );

    $self->sql('create table inserts (id bigint generated always as identity'
               . ' primary key, account integer not null, note text not null,'
               . ' at timestamptz not null default now())',
               database => 'pgbench');
    $self->write_file('insert.sql', "\\set account random(1, 1000000)\n"
        . "insert into inserts (account, note)"
        . " values (:account, 'a row of some length');\n");

    my $range = $self->sql(
        "select format('%s, %s', min(crate_id), max(crate_id))"
        . ' from cargo_store.documents');

    $self->write_file('documents.sql', "\\set crate random($range)\n"
        . 'select body from cargo_store.documents'
        . " where crate_id = :crate;\n");
}


# The statements that cargo.publish() comes down to for one more version of a
# crate that was published before, and nothing else.

sub release_script {
    my ($self) = @_;

    my $range = $self->sql("select format('%s, %s', min(id), max(id))"
                           . " from cargo_store.crates"
                           . " where name like 'bench-%'");

    $self->write_file('release.sql', "\\set from random($range)\n" . <<'SQL');
\set n random(1, 2000000000)
begin;
select id as crate, registry_id as registry from cargo_store.crates
 where id >= :from order by id limit 1 for no key update \gset
insert into cargo_store.versions
       (crate_id, num, sort_key, checksum, size, index_head, index_tail,
        features, edition, description, license, keywords, categories,
        authors, has_lib, bin_names, published_by, created_at, updated_at)
values (:crate::bigint, format('0.0.%s', :n::bigint), 'a0a0' || :n::bigint,
        sha256(:n::bigint::text::bytea), 9890,
        '{"name":"bench-1-1","vers":"1.0.0","deps":[],"cksum":"0123456789012'
        '345678901234567890123456789012345678901234567890123","features":{},'
        '"yanked":', ',"pubtime":"2026-11-21T12:00:00Z"}', '{}', '2021',
        'A crate of a test', 'MIT', '{}', '{}', '{}', true, '{}', 1, now(),
        now());
update cargo_store.crates
   set index_modified = index_modified + interval '1 second',
       updated_at = now(), num_versions = num_versions + 1
 where id = :crate;
update cargo_store.documents
   set modified = modified + 1,
       body = body || '{"name":"bench-1-1","vers":"1.0.0","deps":[],"cksum":"'
           '0123456789012345678901234567890123456789012345678901234567890123"'
           ',"features":{},"yanked": false,"pubtime":"2026-11-21T12:00:00Z"}'
 where crate_id = :crate;
insert into cargo_store.changes (registry_id, crate, kind)
values (:registry, 'bench-1-1', 'publish');
insert into cargo_store.audit (registry, account, address, action, crate,
                               version, status, after)
values ('main', 'bench', '127.0.0.1', 'publish', 'bench-1-1', '1.0.0', 200,
        '{"size": 9890, "checksum": "01234567890123456789012345678901234567890'
        '12345678901234567890123"}');
commit;
SQL
}


sub _ctl {
    my ($self, @args) = @_;

    my ($rc, $out, $err) = $self->cargoctl(@args, { timeout => 600 });

    die "cargoctl @args: exit code $rc\n$out$err" if $rc != 0;

    return $out;
}


# nginx's workers are nobody, and what is imported becomes theirs.

sub _nobody_elses_blobs {
    my ($self) = @_;

    my $dir = $self->dir() . '/blobs';

    mkdir $dir or die "mkdir $dir: $!\n";

    if ($> == 0) {
        chown((getpwnam 'nobody')[2, 3], $dir) or die "chown $dir: $!\n";
    }
}


sub _fill_or_copy {
    my ($self) = @_;

    my $data = $self->dir() . '/pgdata';
    my $kept = $self->_kept_path();

    if (!-d $kept) {
        print STDERR "filling $self->{crates} crates, which takes minutes;",
                     " kept as $kept\n";

        $self->account('bench');
        $self->fill('main', $self->{crates});
        $self->stop_postgres();

        remove_tree($_) for glob dirname($kept) . "/$self->{crates}-*";
        make_path(dirname($kept));
        _copy($data, "$kept.new");
        rename "$kept.new", $kept or die "rename $kept.new: $!\n";

    } else {
        $self->stop_postgres();
        remove_tree($data);
        _copy($kept, $data);
    }

    $self->start_postgres();

    # what was kept may have the functions of another day
    $self->_ctl('migrate');

    $self->{token} = $self->token('bench');
}


sub _copy {
    my ($from, $to) = @_;

    system('cp', '-a', '--reflink=auto', $from, $to) == 0
        or die "cannot copy $from to $to\n";
}


sub _kept_path {
    my ($self) = @_;

    my $sum = Digest::SHA->new(256);
    my $postgres = Test::Cargo::Postgres::postgres_bin('postgres');

    $sum->add(`$postgres --version`);
    $sum->addfile($_) for "$BENCH/fill.sql",
        sort glob($self->root() . '/sql/migrations/*.sql');

    return $self->objs() . "/bench/$self->{crates}-"
           . substr($sum->hexdigest(), 0, 16);
}


1;

__END__

=head1 NAME

Bench::Site - database and registry for a measurement

=head1 METHODS

Those of L<Test::Cargo>, and:

=head2 new(crates => N, tree => DIR)

A durable PostgreSQL whose registry C<main> F<fill.sql> has filled, and the
account C<bench>, a publisher, with C<< {token} >>.  From 20,000 crates on,
what was filled is kept in F<objs/bench> and copied the next time.  With
C<tree>, all is made by the earlier version that was built there.

=head2 add_registry($name, setting => value), registries

Another registry, before a server is started; the names of all.

=head2 fill($registry, $crates), import_crates($registry, $dir),
export_crates($registry, $dir, $url)

F<fill.sql>; cargoctl's import, which says how many, and export.

=head2 timed_import($registry, $dir), timed_migrate

The same number and the seconds; the seconds that this version's cargoctl takes
to migrate an earlier version's database.

=head2 download_path($name)

Of a crate whose file was made in C<crates> of the directory.

=head2 crate_of_length($bytes), some_crates($n), some_words($n)

A crate by the length of its index document; crates at random, and words of
their descriptions, the same each time.

=head2 pgbench_tables, release_script

Makes the database C<pgbench>, and what F<pgbench> runs; F<release.sql> when
crates have been published.

=cut
