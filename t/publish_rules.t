#!/usr/bin/perl

# The rules that the database decides: who may publish what, which names and
# numbers are taken, and the settings of a registry.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Store;

my $CRATES_IO = 'https://github.com/rust-lang/crates.io-index';

my $MISSING = 'missing or empty metadata fields: %s. Please see '
    . 'https://doc.rust-lang.org/cargo/reference/manifest.html for more '
    . 'information on configuring these fields';

my $NOT_OWNER = "this crate exists but you don't seem to be an owner.";

my $t = Test::Cargo->new();

$t->postgres();
$t->nginx();

my $alice = $t->account('alice');
my $bob = $t->account('bob');
my $root = $t->account('root', role => 'admin');

once_more();
build_metadata();
yanked_still_occupies();
owners();
spelling();
reserved_names();
required_metadata();
limits();
wildcards();
unknown_dependencies();

$t->done();


sub refused {
    my ($r, $detail, $rule, $status) = @_;

    is("$r->{status} " . ($r->detail() // $r->{body}),
       ($status // 400) . " $detail", $rule);
}


sub accepted {
    my ($r, $rule) = @_;

    is($r->{status}, 200, $rule) or diag($r->{body});
}


sub document { return $t->get($t->index_path($_[0]))->{body} }


sub set {
    my (@settings) = @_;

    my ($rc, $out, $err) = $t->cargoctl('registry', 'set', 'main', @settings);

    is($rc, 0, "registry set @settings") or diag($out . $err);
}


# One crate from lines of [package], lines after it, and JSON that agrees.

sub publish {
    my ($token, $name, $version, $package, $tables, %json) = @_;

    return $t->publish($token, { name => $name, vers => $version, %json },
        manifest => "[package]\nname = \"$name\"\nversion = \"$version\"\n"
                    . "edition = \"2021\"\n$package\n$tables");
}


sub once_more {
    my %foo = (name => 'foo', vers => '1.0.0');
    my $crate = $t->crate();

    accepted($t->publish($alice, \%foo, crate => $crate), 'the first upload');

    my ($rows, $before) = (rows($t), document('foo'));

    my $r = $t->publish($alice, \%foo, crate => $crate);

    accepted($r, 'the same upload by the same account once more');
    like($r->{body}, qr/^\{"warnings":/, 'gets the same answer');
    is(rows($t), $rows, 'and makes no row');
    is(document('foo'), $before, 'and leaves the index as it was');

    refused($t->publish($root, \%foo, crate => $crate),
            'crate version `1.0.0` is already uploaded',
            'the same upload by another account that may publish it');

    my $other = $t->crate(files => { 'README.md' => 'other' });

    refused($t->publish($alice, \%foo, crate => $other),
            'crate version `1.0.0` is already uploaded',
            'another archive for a version that is there');
    is(rows($t), $rows, 'nothing was written');
    is(document('foo'), $before, 'nor changed');

    accepted($t->publish($alice, { %foo, vers => '1.0.1' }), 'a next version');
}


sub build_metadata {
    my $crate = $t->crate(name => 'build', version => '1.0.0+a');
    my %build = (name => 'build', vers => '1.0.0+a');

    accepted($t->publish($alice, \%build, crate => $crate),
             'a version with build metadata');
    accepted($t->publish($alice, \%build, crate => $crate),
             'and the same once more');

    for my $version ('1.0.0+b', '1.0.0') {
        refused($t->publish($alice, { name => 'build', vers => $version }),
                'crate version `1.0.0` is already uploaded',
                "$version is the same version as 1.0.0+a");
    }

    accepted($t->publish($alice, { name => 'build', vers => '1.0.0-b+a' }),
             'a pre-release is another one');
    is_deeply([ document('build') =~ /"vers":"([^"]+)"/g ],
              ['1.0.0+a', '1.0.0-b+a'], 'the index has build metadata');
}


sub yanked_still_occupies {
    my $crate = $t->crate(name => 'yanked');

    accepted($t->publish($alice, { name => 'yanked' }, crate => $crate),
             'a version that will be yanked');
    is($t->delete('/api/v1/crates/yanked/1.0.0/yank',
                  Authorization => $alice)->{status}, 200, 'is yanked');

    my $line = document('yanked');

    like($line, qr/"yanked":true/, 'as the index says');
    refused($t->publish($alice, { name => 'yanked' },
                        files => { 'a' => 'other' }),
            'crate version `1.0.0` is already uploaded',
            'a yanked version occupies its number');
    accepted($t->publish($alice, { name => 'yanked' }, crate => $crate),
             'the same upload once more');
    is(document('yanked'), $line, 'does not undo the yank');
}


sub owners {
    my $rows = rows($t);
    my $r = $t->publish($bob, { name => 'foo', vers => '2.0.0' });

    is($r->{status}, 403, 'somebody else\'s crate is 403');
    is($r->detail(), "$NOT_OWNER To have this version published, ask one of "
       . 'its owners: alice', 'and says whom to ask');
    is(rows($t), $rows, 'nothing was written');

    $r = $t->publish($bob, { name => 'FOO', vers => '1.0.0' });

    is($r->{status}, 403, 'ownership is looked at before spelling and number');

    accepted($t->publish($root, { name => 'foo', vers => '2.0.0' }),
             'an administrator of the registry may');
    is($t->sql('select string_agg(login, \',\') from cargo_store.owners'
               . ' join cargo_store.accounts a on a.id = account_id'
               . ' join cargo_store.crates c on c.id = crate_id'
               . " where c.name = 'foo'"), 'alice',
       'and does not become an owner by it');
}


sub spelling {
    accepted($t->publish($alice, { name => 'Foo-Bar' }), 'Foo-Bar');

    for my $name (qw(foo-bar foo_bar FOO-BAR Foo_Bar)) {
        refused($t->publish($alice, { name => $name, vers => '1.0.1' }),
                'crate was previously named `Foo-Bar`', "$name is the same");
    }

    accepted($t->publish($alice, { name => 'foobar' }), 'foobar is another');
    is($t->get('/index/fo/o_/foo_bar')->{status}, 404,
       'no other spelling got into the index');
}


sub reserved_names {
    my $rows = rows($t);

    for my $name (qw(std STD core nul Com1 lpt9 proc-macro proc_macro
                     compiler_builtins Rust_Installer test))
    {
        refused($t->publish($root, { name => $name }),
                'cannot upload a crate with a reserved name; ask an'
                . ' administrator of the registry',
                "$name is reserved");
    }

    is(rows($t), $rows, 'nothing was written');

    accepted($t->publish($alice, { name => $_ }), "$_ is not reserved")
        for qw(new com10 st_d);
}


sub required_metadata {
    my ($d, $l) = ("description = \"d\"\n", "license = \"MIT\"\n");

    for my $row (
        ['no description', $l, 'description'],
        ['an empty one', "description = \"\"\n$l", 'description'],
        ['a blank one', "description = \" \"\n$l", 'description'],
        ['no license', $d, 'license'],
        ['an empty one', "license = \"\"\n$d", 'license'],
        ['neither', '', 'description, license'],
    ) {
        my ($case, $package, $fields) = @$row;

        refused(publish($alice, 'meta', '1.0.0', $package, ''),
                sprintf($MISSING, $fields), "$case: missing $fields");
    }

    accepted(publish($alice, 'meta', '1.0.0', "${d}license-file = \"L\"", ''),
             'a license file is as good as a license');

    set('require_description=off');
    accepted(publish($alice, 'meta', '1.0.1', $l, ''), 'so none is needed');
    refused(publish($alice, 'meta', '1.0.2', '', ''),
            sprintf($MISSING, 'license'), 'a license still is');

    set('require-license=off');
    accepted(publish($alice, 'meta', '1.0.2', '', ''), 'nor is that');

    set('require_description=on', 'require_license=on');
    refused(publish($alice, 'meta', '1.0.3', '', ''),
            sprintf($MISSING, 'description, license'), 'both are again');
}


# For each limit: at it, one more, and one more with a higher limit.

sub limits {
    my $version = 0;

    my @rows = (
        ['description_max', 1000, sub { 'description = "' . ("\xc3\xa4" x $_[0])
            . "\"\nlicense = \"MIT\"\n", '' },
         'The `description` is too long. A maximum of %d characters are '
         . 'currently allowed.'],
        ['max_keywords', 5, sub { list('keywords', 'k', @_), '' },
         'expected at most %d keywords per crate'],
        ['max_categories', 5, sub { list('categories', 'c', @_), '' },
         'expected at most %d categories per crate'],
        ['max_features', 300, sub { list('authors', 'a', 1), "[features]\n"
            . join '', map { "f$_ = []\n" } 1 .. $_[0] },
         'this registry allows at most %d features, the crate has %d',
         sub { features => { map { ("f$_" => []) } 1 .. $_[0] } }],
        ['max_dependencies', 500, sub { list('authors', 'a', 1),
            "[dependencies]\n" . join '', map { "d$_ = \"1\"\n" } 1 .. $_[0] },
         'this registry allows at most %d dependencies, the crate has %d',
         sub { deps => [ map { { name => "d$_", version_req => '^1',
                                 kind => 'normal', registry => $CRATES_IO }
                       } 1 .. $_[0] ] }],
    );

    for my $row (@rows) {
        my ($setting, $max, $manifest, $text, $json) = @$row;

        my $sentence = sub { $text =~ s/%d/shift @_/ger };

        my $try = sub {
            return publish($alice, 'limits', '1.0.' . $version++,
                           $manifest->($_[0]), $json ? $json->($_[0]) : ());
        };

        accepted($try->($max), "$setting: $max are allowed");
        refused($try->($max + 1), $sentence->($max, $max + 1),
                "$setting: one more is not");
        set("$setting=" . ($max + 1));
        accepted($try->($max + 1), "$setting can be raised");
        set("$setting=1");
        refused($try->(2), $sentence->(1, 2), "$setting can be lowered");
        set("$setting=$max");
    }
}


sub list {
    my ($key, $value, $n) = @_;

    return "description = \"d\"\nlicense = \"MIT\"\n$key = ["
           . join(', ', map { "\"$value$_\"" } 1 .. $n) . "]\n";
}


sub using {
    my ($version, $req, $registry, $name) = @_;

    my $index = $registry ? '' : ', registry-index = "sparse+'
                                 . $t->base_url() . '/index/"';

    return publish($alice, 'using', $version, list('authors', 'a', 1),
        "[dependencies]\n$name = { version = \"$req\"$index }\n",
        deps => [ { name => $name, version_req => $req, kind => 'normal',
                    registry => $registry } ]);
}


sub wildcards {
    my $text = 'wildcard (`*`) dependency constraints are not allowed in this '
               . 'registry. Crate with this problem: `foo`';

    refused(using('1.0.0', '*', undef, 'foo'), $text, 'a wildcard');
    refused(using('1.0.0', ' * ', $CRATES_IO, 'foo'), $text,
            'on another registry too');
    accepted(using('1.0.0', '1.*', undef, 'foo'), '1.* is no wildcard');

    set('allow_wildcard_dependencies=on');
    accepted(using('1.0.1', '*', undef, 'foo'), 'wildcards can be allowed');
    set('allow_wildcard_dependencies=off');
}


sub unknown_dependencies {
    refused(using('2.0.0', '^1', undef, 'nobody'),
            'no known crate named `nobody`', 'a crate that is not there');
    refused(using('2.0.0', '^1', undef, 'foo-bar'),
            'no known crate named `foo-bar`; did you mean `Foo-Bar`?',
            'spelling counts, since it does for cargo');
    accepted(using('2.0.0', '^99', undef, 'Foo-Bar'),
             'whether the version is there does not matter');
    accepted(using('2.0.1', '^1', $CRATES_IO, 'nobody'),
             'nor does what other registries have');
    accepted(using('2.0.2', '^1', undef, 'using'), 'a crate may use itself');

    refused(publish($alice, 'selfish', '1.0.0', list('authors', 'a', 1),
            "[dev-dependencies]\nabsent = { version = \"1\", registry-index ="
            . ' "sparse+' . $t->base_url() . "/index/\" }\n",
            deps => [ { name => 'absent', version_req => '^1',
                        kind => 'dev' } ]),
            'no known crate named `absent`', 'for development too');
    is($t->get('/index/se/lf/selfish')->{status}, 404,
       'a refused first version leaves no crate');

    set('allow_unknown_dependencies=on');

    my $r = using('2.0.3', '^1', undef, 'nobody');

    accepted($r, 'unknown crates can be allowed');
    is_deeply($r->json()->{warnings}{other},
              ['no known crate named `nobody`'], 'and are warned of');
}
