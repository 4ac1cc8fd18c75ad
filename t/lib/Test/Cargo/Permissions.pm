package Test::Cargo::Permissions;

use strict;
use warnings;

use Compress::Raw::Zlib ();
use Digest::SHA qw(sha256_hex);
use Exporter qw(import);
use List::Util qw(any first none);

our @EXPORT = qw(new_token people read_table rule_for see unseen);

my @ROLES = qw(reader publisher maintainer admin);

# what each token may be used for; the first: everything
my @SCOPES = ('', 'publish-new,publish-update', 'read,yank',
              qw(read publish-new publish-update yank change-owners admin));

# name => patterns of crates
my %PATTERNS = (none => undef, fits => '{CRT_*}', other => '{zzz-*,crt}');


# The token's text is made here, as cargoctl makes it, since there are so many.

sub new_token {
    my ($n) = @_;

    my @digits = (0 .. 9, 'A' .. 'Z', 'a' .. 'z');
    my $text = sprintf 'ngxcargo_%032d', $n;
    my $sum = Compress::Raw::Zlib::crc32($text);
    my $check = '';

    for (1 .. 6) {
        $check = $digits[$sum % 62] . $check;
        $sum = int $sum / 62;
    }

    return $text . $check;
}


sub people {
    my ($t) = @_;

    my @names = (@ROLES, qw(recruit boss foreign revoked expired disabled));
    my $in = join ',', map { "'$_'" } @names;

    $t->sql(<<"SQL");
set search_path = cargo_store, public;
insert into accounts (login, kind) select unnest(array[$in]), 'person';
insert into teams (name) values ('crew'), ('recruits');
insert into members (registry_id, account_id, role)
select r.id, a.id,
       (case when a.login in ('reader', 'publisher', 'maintainer')
             then a.login when a.login = 'boss' then 'publisher'
             else 'admin' end)::member_role
  from registries r, accounts a
 where a.login <> 'recruit'
   and (r.name = 'elsewhere' or a.login <> 'foreign');
insert into team_roles (registry_id, team_id, role)
select r.id, t.id, 'publisher' from registries r, teams t
 where t.name = 'recruits';
insert into team_members (team_id, account_id)
select t.id, a.id from teams t, accounts a
 where t.name = 'crew' and a.login <> 'boss'
    or t.name = 'recruits' and a.login = 'recruit';
SQL

    my @people = (
        { who => 'anonymous' }, { who => 'nonsense', header => 'Digest x=y' },
        { who => 'unknown', header => new_token(0) },
        map({ { who => $_, login => $_, scopes => '' } }
            qw(foreign revoked expired disabled)),
        map({ { who => "$_-login", header => [ $_ ] } }
            qw(foreign disabled)),
        map({ { who => $_->[0], login => $_->[1], scopes => '-',
                header => [ $_->[1] ] } }
            map({ [ $_, $_ ] } @ROLES), [ publisher => 'recruit' ]),
        { who => 'publisher', login => 'recruit', scopes => '' },
    );

    for my $scopes (@SCOPES) {
        push @people, map { { who => $_, login => $_, scopes => $scopes } }
                      @ROLES;

        next if $scopes =~ /,/;

        for my $patterns (grep { $_ ne 'none' } sort keys %PATTERNS) {
            push @people, map { { who => $_, login => $_, scopes => $scopes,
                                  patterns => $patterns } }
                          qw(publisher admin);
        }
    }

    make_tokens($t, @people);

    return @people;
}


# Two tokens for each: the one that is used, and one that may be revoked.

sub make_tokens {
    my ($t, @people) = @_;

    my ($n, @rows) = (0);

    for my $person (@people) {
        $person->{n} = ++$n;
        $person->{patterns} //= 'none';

        next if !$person->{login};

        my $scopes = ($person->{scopes} // '') =~ /^-?$/
                     ? 'null' : "'{$person->{scopes}}'";
        my $patterns = $PATTERNS{ $person->{patterns} };

        $patterns = defined $patterns ? "'$patterns'" : 'null';
        $person->{header} //= new_token($n);

        for my $token (new_token($n), new_token(1000 + $n)) {
            push @rows, "('$person->{login}', '\\x" . sha256_hex($token)
                        . "', $scopes, $patterns)";
        }
    }

    push @rows, "('boss', '\\x" . sha256_hex(new_token(999))
                . "', null, null)";

    my $rows = join ",\n", @rows;

    $t->sql(<<"SQL");
set search_path = cargo_store, public;
insert into tokens (account_id, name, hash, endpoint_scopes, crate_scopes,
                    revoked_at, expires_at)
select a.id, 'of the walk', v.hash::bytea, v.scopes::text[],
       v.patterns::text[],
       case when a.login = 'revoked' then now() end,
       case when a.login = 'expired' then now() end
  from (values $rows) v(login, hash, scopes, patterns)
       join accounts a on a.login = v.login;
update accounts set disabled_at = now() where login = 'disabled';
SQL
}


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


# Which words of the rule's columns were there for a request.

sub see {
    my ($rule, %is) = @_;

    $rule->{seen}{$_}{ $is{$_} }++ for keys %is;
}


sub unseen {
    my ($rule) = @_;

    return "line $rule->{line}: no request at all" if !$rule->{seen};

    return map {
        my $column = $_;

        map { "line $rule->{line}: no request for $_" }
            grep { !$rule->{seen}{$column}{$_} }
            sort keys %{ $rule->{fits}{$column} };
    } sort keys %{ $rule->{fits} };
}


1;

__END__

=head1 NAME

Test::Cargo::Permissions - the table of who may do what

=head1 FUNCTIONS

=head2 people($t)

Makes accounts, teams, roles and tokens; returns who calls, hashes of C<who>,
C<login>, C<scopes>, C<patterns>, C<n> (a number) and C<header>: the value of
Authorization, or in an array the login that nginx is to have authenticated.
Further accounts own crates, as C<boss>.

=head2 new_token($n)

The text of a token: of the caller with this number; of another token of the
same account with 1000 more; 999 is of C<boss>.

=head2 read_table($path)

The groups of the table, which says itself what its lines are: hashes of
C<name>, C<requests> (lines as they are) and C<rules> (hashes of C<line>, the
columns, C<status>, C<mark> and C<text>).

=head2 rule_for(\@rules, $registry, \%caller, $crate)

The first rule that fits, undef if none does.  Of the caller count C<who>,
C<patterns> and C<scopes> (a list with commas, C<''> for a token without
scopes, C<-> for a login, undef for one who has neither).

=head2 see(\%rule, registry =>, who =>, patterns =>, crate =>), unseen(\%rule)

Notes a request that the rule is for; the complaints about the words of the
rule that no request was for.

=cut
