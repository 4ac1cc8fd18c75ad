
#include "fuzz.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>


/*
 * Runs a target over files, and over those in directories, without libFuzzer:
 * how "make test" replays what the fuzzers have found.
 */


static unsigned replay(const char *path);
static unsigned replay_directory(const char *path);
static void replay_file(const char *path, size_t size);


int
main(int argc, char **argv)
{
    int       i;
    unsigned  n;

    n = 0;

    for (i = 1; i < argc; i++) {
        n += replay(argv[i]);
    }

    printf("%u\n", n);

    return n ? 0 : 1;
}


static unsigned
replay(const char *path)
{
    struct stat  info;

    if (stat(path, &info) != 0) {
        perror(path);
        exit(1);
    }

    if (S_ISDIR(info.st_mode)) {
        return replay_directory(path);
    }

    replay_file(path, (size_t) info.st_size);

    return 1;
}


static unsigned
replay_directory(const char *path)
{
    DIR            *dir;
    char            name[4096];
    unsigned        n;
    struct dirent  *entry;

    dir = opendir(path);

    if (dir == NULL) {
        perror(path);
        exit(1);
    }

    n = 0;

    while ((entry = readdir(dir))) {
        if (entry->d_name[0] != '.') {
            (void) snprintf(name, sizeof(name), "%s/%s", path, entry->d_name);
            n += replay(name);
        }
    }

    (void) closedir(dir);

    return n;
}


/* exactly as large as the file, so that reading past its end is seen */

static void
replay_file(const char *path, size_t size)
{
    FILE           *file;
    unsigned char  *data;

    file = fopen(path, "rb");
    data = malloc(size ? size : 1);

    if (file == NULL || data == NULL || fread(data, 1, size, file) != size) {
        perror(path);
        exit(1);
    }

    (void) fclose(file);

    /* the one that fails is the last that is named */
    fprintf(stderr, "%s\n", path);

    (void) LLVMFuzzerTestOneInput(data, size);

    free(data);
}
