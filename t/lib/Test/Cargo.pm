package Test::Cargo;

use strict;
use warnings;

use Cwd qw(abs_path);
use File::Basename qw(dirname);
use File::Path qw(make_path remove_tree);
use File::Temp ();
use IO::Socket::INET;
use Test::More ();
use Time::HiRes ();

use Test::Cargo::Client;
use Test::Cargo::Crate;
use Test::Cargo::HTTP;
use Test::Cargo::Nginx;
use Test::Cargo::Postgres;
use Test::Cargo::Process;

our @ISA = qw(
    Test::Cargo::Client Test::Cargo::Crate Test::Cargo::HTTP
    Test::Cargo::Nginx Test::Cargo::Postgres Test::Cargo::Process
);

my $ROOT = dirname(dirname(dirname(dirname(abs_path(__FILE__)))));

# Below the range from which the kernel takes ports for clients, so that a
# connection of another test cannot sit on a port that was found free.
my ($PORT_MIN, $PORT_MAX) = (20000, 32000);

# Lines of any log that a sanitizer or valgrind writes.
my $SANITIZER = qr/runtime\ error:|ERROR:\ AddressSanitizer|LeakSanitizer
                   |WARNING:\ ThreadSanitizer|AddressSanitizer:DEADLYSIGNAL
                   |^==\d+==\ /x;

# Under valgrind, everything takes so many times as long.
my $PATIENCE = $ENV{TEST_PATIENCE} // 1;

my @live;


sub new {
    my ($class, %options) = @_;

    delete @ENV{ grep { /^(?:PG|CARGO_|M(?:AKE)?FLAGS$|MAKELEVEL$|.*_proxy$)/i }
                 keys %ENV };
    $ENV{LC_ALL} = 'C.UTF-8';

    my $dir = File::Temp::tempdir('ngx-cargo-XXXXXX', TMPDIR => 1);

    my $self = bless {
        dir => $dir, owner => $$, allowed => [], complaints => [],
        registry => 'main', ports => {}, %options,
    }, $class;

    # The server processes of other users must be able to walk through it.
    chmod 0755, $dir or die "chmod $dir: $!\n";

    push @live, $self;
    $SIG{INT} = $SIG{TERM} = $SIG{HUP} = sub { exit 130 };
    $SIG{PIPE} = 'IGNORE';

    return $self;
}


sub root { return $ROOT }


sub objs { return $ENV{TEST_OBJS} // $ENV{OBJS} // "$ROOT/objs" }


sub dir { return $_[0]{dir} }


sub path {
    my ($self, $name) = @_;

    my $path = $name =~ m{^/} ? $name : "$self->{dir}/$name";

    make_path(dirname($path));

    return $path;
}


sub write_file {
    my ($self, $name, $content) = @_;

    my $path = $self->path($name);

    open my $file, '>:raw', $path or die "open $path: $!\n";
    print {$file} $content or die "write $path: $!\n";
    close $file or die "close $path: $!\n";

    return $path;
}


sub read_file {
    my ($self, $name) = @_;

    my $path = $name =~ m{^/} ? $name : "$self->{dir}/$name";

    open my $file, '<:raw', $path or return undef;
    local $/;

    return scalar <$file>;
}


sub port {
    my ($self, $name) = @_;

    return $self->{ports}{ $name // 'http' } //= free_port();
}


sub free_port {
    for (1 .. 200) {
        my $port = $PORT_MIN + int rand($PORT_MAX - $PORT_MIN);

        my $socket = IO::Socket::INET->new(
            LocalAddr => '127.0.0.1', LocalPort => $port, Listen => 1,
            Proto => 'tcp', ReuseAddr => 1,
        );

        return $port if $socket;
    }

    die "no free port between $PORT_MIN and $PORT_MAX on 127.0.0.1\n";
}


sub wait_for {
    my ($self, $condition, $seconds) = @_;

    my $deadline = Time::HiRes::time() + ($seconds // 10) * $PATIENCE;

    while (1) {
        my $value = $condition->();

        return $value if $value;
        return 0 if Time::HiRes::time() > $deadline;

        Time::HiRes::sleep(0.01);
    }
}


sub plan {
    my ($self, $tests) = @_;

    Test::More::plan(tests => $tests + 2);

    return $self;
}


sub done {
    my ($self) = @_;

    $self->finish();
    Test::More::done_testing();
}


sub allow_errors {
    my ($self, @patterns) = @_;

    for my $pattern (@patterns) {
        Test::More::diag("this test allows in nginx's error log: $pattern");
        push @{ $self->{allowed} }, { pattern => $pattern, seen => 0 };
    }

    return $self;
}


sub finish {
    my ($self) = @_;

    return if $self->{finished}++ || $self->{owner} != $$;

    $self->stop_everything();

    system('umount', '-l', $_) for @{ $self->{mounts} // [] };

    my $builder = Test::More->builder();

    if ($builder->has_plan() || $builder->current_test()) {
        $self->_check_logs() if !$builder->{Skip_All};
    }

    my $failed = grep { !$_ } $builder->summary();

    if ($ENV{TEST_NGINX_CATLOG} || ($failed && $self->{nginx})) {
        $self->_show_log($ENV{TEST_NGINX_CATLOG} ? 0 : 40);
    }

    if ($ENV{TEST_NGINX_LEAVE}) {
        Test::More::diag("left behind: $self->{dir}");
        return;
    }

    remove_tree($self->{dir}, { error => \my $errors });

    Test::More::diag("could not remove all of $self->{dir}") if @$errors;
}


sub _check_logs {
    my ($self) = @_;

    my @alerts = @{ $self->{complaints} };

    for my $line (split /\n/, $self->read_file('error.log') // '') {
        next if $line !~ /\[(?:alert|crit|emerg)\]/;

        my ($allowed) = grep { $line =~ $_->{pattern} } @{ $self->{allowed} };

        if ($allowed) {
            $allowed->{seen}++;
            next;
        }

        push @alerts, $line;
    }

    for my $allowed (grep { !$_->{seen} } @{ $self->{allowed} }) {
        Test::More::diag("allowed, but never seen: $allowed->{pattern}");
    }

    Test::More::is(join("\n", @alerts), '',
                   'no alerts in the error log, and nginx stopped when told');

    my @reports;

    for my $log (glob("$self->{dir}/*.log $self->{dir}/out/*")) {
        push @reports, map { "$log: $_" } grep { $_ =~ $SANITIZER }
            split /\n/, $self->read_file($log) // '';
    }

    Test::More::is(join("\n", @reports), '', 'no sanitizer reports');
}


sub _show_log {
    my ($self, $lines) = @_;

    my @log = split /\n/, $self->read_file('error.log') // '';

    splice @log, 0, @log - $lines if $lines && @log > $lines;

    Test::More::diag("the end of nginx's error log:") if $lines;
    Test::More::diag($_) for @log;
}


END {
    my $status = $?;

    $_->finish() for @live;

    $? = $status;
}


1;

__END__

=head1 NAME

Test::Cargo - nginx, PostgreSQL and cargo for one test

=head1 SYNOPSIS

    use lib 't/lib';
    use Test::More;
    use Test::Cargo;

    my $t = Test::Cargo->new()->plan(2);

    $t->postgres();
    $t->nginx();

    my $token = $t->account('alice', role => 'publisher');
    my $r = $t->publish($token, { name => 'foo', vers => '1.0.0' });

    is($r->{status}, 200, 'published');
    like($t->get('/index/3/f/foo')->{body}, qr/"vers":"1.0.0"/, 'indexed');

=head1 DESCRIPTION

One object per test file.  Everything it makes is in one private directory,
everything it starts is its own child and is stopped by process id at the
end, also after a failure or a signal.  At the end it makes two checks of its
own: nginx's error log holds no C<[alert]>, C<[crit]> or C<[emerg]> (and nginx
stopped when it was told to), and no log holds the report of a sanitizer.

The methods are spread over L<Test::Cargo::Postgres> (the cluster),
L<Test::Cargo::Nginx> (the server), L<Test::Cargo::HTTP> (requests),
L<Test::Cargo::Crate> (archives and publish bodies), L<Test::Cargo::Client>
(cargo, cargoctl, accounts) and L<Test::Cargo::Process> (processes).

=head1 ENVIRONMENT

=over

=item TEST_OBJS, OBJS

where the module and cargoctl are; C<objs> of the checkout by default

=item TEST_NGINX_BINARY, TEST_NGINX_STATIC=1

another nginx; one that has the module linked in, so needs no C<load_module>

=item TEST_PATIENCE=10

so many times longer are waited for what is to come (for valgrind)

=item TEST_POSTGRES_BIN

the directory of C<initdb> and C<postgres>; else the newest that Debian has

=item CARGO

another cargo

=item TEST_NGINX_LEAVE=1, TEST_NGINX_CATLOG=1, TEST_NGINX_LOGLEVEL

keep the private directory; print the whole error log at the end; C<debug>
instead of C<info>

=back

=head1 METHODS

=head2 new(%options)

C<< registry => NAME >>: the registry that the configuration serves and in
which accounts are made, C<main> by default.

=head2 plan($n)

Announces $n tests of the caller and the two of the harness.

=head2 done

For tests without a plan: stops everything, makes the two checks, then
C<done_testing>.

=head2 allow_errors(@patterns)

Alerts that match are expected.  Says so aloud, and again when one of them
never came.

=head2 root, objs, dir

The checkout, the build products, the private directory.

=head2 path($name), write_file($name, $content), read_file($name)

A path inside the private directory (its parents are made), a file written
there, the content of one (undef when there is none).

=head2 port($name)

A free port of 127.0.0.1 that stays the same for this name (C<http> by
default).  When another process is quicker, nginx() takes new ones.

=head2 free_port

Any port that was free a moment ago.

=head2 wait_for($condition, $seconds)

Calls the code reference every 10 ms until it returns something true, which
is returned; false after the time (10 s by default).

=head2 finish

Stops everything and makes the two checks; called at the end by itself.

=cut
