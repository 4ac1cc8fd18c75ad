package Test::Cargo::Permissions;

use strict;
use warnings;

use Exporter qw(import);
use List::Util qw(any first none);

our @EXPORT = qw(read_table rule_for);


sub read_table {
    my ($path) = @_;

    my (@groups, %set);

    open my $file, '<', $path or die "open $path: $!\n";

    while (my $line = <$file>) {
        chomp $line;

        if ($line =~ /^== (.+)/) {
            push @groups, { name => $1, requests => [], rules => [] };

        } elsif ($line =~ /^let (\S+)\s*= (\S+)$/) {
            $set{$1} = $2;

        } elsif ($line =~ m{^[A-Z]+ /}) {
            push @{ $groups[-1]{requests} }, $line;

        } elsif ($line =~ /^\s+\S/) {
            push @{ $groups[-1]{rules} }, read_rule($line, $., \%set);

        } elsif ($line !~ /^(?:#.*)?$/) {
            die "$path:$.: neither a request nor a rule: $line\n";
        }
    }

    return @groups;
}


sub read_rule {
    my ($line, $number, $set) = @_;

    my ($columns, $answer, $mark, $text)
        = $line =~ /^\s+((?:\S+\s+){5})(\d{3})([=+-]?)(?:\s+"(.*)")?$/
        or die "line $number of the table: not a rule: $line\n";

    my %rule = (line => $number, status => $answer, mark => $mark,
                text => $text);

    @rule{qw(registry who scopes patterns crate)} = split ' ', $columns;

    # what fits in the columns that name sets; nothing for "*": everything
    for my $column (grep { $rule{$_} ne '*' } qw(registry who patterns crate)) {
        $rule{fits}{$column} = {
            map { $_ => 1 } map { split /\|/, $set->{$_} // $_ }
                            split /\|/, $rule{$column}
        };
    }

    return \%rule;
}


sub rule_for {
    my ($rules, $registry, $caller, $crate) = @_;

    my %is = (registry => $registry, who => $caller->{who},
              patterns => $caller->{patterns}, crate => $crate);

    return first {
        my $rule = $_;

        (none { !$rule->{fits}{$_}{ $is{$_} } } keys %{ $rule->{fits} })
            && has_scopes($rule->{scopes}, $caller->{scopes});
    } @$rules;
}


sub has_scopes {
    my ($wanted, $scopes) = @_;

    return 1 if $wanted eq '*';
    return 0 if !defined $scopes;
    return $scopes eq '-' if $wanted eq '-';

    my ($how, $scope) = $wanted =~ /^([!=]?)(.+)/;

    return $scopes eq $scope if $how eq '=';

    # a token without scopes has them all
    my $pattern = $scope =~ s/\*/.*/r;
    my $has = $scopes =~ /^-?$/
              || any { $_ =~ /^$pattern$/ } split /,/, $scopes;

    return $how eq '!' ? !$has : $has;
}


1;

__END__

=head1 NAME

Test::Cargo::Permissions - the table of who may do what

=head1 FUNCTIONS

=head2 read_table($path)

The groups of the table, which says itself what its lines are: hashes of
C<name>, C<requests> (lines as they are) and C<rules> (hashes of C<line>, the
columns, C<status>, C<mark> and C<text>).

=head2 rule_for(\@rules, $registry, \%caller, $crate)

The first rule that fits, undef if none does.  Of the caller count C<who>,
C<patterns> and C<scopes> (a list with commas, C<''> for a token without
scopes, C<-> for a login, undef for one who has neither).

=cut
