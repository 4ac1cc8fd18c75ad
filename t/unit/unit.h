
/*
 * What the unit tests share: strings for the functions of core/, checks of
 * what they return, and memory that runs out when told to.
 *
 * Every file of core/ has to pass unit_each_failure(): the case runs with
 * the first allocation failing, then the second, and so on, until it runs
 * with none failing.  Allocations of the arena and of jansson count in one
 * sequence, so a case may use both freely.
 *
 *     static cargo_rc_t
 *     split_out_of_memory(cargo_arena_t *arena, void *data)
 *     {
 *         cargo_rc_t     rc;
 *         json_t        *parts;
 *         cargo_error_t  error;
 *
 *         rc = cargo_split(arena, unit_str(data), &parts, &error);
 *
 *         if (rc == CARGO_OK) {
 *             json_decref(parts);
 *         }
 *
 *         return rc;
 *     }
 *
 *     unit_each_failure(split_out_of_memory, "a,b");
 *
 * Always true: after each run of a case nothing that it allocated is left,
 * and jansson's own allocator is back in place when unit_each_failure()
 * returns.
 */


#ifndef UNIT_H
#define UNIT_H


/* cmocka.h needs these before it */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <jansson.h>

#include "cargo_core.h"


#define unit_count(array)  (sizeof(array) / sizeof((array)[0]))


/*
 * Returns what the function under test returned.  Must not use cmocka's
 * assertions before it has given back what it holds: they jump out.
 */
typedef cargo_rc_t (*unit_case_pt)(cargo_arena_t *arena, void *data);


/*
 * Fails the test unless the case reports every failed allocation and ends in
 * CARGO_OK without one.  A failure in the arena must come back as
 * CARGO_NO_MEMORY; one in jansson may be CARGO_REFUSED too, since jansson
 * itself reports some of them as a syntax error.
 */
void unit_each_failure(unit_case_pt run, void *data);


/* borrows the text */
cargo_str_t unit_str(const char *text);

/*
 * A copy on the heap without a NUL and without a byte to spare, so that
 * AddressSanitizer and valgrind see what reads past the end.  Ends with
 * unit_free().
 */
cargo_str_t unit_exact(const void *data, size_t len);
void unit_free(cargo_str_t exact);

#define unit_assert_str(str, expected)                                        \
    unit_check_str(str, expected, __FILE__, __LINE__)

/* as compact text, members in their order */
#define unit_assert_json(value, expected)                                     \
    unit_check_json(value, expected, __FILE__, __LINE__)

/* status and the whole text of a refusal */
#define unit_assert_error(error, status, detail)                              \
    unit_check_error(error, status, detail, __FILE__, __LINE__)

void unit_check_str(cargo_str_t str, const char *expected, const char *file,
    int line);
void unit_check_json(const json_t *value, const char *expected,
    const char *file, int line);
void unit_check_error(const cargo_error_t *error, unsigned status,
    const char *detail, const char *file, int line);


#endif /* UNIT_H */
