
#include "unit.h"

#include <string.h>

#include "cargo_token.h"


/* the checksums were computed apart from this project, with Python's zlib */
#define TOKEN_A                                                               \
    "ngxcargo_" "0000000000000000" "0000000000000000" "4DxNKa"
#define TOKEN_B                                                               \
    "ngxcargo_" "0123456789ABCDEF" "GHIJKLMNOPQRSTUV" "0U2pVb"

#define HINT                                                                  \
    "; send the token alone, as cargo does, or as `Bearer <token>` "          \
    "or `Basic <base64 of user:token>`"

#define NO_TOKEN                                                              \
    "Invalid `Authorization` header: there is no token in it" HINT

#define OTHER_SCHEME                                                          \
    "Invalid `Authorization` header: Found unexpected authentication scheme"  \
    HINT

#define NOT_VISIBLE                                                           \
    "Invalid `Authorization` header: a token has no spaces and only "         \
    "visible ASCII characters" HINT

#define NOT_BASE64                                                            \
    "Invalid `Authorization` header: what follows `Basic` is not base64" HINT

#define NO_PASSWORD                                                           \
    "Invalid `Authorization` header: there is no token after `user:` in it"   \
    HINT


typedef struct {
    const char     *header;
    const char     *token;      /* NULL: refused */
    const char     *detail;
} header_case_t;


static void test_generate(void **state);
static void test_generate_spread(void **state);
static void test_wellformed(void **state);
static void test_wellformed_changed(void **state);
static void test_hash(void **state);
static void test_authorization(void **state);
static void test_authorization_bytes(void **state);
static void test_authorization_slice(void **state);
static void test_authorization_silent(void **state);
static void test_authorization_out_of_memory(void **state);
static cargo_rc_t read_header(cargo_arena_t *arena, void *data);


static const header_case_t  header_cases[] = {
    { "token", "token", NULL },
    { TOKEN_A, TOKEN_A, NULL },
    { "  token\t ", "token", NULL },
    { "!~", "!~", NULL },
    { "Basically", "Basically", NULL },

    { "Bearer token", "token", NULL },
    { "bearer token", "token", NULL },
    { "BEARER \t token ", "token", NULL },
    { "Bearer\ttoken", "token", NULL },
    { "Bearer Bearer", "Bearer", NULL },

    { "Basic dTp0", "t", NULL },
    { "basic dTp0", "t", NULL },
    { "BASIC  dTp0 ", "t", NULL },
    { "Basic dXNlcjp0b2tlbg==", "token", NULL },
    { "Basic dXNlcjp0b2tlbjE=", "token1", NULL },
    { "Basic dXNlcjp0b2tlbjEy", "token12", NULL },
    { "Basic OnRva2Vu", "token", NULL },
    { "Basic dXNlcjphOmI=", "a:b", NULL },
    { "Basic w6Q6dG9rZW4=", "token", NULL },

    { "", NULL, NO_TOKEN },
    { " \t", NULL, NO_TOKEN },
    { "Bearer", NULL, NO_TOKEN },
    { "bearer  ", NULL, NO_TOKEN },
    { "Basic", NULL, NO_TOKEN },
    { "Basic ", NULL, NO_TOKEN },

    { "Digest abc", NULL, OTHER_SCHEME },
    { "Bearerx token", NULL, OTHER_SCHEME },
    { "token token", NULL, OTHER_SCHEME },
    { "Bea\x12" "er token", NULL, OTHER_SCHEME },

    { "Bearer two words", NULL, NOT_VISIBLE },
    { "Basic dTp0 dTp0", NULL, NOT_VISIBLE },
    { "t\xc3\xb6ken", NULL, NOT_VISIBLE },
    { "Bearer t\x7f", NULL, NOT_VISIBLE },
    { "tok\x01" "en", NULL, NOT_VISIBLE },
    { "tok\nen", NULL, NOT_VISIBLE },
    { "Basic dXNlcjpwIHA=", NULL, NOT_VISIBLE },
    { "Basic dXNlcjrDtg==", NULL, NOT_VISIBLE },
    { "Basic dXNlcjoK", NULL, NOT_VISIBLE },

    { "Basic user:token", NULL, NOT_BASE64 },
    { "Basic dTp", NULL, NOT_BASE64 },
    { "Basic dXNlcjp0b2tlbg", NULL, NOT_BASE64 },
    { "Basic dXNlcjp0b2tlbg=", NULL, NOT_BASE64 },
    { "Basic dXNl=jp0", NULL, NOT_BASE64 },
    { "Basic dTp0====", NULL, NOT_BASE64 },
    { "Basic d===", NULL, NOT_BASE64 },
    { "Basic ====", NULL, NOT_BASE64 },
    { "Basic dXNlcjp0b2tl-b__", NULL, NOT_BASE64 },
    { "Basic dTp0-bbb", NULL, NOT_BASE64 },

    { "Basic dG9rZW4=", NULL, NO_PASSWORD },
    { "Basic dXNlcjo=", NULL, NO_PASSWORD },
    { "Basic Og==", NULL, NO_PASSWORD }
};


int
main(void)
{
    const struct CMUnitTest  tests[] = {
        cmocka_unit_test(test_generate),
        cmocka_unit_test(test_generate_spread),
        cmocka_unit_test(test_wellformed),
        cmocka_unit_test(test_wellformed_changed),
        cmocka_unit_test(test_hash),
        cmocka_unit_test(test_authorization),
        cmocka_unit_test(test_authorization_bytes),
        cmocka_unit_test(test_authorization_slice),
        cmocka_unit_test(test_authorization_silent),
        cmocka_unit_test(test_authorization_out_of_memory)
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}


static void
test_generate(void **state)
{
    int   i;
    char  token[CARGO_TOKEN_LEN + 1], before[CARGO_TOKEN_LEN + 1];

    (void) state;

    memset(before, 0, sizeof(before));

    for (i = 0; i < 200; i++) {
        memset(token, '?', sizeof(token));

        assert_int_equal(cargo_token_generate(token), 0);
        assert_int_equal(strlen(token), CARGO_TOKEN_LEN);
        assert_true(cargo_token_wellformed(unit_str(token)));
        assert_string_not_equal(token, before);

        memcpy(before, token, sizeof(token));
    }
}


/*
 * 64000 characters, 1032 of each expected: a fair generator leaves the
 * bounds, six standard deviations away, about once in ten million runs; one
 * without rejection would give each of the first eight about 1250.
 */

static void
test_generate_spread(void **state)
{
    char         token[CARGO_TOKEN_LEN + 1];
    size_t       i, j;
    unsigned     seen[256] = { 0 };
    const char  *c;

    (void) state;

    for (i = 0; i < 2000; i++) {
        assert_int_equal(cargo_token_generate(token), 0);

        for (j = 0; j < 32; j++) {
            seen[(unsigned char) token[strlen(CARGO_TOKEN_PREFIX) + j]]++;
        }
    }

    for (c = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ"
             "abcdefghijklmnopqrstuvwxyz"; *c; c++)
    {
        assert_in_range(seen[(unsigned char) *c], 1032 - 192, 1032 + 192);
    }
}


static void
test_wellformed(void **state)
{
    cargo_str_t  none = { 0, NULL };

    (void) state;

    assert_true(cargo_token_wellformed(unit_str(TOKEN_A)));
    assert_true(cargo_token_wellformed(unit_str(TOKEN_B)));

    assert_false(cargo_token_wellformed(none));
    assert_false(cargo_token_wellformed(unit_str("token")));
    assert_false(cargo_token_wellformed(unit_str(CARGO_TOKEN_PREFIX)));
    assert_false(cargo_token_wellformed(unit_str(TOKEN_A "0")));
    assert_false(cargo_token_wellformed(unit_str("x" TOKEN_A)));
    assert_false(cargo_token_wellformed(unit_str(&TOKEN_A[1])));
}


/* CRC-32 notices any change of a single byte */

static void
test_wellformed_changed(void **state)
{
    size_t       at;
    unsigned     c;
    cargo_str_t  token;

    (void) state;

    token = unit_exact(TOKEN_B, strlen(TOKEN_B));

    for (at = 0; at < token.len; at++) {
        for (c = 0; c < 256; c++) {
            token.data[at] = (unsigned char) c;

            assert_int_equal(cargo_token_wellformed(token),
                             c == (unsigned char) TOKEN_B[at]);
        }

        token.data[at] = (unsigned char) TOKEN_B[at];
    }

    unit_free(token);
}


static void
test_hash(void **state)
{
    unsigned char  hash[CARGO_TOKEN_HASH];

    /* the one-block message of FIPS 180-2, appendix B.1 */
    static const unsigned char  abc[CARGO_TOKEN_HASH] = {
        0xba, 0x78, 0x16, 0xbf, 0x8f, 0x01, 0xcf, 0xea,
        0x41, 0x41, 0x40, 0xde, 0x5d, 0xae, 0x22, 0x23,
        0xb0, 0x03, 0x61, 0xa3, 0x96, 0x17, 0x7a, 0x9c,
        0xb4, 0x10, 0xff, 0x61, 0xf2, 0x00, 0x15, 0xad
    };

    (void) state;

    assert_int_equal(cargo_token_hash(unit_str("abc"), hash), 0);
    assert_memory_equal(hash, abc, CARGO_TOKEN_HASH);
}


static void
test_authorization(void **state)
{
    size_t                i;
    cargo_rc_t            rc;
    cargo_str_t           header, token;
    cargo_arena_t        *arena;
    cargo_error_t         error;
    const header_case_t  *c;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(header_cases); i++) {
        c = &header_cases[i];
        header = unit_exact(c->header, strlen(c->header));

        rc = cargo_token_of_authorization(arena, header, &token, &error);

        if (rc != (c->token ? CARGO_OK : CARGO_REFUSED)) {
            fail_msg("\"%s\": %d", c->header, (int) rc);
        }

        if (rc == CARGO_OK) {
            unit_assert_str(token, c->token);

        } else {
            unit_assert_error(&error, 401, c->detail);
        }

        unit_free(header);
    }

    cargo_arena_destroy(arena);
}


static void
test_authorization_bytes(void **state)
{
    unsigned        c;
    cargo_rc_t      rc;
    cargo_str_t     header, token;
    unsigned char   text[] = "to.ken";
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (c = 0; c < 256; c++) {
        text[2] = (unsigned char) c;

        header = unit_exact(text, 6);
        rc = cargo_token_of_authorization(arena, header, &token, &error);
        unit_free(header);

        assert_int_equal(rc, (c > 0x20 && c < 0x7f) ? CARGO_OK
                                                    : CARGO_REFUSED);
    }

    cargo_arena_destroy(arena);
}


static void
test_authorization_slice(void **state)
{
    cargo_str_t     header, token;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    header = unit_str("Bearer token");

    assert_int_equal(cargo_token_of_authorization(arena, header, &token,
                                                  &error),
                     CARGO_OK);
    assert_ptr_equal(token.data, header.data + 7);

    cargo_arena_destroy(arena);
}


/* whatever a mistaken header holds, it does not get into a log */

static void
test_authorization_silent(void **state)
{
    size_t          i;
    cargo_str_t     token;
    cargo_arena_t  *arena;
    cargo_error_t   error;

    static const char  *headers[] = {
        "s3cret x", "x s3cret", "Bearer s3cret x", "Bearer s3cret\x7f",
        "Basic s3cret", "s3cret\xff"
    };

    (void) state;

    arena = cargo_arena_create(NULL);
    assert_non_null(arena);

    for (i = 0; i < unit_count(headers); i++) {
        assert_int_equal(cargo_token_of_authorization(arena,
                                                      unit_str(headers[i]),
                                                      &token, &error),
                         CARGO_REFUSED);
        assert_null(strstr(error.detail, "s3cret"));
    }

    cargo_arena_destroy(arena);
}


static void
test_authorization_out_of_memory(void **state)
{
    char  header[] = "Basic dXNlcjp0b2tlbg==";

    (void) state;

    unit_each_failure(read_header, header);
}


static cargo_rc_t
read_header(cargo_arena_t *arena, void *data)
{
    cargo_str_t    token;
    cargo_error_t  error;

    return cargo_token_of_authorization(arena, unit_str(data), &token, &error);
}
