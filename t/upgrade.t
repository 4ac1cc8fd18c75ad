#!/usr/bin/perl

# nginx is replaced while it serves (USR2, WINCH, QUIT), and the old one comes
# back (HUP) when the new one is not wanted: no request fails.  A reload takes
# up a module only from another path, and that shares nothing with the old one.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;
use Test::Cargo::Load;

my $t = Test::Cargo->new();

$t->postgres();
log_statements($t);
$t->nginx(daemon => 1, main => 'worker_processes 2;');

my $token = $t->account('alice');

is($t->publish($token, { name => 'keep' })->{status}, 200, 'published');

# the two remember each for itself, and hear of each other's changes
my $load = Test::Cargo::Load->start($t, token => $token, strict => 1,
                                    clients => 3, stale => 1,
                                    large => 3_000_000);
my %done;

for my $round (1 .. 3) {
    upgrade("upgrade $round");
    roll_back("way back $round");
}

another_module() if !$ENV{TEST_NGINX_STATIC};

ok($load->stop(), 'the clients lived');
cmp_ok($done{$_} // 0, '>', 10, "there was load: $_")
    for qw(publish yank unyank index download);
is_deeply([ log_lines($t, qr/\[error\]/) ], [], 'nothing to complain of');

$t->done();


# The loader knows a file that is loaded by its path.

sub another_module {
    my $what = 'a reload with another file of the module';
    my $module = $t->path('another/ngx_http_cargo_module.so');
    my $conf = $t->read_file('nginx.conf');

    $t->run_ok(command => [ 'install', '-m', '0644',
        $t->objs() . '/ngx_http_cargo_module.so', $module ]);

    ok($t->wait_for(sub { questions() == 0 }), "$what: one is remembered");

    my %old = map { $_ => 1 } $t->workers();

    $load->go();
    served("$what, before it");
    $conf =~ s{load_module \S+;}{load_module $module;};
    $t->write_file('nginx.conf', $conf);
    ok($t->reload_nginx(), $what);
    ok($t->wait_for(sub { !grep { $old{$_} } $t->workers() }),
       "$what: the old workers are gone");
    served("$what, after it");

    my $known = $load->pause();

    is(join("\n", @{ $known->{wrong} }), '', "$what: no request failed");
    is(scalar(grep { $t->read_file("/proc/$_/maps") !~ m{ \Q$module\E$}m }
              $t->workers()), 0, "$what: the workers have it");

    # what lies in memory is of the version that put it there
    is(questions(), 1, "$what: it has a memory of its own");
}


sub questions {
    my $before = asked($t, qr/cargo_index_document/);

    $t->get($t->index_path('keep'));

    return asked($t, qr/cargo_index_document/) - $before;
}


sub served {
    my ($what) = @_;

    ok($load->answered(10), "$what: everybody is served");
}


# The new master, whose workers serve beside those of the old one.

sub start_new {
    my ($what) = @_;

    my $old = $t->{nginx};

    $load->go();
    served("$what, before it");
    kill 'USR2', $old;

    my $new = $t->wait_for(sub {
        my ($pid) = ($t->read_file('nginx.pid') // '') =~ /^(\d+)\n/;
        return $pid && $pid != $old && $t->workers($pid) >= 2 && $pid;
    });

    ok($new, "$what: another master") or BAIL_OUT('no upgrade');
    $t->adopt($new, 'the new nginx');
    served("$what, both serve");

    kill 'WINCH', $old;
    ok($t->wait_for(sub { [ $t->workers($old) ]->[0] == $new }),
       "$what: only the new one has workers");
    served("$what, the new one serves");

    return ($old, $new);
}


sub upgrade {
    my ($what) = @_;

    my ($old, $new) = start_new($what);

    kill 'QUIT', $old;
    ok($t->wait_for(sub { !$t->running($old) }), "$what: the old one is gone");
    $t->{nginx} = $new;
    verdict($what);
}


sub roll_back {
    my ($what) = @_;

    my ($old, $new) = start_new($what);

    kill 'HUP', $old;
    ok($t->wait_for(sub { $t->workers($old) > 2 }),
       "$what: the old one has workers again");
    served("$what, both serve again");

    kill 'QUIT', $new;
    ok($t->wait_for(sub { !$t->running($new) }), "$what: the new one is gone");
    ok($t->wait_for(sub {
        ($t->read_file('nginx.pid') // '') eq "$old\n"
    }), "$what: its file of the process id too");
    verdict($what);
}


sub verdict {
    my ($what) = @_;

    served("$what, after it");

    my $known = $load->pause();

    $done{$_} += $known->{done}{$_} for keys %{ $known->{done} };
    is(join("\n", @{ $known->{wrong} }), '', "$what: no request failed");
}
