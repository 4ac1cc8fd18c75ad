#!/usr/bin/perl

# What of the house style a machine can judge.  The rest is for readers.

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Find ();
use Test::More;

use constant {
    COLUMNS => 80,
    FILE_LINES => 600,
    FUNCTION_LINES => 60,
};

my $ROOT = dirname(dirname(abs_path(__FILE__)));

my @KEYWORDS = qw(
    add all alter and any array as asc begin between by cascade case check
    collate column comment commit conflict constraint create cross declare
    default delete desc distinct do drop else elsif end except exception
    execute exists extension false fetch for foreign from function generated
    grant group having identity if in index inner insert intersect into is
    join key language lateral left like limit lock loop not notify null of
    offset on or order outer over partition perform plpgsql primary procedure
    raise references replace restrict return returning returns revoke right
    role row rows schema security select sequence set stable stored strict
    table then to transaction trigger true type union unique update using
    values view volatile when where while with
);

my %problems;

my $C = qr/\.(?:c|h|cc|cpp|hpp)$/;

for my $file (map { files_of($_, $C) } qw(ngx_cargo_module t/unit t/fuzz)) {
    my $text = read_file($file);
    my @lines = split /\n/, $text, -1;
    my @code = split /\n/, code_of_c($text), -1;

    pop @lines;

    check_lines($file, \@lines, COLUMNS);
    check_c($file, \@code);
    check_functions($file, \@lines);
    check_file($file, $text);
    check_length($file, scalar @lines);
}

for my $file (files_of('sql', qr/\.sql$/)) {
    my $text = read_file($file);

    check_lines($file, [ split /\n/, $text ], COLUMNS);
    check_keywords($file, $text);
}

for my $file (files_of('sql'), grep { $_ !~ $C && $_ !~ m{/fuzz/corpus/} }
                               files_of('t'))
{
    check_length($file, read_file($file) =~ tr/\n//);
}

my @rules = (
    'no tabs', 'no trailing blanks', 'at most ' . COLUMNS . ' columns',
    'comments are /* */', 'a blank after if, for, while, switch',
    'a blank before {', 'a file ends with one newline',
    'a file begins with an empty line',
    'at most ' . FILE_LINES . ' lines in a file',
    'at most ' . FUNCTION_LINES . ' lines in a function',
    'two empty lines between functions',
    'core/ includes neither nginx nor libpq',
    'a header begins with a paragraph about it',
    'SQL keywords are lower case',
);

plan tests => scalar @rules;

is(join("\n", @{ delete $problems{$_} // [] }), '', $_) for @rules;

die "rules without a test: @{[ keys %problems ]}\n" if %problems;


sub problem {
    my ($rule, $file, $line, $what) = @_;

    $file = substr $file, length("$ROOT/");

    push @{ $problems{$rule} }, "$file:$line" . ($what ? ": $what" : '');
}


sub check_lines {
    my ($file, $lines, $columns) = @_;

    for my $n (1 .. @$lines) {
        my $line = $lines->[$n - 1];

        problem('no tabs', $file, $n) if $line =~ /\t/;
        problem('no trailing blanks', $file, $n) if $line =~ /[ \r]$/;

        problem("at most $columns columns", $file, $n, length $line)
            if length $line > $columns;
    }
}


sub check_c {
    my ($file, $code) = @_;

    for my $n (1 .. @$code) {
        my $line = $code->[$n - 1];

        problem('comments are /* */', $file, $n) if $line =~ m{//};

        problem('a blank after if, for, while, switch', $file, $n)
            if $line =~ /\b(?:if|for|while|switch)\(/;

        problem('a blank before {', $file, $n) if $line =~ /\)\{/;

        problem('core/ includes neither nginx nor libpq', $file, $n)
            if $file =~ m{/core/}
               && $line =~ /^\s*#\s*include\s*[<"](?:ngx_|libpq|postgres)/;
    }
}


sub check_functions {
    my ($file, $lines) = @_;

    my $start;

    for my $n (1 .. @$lines) {
        my $line = $lines->[$n - 1];

        $start = $n if $line eq '{';
        $start = undef if $line =~ /^\} ?\w*;/;

        next if $line ne '}' || !$start;

        my $length = $n - $start + 1;

        problem('at most ' . FUNCTION_LINES . ' lines in a function',
                $file, $start, $length) if $length > FUNCTION_LINES;

        my ($empty, $at) = (0, $n);
        $empty++ while $at < @$lines && $lines->[$at++] eq '';

        problem('two empty lines between functions', $file, $n, $empty)
            if $n + $empty < @$lines && $empty != 2;

        $start = undef;
    }
}


sub check_file {
    my ($file, $text) = @_;

    problem('a file begins with an empty line', $file, 1)
        if $text !~ /^\n[^\n]/;

    problem('a file ends with one newline', $file, $text =~ tr/\n//)
        if $text !~ /[^\n]\n\z/;

    problem('a header begins with a paragraph about it', $file, 1)
        if $file =~ /\.(?:h|hpp)$/ && $text !~ m{^\n/\*\n \* \S};
}


sub check_length {
    my ($file, $lines) = @_;

    problem('at most ' . FILE_LINES . ' lines in a file', $file, $lines)
        if $lines > FILE_LINES;
}


sub check_keywords {
    my ($file, $text) = @_;

    my $keyword = join '|', map { uc } @KEYWORDS;

    # Bodies between dollars are SQL too; quoted text and comments are not.
    $text =~ s{(--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'|"[^"]*")}{blank($1)}gse;

    my @lines = split /\n/, $text;

    for my $n (1 .. @lines) {
        problem('SQL keywords are lower case', $file, $n, $1)
            if $lines[$n - 1] =~ /\b($keyword)\b/;
    }
}


# The text without comments and literals, each line where it was.

sub code_of_c {
    my ($text) = @_;

    # the names of headers stay
    $text =~ s{(/\*.*?\*/|"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)+')
              |(\#\s*include\s*"[^"]*")}{$2 // blank($1)}gsex;

    return $text;
}


sub blank {
    my ($text) = @_;

    $text =~ s/[^\n]/ /g;

    return $text;
}


sub files_of {
    my ($dir, $pattern) = @_;

    my @files;

    File::Find::find({ no_chdir => 1, wanted => sub {
        push @files, $File::Find::name
            if -f && (!$pattern || $_ =~ $pattern);
    } }, "$ROOT/$dir");

    return sort @files;
}


sub read_file {
    my ($path) = @_;

    open my $file, '<:encoding(UTF-8)', $path or die "open $path: $!\n";
    local $/;

    return scalar <$file>;
}
