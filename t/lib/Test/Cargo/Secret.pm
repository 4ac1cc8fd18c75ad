package Test::Cargo::Secret;

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(remove_tree);
use MIME::Base64 qw(encode_base64);
use Test::More;

use Test::Cargo::Story;

our @EXPORT = qw(
    @READS $YANK $UNYANK
    publish_secret write_passwords basic_of registry_server
    opens closed ok_fetch kept_by_caches no_secrets
);

our @READS;
our $YANK = '/api/v1/crates/secret/1.0.0/yank';
our $UNYANK = '/api/v1/crates/secret/1.0.0/unyank';


sub publish_secret {
    my ($t, $token) = @_;

    my $crate = $t->crate(name => 'secret');
    my $sum = $t->checksum($crate);
    my $r = $t->publish($token, { name => 'secret' }, crate => $crate);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    is($r->{status}, 200, 'published') or diag($r->{body});

    @READS = ('/index/config.json', '/index/se/cr/secret',
              "/dl/secret/$sum/secret-1.0.0.crate",
              '/api/v1/crates/secret/1.0.0/download', '/api/v1/me');
}


sub write_passwords {
    my ($t, @users) = @_;

    $t->write_file('cargo.htpasswd',
                   join '', map { "$_:{PLAIN}pw-$_\n" } @users);
}


sub basic_of {
    my ($user, $password) = @_;

    return 'Basic ' . encode_base64("$user:" . ($password // "pw-$user"), '');
}


sub registry_server {
    my ($t, $port, $more) = @_;

    return "server { listen 127.0.0.1:%%port:$port%%; $more include "
           . $t->root() . "/conf/cargo.conf; }\n";
}


sub opens {
    my ($name, $login, $get) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $uri (@READS) {
        my $r = $get->('GET', $uri);

        is($r->{status}, 200, "$name: $uri") or diag($r->{body});
        is($r->json()->{user}{login}, $login, "as $login")
            if $uri =~ /me$/;
    }
}


sub closed {
    my ($name, $status, $says, $get) = @_;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $uri (@READS) {
        my $r = $get->('GET', $uri);

        is($r->{status}, $uri =~ /me$/ ? 403 : $status, "$name: $uri");
        like($r->{body}, $says, 'says why') if $uri =~ /index/;
    }

    is($get->('DELETE', $YANK)->{status}, 403, 'nor is anything written');
}


sub ok_fetch {
    my ($t, $name, $port, $path, $token) = @_;

    $t->cargo_config(index => 'sparse+http://127.0.0.1:' . $t->port($port)
                     . "$path/index/");
    remove_tree("$t->{dir}/cargo-home/registry");

    my $manifest = Test::Cargo::Story::package("app-$port", '0.1.0', <<'TOML');

[dependencies]
secret = { version = "1", registry = "main" }
TOML

    my $app = $t->new_crate("app-$port", $manifest);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    ok_cargo($t, "cargo with $name", 'fetch', { dir => $app, env => {
        $token ? (CARGO_REGISTRIES_MAIN_TOKEN => $token) : () } });

    my @files = glob "$t->{dir}/cargo-home/registry/cache/*/*.crate";

    is(scalar @files, 1, 'has the crate');
}


sub kept_by_caches {
    my ($t, $name, $with, $path, $file, $vary) = @_;

    my $index = 'private, no-cache';
    my @expected = ([ $index, $vary ], [ $index, $vary ], [ $file, $vary ]);

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $i (0 .. $#expected) {
        my $r = $t->get("$path$READS[$i]", %$with);

        is_deeply([ $r->header('Cache-Control'), $r->header('Vary') ],
                  $expected[$i], "$name: $READS[$i]");
    }

    is($t->get("$path/api/v1/me", %$with)->header('Cache-Control'), $index,
       'and of the API');
}


# Not in any form in which they were sent.

sub no_secrets {
    my ($t, $logs, @tokens) = @_;

    my $secrets = join '|', map { quotemeta substr $_, 9, 20 } @tokens;

    local $Test::Builder::Level = $Test::Builder::Level + 1;

    for my $log (@$logs) {
        my $text = $t->read_file($log) // '';

        $text =~ s/%([0-9a-fA-F]{2})/chr hex $1/ge;
        $text =~ s/^.* \[info\] .* while reading client request .*$//gm;
        ok(length $text, "there is something in $log");
        is(join("\n", grep { /$secrets/ } split /\n/, $text), '',
           'but no token');
    }
}


1;

__END__

=head1 NAME

Test::Cargo::Secret - a private crate, and what shows who gets at it

=head1 VARIABLES

=head2 @READS, $YANK, $UNYANK

The URIs of the crate C<secret> 1.0.0: what is read of it (the last says who
one is) once publish_secret() has run, and what takes it back.

=head1 FUNCTIONS

=head2 publish_secret($t, $token)

A test: publishes it.

=head2 write_passwords($t, @users), basic_of($user, $password)

The file that conf/cargo_auth_basic.conf names, with the password C<pw-USER>
for each; the value of Authorization with it, or with another.

=head2 registry_server($t, $port, $more)

A server{} of conf/cargo.conf, on a port by this name, with more directives.

=head2 opens($name, $login, $get), closed($name, $status, $says, $get)

Tests: all of it is read, by somebody with this login; nothing is, nor is it
yanked.  C<< $get->($method, $uri) >> returns a response.

=head2 ok_fetch($t, $name, $port, $path, $token)

Two tests: cargo fetches it from the index below this path of a port; without
a token when that is undef.

=head2 kept_by_caches($t, $name, \%with, $path, $file, $vary)

Tests: what Cache-Control says of the index, the file (C<$file>) and the API
to requests with these headers below a path, and that C<Vary> is this.

=head2 no_secrets($t, \@logs, @tokens)

Tests: there is something in each log, but none of the tokens.

=cut
