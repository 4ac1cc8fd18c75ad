#!/usr/bin/perl

# What the fuzzers have found, and what leads into each corner of the code,
# once more through the targets of t/fuzz.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();
my $dir = "$FindBin::Bin/fuzz";
my @targets = map { m{fuzz_(\w+)\.c$} } sort glob "$dir/fuzz_*.c";

$t->plan(2 + @targets);

is_deeply([ sort map { m{(\w+)$} } glob "$dir/corpus/*" ], \@targets,
          'each target has a corpus');
is_deeply([ grep { !-f "$dir/fuzz_$_.c" } map { m{(\w+)$} }
            glob "$dir/dict/*" ], [], 'and each dictionary a target');

for my $target (@targets) {
    my @files = glob "$dir/corpus/$target/*";

    # the last file that is named is the one that failed
    my ($rc, $out, $err) = $t->run(
        command => [ $t->objs() . "/fuzz/$target", "$dir/corpus/$target" ],
        env => { UBSAN_OPTIONS => 'halt_on_error=1' },
    );

    is("$rc $out", '0 ' . @files . "\n", "$target, " . @files . ' inputs')
        or diag(join '', map { "$_\n" } last_lines($err, 12));
}


sub last_lines {
    my ($text, $n) = @_;

    my @lines = split /\n/, $text;

    return @lines > $n ? @lines[-$n .. -1] : @lines;
}
