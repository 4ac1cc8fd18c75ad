#!/usr/bin/perl

# Every request of the API by everybody, with every kind of token, on every
# kind of crate, in a public and a private registry: as t/permissions.table
# has it.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Digest::SHA qw(sha256_hex);
use JSON::PP ();
use List::Util qw(any first);
use Test::More;

use Test::Cargo;
use Test::Cargo::Permissions;
use Test::Cargo::Pipeline;

my @REGISTRIES = qw(public private);
my @CRATES = qw(mine crew them hide read team held none);
# tables that no refused request may change
my @TABLES = qw(accounts changes crate_readers crates deletions dependencies
                follows members owners registries reserved_names team_members
                team_owners team_readers team_roles teams tokens
                versions);

my $t = Test::Cargo->new(registry => 'public');

$t->postgres();
$t->registry('private', 'auth-required' => 'true');
$t->registry('elsewhere');

$t->nginx(http => <<'CONF');
keepalive_requests  1000000;

server {
    listen  127.0.0.1:%%port:many%%;

    cargo_registry  $registry;
    cargo_base_url  http://127.0.0.1:%%port:many%%/r/$registry;
    cargo_blobs     %%dir%%/blobs;

    # what a login of nginx itself looks like to the module
    cargo_user       $http_x_test_login;
    cargo_user_from  127.0.0.1;

    location ~ ^/r/(?<registry>[^/]+)/index/  { cargo_index; }
    location ~ ^/r/(?<registry>[^/]+)/api/v1/ { cargo_api; }
    location ~ ^/r/(?<registry>[^/]+)/dl/     { cargo_download; }
    location ~ ^/r/(?<registry>[^/]+)/me$     { cargo_me; }
}
CONF

my %many = (port => $t->port('many'));
my $upload = 0;         # a new name for each new crate
my %sum;                # of the archives
my @callers = people($t);

# account or token (its hash) => its id
my %id = map { split /\|/ } split /\n/, $t->sql(
    "select encode(hash, 'hex'), id from cargo_store.tokens"
    . ' union all select login, id from cargo_store.accounts');


crates();
restrict();

my @groups = read_table("$FindBin::Bin/permissions.table");

counts();

walk($_) for @groups;

for_real();

$t->done();


sub crates {
    for my $registry (@REGISTRIES) {
        publish($registry, 'crt-base', '1.0.0');

        for my $crate (grep { $_ ne 'none' } @CRATES) {
            $sum{"$registry crt-$crate"}
                = publish($registry, "crt-$crate", '1.0.0', 'crt-base');
        }

        publish($registry, 'user', '1.0.0',
                map { "crt-$_" } grep { $_ ne 'none' } @CRATES);

        $sum{"$registry crt-none"} = $sum{"$registry crt-hide"};
    }
}


sub publish {
    my ($registry, $name, $version, @needs) = @_;

    my $archive = archive($name, $version, "/r/$registry", @needs);
    my $r = $t->put("/r/$registry/api/v1/crates/new", $archive->{body},
                    Authorization => new_token(999), %many);

    die "$name: $r->{status} $r->{body}" if $r->{status} != 200;

    return $archive->{sum};
}


sub archive {
    my ($name, $version, $base, @needs) = @_;

    my $keyword = $name =~ s/^crt/key/r;
    my $index = "sparse+http://127.0.0.1:$many{port}$base/index/";
    my $depend = join '', map { <<"TOML" } @needs;
[dependencies.$_]
version = "1"
registry-index = "$index"
TOML

    my $crate = $t->crate(name => $name, version => $version,
                          files => { 'README.md' => 'read me' },
                          manifest => <<"TOML");
[package]
name = "$name"
version = "$version"
edition = "2021"
description = "A crate of a test"
license = "MIT"
readme = "README.md"
keywords = ["$keyword"]
categories = ["science"]
$depend
TOML

    my $metadata = $t->metadata(
        name => $name, vers => $version, keywords => [ $keyword ],
        categories => [ 'science' ], readme => 'read me',
        readme_file => 'README.md',
        deps => [ map { { name => $_, version_req => '^1', features => [],
                          optional => JSON::PP::false, target => undef,
                          default_features => JSON::PP::true,
                          kind => 'normal' } } @needs ],
    );

    return { sum => $t->checksum($crate),
             body => $t->publish_body($metadata, $crate) };
}


sub restrict {
    $t->sql(<<'SQL');
set search_path = cargo_store, public;
update crates set restricted = true
 where name in ('crt-hide', 'crt-read', 'crt-team', 'crt-held');
insert into owners (crate_id, account_id)
select c.id, a.id from crates c, accounts a
 where c.name in ('crt-mine', 'crt-held') and a.login <> 'boss';
insert into team_owners (crate_id, team_id)
select c.id, t.id from crates c, teams t
 where c.name = 'crt-crew' and t.name = 'crew';
insert into crate_readers (crate_id, account_id)
select c.id, a.id from crates c, accounts a
 where c.name = 'crt-read' and a.login <> 'boss';
insert into team_readers (crate_id, team_id)
select c.id, t.id from crates c, teams t
 where c.name = 'crt-team' and t.name = 'crew';
insert into follows (crate_id, account_id)
select c.id, a.id from crates c, accounts a;
SQL
}


# How many there are does not tell of more than the names do.

sub counts {
    my (@requests, @wrong);

    for my $registry (@REGISTRIES) {
        for my $caller (@callers) {
            push @requests, map { request("GET /api/v1/$_", $registry, $caller,
                                          '') } 'crates?per_page=100',
                                                'summary';
        }
    }

    my @answers = map { $_->{status} == 200
                        ? JSON::PP->new->utf8->decode($_->{body}) : undef }
                  pipeline(\@requests, %many);
    my %seen;

    while (my ($list, $summary) = splice @answers, 0, 2) {
        next if !$list;

        my $n = @{ $list->{crates} };

        $seen{$n}++;
        push @wrong, "$n, $list->{meta}{total}, $summary->{num_crates}"
            if $n != $list->{meta}{total} || $n != $summary->{num_crates};
    }

    is("@wrong", '', 'as many crates are counted as are shown');

    # a token for other crates, nobody, one for these, somebody, an admin
    is(join(' ', sort { $a <=> $b } keys %seen), '0 5 7 8 9',
       'and that differs');
}


sub walk {
    my ($group) = @_;

    for my $line (@{ $group->{requests} }) {
        my (@cases, %none);

        for my $registry (@REGISTRIES) {
            push @cases, cases($group, $line, $registry);
        }

        my @wrong = $line =~ /^(?:GET|HEAD)/ ? ask_once(@cases)
                                             : write_it($line, @cases);

        $none{ $_->{key} } = $_->{answer}
            for grep { $_->{crate} eq 'none' } @cases;

        push @wrong, grep { defined } map { differs($_, \%none) } @cases;

        is(scalar @wrong, 0, @cases . " times $line")
            or diag(join "\n", splice @wrong, 0, 20);
    }

    is(join("\n", map { unseen($_) } @{ $group->{rules} }), '',
       "$group->{name}: there was a request for each word of the table");
}


sub cases {
    my ($group, $line, $registry) = @_;

    my $by_crate = any { $_->{crate} !~ /^[-*]$/ } @{ $group->{rules} };
    my @cases;

    for my $caller (@callers) {
        for my $crate ($by_crate ? @CRATES : '-') {
            my $rule = $group->{decided}{"$registry $caller->{n} $crate"}
                //= rule_for($group->{rules}, $registry, $caller, $crate);

            # a version cannot be published anew of what is not there
            next if $line =~ /\@version$/ && $crate eq 'none';

            see($rule, registry => $registry, who => $caller->{who},
                patterns => $caller->{patterns}, crate => $crate) if $rule;

            push @cases, {
                rule => $rule, crate => $crate, name => "crt-$crate",
                key => "$registry $caller->{n}", registry => $registry,
                who => "$caller->{who} in $registry, scopes "
                       . ($caller->{scopes} // '-')
                       . ", patterns $caller->{patterns}, crate $crate",
                request => request($line, $registry, $caller, "crt-$crate"),
            };
        }
    }

    return @cases;
}


sub request {
    my ($line, $registry, $caller, $name) = @_;

    my ($method, $uri, $body) = $line =~ /^(\S+) (\S+) ?(.*)/;
    my ($header) = map { ref $_ ? "X-Test-Login: $$_[0]\r\n"
                                : "Authorization: $_\r\n" }
                   grep { defined } $caller->{header};

    my %value = (
        crate => $name, prefix => 'cr/t-', sum => $sum{"$registry $name"},
        keyword => $name =~ s/^crt/key/r,
        boss => $id{boss}, theirs => $id{ sha256_hex(new_token(999)) },
        token => $id{ sha256_hex(new_token(1000 + $caller->{n})) } // 1,
    );

    $uri =~ s/\{(\w+)\}/$value{$1}/g;
    $body = upload($body, $registry, $name) if $body =~ /^\@/;

    return "$method /r/$registry$uri HTTP/1.1\r\nHost: 127.0.0.1\r\n"
           . ($header // '')
           . ($method =~ /^(?:GET|HEAD)$/
              ? '' : 'Content-Length: ' . length($body) . "\r\n")
           . "\r\n$body";
}


my %uploads;

sub upload {
    my ($what, $registry, $name) = @_;

    return pack 'V/a* V', '{}', 1 if $what eq '@broken';

    # not the file that was published under this number
    return $uploads{$name} //= archive($name, '1.0.0', '')->{body}
        if $what eq '@version';

    return archive(sprintf('crt-%04d', ++$upload), '1.0.0', "/r/$registry",
                   $what eq '@needs' ? $name : ())->{body};
}


sub ask {
    my (@cases) = @_;

    my @answers = pipeline([ map { $_->{request} } @cases ], %many);

    $_->{answer} = shift @answers for @cases;

    return;
}


# What is asked in the same words for each crate is asked once.

sub ask_once {
    my (@cases) = @_;

    my %first;

    $first{ $_->{request} } //= $_ for @cases;

    ask(values %first);

    $_->{answer} = $first{ $_->{request} }{answer} for @cases;

    return;
}


# First all that is to be refused, and nothing is changed by it; then, one
# registry after the other since they share the tokens, the rest.

sub write_it {
    my ($line, @cases) = @_;

    my $audited = $t->sql('select coalesce(max(id), 0)'
                          . ' from cargo_store.audit');
    my @wrong;
    my @refused = grep { !$_->{rule} || $_->{rule}{status} >= 400 } @cases;
    my $before = state();

    ask(@refused);

    push @wrong, 'something was changed by what was refused'
        if state() ne $before;

    for my $registry (@REGISTRIES) {
        ask(grep { !$_->{answer} && $_->{registry} eq $registry } @cases);

        $t->sql('update cargo_store.tokens set revoked_at = null'
                . " where name = 'of the walk' and account_id"
                . " <> $id{revoked}");
    }

    my %answered;

    $answered{ $_->{answer}{status} }++ for @cases;

    my $log = $t->sql('select status, count(*) from cargo_store.audit'
                      . " where id > $audited group by 1 order by 1");

    my $want = join "\n", map { "$_|$answered{$_}" } sort keys %answered;

    push @wrong, "the audit log has\n$log\nof the answers\n$want"
        if $log ne $want;

    return @wrong;
}


sub state {
    return $t->sql(join ' union all ', map {
        "select '$_', md5(string_agg(r, ',' order by r)) from (select"
        . " (to_jsonb(x) - 'last_used_at')::text as r from cargo_store.$_ x)"
        . " y"
    } @TABLES);
}


sub differs {
    my ($case, $none) = @_;

    my ($rule, $answer) = @$case{qw(rule answer)};

    return "no line for $case->{who}" if !$rule;

    my $says = $answer->{body} =~ /^\{"errors"/ || $answer->{status} >= 400
               ? ": $answer->{body}" : '';
    my $who = "line $rule->{line}: $case->{who}";

    return "$who: $answer->{status}, not $rule->{status}$says"
        if $answer->{status} != $rule->{status};

    return "$who: not \"$rule->{text}\"$says"
        if defined $rule->{text} && $answer->{body} !~ /\Q$rule->{text}\E/;

    if ($rule->{mark} eq '=') {
        my $other = $none->{ $case->{key} };

        return "$who: no request for a crate that is not there" if !$other;

        my ($this, $that) = map { comparable($_) } $answer, $other;

        $that =~ s/\b(crt|key)-none\b/$1-$case->{crate}/g;

        return "$who: not as of a crate that is not there:\n$this$that"
            if $this ne $that;

    } elsif ($rule->{mark}) {
        my $kind = $case->{request} =~ m{^GET \S+/keywords} ? 'key' : 'crt';
        my $name = "$kind-$case->{crate}";
        my $there = $answer->{body} =~ /\b$name\b/ ? '+' : '-';

        return "$who: the name is there: $there" if $there ne $rule->{mark};
    }

    return;
}


sub comparable {
    my ($answer) = @_;

    return $answer->{head} =~ s/^(?:Date|Connection): .*\n//gmr
           . "\n$answer->{body}";
}


# Each request that changes something, done by somebody who may, with what is
# then so; and the row of the audit log.

sub for_real {
    my $boss = new_token(999);
    my $admin = first { $_->{who} eq 'admin' && $_->{scopes} eq '' }
                      @callers;
    my $crate = '/api/v1/crates/real-one';
    my $of = "from cargo_store.versions v join cargo_store.crates c on c.id ="
             . " crate_id where name = 'real-one'";
    my $owners = "select string_agg(o, ',') from cargo_store.crates c, unnest("
                 . "cargo_store.owner_names(c.id)) o where name = 'real-one'";
    my $follow = 'select count(*) from cargo_store.follows f join'
                 . ' cargo_store.crates c on c.id = crate_id where name ='
                 . " 'real-one'";
    my $tokens = 'select count(*) from cargo_store.tokens where name = \'new\''
                 . ' and revoked_at is null';

    for my $step (
        [ 'PUT /api/v1/crates/new', archive('real-one', '1.0.0', '')->{body},
          200, "select num $of", '1.0.0' ],
        [ 'PUT /api/v1/crates/new', archive('real-one', '1.1.0', '')->{body},
          200, "select count(*) $of", 2 ],
        [ "DELETE $crate/1.0.0/yank", '', 200,
          "select yanked $of and num = '1.0.0'", 't' ],
        [ "PUT $crate/1.0.0/unyank", '', 200,
          "select yanked $of and num = '1.0.0'", 'f' ],
        [ "PATCH $crate/1.0.0",
          '{"version":{"yanked":true,"yank_message":"why"}}', 200,
          "select yanked, yank_message $of and num = '1.0.0'", 't|why' ],
        [ "PUT $crate/owners", '{"users":["publisher","team:recruits"]}', 200,
          $owners, 'boss,publisher,team:recruits' ],
        [ "DELETE $crate/owners",
          '{"users":["publisher","team:recruits"]}', 200, $owners, 'boss' ],
        [ "PUT $crate/follow", '', 200, $follow, 1 ],
        [ "DELETE $crate/follow", '', 200, $follow, 0 ],
        [ 'PUT /api/v1/me/tokens', '{"api_token":{"name":"new",'
          . '"endpoint_scopes":["yank"],"crate_scopes":["real-*"]}}', 200,
          $tokens, 1 ],
        [ 'PUT /api/v1/me/tokens', '{"api_token":{"name":"new"}}', 200,
          $tokens, 2 ],
        [ 'DELETE /api/v1/me/tokens/{new}', '', 200, $tokens, 1 ],
        [ 'DELETE /api/v1/tokens/current', '', 204, $tokens, 0 ],
        [ "DELETE $crate/1.0.0?message=gone", '', 204,
          "select string_agg(num, ',') $of", '1.1.0' ],
        [ "DELETE $crate?message=gone", '', 204, "select count(*) $of", 0 ],
    ) {
        done_once($step, $step->[0] =~ /message=/ ? $admin->{header} : $boss);
    }
}


my @new;                # tokens, as the server has made them

sub done_once {
    my ($step, $token) = @_;

    my ($line, $body, $status, $query, $result) = @$step;
    my ($method, $uri) = split / /, $line;
    my $audited = $t->sql('select max(id) from cargo_store.audit');

    $token = (pop @new)->{token} if $uri =~ /current$/;
    $uri =~ s/\{new\}/(pop @new)->{id}/e;

    my $r = $t->request($method, "/r/public$uri", body => $body,
                        Authorization => $token, %many);

    is($r->{status}, $status, "$line: done") or diag($r->{body});
    is($t->sql($query), $result, 'really');

    my @rows = split /\n/, $t->sql(
        'select account, token_name, address, status, before is distinct from'
        . " after from cargo_store.audit where id > $audited");
    my $name = $uri =~ /current$/ ? 'new' : 'of the walk';
    my $account = $uri =~ /message=/ ? 'admin' : 'boss';

    is("@rows", "$account|$name|127.0.0.1|$status|t",
       'one line in the audit log, with what it was and what it is');

    push @new, $r->json()->{api_token} if $r->{body} =~ /^\{"api_token"/;
}
