
#include "cargo_fields.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_name.h"
#include "cargo_semver.h"


#define CARGO_KEYWORD_MAX  20

/* of each number of rust-version: any of that many digits fits 64 bits */
#define CARGO_RUST_DIGITS  19


static cargo_rc_t cargo_fields_copy_feature(const cargo_json_place_t *place,
    const char *name, json_t *features);
static int cargo_fields_order(const void *a, const void *b);
static cargo_rc_t cargo_fields_check_url(json_t *release, const char *name,
    cargo_error_t *error);
static int cargo_fields_git_url(const char *url);
static cargo_rc_t cargo_fields_check_keywords(const json_t *keywords,
    cargo_error_t *error);
static int cargo_fields_keyword_valid(cargo_str_t keyword);
static int cargo_fields_alnum(unsigned char c);
static int cargo_fields_rust_version_valid(cargo_str_t version);


cargo_rc_t
cargo_fields_copy(const cargo_json_place_t *place, const cargo_field_t *fields,
    json_t *release)
{
    json_t      *value;
    cargo_rc_t   rc;

    for ( /* void */ ; fields->name; fields++) {

        switch (fields->type) {

        case CARGO_FIELD_REQUIRED:
            rc = cargo_json_required(place, fields->source, &value);
            break;

        case CARGO_FIELD_STRING:
            rc = cargo_json_string(place, fields->source, &value);
            break;

        default:
            rc = cargo_json_strings(place, fields->source, &value);
            break;
        }

        if (rc != CARGO_OK) {
            return rc;
        }

        if (value) {
            json_incref(value);

        } else {
            value = (fields->type == CARGO_FIELD_STRINGS) ? json_array()
                                                          : json_null();
        }

        rc = cargo_json_put(release, fields->name, value);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_fields_copy_features(cargo_arena_t *arena,
    const cargo_json_place_t *place, json_t *release)
{
    size_t               i, n;
    json_t              *source, *features, *values;
    const char         **names, *name;
    cargo_rc_t           rc;
    cargo_json_place_t   inner;

    features = json_object();

    rc = cargo_json_put(release, "features", features);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_object(place, "features", &source);
    if (rc != CARGO_OK || source == NULL) {
        return rc;
    }

    names = cargo_arena_alloc(arena, (json_object_size(source) + 1)
                                     * sizeof(char *));
    if (names == NULL) {
        return CARGO_NO_MEMORY;
    }

    n = 0;

    json_object_foreach (source, name, values) {
        names[n++] = name;
    }

    qsort(names, n, sizeof(char *), cargo_fields_order);

    inner = *place;
    inner.path = "features.";
    inner.object = source;

    for (i = 0; i < n; i++) {
        rc = cargo_fields_copy_feature(&inner, names[i], features);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return CARGO_OK;
}


cargo_rc_t
cargo_fields_check(json_t *release, const char *prefix, cargo_error_t *error)
{
    size_t            i;
    cargo_rc_t        rc;
    cargo_str_t       text;
    cargo_version_t   version;

    static const char *const  urls[] = { "homepage", "documentation",
                                         "repository" };

    text = cargo_json_text(json_object_get(release, "name"));

    rc = cargo_name_check_crate(text, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    text = cargo_json_text(json_object_get(release, "vers"));

    rc = cargo_version_parse(text, &version, error);
    if (rc != CARGO_OK) {
        return rc;
    }

    for (i = 0; i < sizeof(urls) / sizeof(urls[0]); i++) {
        rc = cargo_fields_check_url(release, urls[i], error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    text = cargo_json_text(json_object_get(release, "rust_version"));

    if (text.data && !cargo_fields_rust_version_valid(text)) {
        return cargo_refuse(error, 400, "%sinvalid `rust-version` value `"
                            CARGO_STR_FMT "`, expected a version like 1.70",
                            prefix, cargo_str_arg(text));
    }

    return cargo_fields_check_keywords(json_object_get(release, "keywords"),
                                       error);
}


static cargo_rc_t
cargo_fields_copy_feature(const cargo_json_place_t *place, const char *name,
    json_t *features)
{
    size_t         i;
    json_t        *values, *value;
    cargo_rc_t     rc;
    cargo_str_t    text;

    text.data = (unsigned char *) (uintptr_t) name;
    text.len = strlen(name);

    rc = cargo_name_check_feature(text, place->error);
    if (rc != CARGO_OK) {
        return rc;
    }

    rc = cargo_json_strings(place, name, &values);
    if (rc != CARGO_OK) {
        return rc;
    }

    if (values == NULL) {
        return cargo_json_mistyped(place, name, json_null(),
                                   "an array of strings");
    }

    json_array_foreach (values, i, value) {
        rc = cargo_name_check_feature_value(cargo_json_text(value),
                                            place->error);
        if (rc != CARGO_OK) {
            return rc;
        }
    }

    return cargo_json_put(features, name, json_incref(values));
}


static int
cargo_fields_order(const void *a, const void *b)
{
    return strcmp(*(const char *const *) a, *(const char *const *) b);
}


/* an URL that is set to "" is one that is not set */

static cargo_rc_t
cargo_fields_check_url(json_t *release, const char *name, cargo_error_t *error)
{
    size_t       scheme;
    cargo_str_t  url;

    url = cargo_json_text(json_object_get(release, name));

    if (url.data == NULL) {
        return CARGO_OK;
    }

    if (url.len == 0) {
        return cargo_json_put(release, name, json_null());
    }

    /* both end in NUL */

    if (strncmp((char *) url.data, "http://", 7) == 0) {
        scheme = 7;

    } else if (strncmp((char *) url.data, "https://", 8) == 0) {
        scheme = 8;

    } else if (strcmp(name, "repository") == 0
               && cargo_fields_git_url((char *) url.data))
    {
        return CARGO_OK;

    } else {
        return cargo_refuse(error, 400, "URL for field `%s` must begin with "
                            "http:// or https:// (url: " CARGO_STR_FMT ")",
                            name, cargo_str_arg(url));
    }

    if (url.data[scheme] <= ' ' || strchr("/?#:@", url.data[scheme])) {
        return cargo_refuse(error, 400, "`%s` is not a valid url: `"
                            CARGO_STR_FMT "`", name, cargo_str_arg(url));
    }

    return CARGO_OK;
}


/*
 * The sources of private crates are seldom on the web: git's own forms of an
 * URL, and "user@host:path".
 */

static int
cargo_fields_git_url(const char *url)
{
    size_t              i, user, host;
    static const char  *schemes[] = { "ssh://", "git://", "git+ssh://" };

    for (i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        if (strncmp(url, schemes[i], strlen(schemes[i])) == 0) {
            return url[strlen(schemes[i])] > ' ';
        }
    }

    user = strcspn(url, "@:/ ");
    host = (url[user] == '@') ? strcspn(url + user + 1, ":/ ") : 0;

    return user && host
           && url[user + 1 + host] == ':'
           && url[user + 2 + host] > ' ';
}


static cargo_rc_t
cargo_fields_check_keywords(const json_t *keywords, cargo_error_t *error)
{
    size_t        i;
    json_t       *keyword;
    cargo_str_t   text;

    json_array_foreach (keywords, i, keyword) {

        text = cargo_json_text(keyword);

        if (text.len > CARGO_KEYWORD_MAX) {
            return cargo_refuse(error, 400, "\"" CARGO_STR_FMT "\" is an "
                                "invalid keyword (keywords must have less "
                                "than %u characters)", cargo_str_arg(text),
                                CARGO_KEYWORD_MAX);
        }

        if (!cargo_fields_keyword_valid(text)) {
            return cargo_refuse(error, 400, "\"" CARGO_STR_FMT "\" is an "
                                "invalid keyword; it must begin with a letter "
                                "or digit and hold only letters, digits, "
                                "`_`, `-` and `+`", cargo_str_arg(text));
        }
    }

    return CARGO_OK;
}


static int
cargo_fields_keyword_valid(cargo_str_t keyword)
{
    size_t         i;
    unsigned char  c;

    for (i = 0; i < keyword.len; i++) {

        c = keyword.data[i];

        if (!cargo_fields_alnum(c)
            && (i == 0 || (c != '_' && c != '-' && c != '+')))
        {
            return 0;
        }
    }

    return keyword.len != 0;
}


static int
cargo_fields_alnum(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z')
           || (c >= 'A' && c <= 'Z');
}


/* one to three numbers without leading zeros */

static int
cargo_fields_rust_version_valid(cargo_str_t version)
{
    size_t  i, first, parts;

    parts = 0;
    first = 0;

    for (i = 0; i <= version.len; i++) {

        if (i < version.len && version.data[i] != '.') {

            if (version.data[i] < '0' || version.data[i] > '9') {
                return 0;
            }

            continue;
        }

        if (i == first || i - first > CARGO_RUST_DIGITS
            || (version.data[first] == '0' && i - first > 1))
        {
            return 0;
        }

        parts++;
        first = i + 1;
    }

    return parts <= 3;
}
