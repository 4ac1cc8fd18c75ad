#!/usr/bin/perl

# What README's "When something breaks" quotes is what the code says.

use strict;
use warnings;

use File::Find ();
use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

# said by PostgreSQL and by nginx
my %foreign = map { $_ => 1 } (
    'FATAL: sorry, too many clients already', 'exited on signal',
);

my $root = Test::Cargo->root();
my ($section) = read_file("$root/README.md")
                =~ /^## When something breaks\n(.*?)^## /ms
    or die "README.md has no \"When something breaks\"\n";

my $code = '';

File::Find::find({ no_chdir => 1, wanted => sub {
    $code .= read_file($_) if -f && /\.(?:c|sql)$/;
} }, "$root/ngx_cargo_module", "$root/sql");

# strings that the compiler makes one of
$code =~ s/"\s*\n?\s*"//g;
$code =~ s/'\s*\n\s*'//g;

my @rows = grep { /^\| / && !/^\| symptom/ } split /\n/, $section;
my $quotes = 0;

cmp_ok(scalar @rows, '>=', 12, 'a dozen rows');

for my $row (@rows) {
    my (undef, $symptom, $cause, $command, @more) = split / ?\| ?/, $row;

    ok($symptom && $cause && $command && !@more, "three columns: $row");

    for my $quote ($symptom =~ /"([^"]+)"/g) {
        next if $foreign{$quote};

        $quotes++;

        # "..." stands for what differs from case to case
        my $pattern = join '.{0,80}?', map { quotemeta } split /\s*\.\.\.\s*/,
                      $quote;

        ok(scalar($code =~ /$pattern/), "said by the code: $quote");
    }
}

cmp_ok($quotes, '>=', 12, 'quotes were found');
done_testing();


sub read_file {
    my ($path) = @_;

    open my $file, '<:raw', $path or die "open $path: $!\n";
    local $/;

    return scalar <$file>;
}
