package Test::Cargo::Cache;

use strict;
use warnings;

use Exporter qw(import);
use Time::HiRes ();

use Test::Cargo::Clock qw(cpu_waits seconds_alone);

our @EXPORT = qw(
    asked in_one_turn insert_crates listening log_statements refreshed
);


sub log_statements {
    my ($t) = @_;

    $t->sql('alter role cargo_web set log_min_duration_statement = 0');
}


# Both servers and PostgreSQL write to files: what was asked before an answer
# was sent is in the log when the answer is here.

sub asked {
    my ($t, $pattern) = @_;

    $pattern //= qr/cargo_(?:index_config|index_documents|download)\b/;

    return scalar grep { /execute $pattern/ }
           split /\n/, $t->read_file('postgres.log') // '';
}


# The cache answers as soon as the first question of the listener is answered.

sub listening {
    my ($t, %options) = @_;

    my @port = $options{port} ? (port => $options{port}) : ();

    return $t->wait_for(sub {
        my $before = asked($t);

        $t->get('/index/config.json', @port) for 1 .. 2;

        return asked($t) == $before;
    });
}


# As after a publish of each version, which would take its time.

sub insert_crates {
    my ($t, $login, %options) = @_;

    my $registry = $options{registry} // $t->{registry};
    my $lines = $options{lines} // 1;
    my $width = $options{width} // 1;
    my $in = join ',', map { "'$_'" } @{ $options{names} };

    $t->sql(<<"SQL");
begin;
create temp table made on commit drop as
select c.id, a.id as login, n
  from unnest(array[$in]) n
       join cargo_store.registries r on r.name = '$registry'
       join cargo_store.accounts a on a.login = '$login'
       left join cargo_store.crates c on c.registry_id = r.id and c.name = n;
insert into cargo_store.crates (registry_id, name)
select r.id, m.n from made m, cargo_store.registries r
 where m.id is null and r.name = '$registry';
update made m set id = c.id
  from cargo_store.crates c
       join cargo_store.registries r on r.id = c.registry_id
 where c.name = m.n and r.name = '$registry';
insert into cargo_store.owners (crate_id, account_id)
select id, login from made
    on conflict do nothing;
insert into cargo_store.versions
      (crate_id, num, sort_key, checksum, size, index_head, index_tail,
       features, keywords, categories, authors, published_by, created_at)
select m.id, i || '.1.0', '', sha256(''), 1,
       '{"name":"' || n || '","vers":"' || i || '.1.0","noise":"'
       || (select string_agg(md5(i || '.' || k), '')
             from generate_series(1, $width) k) || '","yanked":', '}',
       '{}', '{}', '{}', '{}', m.login, now()
  from made m, generate_series(1, $lines) i;
select cargo_store.index_changed(id, 'publish') from made;
commit;
SQL
}


# What comes while a worker is stopped it finds all at once.

sub in_one_turn {
    my ($t, $code) = @_;

    my ($worker, @more) = $t->workers();

    die "more than one worker\n" if @more;

    kill 'STOP', $worker;
    $t->wait_for(sub {
        $t->read_file("/proc/$worker/stat") =~ /\) T /
    }) or die "the worker does not stop\n";

    my $value = eval { $code->() };
    my $error = $@;

    kill 'CONT', $worker;
    die $error if $error;

    return $value;
}


sub refreshed {
    my ($t, $condition, $seconds) = @_;

    my $waits = cpu_waits();
    my $start = Time::HiRes::time();

    $t->wait_for($condition, $seconds // 5) or return undef;

    return seconds_alone($start, $waits);
}


1;

__END__

=head1 NAME

Test::Cargo::Cache - what a server remembers, and what it asks for

=head1 FUNCTIONS

=head2 log_statements($t)

Before nginx starts: PostgreSQL logs what nginx asks for.

=head2 asked($t, $pattern)

How often it has asked by now for reads, or for statements with this name.

=head2 insert_crates($t, $login, names => \@names, registry => $registry,
lines => 1, width => 1)

Crates of an account, with so many versions (C<1.1.0>, C<2.1.0>...) each, whose
lines have 32 bytes of noise C<width> times.  There are no files.

=head2 listening($t, port => $port)

Waits until the server answers from its memory.

=head2 in_one_turn($t, $code)

Runs the code while the only worker is stopped: what it sends on connections
that are open is read within one turn of the event loop.

=head2 refreshed($t, $condition, $seconds)

The seconds until the condition held, less what was waited for a CPU (see
L<Test::Cargo::Clock>), undef when it did not (5 s by default).

=cut
