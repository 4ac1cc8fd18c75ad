package Bench::Scale;

# The rows about a registry of crates.io's size, beside one of 1/100 of it.

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(remove_tree);
use List::Util qw(shuffle sum0);

use Bench::Compare;
use Bench::Crates;
use Bench::Load;
use Bench::Waits;

our @EXPORT = qw(import_crates migrate miss_scale publish_scale search);

# What a crate of an import has.
use constant { VERSIONS => 5, CRATES_A_ROUND => 60 };


sub both {
    my ($bench, $measure) = @_;

    my @servers = $bench->free('full', 'hundredth');
    my @sites = ($bench->full(), $bench->hundredth());

    return map { my $i = $_;
                 sub { $measure->($servers[$i], $sites[$i], @_) } } 0, 1;
}


sub miss_scale {
    my ($bench) = @_;

    return compare($bench, both($bench, \&misses));
}


sub publish_scale {
    my ($bench) = @_;

    return compare($bench, both($bench, \&publishes));
}


# Two people who search all the time: first all of the kinds below mixed, then
# each kind alone, at full scale.

sub search {
    my ($bench) = @_;

    my $seconds = $bench->{seconds} < 5 ? 5 : $bench->{seconds};
    my ($full, $hundredth) = both($bench, \&searches);

    # until what they look at is in PostgreSQL's memory
    $_->(2 * $seconds) for $full, $hundredth;

    my @samples = alternate({ %$bench, seconds => $seconds },
                            $full, $hundredth);
    my @p99 = map { middle('p99', $_) } @samples;
    my @notes = sprintf('all kinds: %.0f and %.0f searches/s',
                        map { middle('rate', $_) } @samples);

    for my $kind (kinds()) {
        $full->(0.5, $kind);

        my @alone = map { $full->($bench->{seconds}, $kind) }
                    1 .. $bench->{rounds};

        push @notes, sprintf('%-26s p99 %6.1f ms, %5.0f/s', $kind,
                             map { middle($_, \@alone) } qw(p99 rate));
    }

    return { value => $p99[0], ours => sprintf('%.1f ms', $p99[0]),
             theirs => sprintf('%.1f ms', $p99[1]),
             ratio => sprintf('%.2fx', $p99[0] / $p99[1]),
             notes => \@notes };
}


sub searches {
    my ($server, $site, $seconds, $kind) = @_;

    my $lists = $server->{searches} //= search_lists($server, $site);

    return wrk($server, list => $lists->{ $kind // 'all' }, connections => 2,
               first => int rand 1000, seconds => $seconds < 1 ? 1 : $seconds);
}


# Each kind: what is asked for, of the name of a crate, its words, and a word of
# some description.

my @KINDS = (
    'a name' => sub { "q=$_[0]" },
    'a name with "_"' => sub { 'q=' . $_[0] =~ tr/-/_/r },
    'a misspelt name' => sub { 'q=' . substr($_[0], 0, 3)
                               . substr $_[0], 4 },
    'five letters' => sub { 'q=' . substr $_[0], 0, 5 },
    'two letters' => sub { 'q=' . substr $_[0], 0, 2 },
    'one letter' => sub { 'q=' . substr $_[0], 0, 1 },
    'the end of a name' => sub { 'q=' . substr $_[0], 3 },
    'a word' => sub { "q=$_[1]" },
    'two words' => sub { "q=$_[1]%20$_[2]" },
    'three words' => sub { "q=$_[1]%20$_[2]%20$_[3]" },
    'a word of a description' => sub { "q=$_[3]" },
    'nothing like it' => sub { "q=zq$_[3]qz" },
    'a word, by downloads' => sub { "q=$_[1]&sort=downloads" },
    'a word, recently used' => sub { "q=$_[1]&sort=recent-downloads" },
    'a word, recently updated' => sub { "q=$_[1]&sort=recent-updates" },
    'a word, page 50' => sub { "q=$_[1]&page=50" },
    'two letters, page 100' => sub { 'q=' . substr($_[0], 0, 2)
                                     . '&page=100' },
    'all, by downloads' => sub { 'sort=downloads' },
    'all, by name, page 100' => sub { 'sort=alphabetical&page=100' },
    'all, newest, page 100' => sub { 'sort=new&page=100' },
    'all, by downloads, page 100' => sub { 'sort=downloads&page=100' },
    'a reader, a word' => sub { "q=$_[1]", 'reader' },
    'a reader, two letters' => sub { 'q=' . substr($_[0], 0, 2), 'reader' },
    'token of "async*", a word' => sub { "q=$_[2]", 'some' },
    'token of "async*", all' => sub { 'sort=downloads', 'some' },
);


sub kinds { return map { $KINDS[2 * $_] } 0 .. $#KINDS / 2 }


sub search_lists {
    my ($server, $site) = @_;

    my %what = @KINDS;
    my %token = (reader => $site->account('reader', role => 'reader'),
                 some => $site->token('reader', scope => 'read',
                                      crate => 'async*'));
    my @names = $site->some_crates(200);
    my @words = $site->some_words(200);
    my (%lists, @all);

    for my $kind (kinds()) {
        my @lines = map {
            my ($query, $who) = $what{$kind}->($names[$_],
                                               (split /-/, $names[$_])[0, 1],
                                               $words[$_ % @words]);
            "/api/v1/crates?$query"
                . ($who ? "\tAuthorization: $token{$who}\n" : "\n");
        } 0 .. $#names;

        $lists{$kind} = $server->write_file("searches-" . keys %lists,
                                            join '', @lines);
        push @all, @lines;
    }

    srand 4;
    $lists{all} = $server->write_file('searches', join '', shuffle(@all));

    return \%lists;
}


# The same new crates into both, whose versions depend on what is there.

sub import_crates {
    my ($bench) = @_;

    my @sites = ($bench->full(), $bench->hundredth());
    my @needed = $sites[1]->some_crates(500);
    my $rounds = 0;
    my @made;

    $bench->free();

    my ($ours, $theirs) = alternate($bench, map { my $i = $_; sub {
        if ($i == 0) {
            remove_tree($made[0]) if @made;
            @made = releases($sites[0]->dir() . '/releases', ++$rounds,
                             \@needed);
        }

        my ($files, $seconds) = $sites[$i]->timed_import('main', $made[0]);

        die "$files of $made[1] were imported\n" if $files != $made[1];

        return { rate => $files / $seconds };
    } } 0, 1);

    my @rate = map { middle('rate', $_) } $ours, $theirs;

    return { value => $rate[0] / $rate[1],
             ours => sprintf('%.0f/s', $rate[0]),
             theirs => sprintf('%.0f/s', $rate[1]),
             ratio => sprintf('%.2fx', $rate[0] / $rate[1]),
             notes => [ 'versions a second, ' . VERSIONS . ' of a crate, '
                        . $made[1] . ' in an import',
                        sprintf('rounds: %s, %s', map {
                            join ' ', map { sprintf '%.0f', $_->{rate} } @$_
                        } $ours, $theirs) ] };
}


sub releases {
    my ($dir, $round, $needed) = @_;

    for my $i (1 .. CRATES_A_ROUND) {
        my $extra = "\n[dependencies]\n" . join '', map {
            my $name = $needed->[($i * 7 + $_ * 83) % @$needed];
            "$name = \"*\"\n" =~ s/\*/1/r;
        } 1 .. $i % 7;

        one_crate($dir, "bench-import-$round-$i", 2000 + int rand 60_000,
                  extra => $extra, version => "1.$_.0") for 1 .. VERSIONS;
    }

    return ($dir, CRATES_A_ROUND * VERSIONS);
}


# From the version before the newest migration, whose nginx serves meanwhile.
# Once: what is migrated is migrated.

sub migrate {
    my ($bench) = @_;

    my @notes;
    my @seconds;
    my $failed = 0;

    for my $size ($bench->{scale}, $bench->{scale} / 100) {
        my ($site, $server) = $bench->earlier($size);
        my $waits = Bench::Waits->start($server, $site);

        sleep 5;

        my $quiet = $waits->tell();
        my $seconds = $site->timed_migrate();
        my $busy = $waits->tell();

        sleep 2;

        my $after = $waits->stop();

        push @seconds, $seconds;
        $failed += sum0 map { $_->{failed} } map { values %$_ }
                   $quiet, $busy, $after;
        push @notes, "$size crates, from $site->{revision}:", map {
            sprintf '%-8s %5d while it ran, %d failed, the longest %.0f ms'
                    . ' (%.0f ms before it began)', $_,
                    @{ $busy->{$_} }{qw(done failed)},
                    map { 1000 * $_->{longest} } $busy->{$_}, $quiet->{$_}
        } sort keys %$busy;

        push @notes, map { "  $_" } $waits->complaints(),
                                    $server->complaints();
        $_->finish() for $server, $site;
    }

    return { value => $seconds[0] / $seconds[1], failed => $failed,
             ours => sprintf('%.1f s', $seconds[0]),
             theirs => sprintf('%.1f s', $seconds[1]),
             ratio => sprintf('%.0fx', $seconds[0] / $seconds[1]),
             notes => \@notes };
}


1;

__END__

=head1 NAME

Bench::Scale - the rows about a registry of crates.io's size

=head1 FUNCTIONS

=head2 search($bench), miss_scale($bench), publish_scale($bench),
import_crates($bench), migrate($bench)

As measure() of L<Bench::Rows> calls them.  C<failed>, of the last, are
requests that were not answered as they would be without a migration.

=cut
