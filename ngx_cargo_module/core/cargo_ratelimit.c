
#include "cargo_ratelimit.h"

#include <stdio.h>
#include <string.h>


static cargo_ratelimit_kind_t *cargo_ratelimit_find(cargo_ratelimit_t *limit,
    const char *kind, uint32_t code);


const char *
cargo_ratelimit(cargo_ratelimit_t *limit, const char *kind, uint32_t code,
    time_t now)
{
    cargo_ratelimit_kind_t  *k;

    limit->note[0] = '\0';

    k = cargo_ratelimit_find(limit, kind, code);

    if (k->kind
        && k->code == code
        && strcmp(k->kind, kind) == 0)
    {
        if (now >= k->told && now - k->told < CARGO_RATELIMIT_SECONDS) {
            k->untold++;
            return NULL;
        }

        if (k->untold) {
            (void) snprintf(limit->note, sizeof(limit->note),
                            "; %lu more since this was logged last",
                            (unsigned long) k->untold);
        }

    } else {
        k->kind = kind;
        k->code = code;
    }

    k->told = now;
    k->untold = 0;

    return limit->note;
}


/* its own place, or one for it */

static cargo_ratelimit_kind_t *
cargo_ratelimit_find(cargo_ratelimit_t *limit, const char *kind, uint32_t code)
{
    size_t                   i;
    cargo_ratelimit_kind_t  *k, *oldest;

    oldest = &limit->kinds[0];

    for (i = 0; i < CARGO_RATELIMIT_KINDS; i++) {
        k = &limit->kinds[i];

        if (k->kind == NULL) {
            return k;
        }

        if (k->code == code && strcmp(k->kind, kind) == 0) {
            return k;
        }

        if (k->told < oldest->told) {
            oldest = k;
        }
    }

    return oldest;
}
