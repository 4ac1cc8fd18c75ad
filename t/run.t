#!/usr/bin/perl

# `make run`: the first start, the second, what it refuses, and that nothing
# stays behind.

use strict;
use warnings;

use File::Path qw(make_path);
use FindBin;
use IO::Socket::INET;
use Test::More;

use lib "$FindBin::Bin/lib";

use Test::Cargo;

my $t = Test::Cargo->new();

plan(skip_all => 'no cargo') if !Test::Cargo::Client::cargo_binary();
$t->plan(62);

my $port = $t->port();
my $data = $t->dir() . '/var';


# the first start

my $run = start_run(DATA => $data, PORT => $port, make => 1);

ok($run->{up}, 'the first start') or diag(output($run));

# make may have built something before
my $printed = output($run) =~ s/.*?(?=\nThe registry is at)//sr;
my $token = $t->read_file('var/admin-token') // '';
my $index = "sparse+http://127.0.0.1:$port/index/";

like($token, qr/^ngxcargo_[0-9A-Za-z]{38}\n$/, 'a token');
is(mode("$data/admin-token"), '0600', 'that nobody else can read');
like($t->read_file('var/cargo-config.toml'), qr/^index = "\Q$index\E"$/m,
     'cargo-config.toml');
like($printed, qr/^ +\[registries\.main\]\n +index = "\Q$index\E"$/m,
     'the same is printed');
unlike($printed, qr/ngxcargo_/, 'the token is not');
like($printed, qr/^ +credential-provider = \["cargo:token"\]$/m,
     'with what cargo needs to know of tokens');
like($printed, qr{\$CARGO_HOME; `cargo install` reads only\s+that},
     'where it belongs');
like($printed, qr{^\Q$data\E/cargo-config\.toml holds it}m,
     'and which file has it');

my $config = $t->get('/index/config.json');

is($config->{status}, 200, 'the registry answers');
is($config->json()->{api}, "http://127.0.0.1:$port", 'with the base URL');
my ($url) = $printed =~ m{^The registry is at http://127\.0\.0\.1:$port(/\S*)}m;
is($t->get($url // '/')->{status}, 200, 'the URL it prints is a page');
unlike($t->read_file('var/error.log'), qr/\[emerg\]/,
       'nginx got along with its environment');
is(listening_on_tcp(processes()), "127.0.0.1:$port", 'nothing else listens');


# what it prints works

my ($config_lines) = $printed =~ /^( +\[registries.*?)\n\n/ms;
my ($login) = $printed =~ /^ +(cargo login .*)$/m;
my @publish = $printed =~ /^ +(cargo new .*\n.*\n.*cargo publish .*)$/m;

$config_lines =~ s/^ +//mg;

is(scalar @publish, 1, 'three lines for a first publish');

$t->cargo_config();
my $own = $t->read_file('cargo-home/config.toml');
$own =~ s/^\[registries.*?\n\n//ms or die "no registry in:\n$own";
$own =~ s/^\[registry\]\ndefault.*\n/[registry]\n/m or die "no default in $own";
$t->write_file('cargo-home/config.toml', "$config_lines\n\n$own");

my ($rc, $out) = paste($login);
is($rc, 0, 'the login line') or diag($out);

($rc, $out) = paste(map { s/^ +//mgr } @publish);
is($rc, 0, 'the lines of the first publish') or diag($out);

is($t->get('/index/he/ll/hello-registry')->{status}, 200, 'are published');

my ($export, $ctl) = $printed =~ /^ +(export CARGO_.*)\n +(\S+cargoctl) help$/m;

($rc, $out) = paste("$export\n$ctl help\n$ctl account list\n$ctl check");
is($rc, 0, 'the lines for administration') or diag($out);
like($out, qr/Commands:.*^1 +admin .*^1 version has its blob in \Q$data\E/ms,
     'reach the database and the store');


# a second start while the first runs, and on a port in use

refused(qr/another `make run` is at work/, 'DATA in use',
        DATA => $data, PORT => $t->port('second'));
refused(qr/port $port of 127\.0\.0\.1 is busy/, 'a busy port',
        DATA => $t->dir() . '/other', PORT => $port);


# Ctrl-C

my @processes = processes();

ok(@processes >= 4, 'nginx, PostgreSQL and their children run');
isnt(interrupt($run), 'still running', 'Ctrl-C');
is(join(' ', processes()), '', 'nothing is left running');


# the second start

my $id = system_identifier();

$run = start_run(DATA => $data, PORT => $port, NGINX => '/usr/sbin/nginx');

ok($run->{up}, 'the second start') or diag(output($run));
is(output($run), $printed, 'says the same');
is($t->read_file('var/admin-token'), $token, 'with the same token');
is(system_identifier(), $id, 'and the same cluster');
is($t->get('/index/he/ll/hello-registry')->{status}, 200, 'the crate is there');

my $download = $t->get('/api/v1/crates/hello-registry/0.1.0/download');
is($download->{status}, 200, 'and its archive');


# one of the two servers ends

my ($postmaster) = $t->read_file('var/pgdata/postmaster.pid') =~ /^(\d+)/;

kill 'QUIT', $postmaster;

is($t->reap($run->{pid}, 30) >> 8, 1, 'without PostgreSQL it ends');
like(output($run), qr/has ended by itself/, 'and says why');
is(join(' ', processes()), '', 'nothing is left running');


# killed without a chance to clean up

$run = start_run(DATA => $data, PORT => $port);

ok($run->{up}, 'a start after a crash') or diag(output($run));
$t->terminate($run->{pid}, 'KILL');
ok($t->wait_for(sub { !processes() }, 20), 'killed, it leaves nothing running');


# a token that got lost

unlink "$data/admin-token" or die "unlink: $!\n";

$run = start_run(DATA => $data, PORT => $port);

isnt($t->read_file('var/admin-token'), $token, 'a lost token is replaced');
is(interrupt($run), 0, 'Ctrl-C');


# what it refuses

my $deep = $t->dir() . '/' . 'd' x 100;

refused(qr/too long for a Unix socket/, 'a deep path',
        DATA => $deep, PORT => $port);
ok(!-e $deep, 'is not made');

$t->write_file('foreign/pgdata/PG_VERSION', "15\n");
refused(qr/is in use for something else/, 'a directory of others',
        DATA => $t->dir() . '/foreign', PORT => $port);

refused(qr/choose a path of letters/, 'a path with a blank',
        DATA => $t->dir() . '/a b', PORT => $port);

refused(qr/is not a port/, 'a port that is none', DATA => $data,
        PORT => '80a');

refused(qr/and 1\.22\.0 is the oldest/, 'an old nginx',
        DATA => $data, PORT => $port,
        NGINX => script('nginx', 'echo "nginx version: nginx/1.18.0"'));

refused(qr/without --with-threads/, 'an nginx without threads',
        DATA => $data, PORT => $port,
        NGINX => script('nginx2', 'echo "nginx version: nginx/1.24.0"'));

refused(qr/run `make` first/, 'without a module', DATA => $data,
        PORT => $port, OBJS => $t->dir());


# a module that does not fit

my $cut = $t->dir() . '/cut';

make_path($cut);
$t->run_ok(command => [ 'cp', $t->objs() . '/cargoctl',
                        $t->objs() . '/ngx_http_cargo_module.so', $cut ]);

for my $size (100, 8192) {
    truncate("$cut/ngx_http_cargo_module.so", $size)
        or die "truncate: $!\n" if -s "$cut/ngx_http_cargo_module.so" > $size;

    refused(qr/ngx_http_cargo_module\.so.*: `make clean all`/,
            "a module cut off at $size", DATA => "$data.cut", PORT => $port,
            OBJS => $cut, NGINX => '/usr/sbin/nginx');
}


# what make says

($rc, $out) = $t->run(merge => 1, timeout => 300, command => [
    'make', '--no-print-directory', '-C', $t->root(), 'all',
    'OBJS=' . $t->objs() ]);
is($rc, 0, 'make all again') or diag($out);
unlike($out, qr/Nothing to be done/, 'makes no noise');

$t->write_file('fake/src/core/nginx.h',
               "#define nginx_version      1024000\n");
$t->write_file('fake/conf_flags', "NGX_CONF_FLAGS=()\n");
$t->write_file('fake/configure', "#!/bin/sh\nexit 1\n");
chmod 0755, $t->path('fake/configure');

($rc, $out) = $t->run(merge => 1, command => [
    'make', '--no-print-directory', '-C', $t->root(),
    'NGX_SRC=' . $t->dir() . '/fake', 'OBJS=' . $t->dir() . '/fake-objs',
    $t->dir() . '/fake-objs/ngx_http_cargo_module.so' ]);
is($rc, 2, 'a build that fails');
like($out, qr/\Abuilding the module \.\.\.\nbuild-nginx: configure failed/,
     'a line before it begins');


# what is wrong with DATA or PORT is said before anything is built

SKIP: {
    skip('not root', 3) if $> != 0;

    my $closed = $t->dir() . '/closed';

    mkdir $closed, 0700 or die "mkdir $closed: $!\n";

    ($rc, $out) = $t->run(merge => 1, command => [
        make(DATA => "$closed/some/var", PORT => $port,
             OBJS => "$closed/objs") ]);

    is($rc, 2, 'a closed directory above DATA');
    like($out, qr/^make run: user \w+ cannot get into \Q$closed\E/m, 'is said');
    ok(!-e "$closed/objs" && !-e "$closed/some", 'before anything is made');
}

($rc, $out) = $t->run(run_command(DATA => "$data.unused", PORT => $port,
                                  check => 1), merge => 1);
is("$rc$out", '0', 'conf/run.sh check has nothing to complain');
ok(!-e "$data.unused", 'and leaves no trace');


# as a user who may not write there, and as one who may

SKIP: {
    skip('not root', 2) if $> != 0;

    my @nobody = ('setpriv', '--reuid=nobody', '--clear-groups');

    make_path("$data.nobody");
    chown((getpwnam 'nobody')[2], -1, "$data.nobody") or die "chown: $!\n";

    refused(qr/run this as the user it belongs to/, "another user's DATA",
            DATA => $data, PORT => $port, as => \@nobody);

    $run = start_run(DATA => "$data.nobody", PORT => $port, as => \@nobody);

    ok($run->{up}, 'an ordinary user can start it') or diag(output($run));
    interrupt($run);
}

is(join(' ', processes()), '', 'nothing is left running at the end');


# installing packages

($rc, $out) = $t->run(command => [ $t->root() . '/conf/install-packages.sh',
                                   'nonsense' ], merge => 1);
is($rc, 1, 'an unknown set of packages');
like($out, qr/there are build, run, test/, 'and which there are');


sub start_run {
    my (%options) = @_;

    my $log = $t->path('run' . ++$t->{starts} . '.log');
    my $pid = $t->spawn(run_command(%options), stdout => $log, session => 1);

    my $run = { pid => $pid, log => $log };

    $run->{up} = $t->wait_for(sub {
        return 'ended' if !$t->running($pid);
        return output($run) =~ /Ctrl-C stops it/;
    }, 300);

    $run->{up} = 0 if $run->{up} eq 'ended';

    return $run;
}


sub run_command {
    my (%options) = @_;

    my $as = delete $options{as} // [];
    my @argument = delete $options{check} ? 'check' : ();
    my @command = delete $options{make}
                      ? make(%options)
                      : ($t->root() . '/conf/run.sh', @argument);

    return (command => [ @$as, @command ],
            env => { OBJS => $t->objs(), %options });
}


sub make {
    my (%options) = @_;

    %options = (OBJS => $t->objs(), %options);

    return ('make', '-s', '-C', $t->root(), 'run',
            map { "$_=$options{$_}" } sort keys %options);
}


sub refused {
    my ($pattern, $what, %options) = @_;

    my ($rc, $out) = $t->run(run_command(%options), merge => 1);

    like("exit code $rc\n$out", qr/^exit code 1\nmake run: .*$pattern.*\n\z/,
         $what);
}


sub output { return $t->read_file($_[0]{log}) // '' }


sub interrupt {
    my ($run) = @_;

    kill 'INT', -$run->{pid};

    my $status = $t->reap($run->{pid}, 30);

    return defined $status ? $status >> 8 : 'still running';
}


# Those that have the directory of the registry in their command line, and
# their children.

sub processes {
    my (%parent, @found);

    for my $pid (map { m{(\d+)$} } glob('/proc/[0-9]*')) {
        my $stat = $t->read_file("/proc/$pid/stat") // next;
        my $command = $t->read_file("/proc/$pid/cmdline") // '';

        $parent{$pid} = $1 if $stat =~ /\) [^Z] (\d+) /;
        push @found, $pid if $parent{$pid} && $command =~ m{\Q$data\E};
    }

    my %found = map { $_ => 1 } @found;

    return (@found, grep { $found{ $parent{$_} } && !$found{$_} } keys %parent);
}


sub listening_on_tcp {
    my %inode;

    for my $fd (map { glob("/proc/$_/fd/*") } @_) {
        $inode{$1} = 1 if (readlink $fd // '') =~ /^socket:\[(\d+)\]$/;
    }

    my %listening;

    for my $line (split /\n/, join '', map { $t->read_file($_) // '' }
                                       qw(/proc/net/tcp /proc/net/tcp6))
    {
        my @field = split ' ', $line;

        # 0A is LISTEN; the address is in the byte order of the machine
        next if $field[3] ne '0A' || !$inode{ $field[9] };

        my ($address, $port) = map { hex } split /:/, $field[1];
        $listening{ join('.', unpack 'C4', pack 'L', $address) . ":$port" } = 1;
    }

    return join ' ', sort keys %listening;
}


sub paste {
    my ($lines) = @_;

    my $dir = $t->path('paste/here') =~ s{/here$}{}r;

    return $t->run(
        command => [ 'sh', '-ec', $lines ], dir => $dir, merge => 1,
        timeout => 120, env => { $t->cargo_env(), PATH => path_of_cargo() },
    );
}


sub path_of_cargo {
    my ($dir) = Test::Cargo::Client::cargo_binary() =~ m{^(.*)/};

    return "$dir:$ENV{PATH}";
}


sub system_identifier {
    my ($line) = grep { /system identifier/ } split /\n/, $t->run_ok(
        command => [ Test::Cargo::Postgres::postgres_bin('pg_controldata'),
                     "$data/pgdata" ]);

    return $line;
}


sub script {
    my ($name, $text) = @_;

    my $path = $t->write_file("bin/$name", "#!/bin/sh\n$text\n");

    chmod 0755, $path or die "chmod $path: $!\n";

    return $path;
}


sub mode {
    return sprintf '%04o', (stat $_[0])[2] & 07777;
}
