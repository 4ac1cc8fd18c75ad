package Test::Cargo::Crate;

use strict;
use warnings;

use Compress::Raw::Zlib ();
use Digest::SHA ();
use JSON::PP ();


sub tar {
    my (@entries) = @_;

    my $tar = '';

    for my $entry (@entries) {
        my $data = $entry->{data} // '';

        $tar .= $entry->{raw} // tar_header(%$entry, data => $data);
        $tar .= $data;
        $tar .= "\0" x (-length($data) % 512);
    }

    return $tar . "\0" x 1024;
}


sub tar_header {
    my (%entry) = @_;

    my $size = $entry{size} // length($entry{data} // '');

    my $header = pack 'a100 a8 a8 a8 a12 a12 a8 a1 a100 a8 a32 a32 a8 a8 a155',
        $entry{name},
        sprintf('%07o', $entry{mode} // 0644),
        sprintf('%07o', $entry{uid} // 0),
        sprintf('%07o', $entry{gid} // 0),
        $size =~ /^\d+$/ ? sprintf('%011o', $size) : $size,
        sprintf('%011o', $entry{mtime} // 1_153_704_088),
        ' ' x 8,
        $entry{type} // '0',
        $entry{link} // '',
        $entry{magic} // "ustar  \0",
        '', '',
        sprintf('%07o', 0), sprintf('%07o', 0),
        $entry{prefix} // '';

    $header = pack 'a512', $header;

    my $sum = $entry{checksum} // unpack '%32C*', $header;

    substr($header, 148, 8) = sprintf "%06o\0 ", $sum;

    return $header;
}


sub long_name {
    my ($name) = @_;

    return { name => '././@LongLink', type => 'L', mode => 0,
             data => "$name\0" };
}


sub pax {
    my (%records) = @_;

    my $data = '';

    for my $key (sort keys %records) {
        my $rest = " $key=$records{$key}\n";
        my $length = length $rest;

        # the length counts its own digits
        $length = length($rest) + length $length for 1 .. 3;
        $data .= $length . $rest;
    }

    return { name => 'PaxHeaders/record', type => 'x', data => $data };
}


sub gzip {
    my ($bytes, $level) = @_;

    my ($deflate, $status) = Compress::Raw::Zlib::Deflate->new(
        -WindowBits => Compress::Raw::Zlib::WANT_GZIP(),
        -Level => $level // 6, -AppendOutput => 1,
    );

    my $out = '';

    $deflate->deflate($bytes, $out) == Compress::Raw::Zlib::Z_OK()
        && $deflate->flush($out) == Compress::Raw::Zlib::Z_OK()
        or die "deflate failed\n";

    return $out;
}


sub manifest {
    my (%options) = @_;

    my $name = $options{name} // 'foo';
    my $version = $options{version} // '1.0.0';

    return <<"TOML" . ($options{extra} // '');
[package]
edition = "2021"
name = "$name"
version = "$version"
description = "A crate of a test"
license = "MIT"

[lib]
name = "@{[ $name =~ tr/-/_/r ]}"
path = "src/lib.rs"
TOML
}


sub crate {
    my ($self, %options) = @_;

    my $name = $options{name} // 'foo';
    my $version = $options{version} // '1.0.0';

    return gzip(tar(@{ $options{entries} })) if $options{entries};

    my %files = (
        'Cargo.toml' => $options{manifest} // manifest(%options),
        'src/lib.rs' => "// of a test\n",
        %{ $options{files} // {} },
    );

    my @entries;

    for my $file (sort grep { defined $files{$_} } keys %files) {
        my $path = "$name-$version/$file";

        push @entries, long_name($path) if length $path > 100;
        push @entries, { name => substr($path, 0, 100),
                         data => $files{$file} };
    }

    return gzip(tar(@entries, @{ $options{more} // [] }));
}


sub metadata {
    my ($self, %options) = @_;

    return {
        name => 'foo', vers => '1.0.0', deps => [], features => {},
        authors => [], description => 'A crate of a test',
        documentation => undef, homepage => undef, readme => undef,
        readme_file => undef, keywords => [], categories => [],
        license => 'MIT', license_file => undef, repository => undef,
        badges => {}, links => undef, rust_version => undef, %options,
    };
}


sub publish_body {
    my ($self, $json, $crate) = @_;

    $json = JSON::PP->new->utf8->canonical->encode($json) if ref $json;

    return pack 'V/a* V/a*', $json, $crate;
}


sub publish {
    my ($self, $token, $metadata, %options) = @_;

    my $whole = $self->metadata(%$metadata);

    my $crate = delete $options{crate} // $self->crate(
        name => $whole->{name}, version => $whole->{vers},
        manifest => delete $options{manifest}, files => delete $options{files},
    );

    return $self->put('/api/v1/crates/new',
                      $self->publish_body($whole, $crate),
                      Authorization => $token, %options);
}


sub checksum { return Digest::SHA::sha256_hex($_[1]) }


sub index_path {
    my ($self, $name) = @_;

    $name = lc $name;

    my $length = length $name;

    return $length < 3 ? "/index/$length/$name"
         : $length == 3 ? '/index/3/' . substr($name, 0, 1) . "/$name"
         : join '/', '/index', substr($name, 0, 2), substr($name, 2, 2), $name;
}


1;

__END__

=head1 NAME

Test::Cargo::Crate - archives, metadata and publish bodies

=head1 METHODS

=head2 crate(name =>, version =>, manifest => text, files => {}, more => [],
entries => [])

The bytes of a .crate.  It has a Cargo.toml and a src/lib.rs unless C<files>
says otherwise (undef leaves one out); C<more> are further tar entries at the
end; C<entries> are all entries and nothing is added.

=head2 metadata(%fields)

The JSON of a publish as cargo writes it, as a hash, for foo 1.0.0 by default.

=head2 publish_body($json, $crate)

The body of a publish.  $json is text, sent as it is, or a hash.

=head2 publish($token, \%metadata, crate => $bytes, manifest => text,
files => {}, %headers)

PUTs it and returns the response.  The archive is made to fit name and version
of the metadata, but not its dependencies and features: give a manifest.

=head2 checksum($bytes), index_path($name)

SHA-256 in hexadecimal; the path of an index document.

=head1 FUNCTIONS

=head2 tar(@entries)

Each a hash: C<name> (at most 100 bytes, any), C<data>, C<type> (C<0> file,
C<5> directory, C<1> hard link, C<2> symbolic link, C<3> device, C<L>, C<x>,
C<g>...), C<link>, C<mode>, C<uid>, C<gid>, C<mtime>, C<prefix>, C<magic>, and
lies: C<size> (a number, or 12 bytes), C<checksum>, C<raw> (512 bytes instead
of the header).

=head2 tar_header(%entry), long_name($name), pax(key => value)

One header; the GNU entry for a longer name of the next entry; a pax entry.

=head2 gzip($bytes, $level)

One gzip member.

=head2 manifest(name =>, version =>, extra => text)

The text of a Cargo.toml as cargo puts into a .crate.

=cut
