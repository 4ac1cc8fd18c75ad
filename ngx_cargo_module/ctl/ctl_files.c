
#include "ctl_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/evp.h>

#include "ctl_print.h"


static ctl_rc_t ctl_files_names(const char *path, ctl_files_t *list);
static int ctl_files_wanted(const struct dirent *entry);
static int ctl_files_order(const struct dirent **a, const struct dirent **b);
static ctl_rc_t ctl_file_read(const char *path, ctl_file_t *file);
static void ctl_sha256(const void *data, size_t len, char *hex);


ctl_rc_t
ctl_files_read(const char *dir, const char *subdir, ctl_files_t *list)
{
    char      *path;
    size_t     i;
    ctl_rc_t   rc;

    path = ctl_printf("%s/%s", dir, subdir);
    rc = ctl_files_names(path, list);

    for (i = 0; rc == CTL_DONE && i < list->count; i++) {
        rc = ctl_file_read(path, &list->files[i]);
    }

    free(path);

    return rc;
}


void
ctl_files_free(ctl_files_t *list)
{
    size_t  i;

    for (i = 0; i < list->count; i++) {
        free(list->files[i].name);
        free(list->files[i].text);
    }

    free(list->files);

    list->files = NULL;
    list->count = 0;
}


void
ctl_files_sha256(const ctl_files_t *list, char *hex)
{
    char    *all, *longer;
    size_t   i;

    all = ctl_printf("%s", "");

    for (i = 0; i < list->count; i++) {
        longer = ctl_printf("%s%s  %s\n", all, list->files[i].sha256,
                            list->files[i].name);
        free(all);
        all = longer;
    }

    ctl_sha256(all, strlen(all), hex);

    free(all);
}


void
ctl_hex(const unsigned char *bytes, size_t n, char *hex)
{
    size_t             i;
    static const char  digits[] = "0123456789abcdef";

    for (i = 0; i < n; i++) {
        hex[2 * i] = digits[bytes[i] >> 4];
        hex[2 * i + 1] = digits[bytes[i] & 0xf];
    }

    hex[2 * n] = '\0';
}


static ctl_rc_t
ctl_files_names(const char *path, ctl_files_t *list)
{
    int              i, n;
    struct dirent  **entries;

    list->files = NULL;
    list->count = 0;

    n = scandir(path, &entries, ctl_files_wanted, ctl_files_order);
    if (n < 0) {
        ctl_error("cannot read the directory %s: %s; say with --sql or "
                  "CARGO_SQL where the SQL files of ngx_cargo are", path,
                  strerror(errno));
        return CTL_REFUSED;
    }

    list->files = ctl_alloc((size_t) n * sizeof(ctl_file_t));

    list->count = (size_t) n;

    for (i = 0; i < n; i++) {
        memset(&list->files[i], 0, sizeof(ctl_file_t));
        list->files[i].name = ctl_printf("%s", entries[i]->d_name);

        free(entries[i]);
    }

    free(entries);

    return CTL_DONE;
}


static int
ctl_files_wanted(const struct dirent *entry)
{
    size_t  len;

    len = strlen(entry->d_name);

    return entry->d_name[0] != '.' && len > 4
           && strcmp(entry->d_name + len - 4, ".sql") == 0;
}


/* alphasort() would follow the locale */

static int
ctl_files_order(const struct dirent **a, const struct dirent **b)
{
    return strcmp((*a)->d_name, (*b)->d_name);
}


static ctl_rc_t
ctl_file_read(const char *path, ctl_file_t *file)
{
    FILE        *in;
    char        *name, *longer;
    size_t       len, room;
    const char  *wrong;

    name = ctl_printf("%s/%s", path, file->name);
    in = fopen(name, "rb");
    wrong = NULL;
    len = 0;
    room = 4096;
    file->text = ctl_alloc(room);

    while (in && !feof(in) && !ferror(in)) {
        len += fread(file->text + len, 1, room - len, in);

        if (len == room) {
            room *= 2;
            longer = ctl_alloc(room);
            memcpy(longer, file->text, len);
            free(file->text);
            file->text = longer;
        }
    }

    if (in == NULL || ferror(in)) {
        wrong = strerror(errno);

    } else if (memchr(file->text, '\0', len)) {
        wrong = "it is not a text file (it holds a NUL byte)";
    }

    file->text[len] = '\0';
    ctl_sha256(file->text, len, file->sha256);

    if (in) {
        (void) fclose(in);
    }

    if (wrong) {
        ctl_error("cannot use %s: %s; install the SQL files of ngx_cargo "
                  "again", name, wrong);
    }

    free(name);

    return wrong ? CTL_REFUSED : CTL_DONE;
}


static void
ctl_sha256(const void *data, size_t len, char *hex)
{
    unsigned char  digest[EVP_MAX_MD_SIZE];

    if (EVP_Digest(data, len, digest, NULL, EVP_sha256(), NULL) != 1) {
        ctl_error("libcrypto cannot compute SHA-256");
        exit(CTL_FAILED);
    }

    ctl_hex(digest, CTL_SHA256_HEX / 2, hex);
}
