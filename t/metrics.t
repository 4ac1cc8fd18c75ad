#!/usr/bin/perl

# /-/metrics: what is counted, over all workers, reloads and deaths; what
# Prometheus thinks of it; and that conf/ asks for nothing that is not there.

use strict;
use warnings;

use FindBin;
use lib "$FindBin::Bin/lib";

use JSON::PP ();
use Test::More;

use Test::Cargo;
use Test::Cargo::Cache;
use Test::Cargo::Database;

my $t = Test::Cargo->new();
my $conf = $t->root() . '/conf';

$t->postgres();
$t->registry('vault', 'auth-required' => 'true');

$t->nginx(main => 'worker_processes 2;', http => <<'HTTP',
cargo_downloads_flush   100ms;
cargo_postgres_timeout  1s;
cargo_zone              cargo:8m lease=2s;
server {
    listen  127.0.0.1:%%port:vault%%;
    cargo_registry  vault;
    cargo_blobs     %%dir%%/blobs;
    location /index/  { cargo_index; }
    location /api/v1/ { cargo_api; error_page 401 =401 /sorry; }
    location /dl/     { cargo_download; }
    location = /sorry { internal; return 401 "sorry"; }
}
HTTP
server => "include $conf/cargo_status.conf;");

my $alice = $t->account('alice-the-secret', role => 'admin');
my $vera = $t->account('vera', registry => 'vault');
my @vault = (port => $t->port('vault'));

accepted();
requests();
publishes();
downloads();
goes_on();
bounded();
outage();
secrets();
wanted();

$t->done();


sub text { return $t->get('/-/metrics')->{body} }


# value('name', label => value, ...): 0 when there is no such series

sub value {
    my ($name, %labels) = @_;

    my $sum = 0;

    for my $line (split /\n/, text()) {
        my ($n, $l, $value) = $line =~ /^(\w+)(?:\{(.*)\})? (\S+)$/ or next;
        my %has = ($l // '') =~ /(\w+)="([^"]*)"/g;

        next if $n ne $name;
        next if grep { ($has{$_} // '') ne $labels{$_} } keys %labels;

        $sum += $value;
    }

    return $sum;
}


# counts(NAME, HOW MANY, CODE, METRIC, LABELS ...): what the code adds

sub counts {
    my ($name, $n, $code, $metric, %labels) = @_;

    my $before = value($metric, %labels);

    $code->();

    # a request is counted when it is over, and the client may be sooner
    my $after;
    $t->wait_for(sub {
        ($after = value($metric, %labels)) >= $before + $n
    }, 5);

    is($after - $before, $n, "$name: $metric");
}


sub promtool {
    my ($what, $file, @args) = @_;

    return $t->run(command => [ 'sh', '-c', "promtool check $what $file" ],
                   merge => 1);
}


sub accepted {
    my $r = $t->get('/-/metrics');

    is($r->header('Content-Type'), 'text/plain; version=0.0.4; charset=utf-8',
       'the format of Prometheus');
    is($r->header('Cache-Control'), 'no-store', 'not for caches');

    check_format('at first');
}


sub check_format {
    my ($name) = @_;

    my $path = $t->write_file('metrics.txt', text());
    my ($rc, $out) = promtool('metrics', "< $path");

    is("$rc $out", '0 ', "promtool accepts it $name");
}


sub requests {
    my @case = (
        [ index => 200, '/index/fo/o-/foo-secret' ],
        [ index => 304, '/index/fo/o-/foo-secret', 'If-None-Match' => '*' ],
        [ index => 404, '/index/no/su/nosuch' ],
        [ config => 200, '/index/config.json' ],
        [ index => 404, '/index/3/n/non' ],
        [ login_page => 200, '/me' ],
        [ search => 200, '/api/v1/crates?q=foo' ],
        [ crate => 200, '/api/v1/crates/foo-secret' ],
        [ version => 404, '/api/v1/crates/foo-secret/9.9.9' ],
        [ unknown => 404, '/api/v1/nothing' ],
        [ download => 200, '/api/v1/crates/foo-secret/1.0.0/download' ],
        [ download => 404, '/dl/nothing' ],
        [ me => 403, '/api/v1/me' ],
        [ status => 404, '/-/nothing' ],
        [ config => 401, '/index/config.json', @vault ],
        [ config => 200, '/index/config.json', @vault,
          Authorization => $vera ],
    );

    $t->publish($alice, { name => 'foo-secret' });

    for my $case (@case) {
        my ($endpoint, $code, $uri, @headers) = @$case;
        my $status;

        counts("$endpoint $code", 3, sub {
            $status = $t->get($uri, @headers)->{status} for 1 .. 3;
        }, 'ngx_cargo_requests_total', endpoint => $endpoint, code => $code)
            or diag("answered $status");
    }

    counts('405', 1, sub { $t->put('/index/config.json', 'x') },
           'ngx_cargo_requests_total', endpoint => 'config', code => '405');
    counts('an error page of elsewhere', 1, sub {
        is($t->get('/api/v1/crates', @vault)->{body}, 'sorry', 'it is sent');
    }, 'ngx_cargo_requests_total', endpoint => 'search', code => '401');
    counts('no API', 0, sub { $t->get('/nothing') },
           'ngx_cargo_requests_total', code => '404');

    is(value('ngx_cargo_request_duration_seconds_count', endpoint => $_),
       value('ngx_cargo_requests_total', endpoint => $_),
       "the durations of $_ are as many")
        for qw(index config search download);

    my $held = hold($t, 'lock table cargo_store.crates in access exclusive'
                        . ' mode');
    counts('slow', 1, sub {
        is($t->get('/api/v1/crates?q=slow')->{status}, 503, 'timed out')
    }, 'ngx_cargo_request_duration_seconds_bucket', endpoint => 'search',
       le => '2.5');
    release($t, $held);
    is(value('ngx_cargo_request_duration_seconds_bucket',
             endpoint => 'search', le => '+Inf')
       - value('ngx_cargo_request_duration_seconds_bucket',
               endpoint => 'search', le => '0.5'), 1,
       'of which one took longer than half a second');
    cmp_ok(value('ngx_cargo_request_duration_seconds_sum',
                 endpoint => 'search'), '>', 0.9, 'and its second is summed');
    is(value('ngx_cargo_postgres_jobs_total', pool => 'reads',
             outcome => 'timed_out'), 1, 'as a question that timed out');

    # who goes away is 499
    $held = hold($t, 'lock table cargo_store.crates in access exclusive mode');
    counts('a client that goes away', 1, sub {
        my $c = start_request($t, 'GET', '/api/v1/crates?q=gone');
        $t->wait_for(sub { backends($t, "wait_event_type = 'Lock'") });
        $c->close();
    }, 'ngx_cargo_requests_total', endpoint => 'search', code => '499');
    release($t, $held);

    check_format('with requests');
}


sub publishes {
    my %stage = map { $_ => value('ngx_cargo_publish_stage_duration_seconds'
                                  . '_count', stage => $_) }
                qw(receive check store database);

    $t->publish($alice, { name => 'bar', vers => "1.0.$_" }) for 1 .. 3;
    $t->publish($alice, { name => 'bar', vers => '2.0.0' },
                crate => 'no gzip');

    my %after = map { $_ => value('ngx_cargo_publish_stage_duration_seconds'
                                  . '_count', stage => $_) } keys %stage;

    is_deeply({ map { $_ => $after{$_} - $stage{$_} } keys %stage },
              { receive => 4, check => 4, store => 3, database => 3 },
              'stages of three publishes and one that is refused');
    cmp_ok(value('ngx_cargo_publish_stage_duration_seconds_sum',
                 stage => $_), '>', 0, "$_ takes time")
        for qw(check store);
    cmp_ok(value('ngx_cargo_changes_heard_total'), '>=', 3,
           'changes are heard of')
        if $t->wait_for(sub { value('ngx_cargo_changes_heard_total') >= 3 });
    cmp_ok(abs(time - value('ngx_cargo_changes_last_timestamp_seconds')), '<',
           30, 'and when');
    cmp_ok(value('ngx_cargo_changes_lag_seconds'), '<', 5, 'and up to now');
    like(text(), qr/^ngx_cargo_lease_seconds [01]\.\d{3}$/m, 'the lease');
}


sub downloads {
    my $uri = '/api/v1/crates/bar/1.0.1/download';

    counts('a download', 1, sub { $t->get($uri) },
           'ngx_cargo_downloads_flushes_total');
    is(value('ngx_cargo_downloads_pending'), 0, 'none is pending then');
    cmp_ok(abs(time - value('ngx_cargo_downloads_flushed_timestamp_seconds')),
           '<', 30, 'it is told when');
}


sub total { return value('ngx_cargo_requests_total', endpoint => 'index') }


sub spread {
    my ($n) = @_;

    # many connections: both workers get some
    my @c = map { start_request($t, 'GET', '/index/3/b/bar') } 1 .. $n;

    $_->receive() for @c;

    return;
}


sub goes_on {
    is(value('ngx_cargo_workers'), 2, 'two workers');
    counts('of both', 40, sub { spread(40) }, 'ngx_cargo_requests_total',
           endpoint => 'index');

    my $before = total();

    for my $i (1 .. 3) {
        ok($t->reload_nginx(), 'reload');
        $t->wait_for(sub { value('ngx_cargo_workers') == 2 });
    }

    is(total(), $before, 'a reload forgets nothing');
    is(value('ngx_cargo_workers'), 2, 'old workers are gone');

    $t->allow_errors(qr/exited on signal 9/);

    for my $i (1 .. 4) {
        my ($victim) = $t->workers();

        kill 'KILL', $victim;
        $t->wait_for(sub {
            my @now = $t->workers();
            return @now == 2 && !grep { $_ == $victim } @now;
        });
    }

    ok($t->wait_for(sub { value('ngx_cargo_workers') == 2 }),
       'two workers after four were killed');
    is(total(), $before, 'nothing is forgotten');
    counts('after that', 40, sub { spread(40) }, 'ngx_cargo_requests_total',
           endpoint => 'index');
}


# Whatever clients send, the number of series does not follow.

sub bounded {
    my $series = sub { my $n = () = text() =~ /^ngx_cargo/mg; $n };

    $t->get('/index/xx/yy/xxyy', 'If-None-Match' => '*');
    $t->get('/api/v1/crates/xx');
    $t->get('/api/v1/nothing');
    $t->request('BREW', '/api/v1/crates');

    my $before = $series->();

    for my $i (1 .. 200) {
        $t->get("/index/xx/yy/xxyy$i");
        $t->get("/api/v1/crates/xx$i");
        $t->get("/api/v1/nothing/$i");
        $t->request('BREW', "/api/v1/crates?$i");
    }

    is($series->(), $before, '800 requests make no series');
}


sub outage {
    listening($t);
    $t->get('/index/3/b/bar') for 1 .. 3;
    $t->stop_postgres();

    ok($t->wait_for(sub {
        $t->get('/index/3/b/bar');
        return value('ngx_cargo_reads_stale_total') > 3;
    }, 15), 'reads of what may be out of date');

    ok($t->wait_for(sub {
        $t->get('/api/v1/summary');
        return value('ngx_cargo_postgres_jobs_total', pool => 'reads',
                     outcome => 'unavailable')
               + value('ngx_cargo_postgres_jobs_total', pool => 'reads',
                       outcome => 'refused') > 0;
    }, 15), 'questions that are not answered');

    cmp_ok(value('ngx_cargo_postgres_connects_total', outcome => 'lost'), '>',
           0, 'connections that were lost');
    cmp_ok(value('ngx_cargo_postgres_connects_total', outcome => 'failed'),
           '>', 0, 'attempts that failed');
    is(value('ngx_cargo_lease_seconds'), 0, 'no lease');
    cmp_ok(value('ngx_cargo_changes_lag_seconds'), '>', 0,
           'the log of changes is not read');
    check_format('in an outage');

    $t->start_postgres();
    ok($t->wait_for(sub {
        $t->get('/api/v1/summary')->{status} == 200
    }), 'it is back');

    ok($t->wait_for(sub {
        $t->get('/-/ready')->{body} !~ /takes no connections/
    }), 'and nothing is wrong');
}


sub secrets {
    my $ready = $t->get('/-/ready')->{body};
    my $dir = $t->dir();

    # a worker that has not tried the database again says this much
    $ready =~ s/does it let cargo_web in//;

    unlike(text() . $ready, qr/secret|vault|vera|\bbar\b|ngxcargo_|cargo_web|\Q$dir\E/,
           'no names of crates, accounts, registries, no tokens, no paths');
}


sub wanted {
    my %there = map { $_ => 1 } text() =~ /^# TYPE (\w+) /mg;
    my $rules = "$conf/prometheus-alerts.yml";
    my $board = $t->read_file("$conf/grafana-dashboard.json");

    ok(eval { JSON::PP->new->utf8->decode($board) }, 'the dashboard is JSON')
        or diag($@);

    my ($rc, $out) = promtool('rules', $rules);

    is($rc, 0, 'promtool accepts the rules') or diag($out);

    my %asked;

    for my $text ($board, $t->read_file($rules)) {
        $asked{ s/_(?:bucket|sum|count)\z//r }++
            for $text =~ /\b(ngx_cargo_\w+)/g;
    }

    cmp_ok(scalar keys %asked, '>', 20, 'conf/ asks for metrics');
    is(join(' ', grep { !$there{$_} } sort keys %asked), '',
       'all of which are there');
    is(join(' ', grep { !$asked{$_} } sort keys %there), '',
       'and shows all that there are');
}
