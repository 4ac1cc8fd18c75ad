
#include "snapshot.h"

#include <stdlib.h>
#include <string.h>


static int snapshot_append(void *data, const unsigned char *p, size_t len);
static int snapshot_pack(void *data, cargo_snapshot_entry_t *entry);


snapshot_file_t          snapshot_file;
unsigned char            snapshot_source[CARGO_SNAPSHOT_SOURCE] = "a database";
cargo_snapshot_moment_t  snapshot_now = { 1000, 50, "boot" };
cargo_snapshot_loaded_t  snapshot_loaded;


static int
snapshot_append(void *data, const unsigned char *p, size_t len)
{
    (void) data;

    if (snapshot_file.len + len > snapshot_file.fails_at) {
        return -1;
    }

    memcpy(snapshot_file.bytes + snapshot_file.len, p, len);
    snapshot_file.len += len;

    return 0;
}


int
snapshot_read(void *data, uint64_t offset, unsigned char *p, size_t len)
{
    (void) data;

    if (snapshot_file.reads_left == 0 || offset > snapshot_file.len
        || len > snapshot_file.len - offset)
    {
        return -1;
    }

    snapshot_file.reads_left--;
    memcpy(p, snapshot_file.bytes + offset, len);

    return 0;
}


static int
snapshot_pack(void *data, cargo_snapshot_entry_t *entry)
{
    (void) data;

    return snapshot_file.left_out == NULL
           || !cargo_str_equal(entry->key, unit_str(snapshot_file.left_out));
}


int
snapshot_unpack(void *data, cargo_snapshot_entry_t *entry,
    cargo_zone_key_t *key)
{
    (void) data;

    key->groups[0] = entry->key;

    return snapshot_file.left_out == NULL
           || !cargo_str_equal(entry->key, unit_str(snapshot_file.left_out));
}


cargo_rc_t
snapshot_try_save(void)
{
    cargo_rc_t                     rc;
    cargo_snapshot_seal_t          seal = { 7, 3, snapshot_now };
    const cargo_snapshot_writer_t  writer = { snapshot_append, snapshot_pack,
                                              NULL };

    snapshot_file.len = CARGO_SNAPSHOT_ENTRIES;
    memset(snapshot_file.bytes, 0, snapshot_file.len);

    rc = cargo_zone_save(&zone, 1, snapshot_source, &writer,
                         snapshot_file.bytes);

    cargo_snapshot_seal_write(&seal,
                              snapshot_file.bytes + CARGO_SNAPSHOT_HEADER);

    return rc;
}


void
snapshot_save(void)
{
    snapshot_file.fails_at = SNAPSHOT_FILE;
    snapshot_file.left_out = NULL;

    assert_int_equal(snapshot_try_save(), CARGO_OK);
}


cargo_rc_t
snapshot_load(void)
{
    const cargo_snapshot_reader_t  reader = { snapshot_read, snapshot_unpack,
                                              NULL, snapshot_file.len };

    snapshot_file.reads_left = UINT32_MAX;

    return cargo_zone_load(&zone, &snapshot_now, snapshot_source, &reader,
                           &snapshot_loaded);
}


void
snapshot_refused(const char *why)
{
    assert_int_equal(snapshot_load(), CARGO_REFUSED);
    assert_string_equal(snapshot_loaded.refused, why);
    assert_int_equal(zone_stats().stores, 0);
}


/* an empty zone in the place of the one there is */

void
snapshot_afresh(size_t size)
{
    free(zone_region);

    zone_size = (size + CARGO_ZONE_ALIGN - 1)
                & ~(size_t) (CARGO_ZONE_ALIGN - 1);
    zone_region = aligned_alloc(CARGO_ZONE_ALIGN, zone_size);
    assert_non_null(zone_region);

    memset(zone_region, 0xa5, zone_size);
    memset(zone_region, 0, sizeof(uint64_t));

    assert_int_equal(cargo_zone_create(&zone, zone_region, zone_size,
                                       zone_seed), 0);
}


void
snapshot_store_some(void)
{
    assert_int_equal(zone_store("none", 10, 0, 0), CARGO_OK);
    assert_int_equal(zone_store("short", 20, 100, 0), CARGO_OK);
    assert_int_equal(zone_store("both", 30, CARGO_ZONE_COPY, 900), CARGO_OK);
    assert_int_equal(zone_store("long", 40, CARGO_ZONE_COPY + 1, 5000),
                     CARGO_OK);
    assert_int_equal(zone_store("second", 50, 0, 1), CARGO_OK);
}


void
snapshot_check_some(void)
{
    assert_true(zone_has("none"));
    zone_check_body("short", 0, 100);
    zone_check_body("both", 0, CARGO_ZONE_COPY);
    zone_check_body("both", 1, 900);
    zone_check_body("long", 0, CARGO_ZONE_COPY + 1);
    zone_check_body("long", 1, 5000);
    zone_check_body("second", 1, 1);
    zone_assert_sound();
}
