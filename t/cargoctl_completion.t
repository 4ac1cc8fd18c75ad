#!/usr/bin/perl

# What cargoctl prints about itself: the completion, in a bash that sources
# it, and the manual page, under the eyes of those who check such pages.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $t = Test::Cargo->new();
my $cargoctl = $ENV{CARGOCTL} // $t->objs() . '/cargoctl';

plan skip_all => "there is no $cargoctl" if !-x $cargoctl;

my $NOTHING = '';

# a command line up to the cursor => what may come next
my @LINES = (

    'cargoctl mig' => 'migrate',
    'cargoctl reg' => 'registry',
    'cargoctl re' => 'rebuild registry restore',
    'cargoctl registry ' => 'create list set',
    'cargoctl crate de' => 'delete deletions deny',
    'cargoctl sweep ' => $NOTHING,
    'cargoctl frob ' => $NOTHING,

    'cargoctl help cr' => 'crate',
    'cargoctl help token r' => 'revoke',
    'cargoctl help import ' => $NOTHING,
    'cargoctl team help ' => $NOTHING,

    'cargoctl --' => '--help --version',
    'cargoctl sweep --' => '--blobs --database --dry-run --grace --help'
                           . ' --json --quiet',
    'cargoctl crate delete x --f' => '--force',
    'cargoctl crate deletions --f' => $NOTHING,
    'cargoctl --json token create --e' => '--expires',
    'cargoctl --database x token cr' => 'create',
    'cargoctl --database = x token cr' => 'create',
    'cargoctl man --' => '--help',

    'cargoctl account grant x --role ' => 'admin maintainer none publisher'
                                          . ' reader',
    'cargoctl account grant x --role ma' => 'maintainer',
    'cargoctl account grant x --role =' => 'admin maintainer none publisher'
                                           . ' reader',
    'cargoctl account grant x --role = ma' => 'maintainer',
    'cargoctl account create --name ' => $NOTHING,
    'cargoctl audit --action unf' => 'unfollow',
    'cargoctl token create x --scope pub' => 'publish-new publish-update',
    'cargoctl token create x --scope read,ya' => 'read,yank',
    'cargoctl token create x --scope = read,ya' => 'read,yank',
    'cargoctl import --dependencies ' => 'crates-io own',

    'cargoctl registry create ' => $NOTHING,
    'cargoctl registry create x max-f' => 'max-features=',
    'cargoctl registry set x auth-required = on qu' => 'quarantine-days=',
    'cargoctl registry set x auth-required =' => 'off on',
    'cargoctl registry set x auth-required = of' => 'off',
    'cargoctl registry set x new-crates = ad' => 'admin',
    'cargoctl registry set x max-features = ' => $NOTHING,

    'cargoctl import ' => 'a dir|mirror',
    'cargoctl import m' => 'mirror',
    'cargoctl export --registry x ' => 'a dir|mirror',
    'cargoctl import a ' => $NOTHING,
    'cargoctl sweep --blobs ' => 'a dir|mirror',
    'cargoctl export --lock Ca' => 'Cargo.lock',
    'cargoctl completion ' => 'bash',
);

completion();
SKIP: { interactive() }
manual();
lint('mandoc', '-T', 'lint', '-W', 'style');
lint('man', '--warnings', '-l');

$t->done();


sub ctl {
    my (@args) = @_;

    return $t->run(command => [ $cargoctl, @args ]);
}


sub completion {
    my ($rc, $script, $err) = ctl('completion', 'bash');

    is($rc, 0, 'completion bash');
    is($err, '', '... says nothing else');
    $t->write_file('completion', $script);

    is((ctl('completion', 'fish'))[0], 2, 'no other shell');
    like((ctl('completion', 'fish'))[2], qr/"fish", only for bash/,
         '... is known');

    mkdir "$t->{dir}/typed-in" or die "mkdir: $!\n";
    mkdir "$t->{dir}/typed-in/$_" or die "mkdir: $!\n" for 'a dir', 'mirror';
    $t->write_file('typed-in/Cargo.lock', '');

    while (my ($line, $next) = splice @LINES, 0, 2) {
        is(complete($line), $next, "$line<TAB>");
    }
}


# what bash would offer, sorted; words are separated as bash separates them

sub complete {
    my ($line) = @_;

    my ($rc, $out, $err) = $t->run(
        command => [ 'bash', '--norc', '-c', <<'BASH', 'bash',
. ../completion
COMP_WORDS=("$@")
COMP_CWORD=$(($# - 1))
_cargoctl
printf '%s\n' "${COMPREPLY[@]}"
BASH
                     split / /, $line, -1 ],
        dir => "$t->{dir}/typed-in",
    );

    die "bash: $err" if $err ne '';

    my @words = sort grep { $_ ne '' } split /\n/, $out;

    return join grep({ / / } @words) ? '|' : ' ', @words;
}


# by the key itself, as bash looks for the function and asks it

sub interactive {
    skip('there is no script(1)', 2)
        if system('script -V >/dev/null 2>&1') != 0;

    my ($dir) = $cargoctl =~ m{(.*)/};

    my ($rc, $out) = $t->run(
        command => [ 'script', '-qec', 'bash --norc --noprofile -i',
                     '/dev/null' ],
        env => { PATH => "$dir:$ENV{PATH}", TERM => 'dumb', HISTFILE => undef },
        input => ". $t->{dir}/completion\n"
                 . "cargoctl hel\ttok\tcre\t\n"
                 . "cargoctl help acc\tgr\t\n"
                 . "exit\n",
        timeout => 30,
    );

    like($out, qr/^usage: cargoctl token create LOGIN/m,
         'the key completes the words of a command');
    like($out, qr/^usage: cargoctl account grant LOGIN/m, '... of another');
}


sub manual {
    my ($rc, $page, $err) = ctl('man');

    is($rc, 0, 'man');
    is($err, '', '... says nothing else');
    $t->write_file('cargoctl.8', $page);

    is_deeply([ $page =~ /^\.SH (.*)/mg ],
              [ qw(NAME SYNOPSIS DESCRIPTION COMMANDS OPTIONS SETTINGS
                   ENVIRONMENT), 'EXIT STATUS', 'FILES', 'EXAMPLES',
                'SEE ALSO' ], '... has the sections of a page');

    my ($help) = (ctl('help'))[1] =~ /^Commands:\n(.*?)\n\n/ms;
    my @commands = $help =~ /^  (\w+(?: \w+)?) /mg;
    my @missing = grep { $page !~ /^\.B "$_\b/m } @commands;

    ok(@commands > 40, '... of all commands');
    is("@missing", '', '... that the help has');

    my %options;

    for my $command (@commands) {
        my ($list) = (ctl('help', split / /, $command))[1]
                     =~ /^Options:\n(.*)/ms;
        $options{$_} = 1 for ($list // '') =~ /^  (--[a-z-]+)/mg;
    }

    s/-/\\-/g for my @escaped = sort keys %options;
    @missing = grep { $page !~ /^\.BI? "\Q$_\E"/m } @escaped;

    ok(@escaped > 25, '... and options');
    is("@missing", '', '... of those');
}


sub lint {
    my ($tool, @options) = @_;

    SKIP: {
        if (system("command -v $tool >/dev/null 2>&1") != 0) {
            diag("$tool is not installed: nobody checks the manual page");
            skip("there is no $tool", 2);
        }

        my ($rc, $out, $err) = $t->run(
            command => [ $tool, @options, $t->path('cargoctl.8') ],
            env => { MANWIDTH => 80, MANPAGER => 'cat' },
        );

        is($rc, 0, "$tool reads the page");
        is($tool eq 'man' ? $err : $out, '', '... and has nothing to say');
    }
}
