
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>

#include "cargo_zone_private.h"
#include "cargo_zone_snapshot_private.h"


/*
 * The input is a file: loaded as it is, and with its sizes and checksums put
 * right, so that what lies behind them is reached.
 */


#define FILE_MAX  (512 * 1024)
#define ENTRIES   64            /* that a mended header may claim */


typedef struct {
    size_t          len;
    unsigned char   bytes[FILE_MAX];
} file_t;


static void check(const file_t *file);
static void check_again(void);
static void mend(file_t *file);
static void begin(cargo_zone_t *zone, void **region);
static cargo_rc_t load(cargo_zone_t *zone, const file_t *file,
    cargo_snapshot_loaded_t *loaded);
static int append(void *data, const unsigned char *p, size_t len);
static int read_file(void *data, uint64_t offset, unsigned char *p,
    size_t len);
static int pack(void *data, cargo_snapshot_entry_t *entry);
static int unpack(void *data, cargo_snapshot_entry_t *entry,
    cargo_zone_key_t *key);
static void ignore(void *mutex);


static const unsigned char            source[] = "whose they are..";
static const cargo_snapshot_moment_t  now = { 2000000000, 1000, "boot" };

static file_t                         input, saved;
static cargo_zone_t                   first, second;
static void                          *regions[2];


int
LLVMFuzzerTestOneInput(const unsigned char *data, size_t size)
{
    if (size > FILE_MAX / 2) {
        return 0;
    }

    if (size) {
        memcpy(input.bytes, data, size);
    }

    input.len = size;
    check(&input);

    if (size >= CARGO_SNAPSHOT_ENTRIES) {
        mend(&input);
        check(&input);
    }

    return 0;
}


static void
check(const file_t *file)
{
    cargo_rc_t               rc;
    cargo_snapshot_loaded_t  loaded;

    begin(&first, &regions[0]);

    rc = load(&first, file, &loaded);

    fuzz_check(rc == CARGO_OK || rc == CARGO_REFUSED);
    fuzz_check(cargo_zone_verify(&first) == NULL);

    if (rc == CARGO_REFUSED) {
        fuzz_check(loaded.refused && first.header->stats.stores == 0);
        return;
    }

    fuzz_check(loaded.age >= 0 && loaded.stored <= loaded.entries);
    fuzz_check(first.header->stats.entries <= loaded.stored);

    check_again();
}


/* what it has become is saved, and there again */

static void
check_again(void)
{
    size_t                   len;
    uint32_t                 position;
    unsigned char            key[CARGO_ZONE_KEY];
    cargo_zone_key_t         found;
    cargo_zone_value_t       a, b;
    cargo_snapshot_seal_t    seal = { 1, 0, now };
    cargo_snapshot_loaded_t  loaded;

    const cargo_snapshot_writer_t  writer = { append, pack, &saved };

    saved.len = CARGO_SNAPSHOT_ENTRIES;
    memset(saved.bytes, 0, saved.len);
    cargo_snapshot_seal_write(&seal, saved.bytes + CARGO_SNAPSHOT_HEADER);

    fuzz_check(cargo_zone_save(&first, 2000, source, &writer, saved.bytes)
               == CARGO_OK);

    begin(&second, &regions[1]);

    fuzz_check(load(&second, &saved, &loaded) == CARGO_OK);
    fuzz_check(cargo_zone_verify(&second) == NULL);
    fuzz_check(loaded.entries == first.header->stats.entries);

    position = 0;
    memset(&found, 0, sizeof(found));

    while (cargo_zone_walk(&first, &position, key, &len, &a) == CARGO_OK) {
        found.key.data = key;
        found.key.len = len;

        if (cargo_zone_peek(&second, &found, 2000, -1, NULL, &b)
            != CARGO_OK)
        {
            fuzz_check(second.header->stats.evictions > 0);
            continue;
        }

        fuzz_check(a.head_len == b.head_len
                   && memcmp(a.head, b.head, a.head_len) == 0);
        fuzz_check(memcmp(a.body_len, b.body_len, sizeof(a.body_len)) == 0);
    }
}


static void
mend(file_t *file)
{
    size_t                   i;
    unsigned char           *seal;
    cargo_snapshot_header_t  header;

    memcpy(header.source, source, sizeof(header.source));
    header.entries = file->bytes[0] % ENTRIES;
    header.length = file->len - CARGO_SNAPSHOT_ENTRIES;
    header.crc = cargo_snapshot_crc(0, file->bytes + CARGO_SNAPSHOT_ENTRIES,
                                    (size_t) header.length);

    cargo_snapshot_header_write(&header, file->bytes);

    for (i = 0; i < CARGO_SNAPSHOT_SEALS; i++) {
        seal = file->bytes + CARGO_SNAPSHOT_HEADER + i * CARGO_SNAPSHOT_SEAL;

        (void) cargo_snapshot_put(seal + CARGO_SNAPSHOT_SEAL - 4,
                                  cargo_snapshot_crc(0, seal,
                                                     CARGO_SNAPSHOT_SEAL - 4),
                                  4);
    }
}


static void
begin(cargo_zone_t *zone, void **region)
{
    size_t  size;

    size = (cargo_zone_size_min() + CARGO_ZONE_ALIGN - 1)
           & ~(size_t) (CARGO_ZONE_ALIGN - 1);

    if (*region == NULL) {
        *region = aligned_alloc(CARGO_ZONE_ALIGN, size);
        fuzz_check(*region != NULL);
    }

    memset(*region, 0, sizeof(uint64_t));
    memset(zone, 0, sizeof(cargo_zone_t));

    zone->lock = ignore;
    zone->unlock = ignore;

    fuzz_check(cargo_zone_create(zone, *region, size, source) == 0);
}


static cargo_rc_t
load(cargo_zone_t *zone, const file_t *file, cargo_snapshot_loaded_t *loaded)
{
    const cargo_snapshot_reader_t  reader = {
        read_file, unpack, (void *) (uintptr_t) file, file->len
    };

    return cargo_zone_load(zone, &now, source, &reader, loaded);
}


static int
append(void *data, const unsigned char *p, size_t len)
{
    file_t  *file = data;

    fuzz_check(len <= FILE_MAX - file->len);

    if (len) {
        memcpy(file->bytes + file->len, p, len);
    }

    file->len += len;

    return 0;
}


static int
read_file(void *data, uint64_t offset, unsigned char *p, size_t len)
{
    const file_t  *file = data;

    if (offset > file->len || len > file->len - offset) {
        return -1;
    }

    memcpy(p, file->bytes + offset, len);

    return 0;
}


static int
pack(void *data, cargo_snapshot_entry_t *entry)
{
    (void) data;
    (void) entry;

    return 1;
}


static int
unpack(void *data, cargo_snapshot_entry_t *entry, cargo_zone_key_t *key)
{
    (void) data;

    fuzz_check(entry->key.len <= CARGO_ZONE_KEY);

    key->groups[0] = entry->key;

    return 1;
}


static void
ignore(void *mutex)
{
    (void) mutex;
}
