
#include "cargo_dependency.h"

#include <string.h>


#define CARGO_CFG  "cfg("


static int cargo_registry_is_crates_io(cargo_str_t canonical);
static size_t cargo_registry_scheme(cargo_str_t url);
static int cargo_lower(int c);
static int cargo_space(int c);


/*
 * cargo names crates.io by the URL of its git index, whichever protocol it
 * uses; manifests may hold both.
 */
static const cargo_str_t  cargo_crates_io_urls[] = {
    cargo_string(CARGO_CRATES_IO_INDEX),
    cargo_string(CARGO_CRATES_IO_INDEX ".git"),
    cargo_string("sparse+https://index.crates.io")
};


cargo_rc_t
cargo_registry_normalize(cargo_arena_t *arena, cargo_str_t *url,
    const cargo_own_index_t *own, cargo_error_t *error)
{
    size_t       i;
    cargo_str_t  canonical, other;

    if (url->data == NULL) {
        return CARGO_OK;
    }

    if (cargo_registry_scheme(*url) == 0) {
        return cargo_refuse(error, 400, "`" CARGO_STR_FMT "` is not a valid "
                            "registry index URL; give one such as "
                            "sparse+https://example.com/index/",
                            cargo_str_arg(*url));
    }

    canonical = cargo_registry_canonical(arena, *url);
    if (canonical.data == NULL) {
        return CARGO_NO_MEMORY;
    }

    for (i = 0; i < own->count; i++) {

        other = cargo_registry_canonical(arena, own->urls[i]);
        if (other.data == NULL) {
            return CARGO_NO_MEMORY;
        }

        if (cargo_str_equal(canonical, other)) {
            *url = (cargo_str_t) { 0, NULL };
            return CARGO_OK;
        }
    }

    if (cargo_registry_is_crates_io(canonical)) {
        *url = cargo_crates_io_urls[0];
    }

    return CARGO_OK;
}


cargo_str_t
cargo_registry_canonical(cargo_arena_t *arena, cargo_str_t url)
{
    size_t                    i, authority;
    cargo_str_t               canonical;
    static const cargo_str_t  prefix = cargo_string("registry+");

    if (url.data == NULL) {
        return url;
    }

    if (url.len > prefix.len
        && memcmp(url.data, prefix.data, prefix.len) == 0)
    {
        url.data += prefix.len;
        url.len -= prefix.len;
    }

    canonical = cargo_arena_copy(arena, url.data, url.len);
    if (canonical.data == NULL) {
        return canonical;
    }

    authority = cargo_registry_scheme(canonical);

    for (i = 0; i < canonical.len; i++) {

        if (i >= authority && canonical.data[i] == '/') {
            break;
        }

        canonical.data[i] = (unsigned char) cargo_lower(canonical.data[i]);
    }

    while (canonical.len > authority
           && canonical.data[canonical.len - 1] == '/')
    {
        canonical.len--;
    }

    return canonical;
}


cargo_str_t
cargo_target_canonical(cargo_arena_t *arena, cargo_str_t target)
{
    int          quoted;
    size_t       i, n;
    cargo_str_t  canonical;

    if (target.len < sizeof(CARGO_CFG) - 1
        || memcmp(target.data, CARGO_CFG, sizeof(CARGO_CFG) - 1) != 0)
    {
        return target;
    }

    canonical = cargo_arena_copy(arena, target.data, target.len);
    if (canonical.data == NULL) {
        return canonical;
    }

    quoted = 0;
    n = 0;

    for (i = 0; i < target.len; i++) {

        if (target.data[i] == '"') {
            quoted = !quoted;

        } else if (!quoted) {

            if (cargo_space(target.data[i])) {
                continue;
            }

            if (target.data[i] == ')' && canonical.data[n - 1] == ',') {
                n--;
            }
        }

        canonical.data[n++] = target.data[i];
    }

    canonical.len = n;

    return canonical;
}


static int
cargo_registry_is_crates_io(cargo_str_t canonical)
{
    size_t  i;

    for (i = 0; i < sizeof(cargo_crates_io_urls) / sizeof(cargo_str_t); i++) {
        if (cargo_str_equal(canonical, cargo_crates_io_urls[i])) {
            return 1;
        }
    }

    return 0;
}


/* the length of "scheme://", 0 when the URL has none or nothing follows */

static size_t
cargo_registry_scheme(cargo_str_t url)
{
    int     c;
    size_t  i;

    for (i = 0; i < url.len; i++) {

        c = cargo_lower(url.data[i]);

        if (c >= 'a' && c <= 'z') {
            continue;
        }

        if (i == 0 || !((c >= '0' && c <= '9')
                        || c == '+' || c == '-' || c == '.'))
        {
            break;
        }
    }

    if (i == 0 || url.len - i <= 3 || memcmp(url.data + i, "://", 3) != 0) {
        return 0;
    }

    return i + 3;
}


static int
cargo_lower(int c)
{
    return (c >= 'A' && c <= 'Z') ? c - 'A' + 'a' : c;
}


static int
cargo_space(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}
