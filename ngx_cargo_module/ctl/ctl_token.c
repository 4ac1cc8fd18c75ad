
#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openssl/crypto.h>

#include "cargo_token.h"
#include "ctl_database.h"
#include "ctl_files.h"
#include "ctl_print.h"


#define CTL_DAY       (24 * 60 * 60)
#define CTL_DAYS_MAX  36500

/* "2027-01-31T00:00:00Z" and a NUL */
#define CTL_TIMESTAMP  21


static ctl_rc_t ctl_expires_parse(const char *text, char *timestamp);
static int ctl_expires_date(const char *text, time_t *when);
static ctl_rc_t ctl_token_store(ctl_t *ctl, const char *token,
    const char *expires, json_t **body);
static ctl_rc_t ctl_token_show(const ctl_t *ctl, const char *token,
    const char *expires, json_t *body);


ctl_rc_t
ctl_token_create(ctl_t *ctl)
{
    char       token[CARGO_TOKEN_LEN + 1], expires[CTL_TIMESTAMP];
    json_t    *body;
    ctl_rc_t   rc;

    if (ctl->name == NULL) {
        ctl_error("say with --name what the token is for, so that it can be "
                  "told from others later");
        return CTL_USAGE;
    }

    rc = ctl_expires_parse(ctl->expires, expires);

    if (rc == CTL_DONE) {
        rc = ctl_database_open(ctl);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    if (cargo_token_generate(token) != 0) {
        ctl_error("the system gave no random bytes, so no token was made");
        return CTL_FAILED;
    }

    rc = ctl_token_store(ctl, token, expires, &body);

    if (rc == CTL_DONE) {
        rc = ctl_token_show(ctl, token, expires, body);
        json_decref(body);
    }

    OPENSSL_cleanse(token, sizeof(token));

    return rc;
}


ctl_rc_t
ctl_token_list(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *values[1];

    static const ctl_column_t  columns[] = {
        { "id",           "ID",        CTL_TEXT },
        { "login",        "LOGIN",     CTL_TEXT },
        { "name",         "NAME",      CTL_TEXT },
        { "registry",     "REGISTRY",  CTL_TEXT },
        { "created_at",   "CREATED",   CTL_TIME },
        { "expires_at",   "EXPIRES",   CTL_TIME },
        { "last_used_at", "LAST USED", CTL_TIME },
        { "revoked_at",   "REVOKED",   CTL_TIME },
        { NULL, NULL, CTL_TEXT }
    };

    values[0] = ctl->noperands ? ctl->operands[0] : NULL;

    rc = ctl_database_open(ctl);

    if (rc == CTL_DONE) {
        rc = ctl_database_call(ctl, "list_tokens($1::text)", 1, values, &body);
    }

    if (rc != CTL_DONE) {
        return rc;
    }

    ctl_print_list(ctl, body, columns, "there are no tokens: make one with "
                   "`cargoctl token create`");
    json_decref(body);

    return CTL_DONE;
}


ctl_rc_t
ctl_token_revoke(ctl_t *ctl)
{
    json_t      *body;
    ctl_rc_t     rc;
    const char  *id, *values[1];

    id = ctl->operands[0];

    if (*id == '\0' || strlen(id) > 18 || id[strspn(id, "0123456789")]) {
        ctl_error("\"%s\" is not the ID of a token, which is a number: look "
                  "for it in `cargoctl token list`", id);
        return CTL_USAGE;
    }

    rc = ctl_database_open(ctl);
    if (rc != CTL_DONE) {
        return rc;
    }

    values[0] = id;

    rc = ctl_database_call(ctl, "revoke_token($1::bigint)", 1, values, &body);
    if (rc != CTL_DONE) {
        return rc;
    }

    ctl_say(ctl, "token %s is revoked and will be refused from now on", id);

    if (ctl->json) {
        ctl_print_json(body);
    }

    json_decref(body);

    return CTL_DONE;
}


/* "90d" from now, or the end of a day in UTC; timestamp is "" for never */

static ctl_rc_t
ctl_expires_parse(const char *text, char *timestamp)
{
    char       *end;
    time_t      when;
    struct tm   tm;

    timestamp[0] = '\0';

    if (text == NULL) {
        return CTL_DONE;
    }

    when = (time_t) strtol(text, &end, 10);

    if (text[0] >= '0' && text[0] <= '9' && strcmp(end, "d") == 0
        && when >= 1 && when <= CTL_DAYS_MAX)
    {
        when = time(NULL) + when * CTL_DAY;

    } else if (ctl_expires_date(text, &when) != 0) {
        ctl_error("\"%s\" is not an expiry: write days from now as in 90d "
                  "(at most %dd), or a date as in 2027-01-31", text,
                  CTL_DAYS_MAX);
        return CTL_USAGE;
    }

    if (when <= time(NULL)) {
        ctl_error("%s is past, and a token that has expired is of no use",
                  text);
        return CTL_USAGE;
    }

    if (gmtime_r(&when, &tm) == NULL
        || strftime(timestamp, CTL_TIMESTAMP, "%Y-%m-%dT%H:%M:%SZ", &tm) == 0)
    {
        ctl_error("%s is too far away", text);
        return CTL_USAGE;
    }

    return CTL_DONE;
}


static int
ctl_expires_date(const char *text, time_t *when)
{
    struct tm    tm;
    const char  *end;

    memset(&tm, 0, sizeof(struct tm));

    if (strlen(text) != sizeof("2027-01-31") - 1) {
        return -1;
    }

    end = strptime(text, "%Y-%m-%d", &tm);

    if (end == NULL || *end != '\0') {
        return -1;
    }

    *when = timegm(&tm);

    /* timegm() makes 31 February a day in March */

    if (gmtime_r(when, &tm) == NULL || tm.tm_mday != atoi(text + 8)) {
        return -1;
    }

    *when += CTL_DAY;

    return 0;
}


static ctl_rc_t
ctl_token_store(ctl_t *ctl, const char *token, const char *expires,
    json_t **body)
{
    char            hex[2 + 2 * CARGO_TOKEN_HASH + 1];
    cargo_str_t     text;
    const char     *values[5];
    unsigned char   hash[CARGO_TOKEN_HASH];

    text.len = CARGO_TOKEN_LEN;
    text.data = (unsigned char *) token;

    if (cargo_token_hash(text, hash) != 0) {
        ctl_error("libcrypto cannot compute SHA-256, so no token was made");
        return CTL_FAILED;
    }

    /* the text form of a bytea */
    memcpy(hex, "\\x", 2);
    ctl_hex(hash, CARGO_TOKEN_HASH, hex + 2);

    values[0] = ctl->operands[0];
    values[1] = ctl->name;
    values[2] = hex;
    values[3] = ctl->registry;
    values[4] = *expires ? expires : NULL;

    return ctl_database_call(ctl, "create_token($1::text, $2::text,"
                             " $3::bytea, $4::text, $5::timestamptz)",
                             5, values, body);
}


/* the text alone on standard output, for $(cargoctl token create ...) */

static ctl_rc_t
ctl_token_show(const ctl_t *ctl, const char *token, const char *expires,
    json_t *body)
{
    long long  id;

    id = (long long) json_integer_value(json_object_get(body, "id"));

    ctl_note(ctl, "token %lld (\"%s\") of account `%s` for %s%s, %s%s; this is "
             "its text, shown only now: store it with `cargo login` or in the "
             "secrets of the CI", id, ctl->name, ctl->operands[0],
             ctl->registry ? "registry " : "every registry of the account",
             ctl->registry ? ctl->registry : "",
             *expires ? "expires " : "never expires", expires);

    if (ctl->json) {
        json_object_set_new(body, "token", json_string(token));
        ctl_print_json(body);

    } else {
        (void) puts(token);
    }

    if (ctl_print_flush() == CTL_DONE) {
        return CTL_DONE;
    }

    ctl_error("the token was made but nobody has seen it: revoke it with "
              "`cargoctl token revoke %lld` and make another", id);

    return CTL_REFUSED;
}
