package Test::Cargo::Session;

use strict;
use warnings;

use IPC::Open3;

use Test::Cargo::Postgres;


sub new {
    my ($class, $t, $database, $user) = @_;

    my $self = bless { t => $t, database => $database }, $class;

    local @ENV{qw(PGHOST PGDATABASE PGUSER)}
        = ({ $t->postgres_env() }->{PGHOST}, $database, $user // 'cargo_web');

    # no handle for standard error: it goes where the answers go
    $self->{pid} = IPC::Open3::open3(
        my $in, my $out, undef,
        Test::Cargo::Postgres::postgres_bin('psql'), '-XAtq');

    $in->autoflush(1);
    @$self{qw(in out)} = ($in, $out);
    $self->{backend} = $self->ask('select pg_backend_pid()');

    return $self;
}


sub send {
    my ($self, $sql) = @_;

    print { $self->{in} } "$sql;\n\\echo --end--\n";
}


sub answer {
    my ($self) = @_;

    my $text = '';

    while (defined(my $line = readline $self->{out})) {
        last if $line eq "--end--\n";
        $text .= $line;
    }

    chomp $text;

    return $text;
}


sub ask {
    my ($self, $sql) = @_;

    $self->send($sql);

    return $self->answer();
}


sub waits {
    my ($self, $seconds) = @_;

    return $self->{t}->wait_for(sub {
        return $self->{t}->sql(
            'select count(*) from pg_stat_activity'
            . " where wait_event_type = 'Lock' and pid = $self->{backend}",
            database => $self->{database});
    }, $seconds // 10);
}


sub DESTROY {
    my ($self) = @_;

    local ($?, $!);

    close $self->{in};
    close $self->{out};
    waitpid $self->{pid}, 0;
}


1;

__END__

=head1 NAME

Test::Cargo::Session - a session of psql that can be left waiting for a lock

=head1 METHODS

=head2 new($t, $database, $user)

As cargo_web unless told otherwise.

=head2 send($sql), answer(), ask($sql)

Sends statements; waits for what they print; both.

=head2 waits($seconds)

Does it wait for a lock, or come to that soon?

=cut
