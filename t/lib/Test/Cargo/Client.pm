package Test::Cargo::Client;

use strict;
use warnings;

use File::Path qw(make_path);


sub cargoctl {
    my ($self, @args) = @_;

    my $options = ref $args[-1] ? pop @args : {};

    return $self->run(
        command => [ $self->objs() . '/cargoctl', @args ],
        env => { CARGO_DATABASE => $self->conninfo('cargo'),
                 CARGO_SQL => $self->root() . '/sql',
                 CARGO_BLOBS => "$self->{dir}/blobs" },
        dir => $self->root(), %$options,
    );
}


sub registry {
    my ($self, $name, %settings) = @_;

    $self->_admin('registry', 'create', $name,
                  map { "$_=$settings{$_}" } sort keys %settings);

    return $self;
}


sub account {
    my ($self, $login, %options) = @_;

    my $role = $options{role} // 'publisher';
    my $registry = $options{registry} // $self->{registry};

    $self->_admin('account', 'create', $login,
                  '--registry', $registry, '--role', $role);

    return $self->token($login);
}


sub token {
    my ($self, $login, %options) = @_;

    $options{name} //= 'a test';

    my $out = $self->_admin('token', 'create', $login,
                            map { ("--$_", $options{$_}) } keys %options);

    my ($token) = $out =~ /\b(ngxcargo_[0-9A-Za-z]{38})\b/
        or die "cargoctl token create printed no token: $out\n";

    return $token;
}


sub _admin {
    my ($self, @args) = @_;

    my ($rc, $out, $err) = $self->cargoctl(@args);

    die "cargoctl @args: exit code $rc\n$out$err" if $rc != 0;

    return $out;
}


sub cargo_binary {
    return $ENV{CARGO} if $ENV{CARGO};

    for my $dir (split(/:/, $ENV{PATH}), "$ENV{HOME}/.cargo/bin") {
        return "$dir/cargo" if -x "$dir/cargo";
    }

    return undef;
}


sub cargo {
    my ($self, @args) = @_;

    my $options = ref $args[-1] ? pop @args : {};
    my $binary = cargo_binary() or die "there is no cargo: set CARGO\n";

    $self->cargo_config() if !-e "$self->{dir}/cargo-home/config.toml";

    # it may compile, on a machine that has other things to do
    my ($rc, $out) = $self->run(
        timeout => 900, merge => 1, dir => $self->{dir}, %$options,
        command => [ $binary, @args ],
        env => { $self->cargo_env(), %{ $options->{env} // {} } },
    );

    return ($rc, $out);
}


sub cargo_env {
    my ($self) = @_;

    my $home = $ENV{HOME} // '/root';

    make_path("$self->{dir}/home");

    return (
        CARGO_HOME => $self->cargo_home(), HOME => "$self->{dir}/home",
        RUSTUP_HOME => $ENV{RUSTUP_HOME} // "$home/.rustup",
        CARGO_TARGET_DIR => "$self->{dir}/target",
        CARGO_TERM_COLOR => 'never', CARGO_INCREMENTAL => 0,
    );
}


sub cargo_home {
    my ($self) = @_;

    make_path("$self->{dir}/cargo-home");

    return "$self->{dir}/cargo-home";
}


sub base_url { return 'http://127.0.0.1:' . $_[0]->port() }


sub cargo_config {
    my ($self, %options) = @_;

    my $index = $options{index} // 'sparse+' . $self->base_url() . '/index/';

    make_path("$self->{dir}/no-crates");

    # Replaced by an empty directory, crates.io is never asked.
    return $self->write_file('cargo-home/config.toml', <<"TOML");
[registries.$self->{registry}]
index = "$index"

[registry]
default = "$self->{registry}"
global-credential-providers = ["cargo:token"]

[source.crates-io]
replace-with = "nothing"

[source.nothing]
directory = "$self->{dir}/no-crates"

[net]
retry = 0

@{[ $options{extra} // '' ]}
TOML
}


sub new_crate {
    my ($self, $dir, $manifest, $files) = @_;

    my %files = ('src/lib.rs' => '', %{ $files // {} },
                 'Cargo.toml' => $manifest);

    $self->write_file("$dir/$_", $files{$_}) for keys %files;

    return "$self->{dir}/$dir";
}


1;

__END__

=head1 NAME

Test::Cargo::Client - cargo, cargoctl, accounts

=head1 METHODS

=head2 cargoctl(@args, { input => text, ... })

Runs it as the owner of the database.  Returns exit code, output and error
output.  The hash holds options of run().

=head2 registry($name, key => value, ...)

Makes another registry; C<main> (or what new() was told) is there.

=head2 account($login, role => 'publisher', registry => 'main')

Makes an account with this role and a token, which is returned.

=head2 token($login, name => TEXT, registry => NAME, expires => WHEN)

Makes another token of the account; these are cargoctl's options.

=head2 cargo(@args, { dir => path, env => {}, input => text })

Runs the real cargo with a private CARGO_HOME whose configuration knows the
registry of this test and nothing else: crates.io is never asked.  Returns
exit code and all output.

=head2 cargo_config(index => URL, extra => TOML)

Writes that configuration; cargo() does it when there is none.

=head2 cargo_home, cargo_env, base_url

The private CARGO_HOME; what cargo() has in its environment; the URL of the
server.

=head2 cargo_binary

The path of cargo, undef when there is none.  A function.

=head2 new_crate($dir, $manifest, \%files)

Writes a package below the private directory (an empty src/lib.rs by default)
and returns its path.

=cut
