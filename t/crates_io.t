#!/usr/bin/perl

# What tools written for crates.io read: every path, its members and their
# types.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx(http => 'cargo_downloads_flush 100ms;', server => <<'CONF');
location ~ ^/r/(?<registry>[^/]+)/api/v1/ {
    cargo_registry $registry;
    cargo_api;
}
CONF

my $TIME = qr/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;

# A type ends with "?" when null will do.
my %USER = (
    id => 'int', login => 'str', name => 'str?', avatar => 'str?',
    url => 'str', github_username_matches => 'bool', created_at => 'time',
);
my %OWNER = (
    id => 'int', login => 'str', kind => 'str', url => 'str', name => 'str?',
    email => 'str?', avatar => 'str?',
);
my %TEAM = (
    id => 'int', login => 'str', kind => 'str', url => 'str', name => 'str',
    avatar => 'str?',
);
my %CRATE = (
    id => 'str', name => 'str', updated_at => 'time', versions => ['int'],
    keywords => ['str'], categories => ['str'], badges => ['str'],
    created_at => 'time', downloads => 'int', recent_downloads => 'int?',
    default_version => 'str', num_versions => 'int', yanked => 'bool',
    max_version => 'str', newest_version => 'str',
    max_stable_version => 'str?', description => 'str?', homepage => 'str?',
    documentation => 'str?', repository => 'str?',
    links => {
        map({ $_ => 'str' } qw(version_downloads owners owner_team owner_user
                               reverse_dependencies)),
        versions => 'str?',
    },
    exact_match => 'bool', trustpub_only => 'bool',
);
my %LISTED = (%CRATE, versions => 'null', categories => 'null');
my %VERSION = (
    id => 'int', crate => 'str', num => 'str', dl_path => 'str',
    readme_path => 'str', updated_at => 'time', created_at => 'time',
    downloads => 'int', features => 'any', yanked => 'bool',
    yank_message => 'str?', lib_links => 'str?', license => 'str?',
    links => { map { $_ => 'str' } qw(dependencies version_downloads
                                      authors) },
    crate_size => 'int', published_by => \%USER,
    audit_actions => [ { action => 'str', user => \%USER, time => 'time' } ],
    checksum => 'str', rust_version => 'str?', has_lib => 'bool',
    bin_names => 'any', edition => 'str?', description => 'str?',
    homepage => 'str?', documentation => 'str?', repository => 'str?',
    trustpub_data => 'null', linecounts => 'null',
);
my %DEPENDENCY = (
    id => 'int', version_id => 'int', crate_id => 'str', req => 'str',
    optional => 'bool', default_features => 'bool', features => ['str'],
    target => 'str?', kind => 'str', downloads => 'int',
);
my %DAY = (version => 'int', downloads => 'int', date => 'str');
my %KEYWORD = (
    id => 'str', keyword => 'str', created_at => 'time', crates_cnt => 'int',
);
my %CATEGORY = (
    id => 'str', category => 'str', slug => 'str', description => 'str',
    created_at => 'time', crates_cnt => 'int',
);
my %TOKEN = (
    id => 'int', name => 'str', created_at => 'time', last_used_at => 'time?',
    crate_scopes => 'any', endpoint_scopes => 'any', expired_at => 'time?',
);
my %TOTAL = (total => 'int');

# who asks for these has to say who it is
my $MINE = qr{^me\b|/following$};

my %ANSWER = (
    'crates/Foo-Bar' => {
        crate => \%CRATE, versions => [ \%VERSION ],
        keywords => [ \%KEYWORD ], categories => [ \%CATEGORY ],
    },
    'crates/foo_bar?include=' => {
        crate => { %CRATE, versions => 'null', keywords => 'null',
                   categories => 'null' },
        versions => 'null', keywords => 'null', categories => 'null',
    },
    'crates/Foo-Bar/1.0.0' => { version => \%VERSION },
    'crates/Foo-Bar/versions' => {
        versions => [ \%VERSION ],
        meta => { %TOTAL, next_page => 'null' },
    },
    'crates/Foo-Bar/versions?per_page=1&include=release_tracks' => {
        versions => [ \%VERSION ],
        meta => { %TOTAL, next_page => 'str', release_tracks => 'any' },
    },
    'crates/user/1.0.0/dependencies' => { dependencies => [ \%DEPENDENCY ] },
    'crates/Foo-Bar/1.0.0/downloads' => { version_downloads => [ \%DAY ] },
    'crates/Foo-Bar/downloads' => {
        version_downloads => [ \%DAY ],
        meta => { extra_downloads => 'any' },
    },
    'crates/Foo-Bar/downloads?include=versions' => {
        version_downloads => [ \%DAY ], versions => [ \%VERSION ],
        meta => { extra_downloads => 'any' },
    },
    'crates/Foo-Bar/1.0.0/authors' => {
        users => 'any', meta => { names => 'any' },
    },
    'crates/Foo-Bar/reverse_dependencies' => {
        dependencies => [ \%DEPENDENCY ], versions => [ \%VERSION ],
        meta => \%TOTAL,
    },
    'crates?keyword=tea&per_page=1' => {
        crates => [ \%LISTED ],
        meta => { %TOTAL, next_page => 'null', prev_page => 'null' },
    },
    'crates?page=1&per_page=1' => {
        crates => [ \%LISTED ],
        meta => { %TOTAL, next_page => 'str', prev_page => 'null' },
    },
    'crates/user/owners' => { users => [ \%OWNER ] },
    'crates/Foo-Bar/owner_user' => { users => [ \%OWNER ] },
    'crates/Foo-Bar/owner_team' => { teams => [ \%TEAM ] },
    'crates/Foo-Bar/following' => { following => 'bool' },
    'summary' => {
        num_downloads => 'int', num_crates => 'int',
        map({ $_ => [ \%LISTED ] } qw(new_crates most_downloaded
            most_recently_downloaded just_updated)),
        popular_keywords => [ \%KEYWORD ],
        popular_categories => [ \%CATEGORY ],
    },
    'keywords' => { keywords => [ \%KEYWORD ], meta => \%TOTAL },
    'keywords/tea' => { keyword => \%KEYWORD },
    'categories' => { categories => [ \%CATEGORY ], meta => \%TOTAL },
    'categories/web%3A%3Atea' => {
        category => { %CATEGORY, subcategories => 'any',
                      parent_categories => 'any' },
    },
    'category_slugs' => {
        category_slugs => [ { id => 'str', slug => 'str',
                              description => 'str' } ],
    },
    'users/alice' => { user => \%USER },
    'teams/team:tea' => { team => \%TEAM },
    'teams/tea' => { team => \%TEAM },
    'me' => {
        user => { %USER, email => 'str?', map { $_ => 'bool' }
                  qw(email_verified email_verification_sent is_admin
                     publish_notifications) },
        owned_crates => [ { id => 'int', name => 'str',
                            email_notifications => 'bool' } ],
    },
    'me/updates' => { versions => [ \%VERSION ], meta => { more => 'bool' } },
    'me/tokens' => { api_tokens => [ \%TOKEN ] },
    'me/crate_owner_invitations' => {
        crate_owner_invitations => 'any', users => 'any',
    },
    'site_metadata' => {
        deployed_sha => 'str', commit => 'str', cdn_base => 'str?',
        read_only => 'bool', banner_message => 'str?',
    },
);

my $token = $t->account('alice');

crates();
people();
answers();
readme();
not_found();
pages();
hostile();
methods();
apart();
private();

$t->done();


sub crates {
    my %readme = (readme => '# <b>Tea', readme_file => 'README.md',
                  keywords => ['tea'], categories => ['web::tea']);
    my $own = 'sparse+' . $t->base_url() . '/index/';

    for my $version ('0.9.0', '1.0.0') {
        release('Foo-Bar', $version, <<'TOML', { 'README.md' => '# <b>Tea' }, \%readme);
readme = "README.md"
keywords = ["tea"]
categories = ["web::tea"]
authors = ["Al <al@example.org>"]
TOML
    }

    release('user', '1.0.0', <<"TOML", {}, { deps => [ {
[dependencies]
Foo-Bar = { version = "1", registry-index = "$own" }
TOML
        name => 'Foo-Bar', version_req => '^1', features => [],
        optional => JSON::PP::false, default_features => JSON::PP::true,
        target => undef, kind => 'normal', registry => undef,
        explicit_name_in_toml => undef,
    } ] });

    is($t->get('/api/v1/crates/Foo-Bar/1.0.0/download')->{status}, 200,
       'downloaded');
    ok($t->wait_for(sub {
        $t->sql('select count(*) from cargo_store.version_downloads');
    }), 'and counted');
}


# A team that owns a crate, and an account that follows it.

sub people {
    $t->sql(<<'SQL');
insert into cargo_store.teams (name) values ('tea');
insert into cargo_store.team_owners (crate_id, team_id)
select c.id, t.id from cargo_store.crates c, cargo_store.teams t
 where c.name = 'Foo-Bar';
SQL

    my $r = $t->put('/api/v1/crates/foo-bar/follow', '',
                    Authorization => $token);

    is($r->{status}, 200, 'followed') or diag($r->{body});

    my ($id, $stats) = map { $t->sql($_) }
        "select id from cargo_store.accounts where login = 'alice'",
        'select sum(downloads) from cargo_store.crate_downloads';
    my ($one) = $t->sql('select id from cargo_store.tokens order by id');

    $ANSWER{"users/$id/stats"} = { total_downloads => 'int' };
    $ANSWER{"me/tokens/$one"} = { api_token => \%TOKEN };

    is($t->get("/api/v1/users/$id/stats")->json()->{total_downloads}, $stats,
       'downloads of a user');
}


sub release {
    my ($name, $version, $toml, $files, $metadata) = @_;

    my $r = $t->publish($token, { name => $name, vers => $version,
                                  %{ $metadata // {} } },
        files => { 'src/lib.rs' => '', %$files }, manifest => <<"TOML");
[package]
name = "$name"
version = "$version"
edition = "2021"
description = "A crate of a test"
license = "MIT"
$toml
TOML

    is($r->{status}, 200, "$name $version") or diag($r->{body});
}


sub answers {
    for my $path (sort keys %ANSWER) {
        my $r = $t->get("/api/v1/$path", Authorization => $token);
        my @wrong;

        compare($r->json(), $ANSWER{$path}, '', \@wrong);

        is($r->{status}, 200, $path) or diag($r->{body});
        is(join("\n", @wrong), '', 'all members, each of its type');
        is($r->header('Content-Type'), 'application/json', 'JSON');
        is($r->header('Cache-Control'), 'private, no-cache',
           'for who has asked');
        is($t->head("/api/v1/$path", Authorization => $token)->{status}, 200,
           'HEAD');
    }
}


sub compare {
    my ($value, $type, $where, $wrong) = @_;

    if (ref $type eq 'HASH') {
        if (ref $value ne 'HASH') {
            push @$wrong, "$where is no object";
            return;
        }

        push @$wrong, "$where lacks $_"
            for grep { !exists $value->{$_} } sort keys %$type;
        push @$wrong, "$where has $_"
            for grep { !exists $type->{$_} } sort keys %$value;
        compare($value->{$_}, $type->{$_}, "$where.$_", $wrong)
            for grep { exists $value->{$_} } sort keys %$type;

    } elsif (ref $type) {
        push @$wrong, "$where is no array with something in it"
            if ref $value ne 'ARRAY'
               || !@$value && $where !~ /\.(?:features|keywords|badges)$/;
        compare($_, $type->[0], "$where\[]", $wrong)
            for ref $value eq 'ARRAY' ? @$value : ();

    } elsif (!is_of($value, $type)) {
        push @$wrong, "$where is not $type: " . ($value // 'null');
    }
}


sub is_of {
    my ($value, $type) = @_;

    return 1 if $type eq 'any';
    return $type eq 'null' || $type =~ /\?$/ if !defined $value;
    return 0 if $type eq 'null';
    return JSON::PP::is_bool($value) if $type eq 'bool';
    return 0 if ref $value;
    return $value =~ $TIME if $type eq 'time';

    my $text = JSON::PP->new->allow_nonref->encode($value);

    return $type =~ /^int/ ? $text =~ /^\d+$/ : $text =~ /^"/;
}


sub readme {
    my $path = '/api/v1/crates/foo-bar/1.0.0/readme';
    my $r = $t->get($path);

    is($r->{status}, 200, 'readme');
    is($r->{body}, '# <b>Tea', 'its source');
    like($r->header('Content-Type'), qr{^text/plain}, 'as text');
    is($r->header('X-Content-Type-Options'), 'nosniff', 'really');

    is_deeply($t->get($path, Accept => 'application/json')->json(),
              { url => $t->base_url() . $path }, 'or where it is');

    $r = $t->get('/api/v1/crates/user/1.0.0/readme');

    is($r->{status}, 404, 'no readme');
    is($r->detail(), 'crate `user` version `1.0.0` has no readme', 'says so');
}


sub not_found {
    my %says = (
        'crates/new' => 'crate `new` does not exist',
        'crates/nobody' => 'crate `nobody` does not exist',
        'crates/nobody/versions' => 'crate `nobody` does not exist',
        'crates/nobody/1.0.0' => 'crate `nobody` does not exist',
        'crates/n%C3%A4' => "crate `n\x{e4}` does not exist",
        'crates/Foo-Bar/7.0.0'
            => 'crate `Foo-Bar` does not have a version `7.0.0`',
        'crates/Foo-Bar/nothing'
            => 'crate `Foo-Bar` does not have a version `nothing`',
        'crates/Foo-Bar/1.0.0+x/authors'
            => 'crate `Foo-Bar` does not have a version `1.0.0+x`',
        'keywords/nothing'
            => 'Not Found: no crate has the keyword `nothing`',
        'categories/nothing'
            => 'Not Found: no crate has the category `nothing`',
        'users/nobody' => 'Not Found: there is no user `nobody`',
        'users/0/stats' => 'Not Found: there is no user with the id `0`',
        'teams/nobody' => 'Not Found: there is no team `nobody`',
        'crates/nobody/owners' => 'crate `nobody` does not exist',
        'crates/nobody/owner_team' => 'crate `nobody` does not exist',
    );

    for my $path (sort keys %says) {
        my $r = $t->get("/api/v1/$path");

        is($r->{status}, 404, $path);
        is($r->detail(), $says{$path}, 'says so');
    }

    release('new', '1.0.0', '', {});
    is($t->get('/api/v1/crates/new')->json()->{crate}{name}, 'new',
       'a crate called new');
}


sub pages {
    my $path = '/api/v1/crates/Foo-Bar/versions';
    my $query = '?per_page=1';
    my (@nums, @names);

    while (defined $query && @nums < 5) {
        my $json = $t->get("$path$query")->json();

        push @nums, map { $_->{num} } @{ $json->{versions} };
        $query = $json->{meta}{next_page};
    }

    is_deeply(\@nums, [ '1.0.0', '0.9.0' ], 'page by page');

    $query = '?per_page=1&ids[]=user&ids[]=FOO_BAR&sort=downloads';

    while (defined $query && @names < 5) {
        my $json = $t->get("/api/v1/crates$query")->json();

        push @names, map { $_->{name} } @{ $json->{crates} };
        $query = $json->{meta}{next_page};
    }

    is_deeply(\@names, [ 'Foo-Bar', 'user' ], 'crates too');
    is_deeply([ map { $_->{num} } @{ $t->get("$path?nums[]=0.9.0&nums%5B%5D=7")
                                     ->json()->{versions} } ],
              [ '0.9.0' ], 'some versions');
    is(scalar @{ $t->get('/api/v1/keywords?per_page=1&page=2')
                 ->json()->{keywords} }, 0, 'an empty page');
}


sub hostile {
    my @values = ('', '0', '-1', '101', '1e9', '9' x 400, 'x', '%27%22%3B--',
                  '%25_', '%C3%A4', '%00', '%ff', 'a' x 2000);
    my @paths = grep { !/\?/ } sort keys %ANSWER;
    my @wrong;

    for my $path (@paths) {
        for my $name (qw(per_page page seek sort nums[] include before_date)) {
            for my $value (@values) {
                my $r = $t->get("/api/v1/$path?$name=$value",
                                Authorization => $token);

                push @wrong, "$path?$name=" . substr($value, 0, 20)
                             . ": $r->{status}"
                    if $r->{status} !~ /^(?:200|400)$/
                       || $r->{status} == 400 && !$r->detail();
            }
        }
    }

    for my $name (qw(q category keyword all_keywords letter user_id team_id
                     following ids[] include_yanked seek))
    {
        for my $value (@values) {
            my $r = $t->get("/api/v1/crates?$name=$value",
                            Authorization => $token);

            push @wrong, "crates?$name=" . substr($value, 0, 20)
                         . ": $r->{status}"
                if $r->{status} !~ /^(?:200|400)$/
                   || $r->{status} == 400 && !$r->detail();
        }
    }

    is(join("\n", @wrong), '', 'any argument is 200 or 400');

    for my $path (qw(crates crates/Foo-Bar crates/Foo-Bar/1.0.0 keywords
                     categories users teams me/tokens))
    {
        for my $name (grep { length } @values) {
            my $r = $t->get("/api/v1/$path/$name");

            like($r->{status}, qr/^4\d\d$/,
                 "$path/" . substr($name, 0, 20) . ' is refused');
        }
    }
}


sub methods {
    my %allow = (
        'crates/new' => 'GET, HEAD, PUT, DELETE', 'summary' => 'GET, HEAD',
        'crates/Foo-Bar' => 'GET, HEAD, DELETE', 'keywords/tea' => 'GET, HEAD',
        'crates/Foo-Bar/owners' => 'GET, HEAD, PUT, DELETE',
        'crates/Foo-Bar/1.0.0/yank' => 'DELETE',
    );

    for my $path (sort keys %allow) {
        my $r = $t->post("/api/v1/$path", '');

        is($r->{status}, 405, "POST $path");
        is($r->header('Allow'), $allow{$path}, 'says what is allowed');
    }
}


sub apart {
    $t->registry('other');
    $t->account('olga', registry => 'other');

    for my $path (grep { m{^(?:crates|keywords|categories|users|teams)/} }
                  grep { !/$MINE/ } sort keys %ANSWER)
    {
        is($t->get("/r/other/api/v1/$path")->{status}, 404,
           "not there: $path");
    }

    is($t->get('/r/other/api/v1/summary')->json()->{num_crates}, 0, 'empty');
    is($t->get('/r/nowhere/api/v1/summary')->{status}, 404, 'no registry');
    is($t->get("/r/other/api/v1/$_", Authorization => $token)->{status}, 403,
       "nobody there: $_") for grep { /$MINE/ } sort keys %ANSWER;
}


sub private {
    my $me = $t->get('/api/v1/me');

    is($t->get('/api/v1/summary')->header('Cache-Control'),
       'public, no-cache', 'what nobody is told is for all, for this moment');

    is($me->{status}, 403, 'me: without a token');
    like($me->detail(), qr/^this action requires authentication/, 'says so');
    is($t->get('/api/v1/crates?following=1')->{status}, 403, 'nor a list');

    $t->cargoctl('registry', 'set', 'main', 'auth_required=true');

    for my $path ((grep { !/$MINE/ } sort keys %ANSWER),
                  'crates/nobody', 'crates/Foo-Bar/1.0.0/readme')
    {
        my $r = $t->get("/api/v1/$path");

        is($r->{status}, 401, "private: $path");
        like($r->header('WWW-Authenticate') // '', qr/^Cargo login_url=/,
             'with where to log in');
    }

    is($t->get('/api/v1/crates/Foo-Bar', Authorization => $token)->{status},
       200, 'with a token');
    is($t->get("/api/v1/$_")->{status}, 403, "private: $_")
        for grep { /$MINE/ } sort keys %ANSWER;
}
