package Test::Cargo::Story;

use strict;
use warnings;

use Exporter qw(import);
use Test::More;

our @EXPORT = qw(
    ok_cargo no_cargo package package_of requests short_story locked
);


# The text of a Cargo.toml as a person writes it.

sub package {
    my ($name, $version, $tables) = @_;

    return <<"TOML" . ($tables // '');
[package]
name = "$name"
version = "$version"
edition = "2021"
description = "A crate of a test"
license = "MIT"
TOML
}


# A library whose version() says what it is.

sub package_of {
    my ($t, $name, $version, $tables, $files) = @_;

    return $t->new_crate("$name-$version",
        Test::Cargo::Story::package($name, $version, $tables), {
            'src/lib.rs' => "pub fn version() -> &'static str "
                            . "{ \"$name $version\" }\n",
            %{ $files // {} },
        });
}


sub ok_cargo {
    my ($t, $name, @args) = @_;

    my ($rc, $out) = $t->cargo(@args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($rc, 0, $name) || diag($out);

    return $out;
}


sub no_cargo {
    my ($t, $name, $pattern, @args) = @_;

    my ($rc, $out) = $t->cargo(@args);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    subtest $name => sub {
        plan tests => 2;
        is($rc, 101, 'cargo fails');
        like($out, $pattern, 'and says why');
    };

    return $out;
}


# nginx has one worker here: what it logged between two markers is all that was
# asked between them.  (A client may have an answer before it is logged.)

sub requests {
    my ($t, $code) = @_;

    my $first = _mark($t);

    $code->();

    my $last = _mark($t);
    my ($text) = $t->read_file('access.log')
                 =~ m{"GET\ $first\ [^\n]*\n(.*?)[^\n]*"GET\ $last\ }xs;

    my @requests;

    for my $line (split /\n/, $text) {
        my %request;

        @request{qw(method uri protocol status agent)} = $line =~
            m{"(\w+)\ (\S+)\ (HTTP/[\d.]+)"\ (\d+)\ \d+\ "[^"]*"\ "([^"]*)"}x;

        push @requests, \%request if $request{uri};
    }

    return @requests;
}


sub _mark {
    my ($t) = @_;

    my $marker = '/marker-' . ++$t->{markers};

    $t->get($marker);

    $t->wait_for(sub {
        $t->read_file('access.log') =~ m{"GET $marker }
    }) or die "nginx did not log $marker\n";

    return $marker;
}


# The version of a package in a Cargo.lock; undef when it is not there.

sub locked {
    my ($t, $dir, $name) = @_;

    my $lock = $t->read_file("$dir/Cargo.lock") // '';
    my ($version) = $lock =~ /name = "\Q$name\E"\nversion = "([^"]+)"/;

    return $version;
}


sub short_story {
    my ($t, $label, %options) = @_;

    my $name = $options{name} // 'story';
    my $cargo = { env => $options{env} // {} };
    my @no_verify = $options{verify} ? () : '--no-verify';

    subtest $label => sub {
        plan tests => 12;

        for my $version ('1.0.0', '1.1.0') {
            my $dir = package_of($t, $name, $version);

            like(ok_cargo($t, "publish $version", 'publish', @no_verify,
                          { %$cargo, dir => $dir }),
                 qr/Published \Q$name\E v\Q$version\E/,
                 "cargo saw $version in the index");
        }

        my $app = $t->new_crate("$name-app",
            Test::Cargo::Story::package("$name-app", '0.1.0'), {
                'src/main.rs' => 'fn main() { print!("{}", '
                                 . $name =~ tr/-/_/r . '::version()) }' });

        $cargo = { %$cargo, dir => $app };

        like(ok_cargo($t, 'add', 'add', $name, $cargo),
             qr/Adding \Q$name\E v1\.1\.0/, 'add chose the newest version');

        # it wrote 1.1.0, but 1.0.0 shall do too
        $t->write_file("$app/Cargo.toml",
                       $t->read_file("$app/Cargo.toml") =~ s/"1\.1\.0"/"1"/r);

        build_and_yank($t, $name, $cargo);
    };
}


sub build_and_yank {
    my ($t, $name, $cargo) = @_;

    my $run = sub {
        unlink "$cargo->{dir}/Cargo.lock";
        my ($rc, $out) = $t->cargo('run', $cargo);
        diag($out) if $rc;
        return $out =~ /^(\Q$name\E [\d.]+)$/m ? $1 : "exit code $rc";
    };

    is($run->(), "$name 1.1.0", 'build and run');

    ok_cargo($t, 'yank', 'yank', "$name\@1.1.0", $cargo);
    is($run->(), "$name 1.0.0", 'a new build does not take what is yanked');

    ok_cargo($t, 'unyank', 'yank', '--undo', "$name\@1.1.0", $cargo);
    is($run->(), "$name 1.1.0", 'and takes it again');

    is(locked($t, $cargo->{dir}, $name), '1.1.0', 'as Cargo.lock has it');
}


1;

__END__

=head1 NAME

Test::Cargo::Story - what people do with cargo, and what cargo then asks

=head1 FUNCTIONS

=head2 package($name, $version, $tables)

The text of a Cargo.toml: lines that belong into [package], then tables.

=head2 package_of($t, $name, $version, $tables, \%files)

Writes a library into the directory C<$name-$version> and returns its path;
its version() returns "name version".

=head2 ok_cargo($t, $name, @args)

A test: cargo with these arguments (see Test::Cargo::Client) ends with 0.
Returns its output.

=head2 no_cargo($t, $name, $pattern, @args)

A test: cargo fails (its exit code 101) with an output like the pattern.

=head2 requests($t, $code)

Runs the code and returns what nginx was asked meanwhile, in the order of its
access log: hashes with C<method>, C<uri>, C<protocol>, C<status>, C<agent>.

=head2 locked($t, $dir, $name)

The version of a package in a Cargo.lock.

=head2 short_story($t, $label, name => 'story', env => {}, verify => 1)

One test with subtests: publishes two versions of a library, adds it to a
program, builds and runs that, yanks the newer version and takes it back.

=cut
