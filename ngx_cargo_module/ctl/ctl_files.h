
/*
 * The SQL files below --sql, read whole.
 *
 * Memory: a list owns its files' names and texts until ctl_files_free().
 *
 * Always true: a list is in the byte order of the names; texts hold no NUL;
 * files whose names do not end in ".sql" or begin with a dot are no part of
 * it.
 */


#ifndef CTL_FILES_H
#define CTL_FILES_H


#include "cargoctl.h"


#define CTL_SHA256_HEX  64


typedef struct {
    char          *name;
    char          *text;
    char           sha256[CTL_SHA256_HEX + 1];
    unsigned       number;      /* of a migration */
} ctl_file_t;

typedef struct {
    ctl_file_t    *files;
    size_t         count;
} ctl_files_t;


/* CTL_REFUSED, said, when one cannot be read */
ctl_rc_t ctl_files_read(const char *dir, const char *subdir,
    ctl_files_t *list);
void ctl_files_free(ctl_files_t *list);

/* of all names and texts */
void ctl_files_sha256(const ctl_files_t *list, char *hex);

/* lower case, ends in NUL */
void ctl_hex(const unsigned char *bytes, size_t n, char *hex);


#endif /* CTL_FILES_H */
