package Test::Cargo::Faults;

use strict;
use warnings;

use Exporter qw(import);
use File::Path qw(make_path);
use Test::More ();

our @EXPORT = qw(fault few_files fill in_own_mounts log_since log_size
                 many_files no_fault preload_faults remount tmpfs);

my $FILES = 1024;

# Fails the call that the file says, on paths with that text in them.
my $SHIM = <<'C';
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

static char rule_path[4096];

__attribute__((constructor)) static void begin(void)
{
    const char *p = getenv("TEST_FAULT");
    if (p) { strncpy(rule_path, p, sizeof(rule_path) - 1); }
}

static int fails(const char *call, const char *path)
{
    int fd, code; ssize_t n; char rule[1024], name[64], part[512];
    fd = open(rule_path, O_RDONLY|O_CLOEXEC);
    if (fd == -1) { return 0; }
    n = read(fd, rule, sizeof(rule) - 1);
    close(fd);
    if (n <= 0) { return 0; }
    rule[n] = '\0';
    if (sscanf(rule, "%63s %d %511s", name, &code, part) != 3
        || strcmp(name, call) != 0 || strstr(path, part) == NULL)
    {
        return 0;
    }
    errno = code;
    return 1;
}

static int fails_fd(const char *call, int fd)
{
    char link[64], path[4096]; ssize_t n;
    sprintf(link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof(path) - 1);
    if (n < 0) { return 0; }
    path[n] = '\0';
    return fails(call, path);
}

#define REAL(name)  ((__typeof__(&name)) dlsym(RTLD_NEXT, #name))

ssize_t write(int fd, const void *p, size_t n)
{ return fails_fd("write", fd) ? -1 : REAL(write)(fd, p, n); }

ssize_t pread(int fd, void *p, size_t n, off_t at)
{ return fails_fd("pread", fd) ? -1 : REAL(pread)(fd, p, n, at); }

ssize_t pread64(int fd, void *p, size_t n, off64_t at)
{ return fails_fd("pread", fd) ? -1 : REAL(pread64)(fd, p, n, at); }

ssize_t pwrite(int fd, const void *p, size_t n, off_t at)
{ return fails_fd("pwrite", fd) ? -1 : REAL(pwrite)(fd, p, n, at); }

ssize_t pwrite64(int fd, const void *p, size_t n, off64_t at)
{ return fails_fd("pwrite", fd) ? -1 : REAL(pwrite64)(fd, p, n, at); }

int fsync(int fd)
{ return fails_fd("fsync", fd) ? -1 : REAL(fsync)(fd); }

int rename(const char *from, const char *to)
{ return fails("rename", to) ? -1 : REAL(rename)(from, to); }

int mkdir(const char *path, mode_t mode)
{ return fails("mkdir", path) ? -1 : REAL(mkdir)(path, mode); }

int mkostemp(char *path, int flags)
{ return fails("mkostemp", path) ? -1 : REAL(mkostemp)(path, flags); }

int mkostemp64(char *path, int flags)
{ return fails("mkostemp", path) ? -1 : REAL(mkostemp64)(path, flags); }

int pthread_create(pthread_t *tid, const pthread_attr_t *attr,
    void *(*start)(void *), void *data)
{
    return fails("pthread_create", "thread")
           ? errno : REAL(pthread_create)(tid, attr, start, data);
}
C


# All that the test mounts is gone with its last process.

sub in_own_mounts {
    return 1 if $ENV{TEST_OWN_MOUNTS};

    my $why = $> != 0 ? 'not root'
            : system('unshare', '-m', 'mount', '-t', 'tmpfs', 'tmpfs', '/mnt')
              ? 'no mount allowed' : undef;

    Test::More::plan(skip_all => "$why: disks that fail are NOT shown") if $why;

    $ENV{TEST_OWN_MOUNTS} = 1;
    exec 'unshare', '-m', $^X, $0, @ARGV or die "unshare: $!\n";
}


sub tmpfs {
    my ($t, $dir, $options, $user) = @_;

    my ($uid, $gid) = (getpwnam($user // 'nobody'))[2, 3];

    make_path($dir);

    system('mount', '-t', 'tmpfs', '-o',
           "$options,mode=0700,uid=$uid,gid=$gid", 'tmpfs', $dir) == 0
        or die "cannot mount a tmpfs on $dir\n";

    push @{ $t->{mounts} }, $dir;
}


sub remount {
    my ($dir, $options) = @_;

    system('mount', '-o', "remount,$options", $dir) == 0
        or die "cannot remount $dir\n";
}


# All room that is left but for so many bytes; what makes it is returned.

sub fill {
    my ($dir, $left) = @_;

    my $path = "$dir/filler";

    open my $file, '>:raw', $path or die "open $path: $!\n";
    1 while syswrite $file, "\0" x 4096;
    $!{ENOSPC} or die "write $path: $!\n";

    truncate $file, (-s $path) - $left or die "truncate $path: $!\n" if $left;

    return $path;
}


sub many_files {
    my ($dir) = @_;

    my @files;

    while (1) {
        my $path = "$dir/filler" . @files;

        open my $file, '>', $path or last;
        push @files, $path;
    }

    $!{ENOSPC} or die "no end of files in $dir: $!\n";

    return @files;
}


sub preload_faults {
    my ($t) = @_;

    my $source = $t->write_file('faults.c', $SHIM);
    my $object = $t->path('faults.so');

    $t->run_ok(command => [ 'gcc', '-shared', '-fPIC', '-O1', '-o', $object,
                            $source, '-ldl' ], merge => 1);

    my @objects = $object;

    if ($t->objs() =~ /asan/) {
        chomp(my $asan = `gcc -print-file-name=libasan.so`);
        unshift @objects, $asan;
    }

    return (LD_PRELOAD => join(':', @objects),
            TEST_FAULT => $t->dir() . '/fault');
}


sub fault {
    my ($t, $call, $errno, $part) = @_;

    # it appears at once and whole
    $t->write_file('fault.new', "$call $errno $part\n");
    rename $t->dir() . '/fault.new', $t->dir() . '/fault'
        or die "rename: $!\n";
}


sub no_fault { unlink $_[0]->dir() . '/fault' }


# The process may open so many files more; undef: as many as it likes.

sub few_files {
    my ($t, $pid, $more) = @_;

    my $limit = $FILES;

    if (defined $more) {
        my %open = map { m{/(\d+)$} ? ($1 => 1) : () } glob("/proc/$pid/fd/*");

        $limit = 0;

        while ($open{$limit} || $more-- > 0) {
            $limit++;
        }
    }

    # root of a container may not, the worker's own user may
    my ($uid, $gid) = (getpwnam 'nobody')[2, 3];

    system('setpriv', "--reuid=$uid", "--regid=$gid", '--clear-groups',
           'prlimit', "--pid=$pid", "--nofile=$limit:") == 0
        or die "prlimit failed\n";
}


sub log_size { return length($_[0]->read_file('error.log') // '') }


sub log_since {
    my ($t, $size, $pattern) = @_;

    return grep { $_ =~ $pattern }
           split /\n/, substr($t->read_file('error.log') // '', $size);
}


1;

__END__

=head1 NAME

Test::Cargo::Faults - disks and files that fail

=head1 FUNCTIONS

=head2 in_own_mounts

First of all: from here on, what is mounted is seen by this test and its
children alone.  Skips the test, aloud, when that is not allowed.

=head2 tmpfs($t, $dir, $options, $user), remount($dir, $options)

A small disk: C<size=1m,nr_inodes=100>; it belongs to C<nobody> or $user.

=head2 fill($dir, $left), many_files($dir)

Takes all room (but for $left bytes), all files.  Returns the paths.

=head2 preload_faults($t), fault($t, $call, $errno, $part), no_fault($t)

Builds a library for LD_PRELOAD and returns the environment that loads it;
from fault() to no_fault(), write, pread, pwrite, fsync, rename, mkdir or
mkostemp fails on paths that hold $part, or pthread_create on C<thread>.

=head2 few_files($t, $pid, $more)

How many files the process may open beside those it has.

=head2 log_size($t), log_since($t, $size, $pattern)

Lines of the error log since then that match.

=cut
