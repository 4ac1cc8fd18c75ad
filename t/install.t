#!/usr/bin/perl

# conf/install-packages.sh, with stand-ins for dpkg and apt: what it would
# install, what it says, and that no service is started meanwhile.

use strict;
use warnings;

use FindBin;
use Test::More;

use lib "$FindBin::Bin/lib";

use Test::Cargo;

my $POLICY = '/usr/sbin/policy-rc.d';

my $t = Test::Cargo->new()->plan(15);
my $bin = $t->dir() . '/bin';
my $had_policy = -e $POLICY;

program('dpkg-query', <<'SH');
for package; do :; done
case " $MISSING " in *" $package "*) exit 1 ;; esac
echo "ii "
SH

program('apt-get', <<"SH");
echo "\$@" >> $bin/asked
$POLICY nginx start; echo "policy \$?" >> $bin/asked
exit \${APT:-0}
SH

program('id', 'echo ${ID:-0}');

my ($rc, $out) = install('', 'build', 'run', 'test');

is($rc, 0, 'nothing is missing');
is($out, '', 'nothing is said');

($rc, $out) = install('nginx-dev libjansson-dev', 'build', 'run');

is($rc, 0, 'two packages are missing');
is($out, "installing Debian packages: libjansson-dev nginx-dev\n",
   'one line says which');
is((split /\n/, asked())[0], 'install -q -y --no-install-recommends'
   . ' libjansson-dev nginx-dev', 'these are installed');

SKIP: {
    skip('not root', 2) if $> != 0;

    like(asked(), qr/^policy 101$/m, 'no service may start meanwhile');
    is(-e $POLICY ? 1 : 0, $had_policy ? 1 : 0, 'and may again afterwards');
}

($rc, $out) = install('nginx', 'build');
is($out, '', 'what another set needs is left out');

{
    local $ENV{APT} = 100;

    ($rc, $out) = install('gcc', 'build');
    is($rc, 1, 'apt-get fails');
    like($out, qr/^install-packages: apt-get could not install them/m,
         'says so');
    like(asked(), qr/^update -q$/m, 'not without having asked for new lists');
}

{
    local $ENV{ID} = 1000;

    ($rc, $out) = install('gcc', 'build');
    is($rc, 1, 'neither root nor sudo');
    like($out, qr/^install-packages: .* as root, run `apt-get install gcc`$/,
         'what to do');

    program('sudo', 'echo "sudo $*"');

    ($rc, $out) = install('gcc', 'build');
    is($rc, 0, 'sudo');
    like($out, qr{^sudo -- \S+/install-packages\.sh build\n\z}, 'is asked');
}


# Only these programs are found, so that the sudo of this machine is not.

sub install {
    my ($missing, @sets) = @_;

    for my $name (qw(sh bash grep sort paste cut ls tail sed head rm chmod)) {
        my ($path) = grep { -x } map { "$_/$name" } qw(/usr/bin /bin);
        symlink $path, "$bin/$name" if !-e "$bin/$name";
    }

    unlink "$bin/asked";

    return $t->run(
        command => [ $t->root() . '/conf/install-packages.sh', @sets ],
        env => { PATH => $bin, MISSING => $missing }, merge => 1,
    );
}


sub asked { return $t->read_file('bin/asked') // '' }


sub program {
    my ($name, $text) = @_;

    chmod 0755, $t->write_file("bin/$name", "#!/bin/sh\n$text\n")
        or die "chmod $name: $!\n";
}
