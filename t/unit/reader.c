
#include "reader.h"


void
reader_reads_deps(reader_pt read, const reader_case_t *cases, size_t n)
{
    size_t          i;
    json_t         *release;
    cargo_error_t   error;

    for (i = 0; i < n; i++) {
        assert_int_equal(read(cases[i].text, &release, &error), CARGO_OK);
        unit_assert_json(json_object_get(release, "deps"), cases[i].expected);
        json_decref(release);
    }
}


void
reader_accepts(reader_pt read, const char *const *texts, size_t n)
{
    size_t          i;
    json_t         *release;
    cargo_error_t   error;

    for (i = 0; i < n; i++) {
        assert_int_equal(read(texts[i], &release, &error), CARGO_OK);
        json_decref(release);
    }
}


void
reader_refuses(reader_pt read, const reader_case_t *cases, size_t n)
{
    size_t          i;
    json_t         *release;
    cargo_error_t   error;

    for (i = 0; i < n; i++) {
        assert_int_equal(read(cases[i].text, &release, &error),
                         CARGO_REFUSED);
        unit_assert_error(&error, 400, cases[i].expected);
        assert_null(release);
    }
}
