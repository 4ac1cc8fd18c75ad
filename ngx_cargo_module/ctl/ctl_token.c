
#include "cargoctl.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openssl/crypto.h>

#include "cargo_token.h"
#include "ctl_database.h"
#include "ctl_files.h"
#include "ctl_print.h"
#include "ctl_time.h"


static ctl_rc_t ctl_token_store(ctl_t *ctl, const char *token,
    const char *expires, json_t **body);
static ctl_rc_t ctl_token_show(const ctl_t *ctl, const char *token,
    json_t *body);
static void ctl_token_describe(const ctl_t *ctl, long long id,
    const json_t *body);


ctl_rc_t
ctl_token_create(ctl_t *ctl)
{
    char       token[CARGO_TOKEN_LEN + 1], expires[CTL_TIMESTAMP];
    json_t    *body;
    ctl_rc_t   rc;

    rc = ctl_time_to_come(ctl->expires, expires);

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
        rc = ctl_token_show(ctl, token, body);
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
        { "id",              "ID",        CTL_TEXT },
        { "login",           "LOGIN",     CTL_TEXT },
        { "name",            "NAME",      CTL_TEXT },
        { "registry",        "REGISTRY",  CTL_ALL },
        { "endpoint_scopes", "SCOPES",    CTL_ALL },
        { "crate_scopes",    "CRATES",    CTL_ALL },
        { "created_at",      "CREATED",   CTL_TIME },
        { "expires_at",      "EXPIRES",   CTL_TIME },
        { "last_used_at",    "LAST USED", CTL_TIME },
        { "revoked_at",      "REVOKED",   CTL_TIME },
        { NULL, NULL, CTL_TEXT }
    };

    values[0] = ctl->noperands ? ctl->operands[0] : NULL;

    rc = ctl_database_call(ctl, "list_tokens($1::text)", 1, values, &body);
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

    values[0] = id;

    rc = ctl_database_call(ctl, "revoke_token($1::bigint)", 1, values, &body);

    if (rc == CTL_DONE) {
        ctl_answer(ctl, body, "token %s is revoked and will be refused from "
                   "now on", id);
    }

    return rc;
}


static ctl_rc_t
ctl_token_store(ctl_t *ctl, const char *token, const char *expires,
    json_t **body)
{
    char            hex[2 + 2 * CARGO_TOKEN_HASH + 1], *scopes, *crates;
    ctl_rc_t        rc;
    cargo_str_t     text;
    const char     *values[7];
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

    scopes = ctl_database_array(ctl->scopes.items, ctl->scopes.count, 1);
    crates = ctl_database_array(ctl->crates.items, ctl->crates.count, 1);

    values[0] = ctl->operands[0];
    values[1] = ctl->name;
    values[2] = hex;
    values[3] = ctl->registry;
    values[4] = *expires ? expires : NULL;
    values[5] = scopes;
    values[6] = crates;

    rc = ctl_database_call(ctl, "create_token($1::text, $2::text, $3::bytea,"
                           " $4::text, $5::timestamptz, $6::text[],"
                           " $7::text[])", 7, values, body);
    free(scopes);
    free(crates);

    return rc;
}


/* the text alone on standard output, for $(cargoctl token create ...) */

static ctl_rc_t
ctl_token_show(const ctl_t *ctl, const char *token, json_t *body)
{
    long long  id;

    id = (long long) json_integer_value(json_object_get(body, "id"));

    ctl_token_describe(ctl, id, body);

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


static void
ctl_token_describe(const ctl_t *ctl, long long id, const json_t *body)
{
    char        *scopes, *crates;
    const char  *expires;

    scopes = ctl_json_words(json_object_get(body, "endpoint_scopes"), ", ");
    crates = ctl_json_words(json_object_get(body, "crate_scopes"), ", ");
    expires = ctl_json_text(body, "expires_at");

    ctl_note(ctl, "token %lld (\"%s\") of account `%s` for %s%s, good for "
             "%s%s%s, %s%s; this is its text, shown only now: store it with "
             "`cargo login` or in the secrets of the CI", id, ctl->name,
             ctl->operands[0],
             ctl->registry ? "registry " : "every registry of the account",
             ctl->registry ? ctl->registry : "",
             *scopes ? scopes : "all that the account may do",
             *crates ? " with crates " : "", crates,
             *expires ? "expires " : "never expires", expires);

    if (*scopes && strstr(scopes, "read") == NULL) {
        ctl_note(ctl, "note: without the scope read it is of no use to cargo "
                 "in a private registry, whose index cargo reads before it "
                 "does anything else");
    }

    free(scopes);
    free(crates);
}
