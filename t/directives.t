#!/usr/bin/perl

# `nginx -t` for every directive: what it takes, what it refuses, and that a
# refusal names the directive and says what to do.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use Test::More;

use Test::Cargo;

my $PG = 'cargo_postgres "host=/run/x dbname=cargo user=cargo_web";';
my $SECRET = 'pa55-w0rd';

my $t = Test::Cargo->new();

$t->{conf}{conf} = <<'CONF';
%%globals%%
%%main%%
events { }
http {
    %%http_globals%%
    %%http%%
    server {
        listen  127.0.0.1:%%port%%;
        %%server%%
    }
}
CONF

good();
values_of_directives();
duplicates();
partners();
one_handler();
root_and_alias();
contexts();
connection_strings();
hosts();
passwords();
nested();
users();
base_urls();
stores();

$t->done();


# nginx -t of these lines in http{} and server{}; the whole registry when
# there are none of server{}

sub check {
    my ($http, $server) = @_;

    $t->write_config(conninfo => 'unused', http => $http,
                     server => $server // whole());

    return $t->test_config();
}


sub whole {
    my ($more, $in_index) = @_;

    return "cargo_registry main; cargo_blobs $t->{dir}/blobs; "
           . ($more // '') . ' location /index/ { cargo_index; '
           . ($in_index // '') . ' } location /api/v1/ { cargo_api; }'
           . ' location /dl/ { cargo_download; }'
           . ' location = /me { cargo_me; }';
}


sub accepted {
    my ($case, @conf) = @_;

    my ($rc, $out) = check(@conf);

    ok($rc == 0 && $out =~ /test is successful/, "good: $case")
        or diag($out);
}


sub refused {
    my ($case, $says, @conf) = @_;

    my ($rc, $out) = check(@conf);

    is($rc, 1, "refused: $case");
    like($out, qr/\[emerg\].*$says/, 'and says why');
    unlike($out, qr/test is successful/, 'nor is it called successful');
}


sub good {
    accepted('the least', $PG);
    accepted('no registry at all, only the module', '', '');
    accepted('a database without a registry', $PG, '');

    accepted('all of it', <<"HTTP", whole(<<'SERVER', <<'LOCATION'));
$PG
cargo_postgres_connections  read=4 write=1;
cargo_postgres_queue        10;
cargo_postgres_timeout      1500ms;
cargo_postgres_connect_timeout  2s;
cargo_postgres_prepare      off;
cargo_downloads_flush       1m;
HTTP
cargo_base_url  https://$host/x;
cargo_index_alias  sparse+https://a/ sparse+https://$host/b/;
cargo_index_alias  sparse+https://c/;
cargo_user         $remote_user;
cargo_user_from    10.0.0.0/8 ::1 192.0.2.1;
cargo_user_from    unix:;
cargo_token        $arg_token;
cargo_thread_pool  default;
cargo_max_crate_size  20m;
cargo_max_unpacked_size  1g;
cargo_max_archive_entries  1000;
SERVER
cargo_registry  other;
cargo_base_url  https://other.example;
LOCATION

    accepted('registry and blobs in http{}',
             "$PG cargo_registry main; cargo_blobs $t->{dir}/blobs;",
             'location /index/ { cargo_index; } location /dl/ {'
             . ' cargo_download; }');
    accepted('variables', $PG,
             'cargo_registry $registry;'
             . 'location ~ ^/r/(?<registry>\w+)/index/ { cargo_index; }');
}


sub values_of_directives {
    my %bad = (
        # directive => [ values that are refused, and what is said of them ]
        cargo_postgres_connections => [
            '' => 'invalid number of arguments in "cargo_postgres_connections"',
            '4' => '"cargo_postgres_connections" directive takes read=NUMBER'
                   . ' and write=NUMBER',
            'read=0' => '"cargo_postgres_connections" directive takes numbers'
                        . ' from 1 to 100',
            'read=101' => 'takes numbers from 1 to 100',
            'read=x' => 'takes numbers from 1 to 100',
            'read=-1' => 'takes numbers from 1 to 100',
            'write=' => 'takes numbers from 1 to 100',
            'read=1 read=2' => '"cargo_postgres_connections" directive is'
                               . ' duplicate',
            'read=1 write=1 x=1' => 'invalid number of arguments in',
        ],
        cargo_postgres_queue => [
            '' => 'invalid number of arguments in "cargo_postgres_queue"',
            'x' => '"cargo_postgres_queue" directive invalid number',
            '0' => 'value must be between 1 and 1000000',
            '1000001' => 'value must be between 1 and 1000000',
            '-1' => 'invalid number',
        ],
        cargo_postgres_timeout => [
            '' => 'invalid number of arguments in "cargo_postgres_timeout"',
            'x' => '"cargo_postgres_timeout" directive invalid value',
            '-1' => '"cargo_postgres_timeout" directive invalid value',
        ],
        cargo_postgres_connect_timeout => [
            'soon' => '"cargo_postgres_connect_timeout" directive invalid',
        ],
        cargo_postgres_prepare => [
            '' => 'invalid number of arguments in "cargo_postgres_prepare"',
            'maybe' => 'invalid value "maybe" in "cargo_postgres_prepare"'
                       . ' directive, it must be "on" or "off"',
        ],
        cargo_downloads_flush => [
            'never' => '"cargo_downloads_flush" directive invalid value',
        ],
        cargo_registry => [
            '' => 'invalid number of arguments in "cargo_registry"',
            'a b' => 'invalid number of arguments in "cargo_registry"',
            '$nosuch' => 'unknown "nosuch" variable',
        ],
        cargo_base_url => [
            '' => 'invalid number of arguments in "cargo_base_url"',
            '$nosuch' => 'unknown "nosuch" variable',
        ],
        cargo_index_alias => [
            '' => 'invalid number of arguments in "cargo_index_alias"',
            'a $nosuch' => 'unknown "nosuch" variable',
        ],
        cargo_user => [
            '' => 'invalid number of arguments in "cargo_user"',
            'a b' => 'invalid number of arguments in "cargo_user"',
            '$nosuch' => 'unknown "nosuch" variable',
        ],
        cargo_user_from => [
            '' => 'invalid number of arguments in "cargo_user_from"',
            'localhost' => 'cargo_user_from "localhost" is neither an'
                           . ' address nor a CIDR nor "unix:"',
            '::1 10.0.0.0/33' => '"10.0.0.0/33" is neither an address',
            'unix:/x' => '"unix:/x" is neither an address',
        ],
        cargo_token => [
            '' => 'invalid number of arguments in "cargo_token"',
            '$nosuch' => 'unknown "nosuch" variable',
        ],
        cargo_blobs => [ '' => 'invalid number of arguments in "cargo_blobs"' ],
        cargo_thread_pool => [
            'nosuch' => 'unknown thread pool "nosuch"',
        ],
        cargo_max_crate_size => [
            'big' => '"cargo_max_crate_size" directive invalid value',
            '-1' => '"cargo_max_crate_size" directive invalid value',
        ],
        cargo_max_unpacked_size => [
            '1x' => '"cargo_max_unpacked_size" directive invalid value',
        ],
        cargo_max_archive_entries => [
            '0' => 'value must be',
            'x' => '"cargo_max_archive_entries" directive invalid number',
        ],
    );

    for my $directive (sort keys %bad) {
        my @rows = @{ $bad{$directive} };

        while (my ($value, $says) = splice @rows, 0, 2) {
            refused("$directive $value", $says, "$PG $directive $value;");
        }
    }

    for my $directive (qw(cargo_index cargo_api cargo_download cargo_me)) {
        refused("$directive x", "invalid number of arguments in"
                . " \"$directive\"", $PG,
                whole() . " location /x/ { $directive x; }");
    }
}


sub duplicates {
    my %value = (
        cargo_postgres => '"host=/run/x"', cargo_postgres_queue => 10,
        cargo_postgres_timeout => '1s', cargo_postgres_connect_timeout => '1s',
        cargo_postgres_connections => 'read=1',
        cargo_postgres_prepare => 'on', cargo_downloads_flush => '1s',
        cargo_registry => 'main', cargo_base_url => 'http://x',
        cargo_user => '$remote_user', cargo_token => '$arg_token',
        cargo_blobs => "$t->{dir}/blobs", cargo_thread_pool => 'default',
        cargo_max_crate_size => '1m', cargo_max_unpacked_size => '1m',
        cargo_max_archive_entries => 10,
    );

    for my $directive (sort keys %value) {
        my $line = "$directive $value{$directive};";
        my $pg = $directive eq 'cargo_postgres' ? '' : $PG;

        refused("$directive twice", "\"$directive\" directive is duplicate",
                "$pg $line $line");
        accepted("$directive once", "$pg $line");
    }
}


sub partners {
    my $blobs = "cargo_blobs $t->{dir}/blobs;";

    refused('no cargo_postgres', 'location "/index/" needs "cargo_postgres"'
            . ' in the http block', '');

    for my $row (['/index/', 'cargo_index'], ['/api/v1/', 'cargo_api'],
                 ['/dl/', 'cargo_download'], ['/me', 'cargo_me'])
    {
        my ($location, $handler) = @$row;
        my $server = "location $location { $handler; }";

        refused("$handler without cargo_registry", "location \"$location\""
                . ' needs "cargo_registry": the name of a registry made with'
                . ' "cargoctl registry create"', $PG, "$blobs $server");

        if ($handler =~ /api|download/) {
            refused("$handler without cargo_blobs", "location \"$location\""
                    . ' needs "cargo_blobs": the directory of the crate files',
                    $PG, "cargo_registry main; $server");
        } else {
            accepted("$handler without cargo_blobs", $PG,
                     "cargo_registry main; $server");
        }
    }
}


sub one_handler {
    refused('two handlers in one location', '"cargo_api" directive cannot stand'
            . ' beside another cargo handler in one location', $PG,
            whole(undef, 'cargo_api;'));
    refused('the same one twice', '"cargo_index" directive cannot stand beside',
            $PG, whole(undef, 'cargo_index;'));
}


sub root_and_alias {
    for my $line ("root $t->{dir};", "alias $t->{dir}/;") {
        for my $handler (qw(cargo_download cargo_api)) {
            my $says = "\"$handler\" directive cannot be used together with"
                       . ' "root" or "alias": the files come from'
                       . ' "cargo_blobs"';
            my $server = "cargo_registry main; cargo_blobs $t->{dir}/blobs;";

            refused("$line before $handler", $says, $PG,
                    "$server location /dl/ { $line $handler; }");
            refused("$line behind $handler", '(?:root|alias)', $PG,
                    "$server location /dl/ { $handler; $line }");
        }
    }

    accepted('a root of the server', $PG, whole("root $t->{dir};"));
}


sub contexts {
    for my $directive ('cargo_postgres "host=/run/x"', 'cargo_postgres_queue 1',
                       'cargo_postgres_timeout 1s', 'cargo_downloads_flush 1s')
    {
        my ($name) = split / /, $directive;

        refused("$name in server{}", "\"$name\" directive is not allowed here",
                $name eq 'cargo_postgres' ? '' : $PG, whole("$directive;"));
    }

    for my $handler (qw(cargo_index cargo_api cargo_download cargo_me)) {
        refused("$handler in server{}",
                "\"$handler\" directive is not allowed here", $PG,
                whole("$handler;"));
    }
}


sub connection_strings {
    my $says = '"cargo_postgres" directive is not a connection string as libpq'
               . ' reads it';

    for my $bad ('nonsense', 'host', 'nosuch=1', "host='x",
                 'postgresql://[::1/cargo', 'postgresql://h/d?nosuch=1')
    {
        refused("cargo_postgres $bad", $says, "cargo_postgres \"$bad\";");
    }

    for my $good ('', 'dbname=cargo', 'host=/run/x port=5433',
                  'postgresql:///cargo?host=/run/x', 'hostaddr=127.0.0.1',
                  'postgresql://u@127.0.0.1:5432/cargo', 'host=@abstract')
    {
        accepted("cargo_postgres $good", "cargo_postgres \"$good\";");
    }
}


sub hosts {
    for my $good ('host=127.0.0.1,localhost port=5432', 'host=/run/a,/run/b',
                  'host=127.0.0.1,127.0.0.2 port=5432,5433',
                  'host=/run/x,localhost port=5432,5433',
                  'postgresql://127.0.0.1:1,localhost:2/cargo',
                  'host=no-such-host.invalid hostaddr=127.0.0.1')
    {
        accepted("several hosts: $good", "cargo_postgres \"$good\";");
    }

    for my $bad ('host=127.0.0.1,127.0.0.2 port=1,2,3',
                 'host=127.0.0.1,127.0.0.2,127.0.0.3 port=1,2')
    {
        refused("ports without hosts: $bad", '"cargo_postgres" directive must'
                . ' have one port, or as many ports as hosts',
                "cargo_postgres \"$bad\";");
    }

    for my $attrs (qw(read-write primary)) {
        accepted("several hosts: $attrs", 'cargo_postgres "host=/run/a,/run/b'
                 . " target_session_attrs=$attrs\";");
    }

    for my $attrs (qw(any standby prefer-standby read-only)) {
        refused("several hosts: $attrs", 'target_session_attrs must be'
                . ' read-write or primary', 'cargo_postgres "host=/run/a,/run/b'
                . " target_session_attrs=$attrs\";");
        accepted("one host: $attrs", 'cargo_postgres "host=/run/a'
                 . " target_session_attrs=$attrs\";");
    }

    for my $bad ('host=a,b hostaddr=127.0.0.1',
                 'host=a hostaddr=127.0.0.1,127.0.0.2')
    {
        refused("hosts and addresses: $bad", '"cargo_postgres" directive must'
                . ' have as many hosts as addresses',
                "cargo_postgres \"$bad\";");
    }

    refused('a port of letters', '"cargo_postgres" directive has a port that'
            . ' is not a number', 'cargo_postgres "host=/run/x port=x";');

    for my $bad ('host=no-such-host.invalid',
                 'host=127.0.0.1,no-such-host.invalid',
                 'postgresql://no-such-host.invalid/cargo')
    {
        refused("an unknown host: $bad", 'cargo_postgres: host'
                . ' "no-such-host.invalid" cannot be resolved',
                "cargo_postgres \"$bad\";");
    }
}


# A configuration that is refused is shown around.

sub passwords {
    for my $conninfo ("host=no-such-host.invalid password=$SECRET",
                      "postgresql://u:$SECRET\@no-such-host.invalid/cargo",
                      "password='$SECRET host=x", "nosuch=1 password=$SECRET",
                      "host=x password=a $SECRET",
                      "postgresql://u:$SECRET\@[::1/cargo",
                      "postgresql://u:$SECRET%zz\@x/cargo",
                      "host=127.0.0.1,127.0.0.2 port=1,2,3 password=$SECRET",
                      "host=/run/x port=x password=$SECRET",
                      "host=/run/x,/run/y,/run/z port=1,2 password=$SECRET",
                      "host=/run/x password=$SECRET")
    {
        my ($rc, $out) = check("cargo_postgres \"$conninfo\";");
        my $log = $t->read_file('test-config.log') // '';

        like($out, qr/\[emerg\]|test is successful/, 'an answer');
        unlike("$out$log", qr/\Q$SECRET\E/, 'that keeps the password: '
               . $conninfo =~ s/\Q$SECRET\E/***/r);
    }
}


sub nested {
    accepted('limit_except and if in the locations', $PG, <<"SERVER");
cargo_registry main; cargo_blobs $t->{dir}/blobs;
location /index/ { cargo_index; if (\$arg_x) { set \$y 1; } }
location /dl/ { cargo_download; limit_except GET { deny all; } }
location /api/v1/ {
    cargo_api;
    limit_except GET { deny all; }
    if (\$arg_x) { set \$y 1; }
    location /api/v1/deeper/ { deny all; }
}
SERVER
}


# A login that every client could claim needs a word on who may.

sub users {
    my $says = 'cargo_user ".*" in location "/index/" is what any client may'
               . ' send; say with "cargo_user_from" which proxies are'
               . ' believed';

    for my $value ('$http_x_user', 'a${http_x_user}b', '$HTTP_X_USER',
                   '$arg_user', '$cookie_user', '$remote_user$arg_x')
    {
        refused("cargo_user $value", $says, $PG,
                whole("cargo_user \"$value\";"));
        accepted("cargo_user $value, from somewhere", $PG,
                 whole("cargo_user \"$value\"; cargo_user_from ::1;"));
    }

    accepted("cargo_user $_", $PG, whole("cargo_user \"$_\";"))
        for '$remote_user', '$ssl_client_s_dn', '', 'http_x', 'alice';

    refused('cargo_user of a location', $says, $PG,
            whole('', 'cargo_user $http_x_user;'));
    accepted('cargo_user of a server, not of a location', $PG,
             'cargo_user $http_x_user;');
    accepted('cargo_user_from of a server', $PG,
             whole('cargo_user_from ::1;', 'cargo_user $http_x_user;'));

    # who comes by another rule has been asked for no password
    my $any = 'satisfy any; allow ::1; deny all;';

    refused('cargo_user of a password that nobody asked for',
            'cargo_user "\$remote_user" in location "/index/" cannot be used'
            . ' with "satisfy any"', $PG,
            whole("cargo_user \$remote_user; cargo_user_from ::1; $any"));
    accepted("cargo_user $_, with satisfy any", $PG,
             whole("cargo_user \"$_\"; $any"))
        for '$ssl_client_s_dn', '', '$remote_addr';

    my ($rc, $out) = check($PG, whole('cargo_user_from 10.0.0.1/8;'));

    is($rc, 0, 'bits that do not count');
    like($out, qr/\[warn\] low address bits of 10\.0\.0\.1\/8 are/,
         'are told');
}


sub base_urls {
    for my $bad ('crates.example', 'ftp://crates.example', '/crates') {
        refused("no URL of a registry: $bad", "cargo_base_url \"$bad\" must"
                . ' begin with "https://" or "http://"', $PG,
                "cargo_base_url $bad; " . whole());
    }

    accepted('a variable in its path', $PG,
             'cargo_base_url https://x/r/$registry; ' . whole()
             . 'location ~ ^/r/(?<registry>[a-z]+)/index/ {'
             . ' cargo_registry $registry; cargo_index; }');
}


sub stores {
    # these two are found after nginx has opened the configured log
    $t->allow_errors(qr/cargo_blobs: ".*" holds other things/,
                     qr/cargo_blobs: ".*" is not a directory/,
                     qr/cargo_blobs: cannot make the directory/);

    accepted('a relative path', $PG,
             whole() =~ s/cargo_blobs \S+;/cargo_blobs store;/r);
    ok(-d "$t->{dir}/store/tmp", 'is below the prefix, and is made');
    accepted('a slash at its end', $PG,
             whole() =~ s/cargo_blobs (\S+);/cargo_blobs $1\/;/r);
    mkdir $t->path('in-use');
    $t->write_file('in-use/photo.jpg', '');
    refused('a directory of other things',
            'cargo_blobs: ".*in-use" holds other things',
            $PG, whole() =~ s/cargo_blobs \S+;/cargo_blobs in-use;/r);
    refused('a variable', '"cargo_blobs" directive takes no variables',
            $PG, whole() =~ s/cargo_blobs \S+;/cargo_blobs \$host;/r);
    refused('a file', 'cargo_blobs: ".*nginx.conf(?:/tmp)?" is not a directory',
            $PG, whole() =~ s/cargo_blobs \S+;/cargo_blobs nginx.conf;/r);
    refused('no parent', 'cargo_blobs: cannot make the directory', $PG,
            whole() =~ s/cargo_blobs \S+;/cargo_blobs no\/such;/r);
}
